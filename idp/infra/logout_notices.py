"""Sign-out notices of the outbox, in SQL."""

import secrets
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import Row
from sqlalchemy import bindparam
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

from idp.infra.outbox_rows import OUTBOX
from idp.infra.outbox_rows import OutboxRows
from idp.infra.outbox_rows import claim_of
from idp.infra.sql import Database
from idp.oidc.backchannel_logout import NOTICE_LIFETIME
from idp.oidc.backchannel_logout import LogoutNotice
from idp.oidc.backchannel_logout import next_try
from idp.promise import PromiseState

KIND = "logout"
CHANNEL = "service"

_OWN = OUTBOX.c.kind == KIND
_CLAIM = claim_of(
    OUTBOX.c.channel == CHANNEL,
    _OWN,
    OUTBOX.c.client_id.not_in(bindparam("without", expanding=True)),
)


class SqlLogoutNotices:
    """The port ``LogoutNotices``, and what operators see and do of it."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._rows = OutboxRows(database, now)

    def add(self, client_id: str, account_id: str, sid: str) -> bool:
        """Promise a notice; False when this service was promised one of this session before."""
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        now = self._now()
        made = self._database.execute(
            insert(OUTBOX)
            .values(
                kind=KIND,
                channel=CHANNEL,
                account_id=account_id,
                credential_version=0,
                state=str(PromiseState.WAITING),
                created_at=now,
                due_at=now,
                message_id=secrets.token_hex(16),
                client_id=client_id,
                sid=sid,
            )
            .on_conflict_do_nothing(index_elements=["client_id", "sid"])
            .returning(OUTBOX.c.id)
        )
        return made.one_or_none() is not None

    def claim(self, *, without: Collection[str]) -> LogoutNotice | None:
        """Lease the oldest that is due to another service than ``without``; nobody else gets it."""
        claimed = self._rows.claim(_CLAIM, limit=1, without=sorted(without))
        return notice_of(claimed[0]) if claimed else None

    def done(self, notice: LogoutNotice) -> bool:
        """Note that it was taken; False when the lease was lost meanwhile."""
        return self._rows.finish(notice, PromiseState.DONE)

    def drop(self, notice: LogoutNotice, fault: str) -> bool:
        """Give it up without sending: ``fault`` says why."""
        return self._rows.finish(notice, PromiseState.DROPPED, fault=fault)

    def failed(self, notice: LogoutNotice, fault: str, *, permanent: bool) -> bool:
        """Put it off as ``next_try`` says, or bury it when permanent or out of tries."""
        due_at = None if permanent else next_try(notice, self._now())
        if due_at is None:
            return self._rows.finish(notice, PromiseState.DEAD, fault=fault)
        return self._rows.put_off(notice, due_at, fault)

    def release(self, notice: LogoutNotice) -> bool:
        """Give the lease back as if it had not been claimed: nothing was tried."""
        return self._rows.release(notice)

    def rows(
        self, *, states: Collection[PromiseState], client_id: str = "", limit: int
    ) -> list[LogoutNotice]:
        """List notices, the oldest first, of one service when it is given."""
        wanted = [_OWN, OUTBOX.c.client_id == client_id] if client_id else [_OWN]
        return [notice_of(row) for row in self._rows.listed(states, *wanted, limit=limit)]

    def counts(self, client_id: str) -> Mapping[PromiseState, int]:
        """Count the notices of a service by their state."""
        counted = self._database.execute(
            select(OUTBOX.c.state, func.count().label("number"))
            .where(OUTBOX.c.client_id == client_id)
            .group_by(OUTBOX.c.state)
        )
        return {PromiseState(row.state): row.number for row in counted}

    def retry(self, notice_id: int) -> LogoutNotice | None:
        """Let a dead notice wait again, due at once; None when it is not dead or outlived."""
        return next(iter(self._revive(OUTBOX.c.id == notice_id)), None)

    def retry_all(self) -> list[LogoutNotice]:
        """Let every dead notice that is not outlived wait again."""
        return self._revive()

    def _revive(self, *wanted: ColumnElement[bool]) -> list[LogoutNotice]:
        made_after = self._now() - NOTICE_LIFETIME
        return [notice_of(row) for row in self._rows.revive(made_after, _OWN, *wanted)]


def notice_of(row: Row[Any]) -> LogoutNotice:  # Any: the columns of one row
    """Read a row of the outbox's table."""
    return LogoutNotice(
        id=row.id,
        client_id=row.client_id,
        account_id=row.account_id,
        sid=row.sid,
        state=PromiseState(row.state),
        created_at=row.created_at,
        due_at=row.due_at,
        tries=row.tries,
        lease=row.lease,
        fault=row.fault,
        lease_until=row.lease_until,
        done_at=row.done_at,
    )
