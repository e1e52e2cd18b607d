"""A letter that seems locked: wrong tries free the ten days of a number, whoever has it."""

from datetime import timedelta

import pytest

from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached

DAY = timedelta(days=1)
HERE = "192.0.2.1"


@pytest.fixture
def quotas(world):
    return world.reset_quotas(QuotaPolicy())


def letter(quotas, subject="subject", number=0):
    """Each from a network of its own."""
    return quotas.letter(subject, f"198.51.100.{number}")


def held(quotas, subject="subject"):
    with pytest.raises(QuotaReached) as reached:
        letter(quotas, subject, 99)
    return reached.value.quota, reached.value.retry_after


def wrong_letters(quotas, tries, *, first=0):
    """Refused letter-shaped tries for "subject": five from a network and browser, then the next."""
    for n in range(first, first + tries):
        quotas.letter_refused("subject", network=f"203.0.113.{n // 5}", browser=f"browser {n // 5}")


def test_fifty_wrong_tries_free_the_ten_days_whether_a_letter_was_ever_sent_or_not(quotas):
    # Enumeration: a real letter locks at the fiftieth, and what no number has must seem to.
    letter(quotas)
    wrong_letters(quotas, 49)
    assert held(quotas) == (Quota.LETTER, 10 * DAY)

    wrong_letters(quotas, 1, first=49)

    assert letter(quotas, number=1) is False


@pytest.mark.parametrize(
    "shared", [{"network": HERE}, {"browser": "b"}], ids=["network", "browser"]
)
def test_of_one_network_or_browser_five_wrong_tries_count_guessing(quotas, shared):
    letter(quotas)
    for n in range(100):
        where = {"network": f"203.0.113.{n}", "browser": f"browser {n}", **shared}
        quotas.letter_refused("subject", **where)

    wrong_letters(quotas, 44, first=500)
    assert held(quotas)[0] == Quota.LETTER
    wrong_letters(quotas, 1, first=600)

    assert letter(quotas, number=1) is False


def test_what_is_typed_before_a_letter_is_asked_for_frees_none(quotas):
    wrong_letters(quotas, 49)
    letter(quotas)

    wrong_letters(quotas, 1, first=49)

    assert held(quotas) == (Quota.LETTER, 10 * DAY)


def test_the_wrong_tries_of_a_letter_end_with_its_ten_days(world, quotas):
    letter(quotas)
    wrong_letters(quotas, 49)
    world.pass_time(10 * DAY)
    wrong_letters(quotas, 1, first=49)
    letter(quotas, number=1)

    wrong_letters(quotas, 1, first=50)

    assert held(quotas) == (Quota.LETTER, 10 * DAY)


def test_a_letter_that_was_taken_back_leaves_its_wrong_tries_to_no_other(quotas):
    letter(quotas)
    wrong_letters(quotas, 49)
    quotas.forget_letter("subject")
    letter(quotas, number=1)

    wrong_letters(quotas, 1, first=49)

    assert held(quotas) == (Quota.LETTER, 10 * DAY)


def test_the_letter_after_a_freed_one_takes_fifty_tries_of_its_own(quotas):
    letter(quotas)
    wrong_letters(quotas, 50)
    letter(quotas, number=1)

    wrong_letters(quotas, 49)
    assert held(quotas)[0] == Quota.LETTER
    wrong_letters(quotas, 1, first=49)

    assert letter(quotas, number=2) is False


def test_wrong_tries_free_no_more_than_three_letters_in_ninety_days_letter_cannon(quotas):
    for n in range(3):
        letter(quotas, number=n)
        wrong_letters(quotas, 50)

    assert held(quotas) == (Quota.LETTER, 90 * DAY)


def test_a_subject_s_wrong_tries_free_nobody_else_s_letter(quotas):
    letter(quotas)
    letter(quotas, "another", 1)

    wrong_letters(quotas, 50)

    assert held(quotas, "another")[0] == Quota.LETTER


def test_fifty_wrong_tries_sent_at_once_are_fifty(real_world, at_once):
    quotas = real_world.reset_quotas(QuotaPolicy())
    letter(quotas)
    numbers = iter(range(50))

    def type_wrong():
        n = next(numbers)
        quotas.letter_refused("subject", network=f"203.0.113.{n}", browser=f"browser {n}")

    assert at_once(type_wrong, 50) == [None] * 50

    assert letter(quotas, number=1) is False


def test_wrong_tries_leave_nothing_behind_without_a_letter_and_little_with_one(real_world):
    quotas = real_world.reset_quotas(QuotaPolicy())
    client = real_world.store.client
    wrong_letters(quotas, 20)
    assert list(client.scan_iter()) == []

    letter(quotas)
    for n in range(200):
        quotas.letter_refused("subject", network=HERE, browser=f"browser {n}")

    assert client.hlen("reset-letter-tries:{subject}") <= 8
    wrong_letters(quotas, 45, first=500)
    assert client.exists("reset-letter-tries:{subject}") == 0
