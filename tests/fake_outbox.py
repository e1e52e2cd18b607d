"""The outbox and what delivery needs beside it, in memory; the contract suite runs on both."""

import secrets
import threading
from collections.abc import Callable
from collections.abc import Collection
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta

from idp import StoreUnavailable
from idp.identity.contact import Contact
from idp.identity.delivery import Message
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.outbox import next_try
from idp.identity.temporary_password import Channel
from idp.promise import LEASE
from idp.promise import PromiseState

Now = Callable[[], datetime]


class MemoryOutbox:
    """The ports ``Outbox`` and ``OutboxDesk``."""

    def __init__(self, now: Now) -> None:
        self.away = False
        self._now = now
        self._lock = threading.RLock()
        self._rows: dict[int, Promise] = {}
        self._last = 0

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
        self._look()
        with self._lock:
            self._last += 1
            self._rows[self._last] = Promise(
                id=self._last,
                kind=kind,
                channel=channel,
                account_id=account_id,
                credential_version=credential_version,
                state=PromiseState.HELD if held else PromiseState.WAITING,
                created_at=self._now(),
                due_at=self._now(),
                tries=0,
                lease="",
                message_id=secrets.token_hex(16),
            )
            return self._last

    def claim(self, channel: Channel, *, limit: int = 1) -> list[Promise]:
        """Lease rows that are due, oldest first; nobody else gets them."""
        self._look()
        with self._lock:
            now, lease = self._now(), secrets.token_urlsafe(16)
            due = [
                row
                for row in self._rows.values()
                if row.state is PromiseState.WAITING
                and row.channel is channel
                and row.due_at <= now
                and (row.lease_until is None or row.lease_until <= now)
            ]
            due.sort(key=lambda row: (row.due_at, row.id))
            return [
                self._keep(replace(row, lease=lease, lease_until=now + LEASE, tries=row.tries + 1))
                for row in due[:limit]
            ]

    def done(self, promise: Promise, *, batch: str = "") -> bool:
        """Note that it left; False when the lease was lost meanwhile."""
        return self._finish(promise, PromiseState.DONE, fault="", batch=batch)

    def drop(self, promise: Promise, fault: str) -> bool:
        """Give it up without sending."""
        return self._finish(promise, PromiseState.DROPPED, fault=fault)

    def failed(self, promise: Promise, fault: str, *, permanent: bool) -> bool:
        """Put it off, or bury it."""
        due_at = None if permanent else next_try(promise, self._now())
        if due_at is None:
            return self._finish(promise, PromiseState.DEAD, fault=fault)
        with self._lock:
            held = self._held(promise)
            if held is not None:
                self._keep(replace(held, due_at=due_at, fault=fault, lease="", lease_until=None))
            return held is not None

    def release(self, promise: Promise) -> bool:
        """Give the lease back as if it had not been claimed."""
        with self._lock:
            held = self._held(promise)
            if held is not None:
                self._keep(replace(held, tries=held.tries - 1, lease="", lease_until=None))
            return held is not None

    def rows(
        self,
        *,
        states: Collection[PromiseState],
        channel: Channel | None = None,
        batch: str = "",
        limit: int,
    ) -> list[Promise]:
        """List rows, the oldest first."""
        self._look()
        return [
            row
            for row in self._rows.values()
            if row.state in states
            and channel in (None, row.channel)
            and (not batch or row.batch == batch)
        ][:limit]

    def of_account(self, account_id: str, *, limit: int) -> list[Promise]:
        """List what was promised to one account, the newest first."""
        self._look()
        own = [row for row in self._rows.values() if row.account_id == account_id]
        return own[::-1][:limit]

    def retry(self, promise_id: int) -> Promise | None:
        """Let a dead row wait again."""
        self._look()
        with self._lock:
            row = self._rows.get(promise_id)
            if row is None or row.state is not PromiseState.DEAD or row.outlived(self._now()):
                return None
            waiting = replace(row, state=PromiseState.WAITING, fault="", tries=0)
            return self._keep(replace(waiting, due_at=self._now(), done_at=None))

    def retry_all(self) -> list[Promise]:
        """Let every dead row that is not outlived wait again."""
        revived = [self.retry(number) for number in list(self._rows)]
        return [row for row in revived if row is not None]

    def let_go(self, channel: Channel, *, limit: int) -> int:
        """Let held rows wait, the oldest first."""
        self._look()
        with self._lock:
            held = self.rows(states=[PromiseState.HELD], channel=channel, limit=limit)
            for row in held:
                self._keep(replace(row, state=PromiseState.WAITING))
            return len(held)

    def forget(self, before: datetime) -> int:
        """Remove rows that ended before."""
        self._look()
        with self._lock:
            old = [r.id for r in self._rows.values() if r.done_at and r.done_at < before]
            for number in old:
                del self._rows[number]
            return len(old)

    def _finish(
        self, promise: Promise, state: PromiseState, *, fault: str, batch: str = ""
    ) -> bool:
        with self._lock:
            held = self._held(promise)
            if held is None:
                return False
            ended = replace(held, state=state, fault=fault, batch=batch, done_at=self._now())
            self._keep(replace(ended, lease="", lease_until=None))
            return True

    def _held(self, promise: Promise) -> Promise | None:
        self._look()
        row = self._rows.get(promise.id)
        if row is None or row.state is not PromiseState.WAITING:
            return None
        return row if row.lease and row.lease == promise.lease else None

    def _keep(self, row: Promise) -> Promise:
        self._rows[row.id] = row
        return row

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable(type(self).__name__)


