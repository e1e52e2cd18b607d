"""Mails and letters of the outbox, in SQL."""

import secrets
from collections.abc import Callable
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import Row
from sqlalchemy import bindparam
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update

from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.outbox import next_try
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.infra.outbox_rows import OLDEST_FIRST
from idp.infra.outbox_rows import OUTBOX
from idp.infra.outbox_rows import OutboxRows
from idp.infra.outbox_rows import claim_of
from idp.infra.sql import Database
from idp.promise import PromiseState

# During an update another version may write kinds that this one could not send: it leaves them.
_OWN = OUTBOX.c.kind.in_([str(kind) for kind in Kind])
_CLAIM = claim_of(OUTBOX.c.channel == bindparam("of_channel"), _OWN)


class SqlOutbox:
    """The ports ``Outbox`` and ``OutboxDesk``: in the transaction of the caller."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._rows = OutboxRows(database, now)

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
        now = self._now()
        made = self._database.execute(
            insert(OUTBOX).values(
                kind=str(kind),
                channel=str(channel),
                account_id=account_id,
                credential_version=credential_version,
                state=str(PromiseState.HELD if held else PromiseState.WAITING),
                created_at=now,
                due_at=now,
                message_id=secrets.token_hex(16),
            )
        )
        return int(made.inserted_primary_key[0])  # type: ignore[attr-defined] # of an INSERT

    def claim(self, channel: Channel, *, limit: int = 1) -> list[Promise]:
        """Lease rows that are due, oldest first; nobody else gets them."""
        claimed = self._rows.claim(_CLAIM, limit=limit, of_channel=str(channel))
        return [promise_of(row) for row in claimed]

    def done(self, promise: Promise, *, batch: str = "") -> bool:
        """Note that it left; False when the lease was lost meanwhile."""
        return self._rows.finish(promise, PromiseState.DONE, batch=batch)

    def drop(self, promise: Promise, fault: str) -> bool:
        """Give it up without sending: ``fault`` says why."""
        return self._rows.finish(promise, PromiseState.DROPPED, fault=fault)

    def failed(self, promise: Promise, fault: str, *, permanent: bool) -> bool:
        """Put it off as ``next_try`` says, or bury it when permanent or out of tries."""
        due_at = None if permanent else next_try(promise, self._now())
        if due_at is None:
            return self._rows.finish(promise, PromiseState.DEAD, fault=fault)
        return self._rows.put_off(promise, due_at, fault)

    def release(self, promise: Promise) -> bool:
        """Give the lease back as if it had not been claimed: nothing was tried."""
        return self._rows.release(promise)

    def rows(
        self,
        *,
        states: Collection[PromiseState],
        channel: Channel | None = None,
        batch: str = "",
        limit: int,
    ) -> list[Promise]:
        """List rows, the oldest first."""
        wanted: list[ColumnElement[bool]] = [_OWN]
        if channel is not None:
            wanted.append(OUTBOX.c.channel == str(channel))
        if batch:
            wanted.append(OUTBOX.c.batch == batch)
        return [promise_of(row) for row in self._rows.listed(states, *wanted, limit=limit)]

    def of_account(self, account_id: str, *, limit: int) -> list[Promise]:
        """List what was promised to one account, the newest first."""
        of_account = OUTBOX.c.account_id == account_id
        listed = select(OUTBOX).where(of_account, _OWN).order_by(OUTBOX.c.id.desc()).limit(limit)
        return [promise_of(row) for row in self._database.execute(listed)]

    def retry(self, promise_id: int) -> Promise | None:
        """Let a dead row wait again, due at once; None when it is not dead or outlived."""
        return next(iter(self._revive(OUTBOX.c.id == promise_id)), None)

    def retry_all(self) -> list[Promise]:
        """Let every dead row that is not outlived wait again."""
        return self._revive()

    def let_go(self, channel: Channel, *, limit: int) -> int:
        """Let held rows wait, the oldest first; their order stays."""
        held = (
            select(OUTBOX.c.id)
            .where(OUTBOX.c.state == str(PromiseState.HELD), OUTBOX.c.channel == str(channel))
            .order_by(*OLDEST_FIRST)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("held", nesting=True)
        )
        result = self._database.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id.in_(select(held.c.id)))
            .values(state=str(PromiseState.WAITING))
        )
        return int(result.rowcount)  # type: ignore[attr-defined] # an UPDATE's result has it

    def forget(self, before: datetime) -> int:
        """Remove rows done, dropped or buried before that, one batch; gives how many."""
        return self._rows.forget(before)

    def _revive(self, *of_whom: ColumnElement[bool]) -> list[Promise]:
        made_after = self._now() - REQUEST_LIFETIME
        return [promise_of(row) for row in self._rows.revive(made_after, _OWN, *of_whom)]


def promise_of(row: Row[Any]) -> Promise:  # Any: the columns of one row
    """Read a row of the outbox's table."""
    return Promise(
        id=row.id,
        kind=Kind(row.kind),
        channel=Channel(row.channel),
        account_id=row.account_id,
        credential_version=row.credential_version,
        state=PromiseState(row.state),
        created_at=row.created_at,
        due_at=row.due_at,
        tries=row.tries,
        lease=row.lease,
        message_id=row.message_id,
        fault=row.fault,
        batch=row.batch,
        lease_until=row.lease_until,
        done_at=row.done_at,
    )
