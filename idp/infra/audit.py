"""The audit table: one insert an event, in the transaction of the act it tells."""

from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import cast

from sqlalchemy import Table
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import union_all

from idp.audit import Actor
from idp.audit import Event
from idp.identity.audit_trail import BY_SUBJECT
from idp.identity.audit_trail import BY_SUBJECT_SPAN
from idp.identity.audit_trail import UNTOLD
from idp.identity.audit_trail import PastEvent
from idp.infra.sql import Database
from idp.infra.tables import AuditRow
from idp.limits import audited_network

# The table, not the row class: an event needs no unit of work around it.
_AUDIT = cast(Table, AuditRow.__table__)
_INSERT = insert(_AUDIT)
_WIDTH = 64
_NOBODY = Actor()


class SqlAuditLog:
    """The ports ``AuditLog`` and ``AuditTrail`` on SQL: in the transaction of the caller.

    So no act, no event.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.speak_of: Callable[[str | None], None] | None = None
        """Told whom an event is about, for the lines of the log beside it."""
        self.watch: Callable[[Event, Mapping[str, str | int], str], None] | None = None
        """Told of each event that is committed, with its detail and its client."""

    def of_account(self, account_id: str, subject: str, *, limit: int) -> list[PastEvent]:
        """Read what happened to an account, the newest first, in one statement.

        Each half is found by an index: one by the account, one by its instants, and so of a few
        days alone, since no index knows what stands in a detail.

        Raises:
            StoreUnavailable: SQL is away.
        """
        told = _AUDIT.c.event.not_in([str(event) for event in UNTOLD])
        of_account = select(_AUDIT).where(_AUDIT.c.account_id == account_id, told)
        of_subject = select(_AUDIT).where(
            _AUDIT.c.at > self._now() - BY_SUBJECT_SPAN,
            _AUDIT.c.account_id.is_(None),
            _AUDIT.c.event.in_([str(event) for event in BY_SUBJECT]),
            _AUDIT.c.detail["subject"].as_string() == subject,
        )
        newest = (_AUDIT.c.at.desc(), _AUDIT.c.id.desc())
        halves = [
            select(half.order_by(*newest).limit(limit).subquery())
            for half in (of_account, of_subject)
        ]
        found = union_all(*halves).subquery()
        rows = self._database.execute(
            select(found).order_by(found.c.at.desc(), found.c.id.desc()).limit(limit)
        )
        return [PastEvent(row.at, row.event, row.network, row.operator, row.detail) for row in rows]

    def newest_at(self, event: Event, *, since: datetime) -> datetime | None:
        """Tell when this happened last; the index of instants bounds the look, so not before then.

        Raises:
            StoreUnavailable: SQL is away.
        """
        found = self._database.execute(
            select(_AUDIT.c.at)
            .where(_AUDIT.c.at > since, _AUDIT.c.event == event.value)
            .order_by(_AUDIT.c.at.desc())
            .limit(1)
        )
        return found.scalar_one_or_none()

    def record(
        self,
        event: Event,
        *,
        account_id: str | None = None,
        client_id: str | None = None,
        actor: Actor = _NOBODY,
        detail: Mapping[str, str | int] | None = None,
    ) -> None:
        """Add one event; whatever network it is given, the table holds its prefix only.

        Raises:
            StoreUnavailable: SQL is away.
        """
        if self.speak_of is not None:
            self.speak_of(account_id)
        self._database.execute(
            _INSERT,
            {
                "at": self._now(),
                "event": event.value,
                "account_id": account_id,
                # A stranger may have named it, and PostgreSQL insists on the width of the column.
                "client_id": client_id if client_id is None else client_id[:128],
                "network": audited_network(actor.network) if actor.network else "",
                "operator": actor.operator[:_WIDTH],
                "request_id": actor.request_id[:_WIDTH],
                "detail": dict(detail or {}),
            },
        )
        if self.watch is not None:
            told = partial(self.watch, event, detail or {}, client_id or "")
            self._database.after_commit(told)
