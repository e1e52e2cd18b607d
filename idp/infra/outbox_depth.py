"""How many promises wait, of which kind, and since when: for numbers, not for sending."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlalchemy import func
from sqlalchemy import select

from idp.infra.outbox_rows import OUTBOX
from idp.infra.sql import Database
from idp.promise import UNFINISHED
from idp.promise import PromiseState


@dataclass(frozen=True, slots=True)
class Depth:
    """Promises of one kind, channel and state; ``oldest`` is when the first was made."""

    kind: str
    channel: str
    state: str
    promises: int
    oldest: datetime


class SqlOutboxDepth:
    """Counts rows, in the transaction of the caller. Raises StoreUnavailable when SQL is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unfinished(self) -> Sequence[Depth]:
        """Count what waits, is held or was given up; an index holds them together."""
        return self._counted(OUTBOX.c.state.in_([str(state) for state in UNFINISHED]))

    def done_since(self, instant: datetime) -> Sequence[Depth]:
        """Count what left since then, by whatever process: letters leave by a command."""
        return self._counted(OUTBOX.c.done_at >= instant, OUTBOX.c.state == str(PromiseState.DONE))

    def _counted(self, *which: ColumnElement[bool]) -> Sequence[Depth]:
        grouped = (OUTBOX.c.kind, OUTBOX.c.channel, OUTBOX.c.state)
        rows = self._database.execute(
            select(
                *grouped,
                func.count().label("number"),
                func.min(OUTBOX.c.created_at).label("oldest"),
            )
            .where(*which)
            .group_by(*grouped)
        )
        return [Depth(row.kind, row.channel, row.state, row.number, row.oldest) for row in rows]
