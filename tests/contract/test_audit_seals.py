"""The audit log as a chain, in memory and in both SQL stores."""

import threading
from contextlib import contextmanager
from contextlib import nullcontext
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import text
from sqlalchemy import update

from idp import StoreUnavailable
from idp.audit import Event
from idp.audit_sealing import Forgotten
from idp.audit_sealing import HeadFacts
from idp.audit_sealing import Sealing
from idp.audit_walk import FaultKind
from idp.audit_walk import Walk
from idp.infra import audit_seals
from idp.infra.audit import SqlAuditLog
from idp.infra.audit_seals import SqlAuditSeals
from idp.infra.sql import Database
from idp.infra.tables import AuditHeadRow
from idp.infra.tables import AuditRow
from idp.infra.tables import AuditSealRow
from tests.fake_audit_seals import MemoryAuditSeals
from tests.fake_audit_seals import PlainHeads
from tests.fake_audit_seals import row
from tests.fakes import MemoryAuditLog
from tests.schema import migrate

pytestmark = pytest.mark.stores

ROW = {
    "event": "sign_in.refused",
    "account_id": None,
    "client_id": "démo",
    "network": "192.0.2.0/24",
    "operator": "",
    "request_id": "r1",
    "detail": {"streak": 2, "cause": "wrong_password"},
}


class Log:
    """One chain over one log, in memory or real."""

    def __init__(self, desk, audit, transaction, clock, write, database=None):
        self.desk = desk
        self.transaction = transaction
        self.clock = clock
        self.write = write
        self.database = database
        self.keys = PlainHeads()
        self.sealing = Sealing(desk, self.keys, audit, transaction, clock)

    def seal(self):
        sealed = 0
        while batch := self.sealing.seal_next():
            sealed += batch
        return sealed

    def walk(self):
        with self.transaction():
            return Walk(self.desk, self.keys, now=self.clock()).run()

    def ask(self, name, *arguments):
        with self.transaction():
            return getattr(self.desk, name)(*arguments)


def opened(url, clock, request):
    migrate(url)
    context = Flask("audit").app_context()
    context.push()
    request.addfinalizer(context.pop)
    database = Database(context.app, url)
    request.addfinalizer(database.engine.dispose)

    def write(count=1, **facts):
        for _ in range(count):
            clock.advance(timedelta(seconds=1))
            with database.transaction():
                database.execute(insert(AuditRow), {"at": clock(), **ROW, **facts})

    audit = SqlAuditLog(database, clock)
    return Log(SqlAuditSeals(database), audit, database.transaction, clock, write, database)


def in_memory(clock):
    desk = MemoryAuditSeals()

    def write(count=1, **facts):
        for _ in range(count):
            clock.advance(timedelta(seconds=1))
            number = max((kept.id for kept in desk.log), default=0) + 1
            desk.log.append(row(number, clock(), **{**ROW, **facts}))

    return Log(desk, MemoryAuditLog(), nullcontext, clock, write)


@pytest.fixture
def sql_log(sql_url, clock, request):
    return opened(sql_url, clock, request)


@pytest.fixture
def postgres_log(postgres_url, clock, request):
    return opened(postgres_url, clock, request)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request, clock):
    if request.param == "memory":
        return in_memory(clock)
    return opened(request.getfixturevalue(f"{request.param}_url"), clock, request)


def test_what_is_sealed_is_found_as_it_was_written(log):
    log.write(5)
    sealed = log.seal()
    log.write(2)
    log.seal()

    verdict = log.walk()

    assert sealed == 5
    assert (verdict.faults, verdict.seals, verdict.rows) == ({}, 2, 7)
    assert log.ask("last").number == 2


def test_every_store_hashes_the_same_bytes(log):
    log.clock.at = datetime(2026, 12, 1, 12, 59, 59, 5, tzinfo=UTC)
    log.write()

    log.seal()

    assert log.ask("last").hash == (
        "e1cfcebdac3e89fc6370ce354b2938e7a12dbccc6773ba032881b55415983edb"
    )


def test_instants_of_any_zone_and_text_of_any_script_come_back_the_same(log):
    log.write(detail={"b": "œ\u2028\x7f\U0001f511", "a": 2**53, "c": 'quo"te\\'}, operator="Zoë")

    log.seal()

    assert log.walk().faults == {}


def test_a_seal_whose_number_is_taken_is_not_added(log):
    log.write()
    log.seal()
    taken = log.ask("last")

    assert log.ask("add", taken, b"") is False
    assert log.ask("marks", 1) != b""
    assert log.ask("marks", 2) is None


def test_seals_are_found_by_number_and_by_day(log):
    for _ in range(3):
        log.write()
        log.seal()
        log.clock.advance(timedelta(days=2))
    first, second, third = log.ask("seals", 0)

    assert log.ask("first_above", 1) == second
    assert log.ask("first_above", 3) is None
    assert log.ask("last_of", first.day + timedelta(days=1)) == first
    assert log.ask("last_of", first.day - timedelta(days=1)) is None
    assert log.ask("last_of", third.day) == third


