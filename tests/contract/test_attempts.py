"""The values table of product.md, "failures on one account" and "from one network"."""

from dataclasses import replace
from datetime import timedelta

import pytest
from redis.exceptions import ResponseError

from idp import StoreUnavailable
from idp.limits import DAY
from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import Reservation
from idp.limits import SignInDelayed
from idp.limits import Waiting

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
HERE = Origin("192.0.2.1")
POLICY = AttemptPolicy()
NO_WAITS = AttemptPolicy(schedule=(timedelta(0),))


@pytest.fixture
def attempts(world):
    return world.attempts(POLICY)


def fail(attempts, times=1, subject="subject", origin=HERE):
    for _ in range(times):
        reservation = attempts.reserve(subject, origin)
    return reservation


def held(attempts, subject="subject", origin=HERE):
    with pytest.raises(SignInDelayed) as delay:
        attempts.reserve(subject, origin)
    return delay.value.held_by, delay.value.retry_after


def sign_in(attempts, subject="subject", origin=HERE, device="phone"):
    attempts.succeeded(attempts.reserve(subject, origin), device=device)


def test_the_first_four_failures_wait_for_nothing(attempts):
    waits = [fail(attempts).wait for _ in range(4)]

    assert waits == [timedelta(0)] * 4


def test_the_wait_begins_at_a_minute_with_the_fifth_failure_and_doubles_up_to_an_hour(
    world, attempts
):
    fail(attempts, 4)
    seen = []
    for _ in range(8):
        reservation = fail(attempts)
        seen.append((reservation.streak, reservation.wait))
        assert held(attempts) == (HeldBy.ACCOUNT, reservation.wait)
        world.pass_time(reservation.wait)

    assert seen == [
        (5, 1 * MINUTE),
        (6, 2 * MINUTE),
        (7, 4 * MINUTE),
        (8, 8 * MINUTE),
        (9, 16 * MINUTE),
        (10, 60 * MINUTE),
        (11, 60 * MINUTE),
        (12, 60 * MINUTE),
    ]


def test_a_wait_is_over_at_its_instant_and_not_a_millisecond_before(world, attempts):
    fail(attempts, 5)

    world.pass_time(MINUTE - MILLISECOND)
    assert held(attempts) == (HeldBy.ACCOUNT, MILLISECOND)

    world.pass_time(MILLISECOND)
    assert fail(attempts).streak == 6


def test_tries_made_during_a_wait_neither_count_nor_prolong_it(world, attempts):
    fail(attempts, 5)

    for second in range(60):
        assert held(attempts)[1] == MINUTE - second * SECOND
        world.pass_time(SECOND)

    assert fail(attempts).streak == 6


def test_the_twenty_fifth_failure_of_a_day_holds_until_the_oldest_is_a_day_old(world, attempts):
    began = world.clock()
    for _ in range(24):
        world.pass_time(fail(attempts).wait)

    last = fail(attempts)

    left = began + DAY - world.clock()
    assert last.wait == left
    assert held(attempts) == (HeldBy.ACCOUNT, left)
    world.pass_time(left - MILLISECOND)
    assert held(attempts) == (HeldBy.ACCOUNT, MILLISECOND)
    world.pass_time(MILLISECOND)
    assert fail(attempts).streak == 26


def test_no_account_is_shut_for_ever(world, attempts):
    streaks = []
    for _ in range(60):
        reservation = fail(attempts)
        streaks.append(reservation.streak)
        assert reservation.wait < DAY
        world.pass_time(reservation.wait)

    assert streaks == list(range(1, 61))


def test_a_success_ends_the_row(world, attempts):
    fail(attempts, 4)

    sign_in(attempts)

    assert fail(attempts).streak == 1


def test_a_success_takes_only_its_own_failure_out_of_the_day_and_the_network(world):
    attempts = world.attempts(AttemptPolicy(schedule=(timedelta(0),), day_limit=3, network_limit=3))
    fail(attempts, 2)

    sign_in(attempts)
    sign_in(attempts)

    fail(attempts)
    assert held(attempts)[0] == HeldBy.NETWORK
    assert held(attempts, origin=Origin("192.0.2.2"))[0] == HeldBy.ACCOUNT


