from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta

import holidays as reference
import pytest

from idp.identity.working_days import day_in_france
from idp.identity.working_days import easter
from idp.identity.working_days import expected_by
from idp.identity.working_days import holidays
from idp.identity.working_days import in_words
from idp.identity.working_days import is_working_day
from idp.identity.working_days import print_day

YEARS = range(1990, 2101)
WORKED_WHIT_MONDAY = {2005, 2006, 2007}
"""The day of solidarity was that Monday everywhere; no letter will be printed then any more."""


@pytest.mark.parametrize("year", YEARS)
def test_the_holidays_of_a_year_are_those_of_a_reference(year):
    expected = set(reference.country_holidays("FR", years=year))
    if year in WORKED_WHIT_MONDAY:
        expected.add(easter(year) + timedelta(days=50))

    assert holidays(year) == expected


def test_the_earliest_and_the_latest_easter_are_found():
    assert easter(2285) == date(2285, 3, 22)
    assert easter(2038) == date(2038, 4, 25)
    assert easter(2049) == date(2049, 4, 18)  # where the rule of Gauss needs its exception


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (date(2026, 11, 24), date(2026, 11, 27)),  # Tuesday to Friday
        (date(2026, 11, 26), date(2026, 12, 1)),  # over a weekend, as product.md has it
        (date(2026, 11, 28), date(2026, 12, 2)),  # a Saturday counts from Monday
        (date(2026, 12, 23), date(2026, 12, 29)),  # Christmas on a Friday
        (date(2026, 12, 31), date(2027, 1, 6)),  # into the next year
        (date(2027, 3, 25), date(2027, 3, 31)),  # Easter Monday
        (date(2027, 5, 4), date(2027, 5, 10)),  # Ascension
        (date(2027, 5, 13), date(2027, 5, 19)),  # Whit Monday
        (date(2029, 4, 27), date(2029, 5, 3)),  # the first of May
        (date(2029, 5, 4), date(2029, 5, 11)),  # the eighth and Ascension in one week
    ],
)
def test_a_letter_is_expected_on_the_third_working_day(printed, expected):
    assert expected_by(printed) == expected


def test_between_print_and_letter_box_there_are_always_three_working_days():
    day = date(2024, 1, 1)
    while day < date(2032, 1, 1):
        reached = expected_by(day)
        between = [day + timedelta(days=n) for n in range(1, (reached - day).days + 1)]
        assert sum(map(is_working_day, between)) == 3
        assert is_working_day(reached)
        assert reached - day <= timedelta(days=8)
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("asked", "printed"),
    [
        (datetime(2026, 11, 24, 13, 59, tzinfo=UTC), date(2026, 11, 24)),  # a Tuesday, 14 h 59
        (datetime(2026, 11, 24, 14, 0, tzinfo=UTC), date(2026, 11, 25)),  # 15 h: the post has left
        (datetime(2026, 7, 15, 13, 0, tzinfo=UTC), date(2026, 7, 16)),  # 15 h in summer too
        (datetime(2026, 11, 27, 20, 0, tzinfo=UTC), date(2026, 11, 30)),  # a Friday evening
        (datetime(2026, 11, 29, 9, 0, tzinfo=UTC), date(2026, 11, 30)),  # a Sunday
        (datetime(2026, 12, 25, 9, 0, tzinfo=UTC), date(2026, 12, 28)),  # Christmas
    ],
)
def test_a_letter_is_printed_before_the_post_leaves_on_a_working_day(asked, printed):
    assert print_day(asked, hour=15) == printed


def test_a_day_is_said_as_people_say_it():
    assert str(in_words(date(2026, 12, 1))) == "mardi 1er décembre"
    assert str(in_words(date(2026, 8, 2))) == "dimanche 2 août"
    assert str(in_words(date(2027, 2, 11), year=True)) == "jeudi 11 février 2027"


def test_the_day_is_that_of_france_and_not_of_greenwich():
    assert day_in_france(datetime(2026, 11, 24, 22, 59, tzinfo=UTC)) == date(2026, 11, 24)
    assert day_in_france(datetime(2026, 11, 24, 23, 0, tzinfo=UTC)) == date(2026, 11, 25)
    assert day_in_france(datetime(2026, 7, 14, 22, 0, tzinfo=UTC)) == date(2026, 7, 15)
