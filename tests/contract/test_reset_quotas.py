"""The values table of product.md: reset requests, mail reset, letter."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.infra.redis_store import RedisStore
from idp.infra.reset_quotas import RedisResetQuotas

MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HERE = "192.0.2.1"


@pytest.fixture
def quotas(world):
    return world.reset_quotas(QuotaPolicy())


def reached(act):
    with pytest.raises(QuotaReached) as reached:
        act()
    return reached.value.quota, reached.value.retry_after


def letter(quotas, subject, number=0):
    """Each from a network of its own."""
    return quotas.letter(subject, f"198.51.100.{number}")


def test_the_limits_are_those_of_the_values_table():
    policy = QuotaPolicy()

    assert policy.requests_an_hour == 20
    assert (policy.mails_an_hour, policy.mails_a_day) == (3, 5)
    assert (policy.letter_every, policy.letters_in_90_days) == (10 * DAY, 3)
    assert (policy.letters_of_network_a_day, policy.letters_a_day) == (5, 1_000)


def test_a_network_asks_twenty_times_an_hour(world, quotas):
    for _ in range(20):
        quotas.begin(HERE, by_question=False)
        world.pass_time(MINUTE)

    assert reached(lambda: quotas.begin(HERE, by_question=False)) == (Quota.NETWORK, 40 * MINUTE)
    quotas.begin("192.0.2.2", by_question=False)


def test_there_is_room_at_the_instant_that_was_told_and_not_a_millisecond_before(world, quotas):
    for _ in range(20):
        quotas.begin(HERE, by_question=False)

    world.pass_time(HOUR - MILLISECOND)
    assert reached(lambda: quotas.begin(HERE, by_question=False)) == (Quota.NETWORK, MILLISECOND)
    world.pass_time(MILLISECOND)
    quotas.begin(HERE, by_question=False)


def test_what_is_refused_does_not_count(world, quotas):
    for _ in range(20):
        quotas.begin(HERE, by_question=False)
    for _ in range(30):
        world.pass_time(MINUTE)
        reached(lambda: quotas.begin(HERE, by_question=False))

    world.pass_time(30 * MINUTE)

    quotas.begin(HERE, by_question=False)


def test_who_answers_the_question_in_words_has_a_smaller_share_of_the_same_hour(quotas):
    for _ in range(5):
        quotas.begin(HERE, by_question=True)

    assert reached(lambda: quotas.begin(HERE, by_question=True)) == (Quota.NETWORK, HOUR)
    for _ in range(15):
        quotas.begin(HERE, by_question=False)
    assert reached(lambda: quotas.begin(HERE, by_question=False)) == (Quota.NETWORK, HOUR)


def test_the_work_of_browsers_counts_for_who_answers_in_words_too(quotas):
    for _ in range(20):
        quotas.begin(HERE, by_question=False)

    assert reached(lambda: quotas.begin(HERE, by_question=True)) == (Quota.NETWORK, HOUR)


def test_a_mail_bomb_stops_at_three_an_hour(world, quotas):
    for _ in range(3):
        quotas.mail("subject")
        world.pass_time(MINUTE)

    assert reached(lambda: quotas.mail("subject")) == (Quota.MAIL, 57 * MINUTE)
    quotas.mail("another")
    world.pass_time(57 * MINUTE)
    quotas.mail("subject")


def test_a_mail_bomb_stops_at_five_a_day_however_slow(world, quotas):
    for _ in range(5):
        quotas.mail("subject")
        world.pass_time(2 * HOUR)

    assert reached(lambda: quotas.mail("subject")) == (Quota.MAIL, 14 * HOUR)
    world.pass_time(14 * HOUR)
    quotas.mail("subject")
    assert reached(lambda: quotas.mail("subject")) == (Quota.MAIL, 2 * HOUR)


@pytest.mark.parametrize(("hours_ago", "wait"), [(10.0, 14 * HOUR), (23.5, HOUR)])
def test_of_two_waits_the_longer_one_is_told(world, quotas, hours_ago, wait):
    for _ in range(2):
        quotas.mail("subject")
    world.pass_time(hours_ago * HOUR)
    for _ in range(3):
        quotas.mail("subject")

    assert reached(lambda: quotas.mail("subject")) == (Quota.MAIL, wait)


def test_nobody_gets_a_letter_within_ten_days_of_the_last(world, quotas):
    letter(quotas, "subject")

    world.pass_time(10 * DAY - MILLISECOND)
    assert reached(lambda: letter(quotas, "subject")) == (Quota.LETTER, MILLISECOND)
    world.pass_time(MILLISECOND)
    letter(quotas, "subject")


def test_what_is_asked_again_under_one_name_counts_once(quotas):
    # A process killed after it counted, and the same form sent again.
    for _ in range(10):
        quotas.mail("subject", request="journey")
        assert quotas.letter("subject", HERE, request="journey") is False

    quotas.mail("subject")
    quotas.mail("subject")
    assert reached(lambda: quotas.mail("subject")) == (Quota.MAIL, HOUR)
    quotas.mail("subject", request="journey")
    assert reached(lambda: quotas.letter("subject", HERE)) == (Quota.LETTER, 10 * DAY)
    for n in range(4):
        quotas.letter(f"subject-{n}", HERE)
    assert reached(lambda: quotas.letter("next", HERE))[0] == Quota.LETTERS_OF_NETWORK


def test_a_letter_that_left_for_the_breaker_is_not_held_when_it_is_asked_again(world):
    quotas = world.reset_quotas(QuotaPolicy(letters_a_day=1))
    letter_of_journey = {"network": HERE, "request": "journey"}

    assert quotas.letter("subject", **letter_of_journey) is False
    assert quotas.letter("subject", **letter_of_journey) is False

    assert letter(quotas, "another") is True


def test_the_fourth_letter_waits_until_the_first_is_ninety_days_old(world, quotas):
    for _ in range(3):
        letter(quotas, "subject")
        world.pass_time(10 * DAY)

    assert reached(lambda: letter(quotas, "subject")) == (Quota.LETTER, 60 * DAY)
    world.pass_time(60 * DAY)
    letter(quotas, "subject")


def test_a_letter_cannon_stops_at_five_a_day_from_one_network(world, quotas):
    for n in range(5):
        quotas.letter(f"subject-{n}", HERE)

    assert reached(lambda: quotas.letter("next", HERE)) == (Quota.LETTERS_OF_NETWORK, DAY)
    assert letter(quotas, "next") is False
    world.pass_time(DAY)
    assert quotas.letter("yet another", HERE) is False


def test_a_letter_that_the_network_may_not_ask_for_does_not_count_for_its_subject(quotas):
    for n in range(5):
        quotas.letter(f"subject-{n}", HERE)
    reached(lambda: quotas.letter("victim", HERE))

    letter(quotas, "victim")


def test_a_letter_that_locked_does_not_count_for_the_ten_days(quotas):
    letter(quotas, "subject")

    quotas.forget_letter("subject")

    letter(quotas, "subject")


def test_letters_locked_on_purpose_are_three_in_ninety_days_all_the_same(quotas):
    for n in range(3):
        letter(quotas, "subject", n)
        quotas.forget_letter("subject")

    assert reached(lambda: letter(quotas, "subject")) == (Quota.LETTER, 90 * DAY)


def test_forgetting_a_letter_that_was_never_sent_changes_nothing(quotas):
    quotas.forget_letter("subject")

    letter(quotas, "subject")
    assert reached(lambda: letter(quotas, "subject"))[0] == Quota.LETTER


def test_refused_choices_are_numbered_by_journey_while_it_lasts(world, quotas):
    numbers = [quotas.choice_refused("journey", lifetime=HOUR) for _ in range(3)]

    assert numbers == [1, 2, 3]
    assert quotas.choice_refused("another", lifetime=HOUR) == 1
    world.pass_time(HOUR)
    assert quotas.choice_refused("journey", lifetime=HOUR) == 1


def test_the_breaker_holds_what_is_above_the_letters_of_a_day(world):
    quotas = world.reset_quotas(QuotaPolicy(letters_a_day=3))
    letters = [letter(quotas, f"subject-{n}", n) for n in range(5)]

    assert letters == [False, False, False, True, True]
    world.pass_time(DAY - MILLISECOND)
    assert letter(quotas, "next") is True
    world.pass_time(MILLISECOND)
    assert letter(quotas, "and next") is False


def test_a_letter_that_is_held_is_promised_and_counts_for_its_subject(world):
    quotas = world.reset_quotas(QuotaPolicy(letters_a_day=1))
    letter(quotas, "another")

    assert letter(quotas, "subject") is True

    assert reached(lambda: letter(quotas, "subject")) == (Quota.LETTER, 10 * DAY)


def test_the_letters_of_freezes_count_for_the_breaker_and_for_nobodys_days(world):
    quotas = world.reset_quotas(QuotaPolicy(letters_a_day=2))

    assert quotas.letter_of_freeze() is False
    assert quotas.letter("subject", "192.0.2.1") is False
    assert quotas.letter_of_freeze() is True


def test_a_campaign_raises_the_breaker_until_it_ends(world):
    quotas = world.reset_quotas(QuotaPolicy(letters_a_day=1))
    quotas.raise_breaker(3, until=world.clock() + HOUR)

    assert [letter(quotas, f"subject-{n}", n) for n in range(4)] == [False, False, False, True]
    quotas.raise_breaker(5, until=world.clock() + HOUR)
    assert letter(quotas, "next") is False
    world.pass_time(HOUR)
    assert letter(quotas, "and next") is True


def test_subjects_and_networks_do_not_meet_under_one_name(quotas):
    quotas.begin("one", by_question=True)
    quotas.mail("one")
    quotas.letter("one", "one")

    for _ in range(2):
        quotas.mail("one")
    for n in range(4):
        quotas.letter(f"subject-{n}", "one")
        quotas.begin("one", by_question=True)


def test_fifty_requests_sent_at_once_are_three_mails(real_world, at_once):
    quotas = real_world.reset_quotas(QuotaPolicy())

    outcomes = at_once(lambda: quotas.mail("subject"), 50)

    assert outcomes.count(None) == 3
    assert sum(isinstance(outcome, QuotaReached) for outcome in outcomes) == 47


def test_fifty_letters_asked_for_at_once_are_one(real_world, at_once):
    quotas = real_world.reset_quotas(QuotaPolicy())
    numbers = iter(range(50))

    outcomes = at_once(lambda: letter(quotas, "subject", next(numbers)), 50)

    assert outcomes.count(False) == 1


def test_the_breaker_lets_exactly_its_number_through_at_once(real_world, at_once):
    quotas = real_world.reset_quotas(QuotaPolicy(letters_a_day=10))
    numbers = iter(range(40))

    def ask():
        number = next(numbers)
        return letter(quotas, f"subject-{number}", number)

    outcomes = at_once(ask, 40)

    assert (outcomes.count(False), outcomes.count(True)) == (10, 30)


def test_refused_choices_sent_at_once_each_have_a_number(real_world, at_once):
    quotas = real_world.reset_quotas(QuotaPolicy())

    outcomes = at_once(lambda: quotas.choice_refused("journey", lifetime=HOUR), 20)

    assert sorted(outcomes) == list(range(1, 21))


def test_nothing_in_the_store_stays_for_ever_or_grows_without_end(real_world):
    quotas = real_world.reset_quotas(QuotaPolicy())
    for n in range(30):
        quotas.begin(HERE, by_question=True)
        quotas.mail("subject")
        quotas.letter(f"subject-{n}", HERE)
        quotas.letter_refused(f"subject-{n}", network=HERE, browser="b")
        quotas.choice_refused(f"journey-{n}", lifetime=HOUR)
        real_world.pass_time(6 * HOUR)
    quotas.raise_breaker(2, until=real_world.clock() + DAY)

    client = real_world.store.client
    assert all(client.pttl(key) > 0 for key in client.scan_iter())
    assert client.zcard("reset-mails:{subject}") <= 5
    assert client.zcard(f"reset-letters-of:{{{HERE}}}") <= 5
    assert client.zcard("reset-letters-of-all") <= 5


def test_no_count_ends_before_the_window_it_is_for(real_world):
    quotas = real_world.reset_quotas(QuotaPolicy())
    quotas.mail("subject")
    letter(quotas, "subject")

    client = real_world.store.client
    assert client.pttl("reset-mails:{subject}") >= DAY / MILLISECOND
    assert client.pttl("reset-letters:{subject}") >= 90 * DAY / MILLISECOND
    assert client.pttl("reset-last-letter:{subject}") >= 10 * DAY / MILLISECOND


def test_without_the_store_nothing_is_promised(clock):
    quotas = RedisResetQuotas(RedisStore("redis://127.0.0.1:1/0"), QuotaPolicy(), now=clock)

    for act in (
        lambda: quotas.begin(HERE, by_question=False),
        lambda: quotas.mail("subject"),
        lambda: quotas.letter("subject", HERE),
        lambda: quotas.forget_letter("subject"),
        lambda: quotas.letter_refused("subject", network=HERE, browser="b"),
        lambda: quotas.choice_refused("journey", lifetime=HOUR),
        lambda: quotas.raise_breaker(1, until=clock() + DAY),
    ):
        with pytest.raises(StoreUnavailable):
            act()
