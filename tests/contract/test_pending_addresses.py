"""Addresses that wait for the code that was sent to them."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.pending_addresses import RedisPendingAddresses
from idp.infra.redis_store import RedisStore

LIFETIME = timedelta(minutes=30)
ADDRESS, OTHER = "anne@example.org", "anne.martin@example.net"


@pytest.fixture
def pending(world):
    return world.pending_addresses


def wait_for(pending, *, address=ADDRESS, digest="digest", account_id="account"):
    pending.propose(account_id, address, lifetime=LIFETIME)
    return pending.draw(account_id, digest)


def test_an_address_waits_and_is_taken_by_the_right_code(pending):
    assert wait_for(pending) == ADDRESS
    assert pending.address("account") == ADDRESS

    assert pending.confirm("account", "digest", tries=5) == (ADDRESS, False)


def test_a_code_takes_its_address_once_replay(pending):
    wait_for(pending)
    pending.confirm("account", "digest", tries=5)

    assert pending.confirm("account", "digest", tries=5) == ("", False)
    assert pending.address("account") == ""


def test_where_nothing_waits_nothing_is_drawn_shown_or_taken(pending):
    assert pending.address("account") == ""
    assert pending.draw("account", "digest") == ""
    assert pending.confirm("account", "digest", tries=5) == ("", False)
    assert pending.address("account") == ""


def test_a_code_typed_before_any_was_drawn_is_wrong_whatever_it_is(pending):
    pending.propose("account", ADDRESS, lifetime=LIFETIME)

    assert pending.confirm("account", "", tries=5) == ("", True)
    assert pending.confirm("account", "digest", tries=5) == ("", True)
    pending.draw("account", "digest")
    assert pending.confirm("account", "digest", tries=5) == (ADDRESS, False)


def test_the_fifth_wrong_code_ends_the_address_guessing(pending):
    wait_for(pending)

    told = [pending.confirm("account", f"wrong {n}", tries=5) for n in range(5)]

    assert told == [("", True)] * 4 + [("", False)]
    assert pending.confirm("account", "digest", tries=5) == ("", False)
    assert pending.draw("account", "digest") == ""


def test_the_right_code_after_four_wrong_ones_takes_the_address(pending):
    wait_for(pending)
    for n in range(4):
        pending.confirm("account", f"wrong {n}", tries=5)

    assert pending.confirm("account", "digest", tries=5) == (ADDRESS, False)


def test_a_code_drawn_again_kills_the_one_before_and_gives_no_more_tries(pending):
    wait_for(pending)
    for n in range(3):
        pending.confirm("account", f"wrong {n}", tries=5)

    assert pending.draw("account", "newer") == ADDRESS

    assert pending.confirm("account", "digest", tries=5) == ("", True)
    assert pending.confirm("account", "wrong", tries=5) == ("", False)


def test_another_address_kills_the_code_of_the_one_before_swapped_address(pending):
    # Else a code read in one's own mailbox would confirm an address proposed a moment later.
    wait_for(pending)

    pending.propose("account", OTHER, lifetime=LIFETIME)

    assert pending.address("account") == OTHER
    assert pending.confirm("account", "digest", tries=5) == ("", True)


def test_another_address_has_all_its_tries(pending):
    wait_for(pending)
    for n in range(4):
        pending.confirm("account", f"wrong {n}", tries=5)

    wait_for(pending, address=OTHER)

    assert pending.confirm("account", "wrong", tries=5) == ("", True)
    assert pending.confirm("account", "digest", tries=5) == (OTHER, False)


def test_the_accounts_do_not_meet(pending):
    wait_for(pending, account_id="mine")

    assert pending.address("yours") == ""
    assert pending.confirm("yours", "digest", tries=5) == ("", False)
    assert pending.confirm("mine", "digest", tries=5) == (ADDRESS, False)


def test_it_is_forgotten_after_its_time_which_neither_code_nor_try_prolongs(world, pending):
    wait_for(pending)
    world.pass_time(LIFETIME - timedelta(seconds=1))
    pending.draw("account", "newer")
    assert pending.confirm("account", "wrong", tries=5) == ("", True)

    world.pass_time(timedelta(seconds=1))

    assert pending.address("account") == ""
    assert pending.draw("account", "digest") == ""
    assert pending.confirm("account", "newer", tries=5) == ("", False)


def test_codes_typed_at_once_in_many_tabs_are_five_tries_and_one_address(real_world, at_once):
    pending = real_world.pending_addresses
    wait_for(pending)
    numbers = iter(range(50))

    told = at_once(lambda: pending.confirm("account", f"wrong {next(numbers)}", tries=5), 50)

    assert told.count(("", True)) == 4
    assert told.count(("", False)) == 46


def test_the_right_code_sent_at_once_by_many_takes_the_address_once(real_world, at_once):
    pending = real_world.pending_addresses
    wait_for(pending)

    told = at_once(lambda: pending.confirm("account", "digest", tries=5), 20)

    assert told.count((ADDRESS, False)) == 1
    assert told.count(("", False)) == 19


def test_without_the_store_nobody_can_tell():
    pending = RedisPendingAddresses(RedisStore("redis://127.0.0.1:1/0"))

    for act in (
        lambda: pending.propose("account", ADDRESS, lifetime=LIFETIME),
        lambda: pending.address("account"),
        lambda: pending.draw("account", "digest"),
        lambda: pending.confirm("account", "digest", tries=5),
    ):
        with pytest.raises(StoreUnavailable):
            act()
