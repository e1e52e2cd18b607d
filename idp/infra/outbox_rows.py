"""The outbox's rows, whatever they promise: taken by one statement, held under a lease, ended.

A row is taken and committed, and nothing is locked while it is sent. Who sends says which rows are
its own (``SqlOutbox``: mails and letters; ``SqlLogoutNotices``: services).
"""

import secrets
from collections.abc import Callable
from collections.abc import Collection
from datetime import datetime
from typing import Any
from typing import Protocol
from typing import cast

from sqlalchemy import ColumnElement
from sqlalchemy import Row
from sqlalchemy import Table
from sqlalchemy import Update
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update

from idp.infra.sql import Database
from idp.infra.tables import OutboxRow
from idp.promise import LEASE
from idp.promise import PromiseState

OUTBOX = cast("Table", OutboxRow.__table__)  # a mapped class without inheritance has a Table
OLDEST_FIRST = (OUTBOX.c.due_at, OUTBOX.c.id)
_BATCH = 5_000


class Held(Protocol):
    """A row as its claimer holds it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def lease(self) -> str:
        """The token of who claimed it."""


def claim_of(*own: ColumnElement[bool]) -> Update:
    """Write the statement that leases the oldest rows due among one's ``own``."""
    due = (
        select(OUTBOX.c.id)
        .where(
            OUTBOX.c.state == str(PromiseState.WAITING),
            OUTBOX.c.due_at <= bindparam("at"),
            *own,
            or_(OUTBOX.c.lease_until.is_(None), OUTBOX.c.lease_until <= bindparam("at")),
        )
        .order_by(*OLDEST_FIRST)
        .limit(bindparam("how_many"))
        .with_for_update(skip_locked=True)  # SQLite has one writer at a time, and no such clause
        # PostgreSQL runs a common table expression once, a mere subquery maybe for each row, and
        # would then take more than the limit. Inside, since the driver of SQLite takes a statement
        # that begins with WITH for one that reads: no transaction, no count.
        .cte("due", nesting=True)
    )
    return (
        update(OUTBOX)
        .where(OUTBOX.c.id.in_(select(due.c.id)))
        .values(lease=bindparam("by"), lease_until=bindparam("until"), tries=OUTBOX.c.tries + 1)
        .returning(*OUTBOX.c)
    )


class OutboxRows:
    """What is done to rows, in the transaction of the caller."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def claim(
        self, claim: Update, *, limit: int, **named: object
    ) -> list[Row[Any]]:  # Any: the columns of one row
        """Lease rows by a statement of ``claim_of``, the oldest first."""
        now = self._now()
        values = {
            "at": now,
            "how_many": limit,
            "by": secrets.token_urlsafe(16),
            "until": now + LEASE,
            **named,
        }
        rows = self._database.execute(claim, values)
        return sorted(rows, key=lambda claimed: (claimed.due_at, claimed.id))

    def finish(self, held: Held, state: PromiseState, *, fault: str = "", batch: str = "") -> bool:
        """End a row; False when the lease was lost meanwhile, as for all that follow."""
        return self._change(
            _leased(held).values(
                state=str(state),
                fault=fault,
                batch=batch,
                lease="",
                lease_until=None,
                done_at=self._now(),
            )
        )

    def put_off(self, held: Held, due_at: datetime, fault: str) -> bool:
        """Let a row wait for its next try."""
        return self._change(
            _leased(held).values(due_at=due_at, fault=fault, lease="", lease_until=None)
        )

    def release(self, held: Held) -> bool:
        """Give the lease back as if it had not been claimed: nothing was tried."""
        return self._change(
            _leased(held).values(tries=OUTBOX.c.tries - 1, lease="", lease_until=None)
        )

    def listed(
        self,
        states: Collection[PromiseState],
        *wanted: ColumnElement[bool],
        limit: int,
    ) -> list[Row[Any]]:
        """List rows, the oldest first."""
        in_states = OUTBOX.c.state.in_([str(state) for state in states])
        listed = select(OUTBOX).where(in_states, *wanted).order_by(OUTBOX.c.id).limit(limit)
        return list(self._database.execute(listed))

    def revive(self, made_after: datetime, *wanted: ColumnElement[bool]) -> list[Row[Any]]:
        """Let dead rows that were promised after that wait again, due at once."""
        rows = self._database.execute(
            update(OUTBOX)
            .where(
                OUTBOX.c.state == str(PromiseState.DEAD),
                OUTBOX.c.created_at > made_after,
                *wanted,
            )
            .values(
                state=str(PromiseState.WAITING),
                due_at=self._now(),
                tries=0,
                fault="",
                done_at=None,
            )
            .returning(*OUTBOX.c)
        )
        return sorted(rows, key=lambda revived: revived.id)

    def forget(self, before: datetime) -> int:
        """Remove rows done, dropped or buried before that, one batch; gives how many."""
        oldest = (
            select(OUTBOX.c.id)
            .where(OUTBOX.c.done_at < before)
            .order_by(OUTBOX.c.done_at)
            .limit(_BATCH)
        )
        result = self._database.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(oldest)))
        return int(result.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it

    def _change(self, statement: Update) -> bool:
        result = self._database.execute(statement)
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it


def _leased(held: Held) -> Update:
    """The row, as long as this claimer holds it."""
    return update(OUTBOX).where(
        OUTBOX.c.id == held.id,
        OUTBOX.c.state == str(PromiseState.WAITING),
        OUTBOX.c.lease == held.lease,
        OUTBOX.c.lease != "",
    )
