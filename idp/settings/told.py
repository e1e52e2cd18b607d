"""How a setting is declared: its type and bounds, and what operators read of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator
from pydantic import Field

LONGEST = timedelta(days=3 * 366)
"""No span is longer: nothing of a person is kept so long, and no sum with an instant overflows."""


@dataclass(frozen=True, slots=True)
class Told:
    """What operators read of a setting: what it says, its unit, and why it is what it is."""

    what: str
    unit: str
    why: str = ""


def _seconds(value: object) -> object:
    # "60" is a minute, not the ISO 8601 duration that pydantic would look for.
    if isinstance(value, str) and value.strip().isdecimal():
        digits = value.strip().lstrip("0") or "0"
        too_long = len(digits) > len(str(LONGEST.days * 86_400))
        return timedelta.max if too_long else timedelta(seconds=int(digits))
    return value


Span = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(seconds=1), le=LONGEST)]
