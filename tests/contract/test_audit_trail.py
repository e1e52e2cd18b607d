"""What the help desk reads back of the audit log, in memory and in both SQL stores."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert

from idp.audit import Actor
from idp.audit import Event
from idp.identity.audit_trail import BY_SUBJECT_SPAN
from idp.infra.audit import SqlAuditLog
from idp.infra.sql import Database
from idp.infra.tables import AuditRow
from tests.fakes import MemoryAuditLog
from tests.schema import migrate

pytestmark = pytest.mark.stores

ACCOUNT = "a" * 22
OTHER = "b" * 22
MINE, THEIRS = "5ub1ec7" * 4, "0ther" * 5


class Trail:
    """One audit log, in memory or real, under one clock."""

    def __init__(self, log, transaction, clock, database=None):
        self.log = log
        self.transaction = transaction
        self.clock = clock
        self.database = database

    def record(self, event, account_id=ACCOUNT, **what):
        self.clock.advance(timedelta(seconds=1))
        with self.transaction():
            self.log.record(event, account_id=account_id, **what)

    def read(self, limit=50):
        with self.transaction():
            return self.log.of_account(ACCOUNT, MINE, limit=limit)

    def words(self, limit=50):
        return [past.event for past in self.read(limit)]


def opened(url, clock, request):
    migrate(url)
    context = Flask("audit").app_context()
    context.push()
    request.addfinalizer(context.pop)
    database = Database(context.app, url)
    request.addfinalizer(database.engine.dispose)
    return Trail(SqlAuditLog(database, now=clock), database.transaction, clock, database)


@pytest.fixture
def sql_trail(sql_url, clock, request):
    return opened(sql_url, clock, request)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def trail(request, clock):
    if request.param == "memory":
        return Trail(MemoryAuditLog(now=clock), nullcontext, clock)
    return opened(request.getfixturevalue(f"{request.param}_url"), clock, request)


def test_what_happened_to_an_account_is_read_back_the_newest_first(trail):
    trail.record(Event.SIGN_IN_SUCCEEDED, actor=Actor(network="192.0.2.77"))
    trail.record(Event.ACCOUNT_UNLOCKED, actor=Actor(operator="jeanne"), detail={"failures": 7})

    newest, oldest = trail.read()

    assert (newest.event, newest.operator, newest.detail) == (
        "account.unlocked",
        "jeanne",
        {"failures": 7},
    )
    assert newest.at == trail.clock()
    assert (oldest.event, oldest.network, oldest.detail) == (
        "sign_in.succeeded",
        "192.0.2.0/24",
        {},
    )


def test_what_happened_to_another_account_is_not_told(trail):
    trail.record(Event.SIGN_IN_SUCCEEDED, OTHER)
    trail.record(Event.KEY_ADDED, None)

    assert trail.read() == []


def test_what_was_held_back_before_any_look_up_is_found_by_what_was_typed(trail):
    for event in (Event.RESET_BEGUN, Event.RESET_HELD, Event.SIGN_IN_DELAYED):
        trail.record(event, None, detail={"subject": MINE, "quota": "mail"})
        trail.record(event, None, detail={"subject": THEIRS})
    trail.record(Event.SIGN_IN_REFUSED, detail={"subject": MINE, "streak": 5})

    assert trail.words() == ["sign_in.refused", "sign_in.delayed", "reset.held", "reset.begun"]


def test_what_was_typed_is_looked_for_in_the_last_days_only(trail):
    trail.record(Event.RESET_HELD, None, detail={"subject": MINE})
    trail.record(Event.SIGN_IN_REFUSED)

    trail.clock.advance(BY_SUBJECT_SPAN - timedelta(seconds=1))

    assert trail.words() == ["sign_in.refused"]


def test_an_operators_look_is_no_part_of_the_story(trail):
    trail.record(Event.ACCOUNT_SHOWN)
    trail.record(Event.DOSSIER_SHOWN)
    trail.record(Event.TEMPORARY_ISSUED)

    assert trail.read() == []


def test_the_newest_events_are_given_and_no_more_than_asked_for(trail):
    for event in (Event.RESET_REQUESTED, Event.TEMPORARY_SENT):
        trail.record(event)
    trail.record(Event.SIGN_IN_DELAYED, None, detail={"subject": MINE})

    assert trail.words(limit=2) == ["sign_in.delayed", "temporary_password.sent"]


def test_an_event_of_another_version_is_read_by_its_own_word(sql_trail):
    with sql_trail.transaction():
        sql_trail.database.execute(
            insert(AuditRow),
            {"at": sql_trail.clock(), "event": "account.frozen", "account_id": ACCOUNT},
        )

    assert sql_trail.words() == ["account.frozen"]


def test_an_account_is_read_in_one_statement(sql_trail):
    statements = []
    engine = sql_trail.database.engine

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    sql_trail.read()

    assert len([said for said in statements if "audit_events" in said]) == 1