def test_a_row_is_forgotten_a_day_after_its_last_failure(world, attempts):
    fail(attempts, 4)

    world.pass_time(DAY - MILLISECOND)
    assert fail(attempts).streak == 5
    world.pass_time(DAY)
    assert fail(attempts).streak == 1


def test_a_released_try_leaves_no_trace(world):
    attempts = world.attempts(AttemptPolicy(day_limit=6, network_limit=6))
    fail(attempts, 4)

    for _ in range(10):
        released = fail(attempts)
        assert (released.streak, released.wait) == (5, MINUTE)
        attempts.release(released)

    fifth = fail(attempts)
    assert (fifth.streak, fifth.wait) == (5, MINUTE)
    world.pass_time(MINUTE)
    assert fail(attempts).streak == 6


def test_releasing_twice_takes_back_one_try(attempts):
    fail(attempts, 2)
    released = fail(attempts)

    attempts.release(released)
    attempts.release(released)

    assert fail(attempts).streak == 3


def test_releasing_the_only_try_leaves_an_account_as_new(attempts):
    attempts.release(fail(attempts))

    assert fail(attempts).streak == 1


def test_a_release_gives_back_the_wait_there_was_before(world, attempts):
    fail(attempts, 4)
    slow = fail(attempts)
    world.pass_time(MINUTE)
    fail(attempts)

    attempts.release(slow)

    # The failure a moment ago is now the fifth, and its minute has just begun.
    assert held(attempts) == (HeldBy.ACCOUNT, MINUTE)


def test_a_try_released_after_another_succeeded_takes_nothing_from_the_new_row(attempts):
    slow = fail(attempts)
    sign_in(attempts)
    fail(attempts, 4)

    attempts.release(slow)

    assert fail(attempts).streak == 5


def test_a_network_has_thirty_failures_in_ten_minutes_whoever_they_are_for(world, attempts):
    for n in range(30):
        fail(attempts, subject=f"subject-{n}")

    assert held(attempts, subject="somebody else") == (HeldBy.NETWORK, 10 * MINUTE)
    assert fail(attempts, subject="somebody else", origin=Origin("192.0.2.2")).streak == 1


def test_the_window_of_a_network_slides(world, attempts):
    for n in range(30):
        fail(attempts, subject=f"subject-{n}")
        world.pass_time(10 * SECOND)

    assert held(attempts, subject="next") == (HeldBy.NETWORK, 5 * MINUTE)
    world.pass_time(5 * MINUTE - MILLISECOND)
    assert held(attempts, subject="next") == (HeldBy.NETWORK, MILLISECOND)
    world.pass_time(MILLISECOND)
    fail(attempts, subject="next")
    assert held(attempts, subject="next") == (HeldBy.NETWORK, 10 * SECOND)


def test_a_try_that_the_account_holds_back_does_not_count_for_the_network(world):
    attempts = world.attempts(AttemptPolicy(network_limit=6))
    fail(attempts, 5)

    for _ in range(10):
        assert held(attempts)[0] == HeldBy.ACCOUNT

    fail(attempts, subject="another")
    assert held(attempts, subject="another")[0] == HeldBy.NETWORK


def test_a_try_that_the_network_holds_back_does_not_count_for_the_account(world):
    attempts = world.attempts(AttemptPolicy(network_limit=1))
    fail(attempts, subject="another")

    for _ in range(10):
        assert held(attempts)[0] == HeldBy.NETWORK

    assert fail(attempts, origin=Origin("192.0.2.2")).streak == 1


def test_an_unknown_subject_has_the_same_counters(world, attempts):
    def history(subject, network):
        waits = []
        for _ in range(7):
            reservation = fail(attempts, subject=subject, origin=Origin(network))
            waits.append((reservation.streak, reservation.wait))
            world.pass_time(reservation.wait)
        return waits

    sign_in(attempts, subject="known")

    assert history("known", "192.0.2.7") == history("nobody has this number", "192.0.2.8")


def test_a_strangers_failures_do_not_hold_a_known_device_back(world, attempts):
    sign_in(attempts, device="phone")
    fail(attempts, 5, origin=Origin("203.0.113.1"))

    reservation = fail(attempts, origin=Origin("192.0.2.1", "phone"))

    assert (reservation.known_device, reservation.streak) == (True, 1)
    assert held(attempts, origin=Origin("192.0.2.1", "laptop"))[0] == HeldBy.ACCOUNT


