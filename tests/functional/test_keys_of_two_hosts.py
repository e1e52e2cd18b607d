"""Two hosts, each with a data folder of its own and two workers, on one folder of keys."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from idp.infra.key_passphrase import generate_missing_passphrase
from tests.running import ROOT
from tests.running import Running
from tests.running import at_once
from tests.running import eventually

ALGS = ["ES256", "RS256"]


class Host:
    """One host: what runs on it, and somebody who signs in to a service of it."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.person = running.instance.add_person()
        self.service = running.add_service("rotation")
        running.start()
        self.workers = running.workers()

    def token(self) -> str:
        """Sign in with a browser of its own and take the ID token."""
        return str(self.running.visitor().tokens(self.person, self.service)["id_token"])

    def idp(self, *words: str) -> str:
        """Run the command on this host."""
        done = subprocess.run(
            [sys.executable, "-m", "idp", *words],
            env=self.running.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class CachedKeys:
    """A relying service's copy of the list, kept as long as its header says and no longer."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._keys = KeySet([])
        self._until = 0.0

    def verify(self, token: str) -> str:
        """Verify a token and name the key that signed it."""
        if time.monotonic() >= self._until:
            answer = self._host.running.ask("GET", "/jwks")
            age = re.fullmatch(r"public, max-age=([0-9]+)", answer.headers["Cache-Control"])
            assert age is not None
            self._keys = KeySet.import_key_set(json.loads(answer.body))
            self._until = time.monotonic() + int(age[1])
        return str(jwt.decode(token, self._keys, algorithms=ALGS).header["kid"])


@pytest.fixture
def hosts(make_running: Callable[..., Running], tmp_path: Path) -> list[Host]:
    passphrase = tmp_path / "secret" / "passphrase"
    generate_missing_passphrase(passphrase)
    shared = {"keys_dir": tmp_path / "shared", "keys_passphrase_file": passphrase}
    return [Host(make_running(jwks_max_age=2, **shared)) for _ in range(2)]


def test_a_rotation_on_two_hosts_fails_no_verification_and_restarts_nothing(
    hosts: list[Host],
) -> None:
    first = hosts[0]
    copies = [CachedKeys(host) for host in hosts]
    at_once([lambda host=host: host.idp("keys", "rotate") for host in hosts])  # type: ignore[misc] # a lambda of its own host
    assert "nothing is due before" in first.idp("keys", "rotate")
    files = first.running.instance.parts.key_files
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=8)
    files.add("ES256", soon)

    signed: dict[str, set[str]] = {"before": set(), "after": set()}
    verified = 0
    while datetime.now(UTC) < soon + timedelta(seconds=4):
        for host in hosts:
            began = datetime.now(UTC)
            token = host.token()
            ended = datetime.now(UTC)
            kids = {copy.verify(token) for copy in copies}
            verified += len(copies)
            if ended < soon:
                signed["before"] |= kids
            elif began > soon:
                signed["after"] |= kids
        time.sleep(0.3)
    assert verified > 8
    assert len(signed["before"]) == len(signed["after"]) == 1
    assert signed["before"].isdisjoint(signed["after"])
    assert [host.running.workers() for host in hosts] == [host.workers for host in hosts]


def test_a_key_that_is_revoked_on_one_host_signs_on_neither_within_a_second(
    hosts: list[Host],
) -> None:
    first = hosts[0]
    first.idp("keys", "rotate")
    time.sleep(1.1)
    copies = [CachedKeys(host) for host in hosts]
    leaked = {copies[0].verify(host.token()) for host in hosts}
    assert len(leaked) == 1

    first.idp("keys", "revoke", *leaked, "--reason", "a drill of ours", "--yes")
    time.sleep(1.1)

    # The copies are from before: the key that took over was in them.
    following = {copy.verify(host.token()) for copy in copies for host in hosts}
    assert len(following) == 1
    assert following.isdisjoint(leaked)
    for host in hosts:
        for worker in host.workers:
            with host.running.only(worker):
                keys = json.loads(host.running.ask("GET", "/jwks").body)["keys"]
                assert leaked.isdisjoint(key["kid"] for key in keys)
    assert [host.running.workers() for host in hosts] == [host.workers for host in hosts]


def test_another_passphrase_is_taken_up_by_running_workers_and_by_those_that_start(
    hosts: list[Host],
) -> None:
    first, second = hosts
    first.idp("keys", "rotate")

    said = first.idp("keys", "rewrap", "--new")

    assert said.count("encrypted ") >= 4
    time.sleep(1.1)
    for host in hosts:
        assert host.running.ready()[1]["keys"] == "ok"
        assert host.token()
    second.running.stop()
    second.running.start()
    eventually(lambda: second.running.ready()[1]["keys"] == "ok")
    assert CachedKeys(first).verify(second.token())
