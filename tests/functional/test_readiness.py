"""``/readyz``: red when no sign-in would succeed, a warning when an operator should look."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from idp.probes import keys_probe
from idp.web.health import WARNING
from idp.wiring.services import build_services
from tests.instance import Instance
from tests.running import eventually

MakeInstance = Callable[..., Instance]


def ready(instance: Instance) -> tuple[int, dict[str, str]]:
    answer = instance.visitor().get("/readyz")
    return answer.status_code, answer.get_json()


def alter(instance: Instance, statement: str) -> None:
    with instance.parts.database.engine.begin() as connection:
        connection.execute(text(statement))


def test_a_broken_key_file_beside_a_ring_that_signs_is_a_warning_without_a_path(
    make_instance: MakeInstance,
) -> None:
    instance = make_instance()
    keys = instance.settings.keys_path
    (keys / "current.pem").touch(mode=0o600)
    time.sleep(1.1)

    status, said = ready(instance)

    assert status == 200
    assert said["keys"].startswith(f"{WARNING}current.pem: not named like")
    assert str(keys) not in said["keys"]


@pytest.mark.parametrize("missing", ["ES256", "RS256"])
def test_an_algorithm_that_no_key_signs_is_red(make_instance: MakeInstance, missing: str) -> None:
    left = {"ES256", "RS256"} - {missing}
    instance = make_instance(signing_algs=tuple(left))

    status, said = ready(instance)

    assert status == 503
    assert said["keys"].startswith(f"no {missing} key signs now")


def test_a_process_that_never_had_a_ring_is_red_and_names_the_file_alone(
    make_instance: MakeInstance,
) -> None:
    instance = make_instance()
    (instance.settings.keys_path / "current.pem").touch(mode=0o600)
    del instance.parts.key_files

    said = keys_probe(instance.parts, instance.services.keys.document)()

    assert said.startswith("current.pem: not named like")


def test_keys_that_sign_and_cannot_be_published_are_red_and_the_log_says_why(
    make_instance: MakeInstance, caplog: pytest.LogCaptureFixture
) -> None:
    def publish() -> None:
        raise ZeroDivisionError

    said = keys_probe(make_instance().parts, publish)()

    assert said == "they cannot be published; see the log"
    assert "ZeroDivisionError" in caplog.text


def test_a_database_that_was_never_migrated_is_red_until_it_is(
    make_instance: MakeInstance, caplog: pytest.LogCaptureFixture
) -> None:
    instance = make_instance()
    alter(instance, "ALTER TABLE alembic_version RENAME TO put_aside")

    with caplog.at_level(logging.WARNING):
        probe = build_services(instance.parts).probes["sql"]

    assert probe() == "schema is behind; run idp migrate"
    assert "schema is behind; run idp migrate" in caplog.text
    alter(instance, "ALTER TABLE put_aside RENAME TO alembic_version")
    eventually(lambda: probe() == "")


def test_a_schema_of_a_newer_version_is_a_warning(make_instance: MakeInstance) -> None:
    instance = make_instance()
    alter(instance, "UPDATE alembic_version SET version_num = 'newer'")

    said = build_services(instance.parts).probes["sql"]()

    assert said.startswith(f"{WARNING}the database is at revision newer")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"notes of the fund, not a database " * 40, "SQL: the file is no SQLite database")],
)
def test_a_file_that_is_no_database_is_told_in_a_sentence(
    make_instance: MakeInstance, content: bytes, told: str
) -> None:
    instance = make_instance(signing_algs=("ES256",))
    service = instance.add_service()
    instance.parts.database.engine.dispose()
    file = instance.parts.database.url.database
    assert file
    for left in ("-wal", "-shm"):
        Path(file + left).unlink(missing_ok=True)
    Path(file).write_bytes(content)

    assert build_services(instance.parts).probes["sql"]() == told
    assert ready(instance)[0] == 503
    assert instance.visitor().redeem(service, "A" * 43).status_code == 503
