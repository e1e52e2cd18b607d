"""The audit table: one insert an event, in the transaction of the act it tells."""

from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import Table
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import select

from idp.audit import Actor
from idp.audit import Event
from idp.infra.sql import Database
from idp.infra.tables import AuditRow
from idp.limits import audited_network

# The table, not the row class: an event needs no unit of work around it.
_INSERT = insert(cast(Table, AuditRow.__table__))
_WIDTH = 64
_BATCH = 5_000
_NOBODY = Actor()


class SqlAuditLog:
    """The port ``AuditLog`` on SQL: in the transaction of its caller, so no act, no event."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def forget(self, before: datetime) -> int:
        """Remove the oldest events that are older than ``before``, one batch; gives how many.

        Raises:
            StoreUnavailable: SQL is away.
        """
        oldest = select(AuditRow.id).where(AuditRow.at < before).order_by(AuditRow.id).limit(_BATCH)
        result = self._database.execute(
            delete(AuditRow)
            .where(AuditRow.id.in_(oldest))
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it

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
