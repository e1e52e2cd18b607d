"""What a sign-in through FranceConnect needs of the world: the client, and three places to wait.

A *try* is a browser that was sent there. An *arrival* is a person who came back and whose dossier
is not known yet. A *hint* is the ID token by which a session can be ended there too.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp import IdpError
from idp.identity.pivot import Arrival

TRY_LIFETIME = timedelta(hours=1)
"""Twice the session over there, which each step renews: an account may have to be made first."""
TRY_REMEMBERED = timedelta(hours=24)
"""From its beginning, where nobody came back: by then what waits has ended too, unless told
otherwise. One that was taken is remembered for ``TRY_LIFETIME`` more.
"""
ARRIVAL_LIFETIME = timedelta(minutes=15)
TRIES_OF_BROWSER = 5
TRIES_OF_NETWORK = 200
TRIES_OF_ALL = 30_000
"""Eight people a second for an hour. A crowd of networks fills no more of the store: 60 MB,
160 MB where every waiting request is as long as one may be.
"""


class FranceConnectAway(IdpError):
    """It does not answer, not in time, or not as such a service does: the other block stays.

    ``fault`` is a stable word: ``timeout``, ``unreachable``, ``unknown``, ``certificate``,
    ``not_public``, ``not_secure``, ``answer``, ``status``, ``unreadable``; ``breaker`` (not asked:
    it has just been away), ``busy`` (not asked: enough of us wait for it).
    """

    code = "franceconnect_away"

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


class FranceConnectMistrusted(IdpError):
    """What it answered failed a check, and nothing of it may be believed.

    ``fault`` names the check, never what was read: ``jwt``, ``alg``, ``crit``, ``kid``,
    ``signature``, ``iss``, ``aud``, ``azp``, ``exp``, ``iat``, ``nonce``, ``acr``, ``at_hash``,
    ``sub``, ``auth_time``, ``claims``, ``type``, those of the user's claims after ``userinfo_``;
    ``token_type``, ``access_token``, ``id_token``; ``discovery_issuer``, ``discovery_endpoint``.
    """

    code = "franceconnect_mistrusted"

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


class FranceConnectSaidNo(IdpError):
    """It refused the code, or the access token that it had just given.

    ``error`` is a word of RFC 6749 §5.2, ``invalid_token``, or ``other``.
    """

    code = "franceconnect_said_no"

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Arrived:
    """A person back from there, and the ID token that ends their session there."""

    arrival: Arrival
    id_token: str = field(repr=False)


class FranceConnect(Protocol):
    """The provider on the other side."""

    def is_away(self) -> bool:
        """Tell from memory whether it has just been away; asks nobody."""

    def is_from(self, iss: str) -> bool:
        """Tell whether a callback's ``iss`` is its own: look before anything else (RFC 9207)."""

    def origin(self) -> str:
        """Its origin, as a Content-Security-Policy names it."""

    def begin(self, *, state: str, nonce: str) -> str:
        """Give the address to send a browser to.

        Raises:
            FranceConnectAway: its discovery document cannot be had.
            FranceConnectMistrusted: the document is somebody else's.
        """

    def finish(self, *, code: str, nonce: str, max_age: timedelta | None = None) -> Arrived:
        """Exchange a code, read who the person is, and check all of it.

        ``max_age``: how long ago they may have been identified over there; it was not asked for,
        since FranceConnect takes no such parameter, and is made sure of.

        Raises:
            FranceConnectAway: nobody can tell who came; the code is lost.
            FranceConnectMistrusted: a check failed.
            FranceConnectSaidNo: the code was refused.
        """

    def logout_url(self, *, id_token: str, state: str) -> str:
        """Give the address that ends a session there, or "" where none is known."""


class Purpose(StrEnum):
    """Why a browser was sent there."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Try:
    """A browser that was sent there.

    Attributes:
        browser_hash: ``browser_hash`` of the browser that may come back, and of no other.
        nonce: what the ID token must repeat.
        demande: the waiting request, sealed as in a page's address, or "".
        purpose: what it will be good for.
        account_id: whose account, for ``confirm`` and ``link``; else "".
        page: where to go on, of our own site; or "".
    """

    browser_hash: str
    nonce: str = field(repr=False)
    demande: str = field(default="", repr=False)
    purpose: Purpose = Purpose.SIGN_IN
    account_id: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """A try of the same browser that was taken before (a second tab, the back button), or too old.

    It signs nobody in, and tells where they may begin again: what waits goes on waiting.
    """

    demande: str = field(default="", repr=False)
    page: str = ""


def browser_hash(browser: str) -> str:
    """Name a browser in the store: what the store holds is no cookie."""
    digest = hashlib.sha256(b"franceconnect:" + browser.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


class Tries(Protocol):
    """Where tries wait. Every method raises StoreUnavailable when the store is away."""

    def put(self, state: str, begun: Try, *, network: str) -> None:
        """Keep a try for ``TRY_LIFETIME``; where it came from, for longer.

        The oldest of its browser, of its network and of all give way beyond ``TRIES_OF_BROWSER``,
        ``TRIES_OF_NETWORK`` and ``TRIES_OF_ALL``.
        """

    def take(self, state: str, browser: str) -> Try | Spent | None:
        """Take a try once, in one step; ``browser`` is the cookie's value.

        None for a state that nobody was sent with, or that is forgotten, or of another browser:
        that one keeps its try.
        """


class Arrivals(Protocol):
    """Where arrivals wait for a choice or a proof; ``token`` is the value of a cookie."""

    def put(self, token: str, arrived: Arrived) -> None:
        """Keep an arrival for ``ARRIVAL_LIFETIME``."""

    def get(self, token: str) -> Arrived | None:
        """Read an arrival and leave it there."""

    def take(self, token: str) -> Arrived | None:
        """Take an arrival, once: the sign-in or the link that it was good for happens now."""


class Hints(Protocol):
    """The ID tokens of living sessions, by the session's key and the account's identifier.

    Writes join the caller's ``together``.
    """

    def put(self, session_key: str, account_id: str, id_token: str) -> None:
        """Keep a hint as long as a session may last."""

    def follow(self, former_key: str, session_key: str, account_id: str) -> None:
        """Let a session take over the hint of the one it follows, if that was of this account."""

    def take(self, session_key: str, account_id: str) -> str:
        """Take a hint, once, or give ""."""
