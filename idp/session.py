"""The SSO session of a browser: who, since when, how; and where sessions are kept.

The cookie holds a token of 32 random bytes. The store knows only its SHA-256 (``session_key``), so
that whoever reads the store cannot sign in. Idle time is the store's time to live, renewed at each
look; the absolute end stands in the session itself.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An account that has just proved itself, by ``amr`` (RFC 8176) at level ``acr``."""

    account_id: str
    credential_version: int
    amr: tuple[str, ...]
    acr: str


@dataclass(frozen=True, slots=True)
class Place:
    """From where somebody signed in, as far as their own page tells it; "" what nobody knows.

    Attributes:
        browser: a name out of a short list, never what the browser says of itself.
        system: likewise.
        network: shortened as in the audit log (``limits.audited_network``).
    """

    browser: str = ""
    system: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """What one browser's sign-in is worth to every service, until ``ends_at`` at most."""

    account_id: str
    credential_version: int
    amr: tuple[str, ...]
    acr: str
    auth_time: datetime
    ends_at: datetime
    place: Place = Place()

    @classmethod
    def open(
        cls,
        signed_in: SignedIn,
        *,
        now: datetime,
        absolute: timedelta,
        place: Place = Place(),
    ) -> "Session":
        """Start the session of a fresh sign-in; it lives ``absolute`` at most, however busy."""
        return cls(
            account_id=signed_in.account_id,
            credential_version=signed_in.credential_version,
            amr=signed_in.amr,
            acr=signed_in.acr,
            auth_time=now,
            ends_at=now + absolute,
            place=place,
        )

    def is_recent(self, *, now: datetime, within: timedelta) -> bool:
        """Tell whether the person proved themselves so short a time ago.

        What is sensitive is shown and changed under such a session alone: a browser that somebody
        left open is worth less than a password.
        """
        return now - self.auth_time <= within


def new_session_token() -> str:
    """Draw the value of a session cookie: 32 random bytes, base64url."""
    return secrets.token_urlsafe(32)


def session_key(token: str) -> str:
    """Name a session in the store: what the store holds opens nothing."""
    digest = hashlib.sha256(b"session:" + token.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True)
class Visit:
    """A service that was given a code: whose, and in which session, by its key in the store."""

    account_id: str
    session_key: str
    client_id: str


@dataclass(frozen=True, slots=True)
class LivingSession:
    """A session that its browser can come back by; ``used_at`` is when it last did, if known."""

    key: str
    session: Session
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Sessions that are over: how many were alive until now, and the visits made in all of them."""

    alive: int
    visits: tuple[Visit, ...] = ()


class EndsSessions(Protocol):
    """What ends the sessions of an account whose sign-ins are worth nothing any more."""

    def end_all(self, account_id: str) -> Ended:
        """End every session of an account; needs the caller's transaction."""


class Sessions(Protocol):
    """Where sessions are kept. Every method raises StoreUnavailable when the store is away.

    The visits outlive their session for as long as it could have lived: whoever ended it and could
    not say so to the services ends it again.
    """

    def put(self, key: str, session: Session) -> None:
        """Keep a new session and note it in the index of its account."""

    def get(self, key: str) -> Session | None:
        """Read a session and renew its idle time; None when it ended, idle or absolute."""

    def end(self, key: str) -> Ended:
        """End one session and read its visits, in one step."""

    def retire(self, key: str, account_id: str) -> Ended:
        """End a session that another one follows in its browser, and read its visits, in one step.

        Of the same person, what it gave lives on for its own time: until the session that follows
        it, and inherits its visits, ends too. Somebody else's ends whole.
        """

    def end_all(self, account_id: str) -> Ended:
        """End every session of an account and read their visits, in one step."""

    def end_others(self, account_id: str, key: str) -> Ended:
        """End every session of an account but that of ``key`` and what it answers for."""

    def make_room(self, account_id: str, *, keep: int) -> Ended:
        """End the oldest sessions of an account beyond ``keep``, and read their visits.

        In one step; what hangs on nothing any more leaves the index.
        """

    def of_account(self, account_id: str) -> list[LivingSession]:
        """List the living sessions of an account, the oldest first; their idle time goes on."""

    def accounts(self) -> Iterator[str]:
        """Name every account that may have a session, some of them more than once."""

    def inherit(self, key: str, visits: Iterable[Visit]) -> None:
        """Let a new session answer for what was visited in the one before."""
