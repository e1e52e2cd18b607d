"""What the number of forwarded addresses says of the proxies, whatever strangers invent."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.hops import FLUSH_EVERY
from idp.hops import MOST_HOPS
from idp.hops import Hops
from idp.hops import HopWatch
from idp.hops import judged


class MemoryCounts:
    """The port ``HopCounts`` in memory."""

    def __init__(self):
        self.counts = {}
        self.writes = 0
        self.away = False

    def add(self, counts):
        self.writes += 1
        if self.away:
            raise StoreUnavailable("Redis: away")
        for hops, requests in counts.items():
            self.counts[hops] = self.counts.get(hops, 0) + requests

    def read(self):
        return self.counts


@pytest.fixture
def kept():
    return MemoryCounts()


@pytest.fixture
def watch(kept, clock):
    return HopWatch(kept, clock)


def test_requests_are_counted_by_how_many_addresses_they_bring_and_kept_twice_a_minute(
    watch, kept, clock
):
    for header in ("", "192.0.2.1", "192.0.2.1", "10.0.0.1, 192.0.2.1"):
        watch.note(header)
    early = kept.writes
    clock.advance(FLUSH_EVERY - timedelta(microseconds=1))
    watch.note("192.0.2.1")
    before = kept.writes
    clock.advance(timedelta(microseconds=1))

    watch.note("192.0.2.1")

    assert (early, before, kept.writes) == (0, 0, 1)
    assert kept.counts == {0: 1, 1: 4, 2: 1}


def test_a_header_of_a_thousand_addresses_fills_no_counter_of_its_own(watch, kept, clock):
    for addresses in (9, 10, 1_000):
        watch.note(",".join(["192.0.2.1"] * addresses))
    clock.advance(FLUSH_EVERY)
    watch.note("")

    assert kept.counts == {0: 1, MOST_HOPS: 3}


def test_a_store_that_is_away_disturbs_no_request(watch, kept, clock):
    kept.away = True
    clock.advance(FLUSH_EVERY)

    watch.note("192.0.2.1")

    assert kept.writes == 1


@pytest.mark.parametrize(
    ("counts", "trusted", "told"),
    [
        ({}, 1, Hops(0)),
        ({1: 9}, 0, Hops(9)),  # too few to tell
        ({1: 10}, 1, Hops(10, 1)),
        ({1: 10}, 0, Hops(10, 1)),  # a proxy that nobody trusts
        ({2: 40, 3: 5}, 1, Hops(45, 2)),
        ({1: 60, 2: 1}, 2, Hops(61, 1)),  # one proxy less than is trusted
        ({0: 2, 1: 60, 2: 1}, 2, Hops(63, 1)),
        ({0: 10, 1: 90}, 1, Hops(100, 1, 10)),  # from inside, past the proxies
        ({0: 11, 1: 89}, 1, Hops(100, 0)),
    ],
)
def test_the_smallest_number_that_is_usual_is_that_of_the_proxies(counts, trusted, told):
    assert judged(counts, trusted) == told


def test_a_flood_of_invented_addresses_does_not_have_us_trust_one_of_them():
    counts = {1: 1, 2: 1_000_000}

    assert judged(counts, 1) == Hops(1_000_001, 1)
