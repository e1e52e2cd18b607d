"""The audit log as a chain of seals, on SQL."""

import json
import time
from collections.abc import Iterator
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import cast

from sqlalchemy import Row
from sqlalchemy import Select
from sqlalchemy import Table
from sqlalchemy import Text
from sqlalchemy import cast as sql_cast
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import type_coerce
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

from idp.audit_chain import Seal
from idp.audit_chain import SealedRow
from idp.audit_sealing import Forgotten
from idp.audit_sealing import Head
from idp.infra.sql import Database
from idp.infra.tables import AuditHeadRow
from idp.infra.tables import AuditMarksRow
from idp.infra.tables import AuditRow
from idp.infra.tables import AuditSealRow

PAGE = 2_000
FORGET_AT_ONCE = 5_000
"""Rows in one transaction, but for the last seal of it."""

LONGEST_WAIT = 1.0
"""Seconds for which writers that are under way are waited for."""

_EVENTS = cast(Table, AuditRow.__table__)
_SEALS = cast(Table, AuditSealRow.__table__)
_MARKS = cast(Table, AuditMarksRow.__table__)
_HEADS = cast(Table, AuditHeadRow.__table__)

# Every writer holds this lock from before its row has an id until its commit can be seen.
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation = 'audit_events'::regclass AND mode = 'RowExclusiveLock'"
)