def test_heads_are_kept_in_order_and_one_of_a_number(log):
    day = log.clock().date()
    first, second = (
        log.keys.sign(HeadFacts(number, day, number, "h" * 64, "p" * 64, vouches=True))
        for number in (1, 2)
    )

    added = [log.ask("add_head", head) for head in (first, second, second)]

    assert added == [True, True, False]
    assert log.ask("heads") == [first, second]
    assert log.ask("newest_head") == second


def test_the_oldest_rows_go_by_whole_seals_and_the_seals_stay(log):
    for _ in range(3):
        log.write(2)
        log.seal()
        log.clock.advance(timedelta(days=100))

    before = log.clock() - timedelta(days=150)
    with log.transaction():
        gone = log.desk.forget(before)
        again = log.desk.forget(before)

    assert (gone, again) == (Forgotten(seal=2, events=4), None)
    assert [kept.number for kept in log.ask("seals", 0)] == [1, 2, 3]
    assert [log.ask("marks", number) is None for number in (1, 2, 3)] == [True, True, False]


def test_rows_that_no_seal_closes_are_never_removed(log):
    log.write(3)

    assert log.ask("forget", log.clock() + timedelta(days=999)) is None


def test_removal_by_age_is_told_in_the_log_and_the_rest_stays_proven(sql_log):
    sql_log.write(2)
    sql_log.seal()
    sql_log.clock.advance(timedelta(days=400))
    sql_log.write()
    sql_log.seal()

    with sql_log.transaction():
        gone = sql_log.sealing.forget(sql_log.clock() - timedelta(days=365))
    sql_log.seal()

    verdict = sql_log.walk()
    assert gone == 2
    assert (verdict.forgotten, verdict.rows) == (1, 2)
    assert FaultKind.REMOVED not in verdict.faults


def test_a_removal_that_dies_before_its_end_removes_nothing(sql_log):
    sql_log.write(2)
    sql_log.seal()

    def die():
        with sql_log.transaction():
            sql_log.sealing.forget(sql_log.clock() + timedelta(days=1))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        die()

    assert sql_log.walk().faults == {}


def test_the_id_of_a_row_that_was_removed_is_never_given_again(sql_log):
    sql_log.write(2)
    sql_log.seal()
    sql_log.ask("forget", sql_log.clock() + timedelta(days=1))

    sql_log.write()

    assert (sql_log.seal(), sql_log.ask("last").first_id) == (1, 3)


def test_several_workers_at_once_seal_each_row_once(sql_log):
    sql_log.write(40, event="sign_in.succeeded")
    failures = []
    context = Flask("worker")

    def work():
        try:
            with context.app_context():
                sealing = Sealing(
                    sql_log.desk,
                    sql_log.keys,
                    MemoryAuditLog(),
                    sql_log.database.transaction,
                    sql_log.clock,
                )
                for _ in range(20):
                    sealing.seal_next()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sql_log.seal()

    verdict = sql_log.walk()
    assert failures == []
    assert (verdict.faults, verdict.rows, verdict.unsealed) == ({}, 40, 0)


@contextmanager
def open_writer(log, **facts):
    """A transaction that has written a row, and commits when it is left."""
    with log.database.engine.connect() as connection:
        connection.execute(insert(AuditRow), {"at": log.clock(), **ROW, **facts})
        yield connection
        connection.commit()


def test_a_row_committed_after_one_with_a_higher_id_is_sealed_and_in_its_place(
    postgres_log, monkeypatch
):
    monkeypatch.setattr(audit_seals, "LONGEST_WAIT", 0.1)
    with open_writer(postgres_log):  # has id 1, and nobody sees it yet
        postgres_log.write()  # has id 2, and is committed
        while_open = postgres_log.sealing.seal_next()

    sealed = postgres_log.seal()

    assert (while_open, sealed) == (0, 2)
    seal = postgres_log.ask("last")
    assert (seal.number, seal.first_id, seal.last_id) == (1, 1, 2)
    assert postgres_log.walk().faults == {}


def test_a_writer_that_comes_while_another_is_waited_for_is_not_waited_for(
    postgres_log, monkeypatch
):
    monkeypatch.setattr(audit_seals, "LONGEST_WAIT", 30)
    postgres_log.write()
    first, second = open_writer(postgres_log), open_writer(postgres_log)
    first.__enter__()
    between_looks = [second.__enter__, lambda: first.__exit__(None, None, None), lambda: None]

    class Watched(SqlAuditSeals):
        def _writers(self):
            found = super()._writers()
            between_looks.pop(0)()
            return found

    with postgres_log.transaction():
        settled = Watched(postgres_log.database).settled()
    second.__exit__(None, None, None)

    assert (settled, between_looks) == (1, [])
    assert postgres_log.seal() == 3


