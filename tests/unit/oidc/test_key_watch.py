"""What is noted of who fetches keys, and what it may cost."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.oidc.key_watch import FLUSH_EVERY
from idp.oidc.key_watch import LONGEST_AGENT
from idp.oidc.key_watch import MOST_NOTED
from idp.oidc.key_watch import Fetch
from idp.oidc.key_watch import KeyWatch
from tests.fake_key_fetches import MemoryKeyFetches
from tests.instance import NOON
from tests.instance import Clock


class Away:
    """A store that is away."""

    def add(self, fetches, calls):
        raise StoreUnavailable("Redis: away")

    def read(self):
        raise AssertionError


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept():
    return MemoryKeyFetches()


@pytest.fixture
def watch(kept, clock):
    return KeyWatch(kept, clock)


def test_a_fetch_is_kept_by_its_network_and_product_with_the_next_call_of_a_service(watch, kept):
    watch.fetched("192.0.2.77", "python-requests/2.31 (secret stuff)", ("a", "b"))
    assert kept.fetches == {}

    watch.called("cotisations", "198.51.100.9")

    assert list(kept.fetches.values()) == [
        Fetch("192.0.2.0/24", "python-requests/2.31", NOON, ("a", "b"))
    ]
    assert kept.networks == {"cotisations": {"198.51.100.0/24"}}


def test_fetches_alone_write_nothing_and_calls_once_in_a_while(watch, kept, clock):
    """JWKS is answered without a store, and goes on to be when the store is away."""
    for _ in range(1000):
        watch.fetched("192.0.2.77", "x", ())
    assert kept.writes == 0

    for _ in range(100):
        watch.called("cotisations", "192.0.2.1")
    assert kept.writes == 1
    clock.advance(FLUSH_EVERY)
    watch.called("cotisations", "192.0.2.1")
    assert kept.writes == 2


def test_a_stranger_who_fetches_under_many_names_fills_no_memory(watch, kept, clock):
    """The attack: another user agent each time."""
    watch.fetched("192.0.2.77", "service/1", ())
    for n in range(3 * MOST_NOTED):
        watch.fetched("203.0.113.1", f"agent-{n}/1", ())
    clock.advance(timedelta(seconds=1))
    watch.fetched("192.0.2.77", "service/1", ("a",))
    watch.called("cotisations", "192.0.2.1")

    assert len(kept.fetches) == MOST_NOTED
    assert kept.fetches["192.0.2.0/24", "service/1"].kids == ("a",)


def test_calls_are_bounded_between_two_writes(watch, kept, clock):
    watch.called("first", "192.0.2.1")
    for n in range(3 * MOST_NOTED):
        watch.called(f"client-{n}", "192.0.2.1")
    clock.advance(FLUSH_EVERY)
    watch.called("last", "192.0.2.1")

    assert len(kept.networks) == MOST_NOTED + 1


@pytest.mark.parametrize(
    ("agent", "kept_as"),
    [
        ("", "none"),
        ("jose/5.2 (node)", "jose/5.2"),
        ("évil\x1b[31m<script>/1", "vil31mscript/1"),
        ("A" * 4000, "A" * LONGEST_AGENT),
        ("\r\n", "none"),
    ],
)
def test_of_a_user_agent_the_product_is_kept_in_letters_that_no_terminal_obeys(
    watch, kept, agent, kept_as
):
    watch.fetched("192.0.2.77", agent, ())
    watch.called("cotisations", "192.0.2.1")

    assert [fetch.agent for fetch in kept.fetches.values()] == [kept_as]


def test_a_store_that_is_away_costs_the_notes_and_fails_nobody(clock):
    watch = KeyWatch(Away(), clock)
    watch.fetched("192.0.2.77", "x", ())

    watch.called("cotisations", "192.0.2.1")
