"""Sign-out notices of the outbox: the same contract in memory, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask

from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.infra.logout_notices import SqlLogoutNotices
from idp.infra.outbox import SqlOutbox
from idp.infra.sql import Database
from idp.oidc.backchannel_logout import DELAYS
from idp.oidc.backchannel_logout import NOTICE_LIFETIME
from idp.oidc.backchannel_logout import LogoutNotice
from idp.promise import LEASE
from idp.promise import PromiseState
from tests.fake_logout_notices import MemoryLogoutNotices
from tests.instance import Clock
from tests.schema import migrate

pytestmark = pytest.mark.stores

ACCOUNT = "a" * 22
SECOND = timedelta(seconds=1)


@dataclass
class Desk:
    """The notices, each act in a transaction of its own."""

    notices: MemoryLogoutNotices | SqlLogoutNotices
    transaction: Callable[[], AbstractContextManager[None]]
    clock: Clock

    def add(self, client_id="cotisations", sid="s1"):
        return self.act("add", client_id, ACCOUNT, sid)

    def claim(self, *without):
        return self.act("claim", without=without)

    def act(self, name, *words, **named):
        with self.transaction():
            return getattr(self.notices, name)(*words, **named)

    def rows(self, *states, client_id=""):
        return self.act(
            "rows", states=states or tuple(PromiseState), client_id=client_id, limit=100
        )


@pytest.fixture
def app() -> Iterator[Flask]:
    with Flask("notices").app_context() as context:
        yield context.app


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, app: Flask, clock: Clock) -> Iterator[Desk]:
    if request.param == "memory":
        yield Desk(MemoryLogoutNotices(clock), nullcontext, clock)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrate(url)
    database = Database(app, url)
    yield Desk(SqlLogoutNotices(database, clock), database.transaction, clock)
    database.engine.dispose()


@pytest.fixture
def database(app: Flask, sql_url: str) -> Iterator[Database]:
    migrate(sql_url)
    database = Database(app, sql_url)
    yield database
    database.engine.dispose()


def test_a_notice_is_kept_as_it_was_promised(desk):
    assert desk.add() is True

    (row,) = desk.rows()
    assert row == LogoutNotice(
        id=row.id,
        client_id="cotisations",
        account_id=ACCOUNT,
        sid="s1",
        state=PromiseState.WAITING,
        created_at=desk.clock(),
        due_at=desk.clock(),
        tries=0,
        lease="",
    )


def test_a_session_is_promised_once_to_a_service_whatever_became_of_it(desk):
    desk.add()
    waiting = desk.add()
    desk.act("done", desk.claim())

    assert waiting is False
    assert desk.add() is False
    assert desk.add(sid="s2") is True
    assert desk.add(client_id="attestations") is True
    assert len(desk.rows()) == 3


def test_the_oldest_is_claimed_and_is_nobody_elses_until_its_lease_is_over(desk):
    desk.add(sid="s1")
    desk.clock.advance(SECOND)
    desk.add(sid="s2")

    first, second, none = desk.claim(), desk.claim(), desk.claim()
    desk.clock.advance(LEASE)
    again = desk.claim()

    assert (first.sid, second.sid, none) == ("s1", "s2", None)
    assert again.id == first.id
    assert (first.tries, again.tries) == (1, 2)
    assert not desk.act("done", first)
    assert desk.act("done", again)


def test_services_that_are_left_alone_are_passed_over(desk):
    desk.add(client_id="slow")
    desk.add(client_id="away")
    desk.add(client_id="well")

    assert desk.claim("slow", "away").client_id == "well"
    assert desk.claim("slow", "away") is None
    assert desk.claim("slow").client_id == "away"


def test_a_failed_one_waits_longer_each_time_and_is_buried_after_three_days(desk):
    desk.add()
    waits = []
    while (claimed := desk.claim()) is not None:
        desk.act("failed", claimed, "service_timeout", permanent=False)
        (row,) = desk.rows()
        if row.state is PromiseState.DEAD:
            break
        waits.append(row.due_at - desk.clock())
        desk.clock.at = row.due_at

    assert tuple(waits[: len(DELAYS)]) == DELAYS
    assert set(waits[len(DELAYS) :]) == {DELAYS[-1]}
    assert row.fault == "service_timeout"
    assert NOTICE_LIFETIME - DELAYS[-1] <= desk.clock() - row.created_at < NOTICE_LIFETIME


def test_a_permanent_fault_buries_and_a_dropped_one_says_why(desk):
    desk.add(sid="s1")
    desk.act("failed", desk.claim(), "answer_400", permanent=True)
    desk.add(sid="s2")
    desk.act("drop", desk.claim(), "no_address")

    assert [(row.state, row.fault) for row in desk.rows()] == [
        (PromiseState.DEAD, "answer_400"),
        (PromiseState.DROPPED, "no_address"),
    ]
    assert all(row.done_at == desk.clock() for row in desk.rows())


def test_a_lease_given_back_counts_for_no_try(desk):
    desk.add()
    desk.act("release", desk.claim())

    assert desk.rows()[0].tries == 0
    assert desk.claim().tries == 1


@pytest.mark.parametrize("act", ["done", "drop", "failed", "release"])
def test_who_lost_the_lease_changes_nothing(desk, act):
    desk.add()
    lost = desk.claim()
    desk.clock.advance(LEASE)
    desk.claim()
    before = desk.rows()
    words = {"drop": ["late"], "failed": ["late"]}.get(act, [])
    named = {"permanent": True} if act == "failed" else {}

    assert desk.act(act, lost, *words, **named) is False
    assert desk.rows() == before


def test_a_dead_notice_is_retried_while_somebody_cares(desk):
    desk.add(sid="s1")
    desk.act("failed", desk.claim(), "answer_400", permanent=True)
    (dead,) = desk.rows()

    assert desk.act("retry", dead.id + 1) is None
    revived = desk.act("retry", dead.id)
    assert (revived.state, revived.tries, revived.fault) == (PromiseState.WAITING, 0, "")
    assert desk.act("retry", dead.id) is None
    desk.act("failed", desk.claim(), "answer_400", permanent=True)
    desk.clock.advance(NOTICE_LIFETIME)
    assert desk.act("retry_all") == []


def test_every_dead_one_is_retried_at_once(desk):
    for sid in ("s1", "s2"):
        desk.add(sid=sid)
        desk.act("failed", desk.claim(), "answer_400", permanent=True)
    desk.add(sid="s3")

    assert [row.sid for row in desk.act("retry_all")] == ["s1", "s2"]


def test_an_operator_sees_one_service_and_how_many_stand_where(desk):
    desk.add(sid="s1")
    desk.act("done", desk.claim())
    desk.add(sid="s2")
    desk.add(sid="s3")
    desk.add(client_id="attestations")

    assert [row.sid for row in desk.rows(client_id="cotisations")] == ["s1", "s2", "s3"]
    assert [row.sid for row in desk.rows(PromiseState.DONE)] == ["s1"]
    assert desk.act("counts", "cotisations") == {PromiseState.DONE: 1, PromiseState.WAITING: 2}
    assert desk.act("counts", "nobody") == {}


def test_mails_and_notices_share_a_table_and_never_take_each_other(database, clock):
    mails, notices = SqlOutbox(database, clock), SqlLogoutNotices(database, clock)
    with database.transaction():
        mail = mails.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=ACCOUNT)
        notices.add("cotisations", ACCOUNT, "s1")

    with database.transaction():
        listed = mails.rows(states=tuple(PromiseState), limit=9)
        of_account = mails.of_account(ACCOUNT, limit=9)
        claimed, other = mails.claim(Channel.MAIL, limit=9), notices.claim(without=())
        mails.failed(claimed[0], "recipient_refused", permanent=True)
        notices.failed(other, "answer_400", permanent=True)

    assert [row.id for row in listed] == [row.id for row in of_account] == [mail]
    assert [row.id for row in claimed] == [mail]
    assert other.client_id == "cotisations"
    with database.transaction():
        assert [row.id for row in mails.retry_all()] == [mail]
        assert [row.id for row in notices.retry_all()] == [other.id]
    clock.advance(timedelta(days=400))
    with database.transaction():
        mails.drop(mails.claim(Channel.MAIL)[0], "too_old")
        notices.drop(notices.claim(without=()), "too_old")
        assert mails.forget(clock() + SECOND) == 2


def test_of_many_who_end_a_session_at_once_one_promises(app, database, clock):
    notices = SqlLogoutNotices(database, clock)
    start, made = threading.Barrier(8), []

    def promise():
        start.wait(5)
        with app.app_context(), database.transaction():
            made.append(notices.add("cotisations", ACCOUNT, "s1"))

    threads = [threading.Thread(target=promise) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [False] * 7 + [True]