def test_a_stranger_who_fills_the_shared_network_does_not_shut_a_known_device_out(attempts):
    sign_in(attempts, device="phone")
    for n in range(30):
        fail(attempts, subject=f"subject-{n}")

    assert held(attempts)[0] == HeldBy.NETWORK
    assert held(attempts, subject="another", origin=Origin(HERE.network, "phone"))[0] == (
        HeldBy.NETWORK
    )
    assert fail(attempts, origin=Origin(HERE.network, "phone")).known_device is True


def test_a_known_devices_failures_do_not_count_for_the_network(world):
    attempts = world.attempts(AttemptPolicy(network_limit=3))
    sign_in(attempts, device="phone")

    slow = fail(attempts, 4, origin=Origin(HERE.network, "phone"))
    attempts.release(slow)

    fail(attempts, 3, subject="another")
    assert held(attempts, subject="another")[0] == HeldBy.NETWORK


def test_a_known_device_has_the_same_limits_of_its_own(world, attempts):
    sign_in(attempts, device="phone")
    phone = Origin("192.0.2.1", "phone")

    fail(attempts, 5, origin=phone)

    assert held(attempts, origin=phone) == (HeldBy.ACCOUNT, MINUTE)
    assert fail(attempts).streak == 1


def test_a_known_device_signing_in_leaves_the_strangers_failures_where_they_are(attempts):
    sign_in(attempts, device="phone")
    fail(attempts, 4)

    sign_in(attempts, origin=Origin("192.0.2.1", "phone"), device="phone")

    assert fail(attempts).streak == 5


def test_a_device_is_known_to_the_account_it_signed_in_to_and_to_no_other(attempts):
    sign_in(attempts, subject="mine", device="phone")

    reservation = fail(attempts, subject="yours", origin=Origin("192.0.2.1", "phone"))

    assert reservation.known_device is False


def test_the_eleventh_device_makes_the_one_unused_longest_a_stranger(world, attempts):
    for n in range(10):
        sign_in(attempts, device=f"device-{n}")
        world.pass_time(SECOND)
    sign_in(attempts, origin=Origin("192.0.2.1", "device-0"), device="device-0")
    world.pass_time(SECOND)

    sign_in(attempts, device="device-10")

    known = [
        n
        for n in range(11)
        if fail(attempts, origin=Origin(f"192.0.2.{n}", f"device-{n}")).known_device
    ]
    assert known == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_device_is_forgotten_half_a_year_after_its_last_sign_in(world, attempts):
    sign_in(attempts, device="phone")
    world.pass_time(POLICY.device_lifetime - SECOND)
    sign_in(attempts, device="laptop")

    assert fail(attempts, origin=Origin("192.0.2.1", "phone")).known_device is True
    world.pass_time(SECOND)
    assert fail(attempts, origin=Origin("192.0.2.1", "phone")).known_device is False
    assert fail(attempts, origin=Origin("192.0.2.1", "laptop")).known_device is True


def test_fifty_tries_sent_at_once_are_five_until_the_first_wait(real_world, at_once):
    attempts = real_world.attempts(AttemptPolicy(network_limit=1000))

    outcomes = at_once(lambda: attempts.reserve("subject", HERE), 50)

    admitted = [o for o in outcomes if isinstance(o, Reservation)]
    assert sorted(reservation.streak for reservation in admitted) == [1, 2, 3, 4, 5]
    assert sum(isinstance(o, SignInDelayed) for o in outcomes) == 45


def test_fifty_tries_sent_at_once_are_twenty_five_in_a_day(real_world, at_once):
    attempts = real_world.attempts(AttemptPolicy(schedule=(timedelta(0),), network_limit=1000))

    outcomes = at_once(lambda: attempts.reserve("subject", HERE), 50)

    assert sum(isinstance(o, Reservation) for o in outcomes) == 25
    assert sum(isinstance(o, SignInDelayed) for o in outcomes) == 25


