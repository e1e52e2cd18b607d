"""The outbox: what was promised to somebody, one row each, until it is done or given up.

A row names an account by its identifier and says what is to be said; it never holds an address or
a secret. Whoever sends looks the rest up at that moment. A row without an account is a decoy: an
unknown number leaves the same trace, and the worker drops it.
"""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp.identity.temporary_password import Channel


class Kind(StrEnum):
    """What a row promises."""

    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105 - the name of a message
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - as above
    SIGN_IN_FAILURES = "sign_in_failures"
    ADDRESS_CODE = "address_code"
    ADDRESS_RECORDED = "address_recorded"


class PromiseState(StrEnum):
    """Where a row stands."""

    WAITING = "waiting"
    HELD = "held"
    """By the letter breaker: keeps its order, leaves when an operator lets it go."""
    DONE = "done"
    DROPPED = "dropped"
    """Nobody to send to, superseded, or too old: nothing left."""
    DEAD = "dead"
    """Refused for good, or tried too often: an operator looks, and may retry it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A row as claimed or listed.

    Attributes:
        account_id: None for a decoy.
        credential_version: of the account when it was promised.
        tries: how often it was claimed.
        lease: the token under which this claimer holds it, "" when nobody does.
        message_id: the same for every try, so that a mail that left twice is seen as one.
        fault: why the last try failed, a stable word (``smtp_unreachable``, ``recipient_refused``).
        batch: the letter batch it was printed in, or "".
    """

    id: int
    kind: Kind
    channel: Channel
    account_id: str | None
    credential_version: int
    state: PromiseState
    created_at: datetime
    due_at: datetime
    tries: int
    lease: str
    message_id: str
    fault: str = ""
    batch: str = ""
    done_at: datetime | None = None


DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 30, 60))
"""After the first, second, … failed try; the last one for all further ones."""

LEASE = timedelta(minutes=5)


class Outbox(Protocol):
    """Where promises are kept: SQL. ``add`` joins the caller's transaction; the others too."""

    def add(
        self,
        kind: Kind,
        channel: Channel,
        *,
        account_id: str | None,
        credential_version: int = 0,
        held: bool = False,
    ) -> int:
        """Promise something; gives the row's number, which rises."""

    def claim(self, channel: Channel, *, limit: int = 1) -> list[Promise]:
        """Lease rows that are due, oldest first, in one statement; nobody else gets them."""

    def done(self, promise: Promise, *, batch: str = "") -> bool:
        """Note that it left; False when the lease was lost meanwhile."""

    def drop(self, promise: Promise, fault: str) -> bool:
        """Give it up without sending: ``fault`` says why."""

    def failed(self, promise: Promise, fault: str, *, permanent: bool) -> bool:
        """Put it off by the growing delays, or bury it when permanent or older than 14 days."""

    def release(self, promise: Promise) -> bool:
        """Give the lease back at once: the worker is told to stop."""
