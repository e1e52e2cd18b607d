"""What operators read of each setting, made of its declaration."""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from idp.settings.told import Told
from idp.settings.whole import Settings


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as the manual shows it; ``default`` is "required" where there is none."""

    field: str
    name: str
    what: str
    unit: str
    default: str
    why: str


def manual() -> list[Entry]:
    """Describe every setting, in the order in which they are declared."""
    return [_entry(field, info) for field, info in Settings.model_fields.items()]


def written(value: object) -> str:
    """Write a value as the environment would have it; "" for one that is not set."""
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    if isinstance(value, datetime):
        return value.date().isoformat() if _is_midnight(value) else value.isoformat()
    return str(value)


def _entry(field: str, info: FieldInfo) -> Entry:
    (told,) = (part for part in info.metadata if isinstance(part, Told))
    default = "required" if info.default is PydanticUndefined else written(info.default) or "empty"
    return Entry(field, f"IDP_{field.upper()}", told.what, told.unit, default, told.why)


def _is_midnight(instant: datetime) -> bool:
    return (instant.hour, instant.minute, instant.second) == (0, 0, 0)
