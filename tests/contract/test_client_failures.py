"""Wrong client credentials: sixty in ten minutes from one network, then a wait."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.client_failures import RedisClientFailures
from idp.infra.redis_store import RedisStore
from idp.limits import TooManyClientFailures

SECOND = timedelta(seconds=1)
WINDOW = timedelta(minutes=10)


@pytest.fixture
def failures(world):
    return world.client_failures(60, WINDOW)


def held(failures, network="192.0.2.1"):
    with pytest.raises(TooManyClientFailures) as held:
        failures.check(network)
    return held.value.retry_after


def test_sixty_failures_hold_a_network_and_fifty_nine_do_not(failures):
    for _ in range(59):
        failures.count("192.0.2.1")
    failures.check("192.0.2.1")

    failures.count("192.0.2.1")

    assert WINDOW - SECOND <= held(failures) <= WINDOW


def test_the_real_client_elsewhere_is_untouched(failures):
    for _ in range(60):
        failures.count("192.0.2.1")

    failures.check("192.0.2.2")


def test_the_window_begins_with_its_first_failure_and_later_ones_do_not_prolong_it(world, failures):
    failures.count("192.0.2.1")
    world.pass_time(timedelta(minutes=9))
    for _ in range(80):
        failures.count("192.0.2.1")

    assert 59 * SECOND <= held(failures) <= 60 * SECOND
    world.pass_time(timedelta(minutes=1))
    failures.check("192.0.2.1")


def test_a_wait_is_never_told_as_nothing(world, failures):
    for _ in range(60):
        failures.count("192.0.2.1")
    world.pass_time(WINDOW - timedelta(milliseconds=400))

    assert held(failures) > timedelta(0)


def test_failures_counted_at_once_are_all_counted(real_world, at_once):
    failures = real_world.client_failures(50, WINDOW)

    at_once(lambda: failures.count("192.0.2.1"), 50)

    held(failures)


def test_without_the_store_there_is_no_verdict():
    failures = RedisClientFailures(RedisStore("redis://127.0.0.1:1/0"), limit=1, window=WINDOW)

    with pytest.raises(StoreUnavailable):
        failures.check("192.0.2.1")
    with pytest.raises(StoreUnavailable):
        failures.count("192.0.2.1")