class SqlAuditSeals:
    """The port ``SealDesk`` on SQL, in the transaction of the caller.

    Every method raises StoreUnavailable when SQL is away.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert
        # As text: a hand other than ours may have written what no driver turns into a value.
        at = (
            type_coerce(_EVENTS.c.at, Text)
            if database.is_sqlite
            else func.to_char(
                func.timezone("UTC", _EVENTS.c.at), 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
            )
        )
        others = [column for column in _EVENTS.c if column.name not in {"at", "detail"}]
        detail = sql_cast(_EVENTS.c.detail, Text)
        self._rows: Select[Any] = select(  # Any: one row's columns
            *others, at.label("at_text"), detail.label("detail_text")
        ).order_by(_EVENTS.c.id)

    def hold_still(self) -> None:
        """Let all that follows in this transaction read one moment of the log.

        Its first statement. A walk reads page by page, and the worker goes on meanwhile.
        """
        begin = (
            "BEGIN"
            if self._database.is_sqlite
            else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        )
        self._database.execute(text(begin))

    def settled(self) -> int | None:
        """Look up an id up to which no row can appear any more.

        On PostgreSQL a row may be committed after one with a higher id. So the highest id comes
        first, then who is writing, and then all of them are waited for: whoever has been given a
        lower id is among them. SQLite has one writer at a time.
        """
        highest = self._database.execute(select(func.max(_EVENTS.c.id))).scalar()
        if highest is None or self._database.is_sqlite:
            return cast("int | None", highest)
        until = time.monotonic() + LONGEST_WAIT
        writers = self._writers()
        while writers:
            if time.monotonic() > until:
                return None
            time.sleep(0.02)
            writers &= self._writers()
        return int(highest)

    def batch(self, after: int | None, until: int, limit: int) -> list[SealedRow]:
        """Read the first rows above ``after``, in order."""
        statement = self._rows.where(_EVENTS.c.id <= until).limit(limit)
        if after is not None:
            statement = statement.where(_EVENTS.c.id > after)
        return [_row(row) for row in self._database.execute(statement)]

    def add(self, made: Seal, marks: bytes) -> bool:
        """Add a seal; False when its number is taken."""
        values = {column.name: getattr(made, column.name) for column in _SEALS.c}
        if not self._added(_SEALS, values):
            return False
        self._database.execute(insert(_MARKS), {"seal": made.number, "marks": marks})
        return True

    def last(self) -> Seal | None:
        """The newest seal."""
        return self._one(select(_SEALS).order_by(_SEALS.c.number.desc()).limit(1))

    def last_of(self, day: date) -> Seal | None:
        """The newest seal that was made on or before a UTC day."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        made = select(_SEALS).where(_SEALS.c.sealed_at < midnight)
        return self._one(made.order_by(_SEALS.c.sealed_at.desc(), _SEALS.c.number.desc()).limit(1))

    def first_above(self, number: int) -> Seal | None:
        """The seal with the lowest number above this one."""
        above = select(_SEALS).where(_SEALS.c.number > number)
        return self._one(above.order_by(_SEALS.c.number).limit(1))

    def seals(self, after: int) -> Iterator[Seal]:
        """Seals above a number, in order."""
        while True:
            page = self._database.execute(
                select(_SEALS).where(_SEALS.c.number > after).order_by(_SEALS.c.number).limit(PAGE)
            ).all()
            yield from map(_seal, page)
            if len(page) < PAGE:
                return
            after = page[-1].number

    def rows(self, after: int | None = None, until: int | None = None) -> Iterator[SealedRow]:
        """Rows whose ids are above ``after`` and not above ``until``, in order."""
        highest = 2**63 - 1 if until is None else until
        while True:
            page = self.batch(after, highest, PAGE)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].id

    def marks(self, number: int) -> bytes | None:
        """The marks of a seal; None when its rows were forgotten."""
        found = self._database.execute(select(_MARKS.c.marks).where(_MARKS.c.seal == number))
        return cast("bytes | None", found.scalar())

    def heads(self) -> list[Head]:
        """Every head, in order."""
        found = self._database.execute(select(_HEADS).order_by(_HEADS.c.number))
        return [_head(row) for row in found]

    def newest_head(self) -> Head | None:
        """The newest head."""
        row = self._database.execute(
            select(_HEADS).order_by(_HEADS.c.number.desc()).limit(1)
        ).one_or_none()
        return None if row is None else _head(row)

    def add_head(self, head: Head) -> bool:
        """Add a head; False when its number is taken."""
        values = {
            "number": head.number,
            "day": head.day,
            "seal": head.seal,
            "jws": head.jws,
            "public_jwk": dict(head.public_jwk),
        }
        return self._added(_HEADS, values)

    def forget(self, before: datetime) -> Forgotten | None:
        """Remove the rows of the oldest seals, none newer than ``before``: some whole seals.

        Whoever removes the marks of the oldest one has the turn: another worker that began at the
        same one waits for it on that row, and finds it gone.
        """
        oldest = self._database.execute(
            select(_SEALS.c.number, _SEALS.c.last_id, _SEALS.c.events, _SEALS.c.newest_at)
            .join(_MARKS, _MARKS.c.seal == _SEALS.c.number)
            .order_by(_MARKS.c.seal)
            .limit(PAGE)
        ).all()
        going: list[Row[Any]] = []  # Any: four columns
        events = 0
        for row in oldest:
            if row.newest_at >= before or events >= FORGET_AT_ONCE:
                break
            going.append(row)
            events += row.events
        if not going:
            return None
        first, last = going[0], going[-1]
        turn = self._database.execute(delete(_MARKS).where(_MARKS.c.seal == first.number))
        if not turn.rowcount:  # type: ignore[attr-defined] # a DELETE's result has it
            return None
        self._database.execute(delete(_MARKS).where(_MARKS.c.seal <= last.number))
        gone = self._database.execute(delete(_EVENTS).where(_EVENTS.c.id <= last.last_id))
        return Forgotten(last.number, gone.rowcount)  # type: ignore[attr-defined] # as above

    def oldest_unsealed_at(self) -> datetime | None:
        """When the oldest row that no seal closes was written."""
        last = self.last()
        waiting = select(_EVENTS.c.at).order_by(_EVENTS.c.id).limit(1)
        if last is not None:
            waiting = waiting.where(_EVENTS.c.id > last.last_id)
        return cast("datetime | None", self._database.execute(waiting).scalar())

    def unsealed(self) -> int:
        """Count the rows that no seal closes."""
        last = self.last()
        counted = select(func.count()).select_from(_EVENTS)
        if last is not None:
            counted = counted.where(_EVENTS.c.id > last.last_id)
        return int(self._database.execute(counted).scalar_one())

    def _added(self, table: Table, values: dict[str, object]) -> bool:
        # What is given back tells whether the number was free: a count of rows does not on both.
        statement = self._insert(table).on_conflict_do_nothing()
        number = self._database.execute(statement.returning(table.c.number), values).scalar()
        return number is not None

    def _writers(self) -> set[str]:
        return set(self._database.execute(_WRITERS).scalars())

    def _one(self, statement: Select[Any]) -> Seal | None:  # Any: a seal's columns
        row = self._database.execute(statement).one_or_none()
        return None if row is None else _seal(row)


def _row(row: Row[Any]) -> SealedRow:  # Any: one row's columns
    at: datetime | str
    try:
        at = datetime.fromisoformat(row.at_text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    except (ValueError, TypeError):
        at = str(row.at_text)
    detail: object
    try:
        detail = json.loads(row.detail_text)
    except (ValueError, TypeError, RecursionError):
        detail = str(row.detail_text)
    return SealedRow(
        row.id,
        at,
        row.event,
        row.account_id,
        row.client_id,
        row.network,
        row.operator,
        row.request_id,
        detail,
    )


def _seal(row: Row[Any]) -> Seal:  # Any: one row's columns
    return Seal(**row._mapping)


def _head(row: Row[Any]) -> Head:  # Any: one row's columns
    return Head(row.number, row.day, row.seal, row.jws, row.public_jwk)
