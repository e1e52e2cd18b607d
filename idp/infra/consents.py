"""Consents in SQL: one row for each scope, added and removed, never changed.

Two pages that grant at once both keep what they granted, without a lock.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from sqlalchemy import Table
from sqlalchemy import delete
from sqlalchemy import literal
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import ClientRow
from idp.infra.tables import ConsentRow
from idp.infra.tables import Instant
from idp.oidc.consent import Consent

_CONSENTS = cast("Table", ConsentRow.__table__)  # a mapped class without inheritance has one


class SqlConsents:
    """The port ``Consents``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def granted(self, account_id: str, client_id: str) -> frozenset[str]:
        """Read the scopes that a member granted to a client."""
        granted = select(_CONSENTS.c.scope).where(
            _CONSENTS.c.account_id == account_id, _CONSENTS.c.client_id == client_id
        )
        return frozenset(self._database.execute(granted).scalars())

    def grant(self, account_id: str, client_id: str, scope: Iterable[str], at: datetime) -> None:
        """Add to what is granted; needs the caller's transaction."""
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        for word in sorted(set(scope)):
            # From the rows themselves: one that is gone is no error.
            standing = (
                select(AccountRow.id, ClientRow.client_id, literal(word), literal(at, Instant))
                .select_from(AccountRow)
                .join(ClientRow, ClientRow.client_id == client_id)
                .where(AccountRow.id == account_id)
            )
            columns = ["account_id", "client_id", "scope", "given_at"]
            self._database.execute(
                insert(_CONSENTS).from_select(columns, standing).on_conflict_do_nothing()
            )

    def of_account(self, account_id: str) -> list[Consent]:
        """Read all that a member granted, by client."""
        rows = self._database.execute(
            select(_CONSENTS.c.client_id, _CONSENTS.c.scope, _CONSENTS.c.given_at)
            .where(_CONSENTS.c.account_id == account_id)
            .order_by(_CONSENTS.c.client_id, _CONSENTS.c.scope)
        )
        granted: dict[str, list[tuple[str, datetime]]] = {}
        for row in rows:
            granted.setdefault(row.client_id, []).append((row.scope, row.given_at))
        return [
            Consent(
                account_id=account_id,
                client_id=client_id,
                scope=tuple(scope for scope, _ in kept),
                given_at=min(given_at for _, given_at in kept),
            )
            for client_id, kept in granted.items()
        ]

    def end(self, account_id: str, client_id: str) -> bool:
        """Forget what a member granted to a client; needs the caller's transaction."""
        result = self._database.execute(
            delete(_CONSENTS).where(
                _CONSENTS.c.account_id == account_id, _CONSENTS.c.client_id == client_id
            )
        )
        return bool(result.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it
