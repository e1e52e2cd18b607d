"""How files of the keys folder are named: a name is the only fact of its file.

A key is ``2026-12-01T00-00Z.RS256.pem``, or ``2026-12-01T00-00-30Z.RS256.pem`` when its instant has
seconds. What is left of one that was revoked is a file too, beside it in the order of names, with
the instant of its end and its kid: ``2026-12-01T00-00Z.RS256.revoked-2026-12-05T09-30Z.<kid>``. It
is never erased: a copy of the key that comes back finds it there. Its content is for people.
"""

import re
from datetime import UTC
from datetime import datetime
from pathlib import Path

from idp import IdpError
from idp.oidc.keys import RevokedKey

_INSTANT = r"\d{4}-\d\d-\d\dT\d\d-\d\d(?:-\d\d)?Z"
_KEY = re.compile(rf"({_INSTANT})\.([A-Z0-9]+)\.pem", re.ASCII)
_REVOKED = re.compile(
    rf"({_INSTANT})\.([A-Z0-9]+)\.revoked-({_INSTANT})\.([A-Za-z0-9_-]{{43}})", re.ASCII
)
_SHORT, _LONG = "%Y-%m-%dT%H-%MZ", "%Y-%m-%dT%H-%M-%SZ"
_LAST_YEAR = 9000  # what is added to an instant of a name still fits a date


class BrokenKeyFile(IdpError):
    """A key file cannot be used; the text names it and says why, and never quotes it."""

    code = "broken_key_file"


def name_of(signs_from: datetime, alg: str) -> str:
    """Name the file of a key."""
    return f"{_written(signs_from)}.{alg}.pem"


def name_of_revoked(key: RevokedKey) -> str:
    """Name what is left of a key that was revoked."""
    began, ended = _written(key.signs_from), _written(key.revoked_at)
    return f"{began}.{key.alg}.revoked-{ended}.{key.kid}"


def facts_of(path: Path) -> tuple[datetime, str]:
    """Read when the key of a file signs first, and its algorithm.

    Raises:
        BrokenKeyFile: the name is not that of a key.
    """
    match = _KEY.fullmatch(path.name)
    signs_from = _instant(match[1]) if match else None
    if match is None or signs_from is None or signs_from.year > _LAST_YEAR:
        message = f"{path}: not named like 2026-12-01T00-00Z.ES256.pem; rename it or take it away"
        raise BrokenKeyFile(message)
    return signs_from, match[2]


def revoked_in(name: str) -> RevokedKey | None:
    """Read what a name says of a key that was revoked; None for any other name."""
    match = _REVOKED.fullmatch(name)
    if match is None:
        return None
    signs_from, revoked_at = _instant(match[1]), _instant(match[3])
    if signs_from is None or revoked_at is None:
        return None
    return RevokedKey(match[4], match[2], signs_from, revoked_at)


def _written(instant: datetime) -> str:
    return instant.strftime(_LONG if instant.second else _SHORT)


def _instant(written: str) -> datetime | None:
    """Read an instant. One name for one instant: two files could claim it otherwise."""
    try:
        pattern = _LONG if len(written) > len("2026-12-01T00-00Z") else _SHORT
        instant = datetime.strptime(written, pattern).replace(tzinfo=UTC)
    except ValueError:
        return None
    return instant if _written(instant) == written else None