def test_fifty_numbers_tried_at_once_from_one_network_are_thirty(real_world, at_once):
    attempts = real_world.attempts(POLICY)
    numbers = iter(range(50))

    outcomes = at_once(lambda: attempts.reserve(f"subject-{next(numbers)}", HERE), 50)

    assert sum(isinstance(o, Reservation) for o in outcomes) == 30
    assert {o.held_by for o in outcomes if isinstance(o, SignInDelayed)} == {HeldBy.NETWORK}


def test_tries_released_at_once_with_tries_reserved_leave_exactly_the_failures(real_world, at_once):
    attempts = real_world.attempts(
        AttemptPolicy(schedule=(timedelta(0),), day_limit=1000, network_limit=1000)
    )
    turns = iter(range(40))

    def turn():
        reservation = attempts.reserve("subject", HERE)
        if next(turns) % 2:
            attempts.release(reservation)

    at_once(turn, 40)

    assert attempts.reserve("subject", HERE).streak == 21


def test_nothing_in_the_store_stays_for_ever(real_world):
    attempts = real_world.attempts(POLICY)
    sign_in(attempts, device="phone")
    fail(attempts, origin=Origin("192.0.2.1", "phone"))
    fail(attempts)

    client = real_world.store.client
    keys = list(client.scan_iter())

    assert keys
    assert all(client.pttl(key) > 0 for key in keys)


def test_two_nodes_count_together(real_world):
    one, other = real_world.attempts(POLICY), real_world.attempts(POLICY)

    fail(one, 3)
    fail(other, 2)

    assert held(one) == held(other) == (HeldBy.ACCOUNT, MINUTE)


def test_hammering_on_a_wait_is_told_as_its_first_try_once(attempts):
    fail(attempts, 5)
    delays = []
    for _ in range(3):
        with pytest.raises(SignInDelayed) as delay:
            attempts.reserve("subject", HERE)
        delays.append(delay.value.first)

    assert delays == [True, False, False]


def test_a_temporary_password_is_not_held_by_the_accounts_waiting_time(world, attempts):
    fail(attempts, 5)

    reservation = attempts.reserve("subject", HERE, temporary=True)

    assert (reservation.streak, reservation.wait) == (0, timedelta(0))
    assert held(attempts) == (HeldBy.ACCOUNT, MINUTE)


def test_a_wrong_temporary_password_does_not_count_for_the_account(attempts):
    fail(attempts, 3)

    for _ in range(10):
        attempts.reserve("subject", HERE, temporary=True)

    assert fail(attempts).streak == 4


def test_a_temporary_password_counts_for_its_network_and_is_held_by_it(world, attempts):
    for _ in range(30):
        attempts.reserve("subject", HERE, temporary=True)

    with pytest.raises(SignInDelayed) as delay:
        attempts.reserve("subject", HERE, temporary=True)
    assert (delay.value.held_by, delay.value.retry_after) == (HeldBy.NETWORK, 10 * MINUTE)
    assert held(attempts)[0] == HeldBy.NETWORK
    attempts.reserve("subject", Origin("192.0.2.2"), temporary=True)


def test_a_known_device_cannot_guess_temporary_passwords_without_end(world):
    attempts = world.attempts(AttemptPolicy(network_limit=3))
    sign_in(attempts, device="phone")
    phone = Origin(HERE.network, "phone")

    for _ in range(3):
        attempts.reserve("subject", phone, temporary=True)

    with pytest.raises(SignInDelayed):
        attempts.reserve("subject", phone, temporary=True)


def test_a_released_temporary_try_leaves_no_trace(world):
    attempts = world.attempts(AttemptPolicy(network_limit=2))

    for _ in range(10):
        attempts.release(attempts.reserve("subject", HERE, temporary=True))

    assert fail(attempts).streak == 1


def test_a_right_temporary_password_alone_neither_ends_a_wait_nor_makes_a_device_known(attempts):
    fail(attempts, 5)

    attempts.succeeded(attempts.reserve("subject", HERE, temporary=True), device="phone")

    assert held(attempts)[0] == HeldBy.ACCOUNT
    assert held(attempts, origin=Origin("192.0.2.2", "phone"))[0] == HeldBy.ACCOUNT


def test_a_chosen_password_ends_the_accounts_row(attempts):
    fail(attempts, 5)

    attempts.lift("subject")

    assert fail(attempts).streak == 1


