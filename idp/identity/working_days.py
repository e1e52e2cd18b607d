"""Working days of metropolitan France: when a letter is in the box, said as people say a day.

Monday to Friday, the eleven public holidays apart (Code du travail, L3133-1). The two of
Alsace-Moselle and those of overseas departments are not among them.
"""

from datetime import date
from datetime import datetime
from datetime import timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from idp.sentence import Sentence
from idp.sentence import say

FRANCE = ZoneInfo("Europe/Paris")
LETTER_TAKES = 3
"""Working days from the print to the letter box: "sous 72 h, hors week-end et jours fériés"."""

_DAY = timedelta(days=1)
_FIXED = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
_AFTER_EASTER = (1, 39, 50)  # Easter Monday, Ascension, Whit Monday
_WEEKDAYS = (
    say("lundi"),
    say("mardi"),
    say("mercredi"),
    say("jeudi"),
    say("vendredi"),
    say("samedi"),
    say("dimanche"),
)
_MONTHS = (
    say("janvier"),
    say("février"),
    say("mars"),
    say("avril"),
    say("mai"),
    say("juin"),
    say("juillet"),
    say("août"),
    say("septembre"),
    say("octobre"),
    say("novembre"),
    say("décembre"),
)


def day_in_france(at: datetime) -> date:
    """The date that a calendar on a French wall shows at an instant."""
    return at.astimezone(FRANCE).date()


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    Spec: Meeus, Astronomical Algorithms, chapter 8.
    """
    century, rest = divmod(year, 100)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * (year % 19) + century - century // 4 - correction + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (year % 19 + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=8)
def holidays(year: int) -> frozenset[date]:
    """The eleven public holidays of a year; two of them may fall on one day."""
    sunday = easter(year)
    moving = {sunday + days * _DAY for days in _AFTER_EASTER}
    return frozenset(moving | {date(year, month, day) for month, day in _FIXED})


def is_working_day(day: date) -> bool:
    """True from Monday to Friday, when it is no holiday."""
    return day.weekday() < 5 and day not in holidays(day.year)


def print_day(at: datetime, *, hour: int) -> date:
    """The day on which a letter asked for at an instant is printed.

    Args:
        at: when it was asked for.
        hour: of France, before which it still leaves on the same working day.
    """
    here = at.astimezone(FRANCE)
    day = here.date() if here.hour < hour else here.date() + _DAY
    while not is_working_day(day):
        day += _DAY
    return day


def expected_by(day: date) -> date:
    """The last day on which a letter printed on ``day`` is expected: its third working day."""
    for _ in range(LETTER_TAKES):
        day += _DAY
        while not is_working_day(day):
            day += _DAY
    return day


def in_words(day: date, *, year: bool = False) -> Sentence:
    """Say a day: ``mardi 1er décembre``, with the year where it is far or binding."""
    said = {
        "weekday": _WEEKDAYS[day.weekday()],
        "day": say("1er") if day.day == 1 else day.day,
        "month": _MONTHS[day.month - 1],
    }
    if year:
        return say("%(weekday)s %(day)s %(month)s %(year)s", **said, year=day.year)
    return say("%(weekday)s %(day)s %(month)s", **said)


def hour_in_words(at: datetime) -> Sentence:
    """Say an hour of France: ``9 h 05``."""
    here = at.astimezone(FRANCE)
    return say("%(hour)s\u00a0h\u00a0%(minute)s", hour=here.hour, minute=str(here.minute).zfill(2))


def moment_in_words(at: datetime) -> Sentence:
    """Say an instant as a clock in France shows it: ``mardi 1er décembre 2026 à 9 h 05``."""
    day = in_words(day_in_france(at), year=True)
    return say("%(day)s à %(hour)s", day=day, hour=hour_in_words(at))
