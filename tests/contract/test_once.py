"""What may happen once: over all nodes, for a time."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.once import RedisOnce
from idp.infra.redis_store import RedisStore

LIFETIME = timedelta(minutes=5)
MILLISECOND = timedelta(milliseconds=1)


def test_the_first_takes_it_and_the_next_is_told_what_is_there(world):
    assert world.once.take("journey", "mail", lifetime=LIFETIME) is None

    assert world.once.take("journey", "letter", lifetime=LIFETIME) == "mail"
    assert world.once.take("journey", "letter", lifetime=LIFETIME) == "mail"


def test_names_do_not_meet(world):
    world.once.take("one", "", lifetime=LIFETIME)

    assert world.once.take("other", "", lifetime=LIFETIME) is None
    assert world.once.take("one", "", lifetime=LIFETIME) == ""


def test_it_is_free_again_at_the_end_of_its_lifetime_which_no_later_try_prolongs(world):
    world.once.take("solution", "first", lifetime=LIFETIME)

    world.pass_time(LIFETIME - timedelta(seconds=1))
    assert world.once.take("solution", "second", lifetime=LIFETIME) == "first"
    world.pass_time(timedelta(seconds=1))
    assert world.once.take("solution", "third", lifetime=LIFETIME) is None


def test_what_was_given_back_may_be_taken_again(world):
    world.once.take("journey", "mail", lifetime=LIFETIME)

    world.once.give_back("journey")

    assert world.once.take("journey", "letter", lifetime=LIFETIME) is None


def test_what_is_kept_takes_the_place_of_what_was_taken_and_lives_its_own_time(world):
    world.once.take("journey", "under way", lifetime=timedelta(seconds=10))

    world.once.keep("journey", "mail", lifetime=LIFETIME)

    world.pass_time(LIFETIME - timedelta(seconds=1))
    assert world.once.take("journey", "under way", lifetime=LIFETIME) == "mail"
    world.pass_time(timedelta(seconds=1))
    assert world.once.take("journey", "under way", lifetime=LIFETIME) is None


def test_giving_back_what_nobody_took_changes_nothing(world):
    world.once.give_back("journey")

    assert world.once.take("journey", "mail", lifetime=LIFETIME) is None


def test_a_solution_replayed_at_once_on_every_node_is_taken_once(real_world, at_once):
    numbers = iter(range(50))

    outcomes = at_once(
        lambda: real_world.once.take("solution", str(next(numbers)), lifetime=LIFETIME), 50
    )

    assert outcomes.count(None) == 1
    assert len(set(outcomes)) == 2


def test_nothing_stays_for_ever(real_world):
    real_world.once.take("solution", "", lifetime=LIFETIME)

    client = real_world.store.client
    assert [0 < client.pttl(key) <= 300_000 for key in client.scan_iter()] == [True]


def test_without_the_store_nobody_can_tell():
    once = RedisOnce(RedisStore("redis://127.0.0.1:1/0"))

    with pytest.raises(StoreUnavailable):
        once.take("solution", "", lifetime=LIFETIME)
    with pytest.raises(StoreUnavailable):
        once.give_back("solution")
    with pytest.raises(StoreUnavailable):
        once.keep("solution", "", lifetime=LIFETIME)
