"""The outbox: the same contract in memory, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask

from idp import StoreUnavailable
from idp.identity.outbox import DELAYS
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import Channel
from idp.infra.outbox import SqlOutbox
from idp.infra.sql import Database
from idp.promise import LEASE
from idp.promise import PromiseState
from tests.fake_outbox import MemoryOutbox
from tests.instance import Clock
from tests.schema import migrate

pytestmark = pytest.mark.stores

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
EVERY_STATE = tuple(PromiseState)


@dataclass
class Desk:
    """One outbox, each act in a transaction of its own."""

    outbox: MemoryOutbox | SqlOutbox
    transaction: Callable[[], AbstractContextManager[None]]
    clock: Clock

    def add(self, kind=Kind.TEMPORARY_PASSWORD, channel=Channel.MAIL, **what) -> int:
        with self.transaction():
            return self.outbox.add(kind, channel, **{"account_id": "a" * 22, **what})

    def claim(self, channel=Channel.MAIL, limit=1) -> list[Promise]:
        with self.transaction():
            return self.outbox.claim(channel, limit=limit)

    def act(self, name: str, *words, **named):
        with self.transaction():
            return getattr(self.outbox, name)(*words, **named)

    def rows(self, *states: PromiseState, **narrowed) -> list[Promise]:
        with self.transaction():
            return self.outbox.rows(
                states=states or EVERY_STATE, **{"limit": 1_000_000, **narrowed}
            )

    def row(self, promise_id: int) -> Promise:
        return next(row for row in self.rows() if row.id == promise_id)


@pytest.fixture
def app() -> Iterator[Flask]:
    with Flask("outbox").app_context() as context:
        yield context.app


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, app: Flask, clock: Clock) -> Iterator[Desk]:
    if request.param == "memory":
        yield Desk(MemoryOutbox(clock), nullcontext, clock)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrate(url)
    database = Database(app, url)
    yield Desk(SqlOutbox(database, clock), database.transaction, clock)
    database.engine.dispose()


@pytest.fixture
def database(app: Flask, sql_url: str) -> Iterator[Database]:
    migrate(sql_url)
    database = Database(app, sql_url)
    yield database
    database.engine.dispose()


def numbers(promises: list[Promise]) -> list[int]:
    return [promise.id for promise in promises]


def test_a_promise_is_kept_as_it_was_made(desk):
    made = desk.add(credential_version=7)

    (row,) = desk.rows()
    assert len(row.message_id) == 32
    assert row == Promise(
        id=made,
        kind=Kind.TEMPORARY_PASSWORD,
        channel=Channel.MAIL,
        account_id="a" * 22,
        credential_version=7,
        state=PromiseState.WAITING,
        created_at=desk.clock(),
        due_at=desk.clock(),
        tries=0,
        lease="",
        message_id=row.message_id,
    )


def test_a_newer_promise_has_a_higher_number_and_a_message_id_of_its_own(desk):
    made = [desk.add() for _ in range(3)]

    assert made == sorted(set(made))
    assert len({row.message_id for row in desk.rows()}) == 3


def test_a_decoy_has_no_account(desk):
    desk.add(account_id=None)

    assert [row.account_id for row in desk.claim()] == [None]


def test_a_claimed_row_is_nobody_elses_until_its_lease_is_over(desk):
    made = desk.add()

    (first,) = desk.claim()
    desk.clock.advance(LEASE - SECOND)
    early = desk.claim()
    desk.clock.advance(SECOND)
    (second,) = desk.claim()

    assert (first.id, early, second.id) == (made, [], made)
    assert first.lease_until == first.created_at + LEASE
    assert (first.tries, second.tries) == (1, 2)
    assert first.lease
    assert first.lease != second.lease
    assert first.message_id == second.message_id


def test_the_row_that_is_due_longest_is_claimed_first(desk):
    made = [desk.add() for _ in range(4)]
    (oldest,) = desk.claim()
    desk.act("failed", oldest, "smtp_unreachable", permanent=False)
    desk.clock.advance(DELAYS[0])

    assert numbers(desk.claim(limit=2)) == made[1:3]
    assert numbers(desk.claim(limit=9)) == [made[3], oldest.id]


def test_each_channel_is_claimed_by_itself(desk):
    letter = desk.add(channel=Channel.LETTER)
    mail = desk.add()

    assert numbers(desk.claim(Channel.LETTER, limit=9)) == [letter]
    assert numbers(desk.claim(Channel.MAIL, limit=9)) == [mail]


@pytest.mark.parametrize(
    ("end", "state", "fault"),
    [
        (("done",), PromiseState.DONE, ""),
        (("drop", "superseded"), PromiseState.DROPPED, "superseded"),
    ],
)
def test_a_row_that_has_ended_is_never_claimed_again(desk, end, state, fault):
    desk.add()
    (claimed,) = desk.claim()
    desk.clock.advance(SECOND)

    name, *words = end
    assert desk.act(name, claimed, *words)

    (row,) = desk.rows()
    assert (row.state, row.fault, row.done_at) == (state, fault, desk.clock())
    assert (row.lease, row.lease_until) == ("", None)
    desk.clock.advance(DAY)
    assert desk.claim() == []


def test_a_letter_keeps_the_name_of_its_batch(desk):
    desk.add(channel=Channel.LETTER)
    desk.add(channel=Channel.LETTER)
    first, second = desk.claim(Channel.LETTER, limit=2)

    desk.act("done", first, batch="2026-11-24-1")
    desk.act("done", second, batch="2026-11-24-2")

    assert [row.batch for row in desk.rows()] == ["2026-11-24-1", "2026-11-24-2"]
    assert numbers(desk.rows(batch="2026-11-24-2")) == [second.id]


def test_a_failed_try_is_due_again_after_its_delay_and_not_a_second_before(desk):
    made = desk.add()
    for wait in (*DELAYS, DELAYS[-1]):
        (claimed,) = desk.claim()
        assert desk.act("failed", claimed, "smtp_unreachable", permanent=False)
        desk.clock.advance(wait - SECOND)
        assert desk.claim() == []
        desk.clock.advance(SECOND)

    row = desk.row(made)
    assert (row.state, row.fault) == (PromiseState.WAITING, "smtp_unreachable")
    assert row.tries == len(DELAYS) + 1


def test_a_permanent_failure_buries_the_row(desk):
    desk.add()
    (claimed,) = desk.claim()

    assert desk.act("failed", claimed, "recipient_refused", permanent=True)

    (row,) = desk.rows()
    assert (row.state, row.fault) == (PromiseState.DEAD, "recipient_refused")
    assert row.done_at == desk.clock()
    desk.clock.advance(DAY)
    assert desk.claim() == []


def test_a_failure_that_would_be_repeated_after_fourteen_days_buries_the_row(desk):
    desk.add()
    desk.clock.advance(14 * DAY - DELAYS[0] - SECOND)
    (claimed,) = desk.claim()
    desk.act("failed", claimed, "smtp_unreachable", permanent=False)
    desk.clock.advance(DELAYS[0])
    before = [row.state for row in desk.rows()]
    (claimed,) = desk.claim()

    desk.act("failed", claimed, "smtp_unreachable", permanent=False)

    assert (before, [row.state for row in desk.rows()]) == (
        [PromiseState.WAITING],
        [PromiseState.DEAD],
    )


def test_a_lease_given_back_leaves_the_row_as_if_it_had_not_been_claimed(desk):
    made = desk.add()
    before = desk.row(made)
    (claimed,) = desk.claim()

    assert desk.act("release", claimed)

    assert desk.row(made) == before
    assert numbers(desk.claim()) == [made]


ENDINGS = [
    ("done", (), {}),
    ("drop", ("superseded",), {}),
    ("failed", ("smtp_unreachable",), {"permanent": False}),
    ("failed", ("recipient_refused",), {"permanent": True}),
    ("release", (), {}),
]


@pytest.mark.parametrize(("name", "words", "named"), ENDINGS)
def test_whoever_lost_the_lease_changes_nothing(desk, name, words, named):
    desk.add()
    (slow,) = desk.claim()
    desk.clock.advance(LEASE)
    (other,) = desk.claim()
    before = desk.row(other.id)

    assert not desk.act(name, slow, *words, **named)
    assert desk.row(other.id) == before
    assert desk.act(name, other, *words, **named)
    assert not desk.act(name, other, *words, **named)


@pytest.mark.parametrize(("name", "words", "named"), ENDINGS)
def test_a_row_that_nobody_claimed_is_not_ended_by_an_empty_lease(desk, name, words, named):
    made = desk.add()
    listed = desk.row(made)

    assert not desk.act(name, listed, *words, **named)
    assert desk.row(made) == listed


def test_a_lease_that_is_over_but_that_nobody_took_still_ends_the_row(desk):
    made = desk.add()
    (claimed,) = desk.claim()
    desk.clock.advance(LEASE + SECOND)

    assert desk.act("done", claimed)
    assert desk.row(made).state is PromiseState.DONE


def test_held_letters_are_let_go_in_the_order_in_which_they_were_promised(desk):
    held = [desk.add(channel=Channel.LETTER, held=True) for _ in range(3)]
    desk.clock.advance(SECOND)
    later = desk.add(channel=Channel.LETTER)
    desk.clock.advance(DAY)

    claimed_before = numbers(desk.claim(Channel.LETTER, limit=9))
    let_go = desk.act("let_go", Channel.LETTER, limit=2)

    assert (claimed_before, let_go) == ([later], 2)
    assert numbers(desk.rows(PromiseState.HELD)) == held[2:]
    assert numbers(desk.claim(Channel.LETTER, limit=9)) == held[:2]
    assert desk.act("let_go", Channel.MAIL, limit=9) == 0


def test_a_dead_row_retried_is_due_at_once_with_all_its_tries(desk):
    made = desk.add()
    (claimed,) = desk.claim()
    desk.act("failed", claimed, "recipient_refused", permanent=True)
    desk.clock.advance(DAY)

    revived = desk.act("retry", made)

    assert (revived.id, revived.state, revived.tries) == (made, PromiseState.WAITING, 0)
    assert (revived.fault, revived.done_at, revived.due_at) == ("", None, desk.clock())
    assert [row.message_id for row in desk.claim()] == [claimed.message_id]


def test_only_a_dead_row_of_the_last_fourteen_days_is_retried(desk):
    too_old, young, waiting = desk.add(), None, None
    (claimed,) = desk.claim()
    desk.act("failed", claimed, "recipient_refused", permanent=True)
    desk.clock.advance(SECOND)
    young = desk.add()
    (claimed,) = desk.claim()
    desk.act("failed", claimed, "recipient_refused", permanent=True)
    waiting = desk.add()
    desk.clock.advance(14 * DAY - SECOND)

    assert desk.act("retry", too_old) is None
    assert desk.act("retry", waiting) is None
    assert desk.act("retry", 4_000_000) is None
    assert numbers(desk.act("retry_all")) == [young]
    assert desk.row(too_old).state is PromiseState.DEAD


def test_rows_are_listed_by_state_and_channel_the_oldest_first_up_to_a_limit(desk):
    made = [desk.add() for _ in range(3)]
    letter = desk.add(channel=Channel.LETTER)
    held = desk.add(channel=Channel.LETTER, held=True)

    assert numbers(desk.rows(PromiseState.WAITING)) == [*made, letter]
    assert numbers(desk.rows(channel=Channel.LETTER)) == [letter, held]
    assert numbers(desk.rows(limit=2)) == made[:2]
    assert desk.rows(PromiseState.DEAD) == []


def test_what_was_promised_to_one_account_is_listed_the_newest_first(desk):
    other, first, second = desk.add(account_id="b" * 22), desk.add(), desk.add()

    assert numbers(desk.act("of_account", "a" * 22, limit=9)) == [second, first]
    assert numbers(desk.act("of_account", "a" * 22, limit=1)) == [second]
    assert numbers(desk.act("of_account", "b" * 22, limit=9)) == [other]


def test_what_ended_is_forgotten_by_its_end_and_what_waits_never(desk):
    ended, kept, waiting = desk.add(), desk.add(), None
    first, second = desk.claim(limit=2)
    desk.act("done", first)
    desk.clock.advance(SECOND)
    desk.act("failed", second, "recipient_refused", permanent=True)
    waiting = desk.add()
    desk.clock.advance(DAY)

    assert desk.act("forget", second.created_at + SECOND) == 1
    assert numbers(desk.rows()) == [kept, waiting]
    assert desk.act("forget", desk.clock()) == 1
    assert desk.act("forget", desk.clock()) == 0
    assert numbers(desk.rows()) == [waiting]
    assert ended not in numbers(desk.rows())


def test_the_number_of_a_forgotten_row_is_not_given_again(desk):
    desk.add()
    (claimed,) = desk.claim()
    desk.act("done", claimed)
    desk.clock.advance(SECOND)
    desk.act("forget", desk.clock())

    assert desk.add() > claimed.id


def test_an_act_that_fails_promises_nothing(database, clock):
    outbox = SqlOutbox(database, clock)

    def act() -> None:
        with database.transaction():
            outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id="a" * 22)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        act()

    with database.transaction():
        assert outbox.rows(states=EVERY_STATE, limit=9) == []


def test_workers_at_once_claim_each_row_once(database, app, clock, at_once):
    outbox = SqlOutbox(database, clock)
    with database.transaction():
        made = [outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=None) for _ in range(60)]
    claimed: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        with app.app_context():
            while True:
                try:
                    with database.transaction():
                        own = outbox.claim(Channel.MAIL, limit=4)
                except StoreUnavailable:  # SQLite, where writers queue for two seconds
                    continue
                if not own:
                    return
                assert len(own) <= 4
                with lock:
                    claimed.extend(numbers(own))

    assert at_once(work, 6) == [None] * 6
    assert sorted(claimed) == made


def test_a_claim_waits_for_nobody_who_holds_a_row(app, postgres_url, clock):
    migrate(postgres_url)
    database = Database(app, postgres_url)
    outbox = SqlOutbox(database, clock)
    with database.transaction():
        first = outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=None)
        second = outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=None)
    other = []

    def claim() -> None:
        with app.app_context(), database.transaction():
            other.extend(outbox.claim(Channel.MAIL))

    with database.transaction():
        own = outbox.claim(Channel.MAIL)
        thread = threading.Thread(target=claim)
        thread.start()
        thread.join(1.5)  # a lock would be waited for 2 s and then fail

    assert (numbers(own), numbers(other)) == ([first], [second])
    database.engine.dispose()


def test_a_store_away_is_told(app, tmp_path, clock):
    outbox = SqlOutbox(Database(app, f"sqlite:///{tmp_path / 'empty.sqlite'}"), clock)

    with pytest.raises(StoreUnavailable):
        outbox.claim(Channel.MAIL)


@pytest.mark.parametrize("act", ["claim", "let_go", "retry_all"])
def test_an_act_rolled_back_leaves_the_rows_as_they_were(database, clock, act):
    outbox = SqlOutbox(database, clock)
    acts = {
        "claim": lambda: outbox.claim(Channel.MAIL),
        "let_go": lambda: outbox.let_go(Channel.MAIL, limit=1),
        "retry_all": outbox.retry_all,
    }
    with database.transaction():
        outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=None, held=True)
        outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=None)
        (dead,) = outbox.claim(Channel.MAIL)
        outbox.failed(dead, "recipient_refused", permanent=True)
        outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=None)
        before = outbox.rows(states=EVERY_STATE, limit=9)

    def fail() -> None:
        with database.transaction():
            assert acts[act]()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()

    with database.transaction():
        assert outbox.rows(states=EVERY_STATE, limit=9) == before
