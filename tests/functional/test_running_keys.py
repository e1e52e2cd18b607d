"""Signing keys under running workers: no restart, no disagreement, no half of a ring."""

import json
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest

from idp.infra.private_files import write_private_file
from idp.oidc.signer import generate
from tests.running import Running
from tests.running import eventually

MakeRunning = Callable[..., Running]


def name_for(running: Running, signs_from: datetime, alg: str) -> Path:
    keys = running.instance.settings.keys_path
    return keys / f"{signs_from:%Y-%m-%dT%H-%M-%SZ}.{alg}.pem"


def published(running: Running) -> set[str]:
    return {key["kid"] for key in json.loads(running.ask("GET", "/jwks").body)["keys"]}


def test_keys_added_on_disk_are_published_by_both_workers_without_a_restart(
    running: Running,
) -> None:
    before = published(running)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    write_private_file(name_for(running, tomorrow, "ES256"), generate("ES256"))
    time.sleep(1.1)

    seen = []
    for worker in running.workers():
        with running.only(worker):
            seen.append(published(running))

    assert seen[0] == seen[1]
    assert len(seen[0] - before) == 1


def test_a_key_signs_in_both_workers_from_its_instant_on(running: Running) -> None:
    person = running.instance.add_person(numero="1000007")
    service = running.add_service("rotation")
    # Time enough for both to see it before: a key that is first seen when it signs is a warning.
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=9)
    write_private_file(name_for(running, soon, "ES256"), generate("ES256"))

    def signed_by(worker: int) -> str:
        with running.only(worker):
            visitor = running.visitor()
            tokens = visitor.tokens(person, service)
            return str(visitor.read_token(tokens["id_token"])[0]["kid"])

    before = {signed_by(worker) for worker in running.workers()}
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 1.1)
    after = {signed_by(worker) for worker in running.workers()}

    assert len(before) == len(after) == 1
    assert before != after


@pytest.mark.parametrize("fault", ["garbage", "exposed", "misnamed", "gone"])
def test_a_broken_key_file_keeps_the_old_ring_and_readiness_says_so(
    running: Running, fault: str
) -> None:
    keys = running.instance.settings.keys_path
    before = published(running)
    person = running.instance.add_person(
        numero=f"20000{['garbage', 'exposed', 'misnamed', 'gone'].index(fault):02}"
    )
    service = running.add_service(f"keys-{fault}")
    path = name_for(running, datetime.now(UTC) + timedelta(days=9), "ES256")
    moved = keys.with_name("moved")
    if fault == "garbage":
        write_private_file(path, b"not a key")
    elif fault == "exposed":
        write_private_file(path, generate("ES256"))
        path.chmod(0o644)
    elif fault == "misnamed":
        path = keys / "new-key.pem"
        write_private_file(path, generate("ES256"))
    else:
        keys.rename(moved)
    try:
        time.sleep(1.1)
        for worker in running.workers():
            with running.only(worker):
                status, said = running.ready()
                assert status == 200
                assert said["keys"].startswith("warning: ")
                assert "/" not in said["keys"]
                assert said["redis"] == said["sql"] == "ok"
                assert published(running) == before
                assert running.visitor().tokens(person, service)
    finally:
        if fault == "gone":
            moved.rename(keys)
        else:
            path.unlink()
    eventually(lambda: running.ready()[1]["keys"] == "ok", seconds=5)
