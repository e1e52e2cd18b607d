from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import select

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.infra.audit import SqlAuditLog
from idp.infra.sql import Database
from idp.infra.tables import AuditRow
from tests.fakes import MemoryAuditLog
from tests.fakes import RecordedEvent
from tests.schema import migrate

pytestmark = pytest.mark.stores

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def app():
    with Flask("audit").app_context() as context:
        yield context.app


@pytest.fixture
def database(app, sql_url):
    migrate(sql_url)
    database = Database(app, sql_url)
    yield database
    database.engine.dispose()


@pytest.fixture
def audit(database):
    return SqlAuditLog(database, now=lambda: NOON)


def rows(database):
    with database.engine.connect() as connection:
        return connection.execute(select(AuditRow.__table__).order_by(AuditRow.id)).all()


@dataclass
class Log:
    """One audit log, in memory or real, and what it holds."""

    audit: AuditLog
    transaction: Callable[[], AbstractContextManager[None]]
    events: Callable[[], list[RecordedEvent]]

    def record(self, event, **what):
        with self.transaction():
            self.audit.record(event, **what)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request, app):
    if request.param == "memory":
        memory = MemoryAuditLog()
        yield Log(memory, nullcontext, lambda: memory.events)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrate(url)
    database = Database(app, url)

    def events():
        return [
            RecordedEvent(
                Event(row.event),
                row.account_id,
                row.client_id,
                Actor(row.network, row.operator, row.request_id),
                row.detail,
            )
            for row in rows(database)
        ]

    yield Log(SqlAuditLog(database, now=lambda: NOON), database.transaction, events)
    database.engine.dispose()


def test_an_event_tells_what_who_and_why(log):
    log.record(
        Event.CLIENT_ADDED,
        account_id="a" * 22,
        client_id="demo",
        actor=Actor(network="192.0.2.77", operator="jeanne", request_id="r1"),
        detail={"changed": "scope", "count": 3},
    )

    assert log.events() == [
        RecordedEvent(
            Event.CLIENT_ADDED,
            "a" * 22,
            "demo",
            Actor(network="192.0.2.0/24", operator="jeanne", request_id="r1"),
            {"changed": "scope", "count": 3},
        )
    ]


def test_events_stay_in_the_order_in_which_they_happened(log):
    for event in (Event.KEY_ADDED, Event.SIGN_IN_REFUSED, Event.SIGN_IN_SUCCEEDED):
        log.record(event)

    assert [kept.event for kept in log.events()] == [
        Event.KEY_ADDED,
        Event.SIGN_IN_REFUSED,
        Event.SIGN_IN_SUCCEEDED,
    ]


def test_what_is_not_told_is_empty(log):
    log.record(Event.KEY_REMOVED)

    assert log.events() == [RecordedEvent(Event.KEY_REMOVED, None, None, Actor(), {})]


def test_an_event_tells_when(database, audit):
    with database.transaction():
        audit.record(Event.KEY_ADDED)

    assert [row.at for row in rows(database)] == [NOON]


@pytest.mark.parametrize(
    ("network", "kept"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("not an address", "unknown"),
        ("", ""),
    ],
)
def test_whatever_network_is_given_its_prefix_alone_is_kept(log, network, kept):
    log.record(Event.SIGN_IN_REFUSED, actor=Actor(network=network))

    assert [event.actor.network for event in log.events()] == [kept]


def test_an_act_that_fails_leaves_no_event(database, audit):
    def act():
        with database.transaction():
            audit.record(Event.CLIENT_REMOVED, client_id="demo")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        act()

    assert rows(database) == []


def test_an_event_longer_than_its_columns_is_cut_and_not_lost(database, audit):
    with database.transaction():
        audit.record(
            Event.CLIENT_REFUSED,
            client_id="c" * 500,
            actor=Actor(operator="o" * 500, request_id="r" * 500),
        )

    (row,) = rows(database)
    assert (len(row.client_id), len(row.operator), len(row.request_id)) == (128, 64, 64)


def test_a_store_that_is_not_ready_refuses_the_act(app, tmp_path):
    audit = SqlAuditLog(Database(app, f"sqlite:///{tmp_path / 'empty.sqlite'}"), lambda: NOON)

    with pytest.raises(StoreUnavailable):
        audit.record(Event.KEY_ADDED)