def test_no_writer_waits_for_the_sealer(postgres_log):
    postgres_log.write(3)
    with postgres_log.transaction():
        postgres_log.desk.settled()
        last = postgres_log.desk.batch(None, 3, 10)
        with postgres_log.database.engine.connect() as other:
            other.execute(text("SET LOCAL lock_timeout = '1ms'"))
            other.execute(insert(AuditRow), {"at": postgres_log.clock(), **ROW})
            other.commit()

    assert len(last) == 3


@pytest.mark.parametrize("table", [AuditRow, AuditSealRow, AuditHeadRow])
def test_postgresql_refuses_to_change_what_was_written(postgres_log, table):
    name = next(iter(table.__table__.primary_key)).name

    with pytest.raises(StoreUnavailable, match="GRANT"), postgres_log.transaction():
        postgres_log.database.execute(update(table).values({name: 7}))


def tampered(log, statement, parameters=None):
    """What somebody does who owns the database."""
    with log.database.engine.begin() as connection:
        if not log.database.is_sqlite:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(statement, parameters or {})


BAD_HANDS = {
    "changed": update(AuditRow).where(AuditRow.id == 2).values(operator="nobody"),
    "null for empty": update(AuditRow).where(AuditRow.id == 2).values(account_id=""),
    "microsecond": text(
        "UPDATE audit_events SET at = '2026-11-24 12:00:02.000001+00:00' WHERE id = 2"
    ),
    "no json": update(AuditRow).where(AuditRow.id == 2).values(detail=["a list"]),
}


@pytest.mark.parametrize("hand", BAD_HANDS)
def test_a_row_that_somebody_changed_is_named(sql_log, hand):
    sql_log.write(3)
    sql_log.seal()
    tampered(sql_log, BAD_HANDS[hand])

    assert sql_log.walk().faults[FaultKind.CHANGED].startswith("row 2, in seal 1 ")


def test_a_row_that_somebody_removed_or_inserted_is_named(sql_log):
    sql_log.write(3)
    sql_log.seal()
    tampered(sql_log, delete(AuditRow).where(AuditRow.id == 2))
    tampered(sql_log, insert(AuditRow), {"id": -4, "at": sql_log.clock(), **ROW})

    faults = sql_log.walk().faults

    assert faults[FaultKind.REMOVED].startswith("row 2, in seal 1 ")
    assert faults[FaultKind.INSERTED].startswith("row -4, in seal 1 ")


@pytest.mark.parametrize("at", ["infinity", "20000-01-01", "-infinity"])
def test_an_instant_that_python_cannot_hold_is_told_and_stops_nobody(postgres_log, at):
    postgres_log.write(2)
    postgres_log.seal()
    set_at = text("UPDATE audit_events SET at = CAST(:at AS timestamptz) WHERE id = 1")
    tampered(postgres_log, set_at, {"at": at})

    assert postgres_log.walk().faults[FaultKind.CHANGED].startswith("row 1, ")


STRANGE = {
    "at": text("UPDATE audit_events SET at = 'never' WHERE id = 1"),
    "detail": text("UPDATE audit_events SET detail = '{' WHERE id = 1"),
    "event": text("UPDATE audit_events SET event = x'ff' WHERE id = 1"),
}


@pytest.mark.parametrize("column", STRANGE)
def test_a_value_that_is_none_of_its_column_is_told_and_stops_nobody(
    sqlite_url, clock, request, column
):
    log = opened(sqlite_url, clock, request)
    log.write(2)
    log.seal()
    tampered(log, STRANGE[column])

    assert log.walk().faults[FaultKind.CHANGED].startswith("row 1, ")


def test_a_log_of_many_pages_is_walked(sql_log, monkeypatch):
    monkeypatch.setattr(audit_seals, "PAGE", 3)
    for _ in range(5):
        sql_log.write(4)
        sql_log.seal()

    verdict = sql_log.walk()

    assert (verdict.faults, verdict.seals, verdict.rows) == ({}, 5, 20)


def test_a_walk_reads_one_moment_while_the_worker_goes_on(sql_log, clock, request):
    sql_log.write(3)
    sql_log.seal()

    with sql_log.transaction():
        sql_log.desk.hold_still()
        first = len(list(sql_log.desk.rows()))
        with sql_log.database.engine.connect() as other:
            other.execute(insert(AuditRow), {"at": clock(), **ROW})
            other.commit()
        second = len(list(sql_log.desk.rows()))

    assert (first, second) == (3, 3)


def test_the_oldest_row_that_waits_for_its_seal_is_known(sql_log):
    nothing = sql_log.ask("oldest_unsealed_at")
    sql_log.write()
    sql_log.seal()
    sealed = sql_log.ask("oldest_unsealed_at")
    sql_log.write()
    waiting = sql_log.clock()
    sql_log.write()

    assert (nothing, sealed) == (None, None)
    assert sql_log.ask("oldest_unsealed_at") == waiting


def test_an_event_that_a_seal_closed_can_still_be_recorded_beside(sql_log):
    sql_log.write()
    sql_log.seal()
    with sql_log.transaction():
        SqlAuditLog(sql_log.database, sql_log.clock).record(Event.KEY_ADDED)

    assert sql_log.walk().unsealed == 1
