"""The worker's part that seals: what it does by itself, and what operators read of it."""

import logging
from datetime import timedelta

import pytest
from sqlalchemy import update

from idp.infra.tables import AuditSealRow
from idp.sealer import Sealer
from tests.instance import Clock
from tests.instance import Instance


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
        if record.name == "idp.worker"
    ]


def rounds(instance: Instance, count: int) -> list[timedelta]:
    """Let the loop run so many rounds; gives how long it waited between them."""
    waited: list[timedelta] = []

    def wait(span: timedelta) -> None:
        waited.append(span)
        if len(waited) == count:
            sealer.stop()

    sealer = Sealer(instance.parts, wait=wait)
    sealer.run()
    return waited


def test_a_sign_in_is_sealed_within_a_minute_and_its_day_signed_after_midnight(
    instance: Instance, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "idp.worker")
    instance.visitor().sign_in(instance.add_person())

    waited = rounds(instance, 2)
    clock.advance(timedelta(days=1))
    rounds(instance, 2)

    assert waited == [timedelta(minutes=1)] * 2
    assert said(caplog) == ["INFO audit log: head 1 signed over seal 1"]


def test_a_chain_that_somebody_broke_is_an_error_in_the_log_and_sealing_goes_on(
    instance: Instance, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    instance.visitor().sign_in(instance.add_person())
    rounds(instance, 1)
    with instance.parts.database.engine.begin() as connection:
        connection.execute(update(AuditSealRow).values(rows_hash="0" * 64))
    clock.advance(timedelta(days=1))
    instance.visitor().sign_in(instance.add_person(numero="1000002"))

    sealed = Sealer(instance.parts).seal()

    assert sealed == 1
    assert said(caplog) == [
        "ERROR audit log: no head is signed: seal 1 does not continue the one before;"
        " run idp audit verify"
    ]


def test_without_a_key_rows_are_sealed_and_the_log_says_why_no_head_is_signed(
    instance: Instance, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    instance.visitor().sign_in(instance.add_person())
    clock.at -= timedelta(days=9)  # before the first key signs
    rounds(instance, 1)
    clock.advance(timedelta(days=1))

    Sealer(instance.parts).seal()

    (line,) = said(caplog)
    assert line.startswith("WARNING audit log: no head is signed: no RS256 key signs now")


def test_sql_away_the_sealer_waits_and_goes_on(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    with instance.parts.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_seals RENAME TO away")
    instance.visitor().sign_in(instance.add_person())

    rounds(instance, 1)
    with instance.parts.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO audit_seals")
    sealed = Sealer(instance.parts).seal()

    assert said(caplog) == ["WARNING sealing put off: SQL: OperationalError"]
    assert sealed == 1
