"""Settings read from the environment, and what is wrong with them told in words."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from idp import IdpError
from idp.server import NUMBERS
from idp.settings.whole import Settings

_EXPECTED = {"greater_than_equal": "{} or more", "less_than_equal": "{} at most"}


class InvalidSettings(IdpError):
    """A setting is missing or wrong; the text names each one and what is expected."""

    code = "invalid_settings"


ELSEWHERE = frozenset(
    {
        "IDP_ENV_FILE",
        "IDP_OPERATOR",
        "IDP_BIND",
        *NUMBERS,
    }
)
"""Read by the commands and by ``deploy/gunicorn.conf.py``, not by ``Settings``."""


IN_FILES = ("database_url", "redis_url")
"""They hold passwords: ``IDP_…_FILE`` may name a file with the value, in the place of it."""


def misspelt_settings() -> list[str]:
    """Name the ``IDP_…`` variables that nothing reads: a setting written wrong is not in force."""
    known = {f"IDP_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    known |= {f"IDP_{name.upper()}_FILE" for name in IN_FILES}
    env_file = os.environ.get("IDP_ENV_FILE")
    given = {*os.environ, *(dotenv_values(env_file) if env_file else ())}
    return sorted(name for name in given if name.startswith("IDP_") and name not in known)


def read_settings(**given: object) -> Settings:
    """Read the settings; ``given`` values outrank the environment, which outranks the file.

    Raises:
        InvalidSettings: names every value that is missing or wrong.
    """
    env_file = os.environ.get("IDP_ENV_FILE")
    if env_file and not Path(env_file).exists():
        message = f"IDP_ENV_FILE: no such file: {env_file}"
        raise InvalidSettings(message)
    named = {**(dotenv_values(env_file) if env_file else {}), **os.environ}
    for name in IN_FILES:
        if name not in given and (path := named.get(f"IDP_{name.upper()}_FILE")):
            given[name] = _in_file(f"IDP_{name.upper()}", path, named)
    try:
        # mypy cannot know that the environment fills what is not given.
        return Settings(_env_file=env_file, **given)  # type: ignore[arg-type, call-arg]
    except ValidationError as error:
        faults = [
            _named(fault) + _told(fault)
            for fault in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidSettings("\n".join(faults)) from None


def _in_file(setting: str, path: str, named: Mapping[str, str | None]) -> str:
    """Read the value of a setting that is in a file."""
    if named.get(setting):
        message = f"{setting}, {setting}_FILE: both are set; keep one of them"
        raise InvalidSettings(message)
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        message = f"{setting}_FILE: {path}: {why}"
        raise InvalidSettings(message) from None
    if not value:
        message = f"{setting}_FILE: {path} is empty"
        raise InvalidSettings(message)
    return value


def _named(fault: ErrorDetails) -> str:
    """Name the setting; a fault between several of them names its own."""
    where = ".".join(str(part) for part in fault["loc"]).upper()
    return f"IDP_{where}: " if where else ""


def _told(fault: ErrorDetails) -> str:
    """Say what is expected, in the words of docs/settings.md and not in those of the library."""
    if fault["type"].startswith("time_delta"):
        return "a whole number of seconds"
    name = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] in _EXPECTED and name in Settings.model_fields:
        (bound,) = fault["ctx"].values()
        if Settings.model_fields[name].annotation is timedelta:
            bound = _in_seconds(name, fault["type"])
        return _EXPECTED[fault["type"]].format(bound)
    return fault["msg"].removeprefix("Value error, ")


def _in_seconds(name: str, kind: str) -> str:
    # The library tells its own text of a bound, and not the bound.
    bound, name_of_bound = (max, "ge") if kind == "greater_than_equal" else (min, "le")
    seconds = bound(
        int(getattr(limit, name_of_bound).total_seconds())
        for limit in Settings.model_fields[name].metadata
        if hasattr(limit, name_of_bound)
    )
    return "1 second" if seconds == 1 else f"{seconds} seconds"
