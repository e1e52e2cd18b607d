"""The outbox: what was promised to somebody, one row each, until it is done or given up.

A row names an account by its identifier and says what is to be said; it never holds an address or
a secret. Whoever sends looks the rest up at that moment. A row without an account is a decoy: an
unknown number leaves the same trace, and the worker drops it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.promise import PromiseState


class Kind(StrEnum):
    """What a row promises."""

    TEMPORARY_PASSWORD = "temporary_password"  # noqa: S105 - the name of a message
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - as above
    SIGN_IN_FAILURES = "sign_in_failures"
    ADDRESS_CODE = "address_code"
    ADDRESS_RECORDED = "address_recorded"
    LETTER_REQUESTED = "letter_requested"
    NEW_BROWSER = "new_browser"
    SESSIONS_ENDED = "sessions_ended"
    ACCESS_GIVEN = "access_given"
    ACCOUNT_FROZEN = "account_frozen"
    ACCOUNT_REOPENED = "account_reopened"
    DATA_DOWNLOADED = "data_downloaded"
    FRANCECONNECT_LINKED = "franceconnect_linked"
    FRANCECONNECT_UNLINKED = "franceconnect_unlinked"


@dataclass(frozen=True, slots=True)
class Promise:
    """A row as claimed or listed.

    Attributes:
        account_id: None for a decoy.
        credential_version: of the account when it was promised.
        due_at: not claimed before; the oldest of those that are due goes first.
        tries: how often somebody set out to send it.
        lease: the token under which this claimer holds it, "" when nobody does.
        lease_until: when others may claim it again; None when nobody holds it.
        message_id: the same for every try, so that a mail that left twice is seen as one.
        fault: why the last try failed, a stable word (``smtp_unreachable``, ``recipient_refused``).
        batch: the letter batch it was printed in, or "".
        done_at: when it was done, dropped or buried.
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
    lease_until: datetime | None = None
    done_at: datetime | None = None

    def outlived(self, now: datetime) -> bool:
        """Tell whether it waited for the 14 days that a promise may wait."""
        return now - self.created_at >= REQUEST_LIFETIME


DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 30, 60))
"""After the first, second, … failed try; the last one for all further ones."""


def next_try(promise: Promise, now: datetime) -> datetime | None:
    """When a try that just failed is repeated; None when it would come after the 14 days."""
    due_at = now + DELAYS[min(max(promise.tries, 1), len(DELAYS)) - 1]
    return None if promise.outlived(due_at) else due_at


class Outbox(Protocol):
    """Where promises are kept: SQL, in the transaction of the caller. Raises StoreUnavailable."""

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
        """Put it off as ``next_try`` says, or bury it when permanent or out of tries."""

    def release(self, promise: Promise) -> bool:
        """Give the lease back as if it had not been claimed: nothing was tried."""


class OutboxDesk(Protocol):
    """What operators see and do of it, in the transaction of the caller."""

    def rows(
        self,
        *,
        states: Collection[PromiseState],
        channel: Channel | None = None,
        batch: str = "",
        limit: int,
    ) -> list[Promise]:
        """List rows, the oldest first. ``batch`` and ``channel`` narrow it when given."""

    def of_account(self, account_id: str, *, limit: int) -> list[Promise]:
        """List what was promised to one account, the newest first."""

    def retry(self, promise_id: int) -> Promise | None:
        """Let a dead row wait again, due at once; None when it is not dead or outlived."""

    def retry_all(self) -> list[Promise]:
        """Let every dead row that is not outlived wait again."""

    def let_go(self, channel: Channel, *, limit: int) -> int:
        """Let held rows wait, the oldest first; their order stays. Gives how many."""

    def forget(self, before: datetime) -> int:
        """Remove rows done, dropped or buried before that, one batch; gives how many."""