def test_a_chosen_password_ends_the_accounts_day(world):
    attempts = world.attempts(AttemptPolicy(schedule=(timedelta(0),), day_limit=3))
    fail(attempts, 3)

    attempts.lift("subject")

    assert fail(attempts).streak == 1


def test_a_chosen_password_ends_the_waiting_time_of_every_known_device(attempts):
    phones = [Origin(HERE.network, name) for name in ("phone", "laptop")]
    for phone in phones:
        sign_in(attempts, device=phone.device)
        fail(attempts, 5, origin=phone)

    attempts.lift("subject")

    assert [fail(attempts, origin=phone).streak for phone in phones] == [1, 1]


def test_a_chosen_password_leaves_other_accounts_and_the_network_as_they_are(world):
    attempts = world.attempts(AttemptPolicy(network_limit=10))
    fail(attempts, 5)
    fail(attempts, 5, subject="another")

    attempts.lift("subject")

    assert held(attempts)[0] == HeldBy.NETWORK
    assert held(attempts, subject="another", origin=Origin("192.0.2.2"))[0] == HeldBy.ACCOUNT


def test_an_account_that_never_failed_stands_as_nobody_does(attempts):
    assert attempts.look("subject") == Waiting()


def test_a_look_tells_the_row_and_the_end_of_the_wait_and_counts_nothing(world, attempts):
    fail(attempts, 5)

    seen = [attempts.look("subject") for _ in range(3)]

    assert seen == [Waiting(5, world.clock() + MINUTE)] * 3
    assert held(attempts) == (HeldBy.ACCOUNT, MINUTE)
    world.pass_time(MINUTE)
    assert attempts.look("subject") == Waiting(5, None)
    assert fail(attempts).streak == 6


def test_a_look_tells_the_wait_of_a_day_full_of_failures(world):
    attempts = world.attempts(AttemptPolicy(schedule=(timedelta(0),), day_limit=3))
    began = world.clock()
    for _ in range(3):
        fail(attempts)
        world.pass_time(HOUR)

    assert attempts.look("subject") == Waiting(3, began + DAY)
    world.pass_time(21 * HOUR)
    assert attempts.look("subject") == Waiting(3, None)
    world.pass_time(2 * HOUR)
    assert attempts.look("subject") == Waiting(), "the newest failure of the row is a day old"


def test_a_look_tells_the_known_device_that_waits_longest(world, attempts):
    sign_in(attempts, device="phone")
    sign_in(attempts, device="tablet")
    sign_in(attempts, device="desk")
    fail(attempts, 5, origin=Origin("192.0.2.2", "phone"))
    fail(attempts, 5, origin=Origin("192.0.2.2", "tablet"))
    world.pass_time(MINUTE)
    fail(attempts, origin=Origin("192.0.2.2", "tablet"))

    assert attempts.look("subject") == Waiting(0, None, Waiting(6, world.clock() + 2 * MINUTE))
    world.pass_time(2 * MINUTE)
    assert attempts.look("subject") == Waiting()


def test_a_look_tells_nothing_of_a_device_that_is_not_known_any_more(world):
    attempts = world.attempts(AttemptPolicy(device_lifetime=MINUTE))
    sign_in(attempts, device="phone")
    fail(attempts, 5, origin=Origin("192.0.2.2", "phone"))

    world.pass_time(MINUTE - MILLISECOND)
    assert attempts.look("subject").known is not None
    world.pass_time(MILLISECOND)
    assert attempts.look("subject").known is None


def test_the_browser_that_chose_a_password_is_known_from_then_on(attempts):
    attempts.lift("subject", device="phone")

    assert fail(attempts, origin=Origin(HERE.network, "phone")).known_device is True


def test_a_wait_after_a_chosen_password_is_told_as_a_new_one(attempts):
    fail(attempts, 5)
    held(attempts)
    attempts.lift("subject")
    fail(attempts, 5)

    with pytest.raises(SignInDelayed) as delay:
        attempts.reserve("subject", HERE)
    assert delay.value.first is True


