"""What a refused request is told by: which check, what it expected, what came.

A check raises its error *from* a ``Finding``; whoever answers reads it back with ``finding_of``.
The error's own text goes to the service; the finding goes to operators, who ask by the id of the
request (``idp audit why``): docs/adr/0022-why-a-request-was-refused.md.

Of what came only parameters that are no secret are shown, shortened, in ASCII; of every other one
its length.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from idp import IdpError
from idp.oidc.params import Params

SHOWN = frozenset(
    {
        "client_id", "redirect_uri", "post_logout_redirect_uri", "response_type", "response_mode",
        "scope", "prompt", "max_age", "display", "ui_locales", "claims_locales", "acr_values",
        "code_challenge_method", "grant_type", "client_assertion_type", "resource",
    }
)  # fmt: skip
"""The parameters whose values are shown: none holds a secret or names a person."""

LONGEST = 400
_VALUE_LIMIT = 160
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USER = re.compile(r"://[^/?#]*@")
_IN_QUERY = re.compile(r"(?<=[?&])([^=&#]*)=[^&#]*")
_LIKE_A_SECRET = re.compile(r"[A-Za-z0-9_+~-]{32,}")
_LIKE_A_NUMBER = re.compile(r"[0-9](?: ?[0-9]){6,}")


class Finding(IdpError):
    """What a check found; the cause of the error that it raised.

    Attributes:
        check: its name.
        expected: what would have passed.
        found: what came instead, as ``seen`` shows it.
    """

    code = "finding"

    def __init__(self, check: str, expected: str, found: str = "") -> None:
        super().__init__(f"{check}: expected {expected}; found {found or 'nothing'}")
        self.check = check
        self.expected = expected[:LONGEST]
        self.found = found[:LONGEST]


class Standing(StrEnum):
    """How much a refused request had shown of the service that it names."""

    PROVED = "proved"
    NAMED = "named"
    ANSWERED = "answered"
    """Named, and the request was good: the answer that no page may be shown, or the member's no."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request.

    Attributes:
        id: of the request, as its answer shows it.
        request: method and path.
        error: the code that was answered, and ``description`` the text beside it.
        client_id: a registered service, or "" where none was named.
        network: its prefix, as the audit log has it.
    """

    id: str
    at: datetime
    request: str
    error: str
    description: str
    check: str
    expected: str
    found: str
    client_id: str
    standing: Standing
    network: str


class Refusals(Protocol):
    """Where the newest refusals are kept: few for each service, and for some days.

    Where a service has too many, the network that has most of them gives way, its oldest first:
    who floods one with refusals in its name pushes out its own.
    """

    def note(self, refusal: Refusal) -> None:
        """Keep one.

        Raises:
            StoreUnavailable: it is not kept.
        """

    def find(self, refusal_id: str) -> Refusal | None:
        """Read one back."""


def finding_of(error: BaseException, otherwise: Finding | None = None) -> Finding:
    """Read what a check found; an error without any says at least what it is called."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, Finding):
            return cause
        cause = cause.__cause__
    if otherwise is not None:
        return otherwise
    name = str(getattr(error, "error", "") or getattr(error, "code", ""))
    return Finding(name, str(getattr(error, "description", "") or error))


def seen(params: Params, *names: str) -> str:
    """Show what came under some names."""
    return "; ".join(_seen(params, name) for name in names)


def shown(value: str) -> str:
    """Show a value that is no secret: without what could be one all the same."""
    written = value.encode("ascii", "backslashreplace").decode("ascii")
    written = _CONTROL.sub(lambda character: f"\\x{ord(character[0]):02x}", written)
    written = _USER.sub("://(hidden)@", written)
    written = _IN_QUERY.sub(r"\1=(hidden)", written)
    written = _LIKE_A_SECRET.sub(lambda run: f"({len(run[0])} characters)", written)
    written = _LIKE_A_NUMBER.sub("(number)", written)
    cut = len(written) > _VALUE_LIMIT
    return f"{written[:_VALUE_LIMIT]}... ({len(value)} characters)" if cut else written


def _seen(params: Params, name: str) -> str:
    if params.count(name) > 1 and name != "resource":
        return f"{name} {params.count(name)} times"
    if name not in params:
        return f"no {name}"
    if name in SHOWN:
        return f"{name}={' '.join(shown(value) for value in params.values(name))}"
    return f"{name} of {len(params.get(name))} characters"