@dataclass
class _PendingAddress:
    """One address that waits for its code."""

    address: str
    until: datetime
    digest: str = ""
    wrong: int = 0


class MemoryPendingAddresses:
    """The port ``PendingAddresses``."""

    def __init__(self, now: Now) -> None:
        self.away = False
        self._now = now
        self._lock = threading.RLock()
        self._pending: dict[str, _PendingAddress] = {}

    def propose(self, account_id: str, address: str, *, lifetime: timedelta) -> None:
        """Keep an address in the place of the one before, without a code yet."""
        self._look()
        with self._lock:
            self._pending[account_id] = _PendingAddress(address, self._now() + lifetime)

    def address(self, account_id: str) -> str:
        """The address that waits, or ""."""
        waiting = self._living(account_id)
        return waiting.address if waiting is not None else ""

    def draw(self, account_id: str, digest: str) -> str:
        """Put a code's digest, in the place of the one before; gives the address, or ""."""
        with self._lock:
            waiting = self._living(account_id)
            if waiting is None:
                return ""
            waiting.digest = digest
            return waiting.address

    def confirm(self, account_id: str, digest: str, *, tries: int) -> tuple[str, bool]:
        """Take the address once if the digest fits, else count one wrong try."""
        with self._lock:
            waiting = self._living(account_id)
            if waiting is None:
                return "", False
            if waiting.digest and waiting.digest == digest:
                del self._pending[account_id]
                return waiting.address, False
            waiting.wrong += 1
            if waiting.wrong >= tries:
                del self._pending[account_id]
                return "", False
            return "", True

    def _living(self, account_id: str) -> _PendingAddress | None:
        self._look()
        waiting = self._pending.get(account_id)
        return waiting if waiting is not None and self._now() < waiting.until else None

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable(type(self).__name__)


def contact(**changes: object) -> Contact:
    """Somebody who can be written to by mail and by post."""
    values: dict[str, object] = {
        "account_id": "account",
        "qualite": Qualite.AFFILIE,
        "numero": NumeroDossier("1234567"),
        "status": DossierStatus.ACTIVE,
        "credential_version": 3,
        "has_password": True,
        "email": "anne@example.org",
        "confirmed_email": "",
        "former_email": "anne@example.org",
        "given_names": "Anne Marie Louise",
        "usage_name": "MARTIN",
        "family_name": "LEFÈVRE",
        "birthdate": "1950-05-12",
        "address": ("MME ANNE MARTIN", "", "12 RUE DES LILAS", "", "75012 PARIS", ""),
        **changes,
    }
    return Contact(**values)  # type: ignore[arg-type]


class FakeMailer:
    """The port ``Mailer``: keeps what it was handed; ``fault`` is raised instead while it is set.

    ``fault_after`` is raised once the mail is kept: a server that took it and was not heard.
    """

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fault: BaseException | None = None
        self.fault_after: BaseException | None = None

    def send(self, message: Message) -> None:
        """Keep it."""
        if self.fault is not None:
            raise self.fault
        self.sent.append(message)
        if self.fault_after is not None:
            raise self.fault_after