def test_a_lift_joins_the_other_writes_of_its_use_case(real_world):
    attempts = real_world.attempts(POLICY)
    fail(attempts, 5)

    def use_case_that_fails():
        with real_world.store.together():
            attempts.lift("subject")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        use_case_that_fails()

    assert held(attempts)[0] == HeldBy.ACCOUNT


def test_a_right_password_that_signed_nobody_in_is_not_counted_as_a_failure(real_world):
    attempts = real_world.attempts(POLICY)

    def succeed_and_break():
        attempts.succeeded(attempts.reserve("subject", HERE), device="phone")
        raise StoreUnavailable

    for _ in range(6):
        with pytest.raises(StoreUnavailable), real_world.store.together():
            succeed_and_break()

    assert fail(attempts).streak == 1


def test_a_right_password_whose_writes_the_store_refused_is_not_counted_as_a_failure(real_world):
    attempts, store = real_world.attempts(POLICY), real_world.store
    store.client.set("text", "no number")

    def succeed_with_a_write_that_cannot_be():
        with store.together():
            with store.writes() as writes:
                writes.add("INCR", "text")
            attempts.succeeded(attempts.reserve("subject", HERE), device="phone")

    for _ in range(6):
        with pytest.raises(ResponseError):
            succeed_with_a_write_that_cannot_be()

    assert fail(attempts).streak == 1


def test_a_network_is_suspected_from_its_third_failure_in_ten_minutes_on(world, attempts):
    seen = [attempts.is_suspected(HERE.network)]
    for n in range(3):
        fail(attempts, subject=f"subject-{n}")
        seen.append(attempts.is_suspected(HERE.network))

    assert seen == [False, False, False, True]
    assert attempts.is_suspected("192.0.2.2") is False


def test_a_suspicion_ends_as_its_failures_leave_the_window(world, attempts):
    fail(attempts)
    world.pass_time(MINUTE)
    fail(attempts, 2)

    world.pass_time(9 * MINUTE - MILLISECOND)
    assert attempts.is_suspected(HERE.network) is True
    world.pass_time(MILLISECOND)
    assert attempts.is_suspected(HERE.network) is False


def test_looking_whether_a_network_is_suspected_counts_nothing(attempts):
    fail(attempts, 2)

    assert [attempts.is_suspected(HERE.network) for _ in range(50)] == [False] * 50


def test_own_successes_and_tries_without_verdict_lay_no_suspicion_on_a_network(attempts):
    fail(attempts, 2)
    for _ in range(5):
        sign_in(attempts, subject="somebody")
        attempts.release(fail(attempts, subject="another"))

    assert attempts.is_suspected(HERE.network) is False


def test_temporary_passwords_typed_wrong_lay_suspicion_on_a_network_guessing(attempts):
    for n in range(3):
        attempts.reserve(f"subject-{n}", HERE, temporary=True)

    assert attempts.is_suspected(HERE.network) is True


def test_forgotten_devices_are_strangers_and_stand_beside_no_other(attempts):
    sign_in(attempts, device="phone")
    assert fail(attempts, origin=Origin("192.0.2.1", "laptop")).others_known is True
    assert fail(attempts, origin=Origin("192.0.2.1", "phone")).others_known is False

    attempts.forget_devices("subject")

    reservation = fail(attempts, origin=Origin("192.0.2.1", "phone"))
    assert (reservation.known_device, reservation.others_known) == (False, False)


def test_a_browser_is_one_more_where_others_are_known_and_not_otherwise(world):
    attempts = world.attempts(AttemptPolicy())
    assert attempts.knows_others("subject", "phone") is False
    attempts.lift("subject", device="phone")

    assert attempts.knows_others("subject", "phone") is False
    assert attempts.knows_others("subject", "laptop") is True
    assert attempts.knows_others("another", "laptop") is False

    world.pass_time(AttemptPolicy().device_lifetime)
    assert attempts.knows_others("subject", "laptop") is False


def test_of_the_devices_of_an_account_only_the_one_that_stays_is_known(attempts):
    for device in ("phone", "tablet"):
        attempts.succeeded(attempts.reserve("subject", HERE), device=device)

    attempts.forget_devices("subject", but="phone")

    known = [
        attempts.reserve("subject", replace(HERE, device=device)).known_device
        for device in ("phone", "tablet")
    ]
    assert known == [True, False]
