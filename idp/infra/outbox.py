"""The outbox in SQL: a row is taken by one statement, and nothing is locked while it is sent."""

import secrets
from collections.abc import Callable
from collections.abc import Collection
from datetime import datetime
from typing import Any
from typing import cast

from sqlalchemy import ColumnElement
from sqlalchemy import Row
from sqlalchemy import Table
from sqlalchemy import Update
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update

from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.outbox import next_try
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.infra.sql import Database
from idp.infra.tables import OutboxRow
from idp.promise import LEASE
from idp.promise import PromiseState

_BATCH = 5_000
_OUTBOX = cast("Table", OutboxRow.__table__)  # a mapped class without inheritance has a Table
_OLDEST_FIRST = (_OUTBOX.c.due_at, _OUTBOX.c.id)

# During an update another version may write kinds that this one could not send: it leaves them.
_DUE = (
    select(_OUTBOX.c.id)
    .where(
        _OUTBOX.c.state == str(PromiseState.WAITING),
        _OUTBOX.c.channel == bindparam("of_channel"),
        _OUTBOX.c.due_at <= bindparam("at"),
        _OUTBOX.c.kind.in_([str(kind) for kind in Kind]),
        or_(_OUTBOX.c.lease_until.is_(None), _OUTBOX.c.lease_until <= bindparam("at")),
    )
    .order_by(*_OLDEST_FIRST)
    .limit(bindparam("how_many"))
    .with_for_update(skip_locked=True)  # SQLite has one writer at a time, and no such clause
    # PostgreSQL runs a common table expression once, a mere subquery maybe for each row, and would
    # then take more than the limit. Inside, since the driver of SQLite takes a statement that
    # begins with WITH for one that reads: no transaction, no count.
    .cte("due", nesting=True)
)
_CLAIM = (
    update(_OUTBOX)
    .where(_OUTBOX.c.id.in_(select(_DUE.c.id)))
    .values(lease=bindparam("by"), lease_until=bindparam("until"), tries=_OUTBOX.c.tries + 1)
    .returning(*_OUTBOX.c)
)


class SqlOutbox:
    """The ports ``Outbox`` and ``OutboxDesk``: in the transaction of the caller."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

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
            insert(_OUTBOX).values(
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
        now = self._now()
        rows = self._database.execute(
            _CLAIM,
            {
                "of_channel": str(channel),
                "at": now,
                "how_many": limit,
                "by": secrets.token_urlsafe(16),
                "until": now + LEASE,
            },
        )
        return sorted(map(promise_of, rows), key=lambda claimed: (claimed.due_at, claimed.id))

    def done(self, promise: Promise, *, batch: str = "") -> bool:
        """Note that it left; False when the lease was lost meanwhile."""
        return self._finish(promise, PromiseState.DONE, fault="", batch=batch)

    def drop(self, promise: Promise, fault: str) -> bool:
        """Give it up without sending: ``fault`` says why."""
        return self._finish(promise, PromiseState.DROPPED, fault=fault)

    def failed(self, promise: Promise, fault: str, *, permanent: bool) -> bool:
        """Put it off as ``next_try`` says, or bury it when permanent or out of tries."""
        due_at = None if permanent else next_try(promise, self._now())
        if due_at is None:
            return self._finish(promise, PromiseState.DEAD, fault=fault)
        return self._change(
            _leased(promise).values(due_at=due_at, fault=fault, lease="", lease_until=None)
        )

    def release(self, promise: Promise) -> bool:
        """Give the lease back as if it had not been claimed: nothing was tried."""
        return self._change(
            _leased(promise).values(tries=_OUTBOX.c.tries - 1, lease="", lease_until=None)
        )

    def rows(
        self,
        *,
        states: Collection[PromiseState],
        channel: Channel | None = None,
        batch: str = "",
        limit: int,
    ) -> list[Promise]:
        """List rows, the oldest first."""
        wanted: list[ColumnElement[bool]] = [_OUTBOX.c.state.in_([str(state) for state in states])]
        if channel is not None:
            wanted.append(_OUTBOX.c.channel == str(channel))
        if batch:
            wanted.append(_OUTBOX.c.batch == batch)
        listed = select(_OUTBOX).where(*wanted).order_by(_OUTBOX.c.id).limit(limit)
        return [promise_of(row) for row in self._database.execute(listed)]

    def of_account(self, account_id: str, *, limit: int) -> list[Promise]:
        """List what was promised to one account, the newest first."""
        of_account = _OUTBOX.c.account_id == account_id
        listed = select(_OUTBOX).where(of_account).order_by(_OUTBOX.c.id.desc()).limit(limit)
        return [promise_of(row) for row in self._database.execute(listed)]

    def retry(self, promise_id: int) -> Promise | None:
        """Let a dead row wait again, due at once; None when it is not dead or outlived."""
        return next(iter(self._revive(_OUTBOX.c.id == promise_id)), None)

    def retry_all(self) -> list[Promise]:
        """Let every dead row that is not outlived wait again."""
        return self._revive()

    def let_go(self, channel: Channel, *, limit: int) -> int:
        """Let held rows wait, the oldest first; their order stays."""
        held = (
            select(_OUTBOX.c.id)
            .where(_OUTBOX.c.state == str(PromiseState.HELD), _OUTBOX.c.channel == str(channel))
            .order_by(*_OLDEST_FIRST)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("held", nesting=True)
        )
        result = self._database.execute(
            update(_OUTBOX)
            .where(_OUTBOX.c.id.in_(select(held.c.id)))
            .values(state=str(PromiseState.WAITING))
        )
        return int(result.rowcount)  # type: ignore[attr-defined] # an UPDATE's result has it

    def forget(self, before: datetime) -> int:
        """Remove rows done, dropped or buried before that, one batch; gives how many."""
        oldest = (
            select(_OUTBOX.c.id)
            .where(_OUTBOX.c.done_at < before)
            .order_by(_OUTBOX.c.done_at)
            .limit(_BATCH)
        )
        result = self._database.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(oldest)))
        return int(result.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it

    def _revive(self, *of_whom: ColumnElement[bool]) -> list[Promise]:
        now = self._now()
        rows = self._database.execute(
            update(_OUTBOX)
            .where(
                _OUTBOX.c.state == str(PromiseState.DEAD),
                _OUTBOX.c.created_at > now - REQUEST_LIFETIME,
                *of_whom,
            )
            .values(state=str(PromiseState.WAITING), due_at=now, tries=0, fault="", done_at=None)
            .returning(*_OUTBOX.c)
        )
        return sorted(map(promise_of, rows), key=lambda revived: revived.id)

    def _finish(
        self, promise: Promise, state: PromiseState, *, fault: str, batch: str = ""
    ) -> bool:
        return self._change(
            _leased(promise).values(
                state=str(state),
                fault=fault,
                batch=batch,
                lease="",
                lease_until=None,
                done_at=self._now(),
            )
        )

    def _change(self, statement: Update) -> bool:
        result = self._database.execute(statement)
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it


def _leased(promise: Promise) -> Update:
    """The row, as long as this claimer holds it."""
    return update(_OUTBOX).where(
        _OUTBOX.c.id == promise.id,
        _OUTBOX.c.state == str(PromiseState.WAITING),
        _OUTBOX.c.lease == promise.lease,
        _OUTBOX.c.lease != "",
    )


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
