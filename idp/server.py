"""What ``deploy/gunicorn.conf.py`` reads in the environment, and ``idp doctor`` looks at too.

The master imports this before any worker is born: nothing but the standard library.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from idp import IdpError

BIND = "127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """A number of the server: where nobody set it, and the least that works."""

    default: int
    least: int


NUMBERS = {
    "IDP_WORKERS": WholeNumber(default=2, least=1),
    "IDP_THREADS": WholeNumber(default=8, least=1),
    "IDP_DRAIN_SECONDS": WholeNumber(default=0, least=0),
    "IDP_GRACEFUL_SECONDS": WholeNumber(default=20, least=0),
}


class NoSuchNumber(IdpError):
    """A number of the server is none, or too small; the text names it and what is expected."""

    code = "invalid_server_number"


def number(name: str, named: Mapping[str, str]) -> int:
    """Read a number of the server.

    Raises:
        NoSuchNumber: it is not written in digits alone, or is less than works.
    """
    expected = NUMBERS[name]
    written = named.get(name, str(expected.default))
    if not (written.isascii() and written.isdigit() and int(written) >= expected.least):
        message = f"{name}: a whole number, {expected.least} or more"
        raise NoSuchNumber(message)
    return int(written)


def addresses(named: Mapping[str, str]) -> list[str]:
    """Give the addresses that the web listens on, as gunicorn writes them."""
    return named.get("IDP_BIND", BIND).split()
