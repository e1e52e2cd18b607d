"""Refresh token families in SQL.

Each change is one statement that holds the row until the transaction ends: of twenty that present
one token at once, the first has it and the others find another token in its place.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import cast

from sqlalchemy import ColumnElement
from sqlalchemy import Row
from sqlalchemy import Table
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update

from idp.infra.sql import Database
from idp.infra.tables import RefreshFamilyRow
from idp.oidc.authorization import Authorization
from idp.oidc.refresh import Family

_BATCH = 5_000
_FAMILIES = cast("Table", RefreshFamilyRow.__table__)  # a mapped class without inheritance has one

_FIND = select(_FAMILIES).where(_FAMILIES.c.id == bindparam("of_id"))

_ROTATE = (
    update(_FAMILIES)
    .where(
        _FAMILIES.c.id == bindparam("of_id"),
        _FAMILIES.c.token_hash == bindparam("of_token"),
    )
    .values(
        token_hash=bindparam("to_token"),
        former_hash=bindparam("to_former"),
        successor=bindparam("to_successor"),
        rotated_at=bindparam("at"),
        expires_at=bindparam("until"),
    )
)

# An update that changes nothing: it waits for whoever holds the row and then holds it too, so that
# a retry never renews the grant of a family that is being ended.
_SUCCESSOR = (
    update(_FAMILIES)
    .where(
        _FAMILIES.c.id == bindparam("of_id"),
        _FAMILIES.c.former_hash == bindparam("of_former"),
        _FAMILIES.c.rotated_at > bindparam("since"),
    )
    .values(successor=_FAMILIES.c.successor)
    .returning(_FAMILIES.c.successor)
)


class SqlRefreshFamilies:
    """The port ``RefreshFamilies``. Needs the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, family: Family) -> None:
        """Keep a new family."""
        authorization = family.authorization
        self._database.execute(
            insert(_FAMILIES),
            {
                "id": family.id,
                "client_id": authorization.client_id,
                "account_id": authorization.account_id,
                "credential_version": authorization.credential_version,
                "grant_id": family.grant_id,
                "scope": " ".join(authorization.scope),
                "resources": " ".join(authorization.resources),
                "userinfo_claims": " ".join(authorization.userinfo_claims),
                "id_token_claims": " ".join(authorization.id_token_claims),
                "session_key": authorization.session_key,
                "auth_time": authorization.auth_time,
                "acr": authorization.acr,
                "amr": " ".join(authorization.amr),
                "token_hash": family.token_hash,
                "former_hash": family.former_hash,
                "successor": "",
                "started_at": family.started_at,
                "rotated_at": family.rotated_at,
                "expires_at": family.expires_at,
                "ends_at": authorization.session_ends_at,
            },
        )

    def find(self, family_id: str) -> Family | None:
        """Read a family."""
        row = self._database.execute(_FIND, {"of_id": family_id}).one_or_none()
        return None if row is None else _family(row)

    def rotate(self, family: Family, renewed: Family, *, sealed: str) -> bool:
        """Replace the current token; False when it is another than ``family`` says."""
        result = self._database.execute(
            _ROTATE,
            {
                "of_id": family.id,
                "of_token": family.token_hash,
                "to_token": renewed.token_hash,
                "to_former": renewed.former_hash,
                "to_successor": sealed,
                "at": renewed.rotated_at,
                "until": renewed.expires_at,
            },
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it

    def sealed_successor(self, family_id: str, former_hash: str, *, since: datetime) -> str:
        """Read what a retry may open, or ""."""
        named = {"of_id": family_id, "of_former": former_hash, "since": since}
        return self._database.execute(_SUCCESSOR, named).scalar_one_or_none() or ""

    def end(self, family_id: str) -> bool:
        """Remove a family; False when it is gone already."""
        return self._remove(_FAMILIES.c.id == family_id) == 1

    def end_of_grant(self, grant_id: str) -> bool:
        """Remove the family of a grant; False when there is none."""
        return self._remove(_FAMILIES.c.grant_id == grant_id) == 1

    def of_account(self, account_id: str) -> list[Family]:
        """Read the families of an account, the oldest first."""
        found = (
            select(_FAMILIES)
            .where(_FAMILIES.c.account_id == account_id)
            .order_by(_FAMILIES.c.started_at, _FAMILIES.c.id)
        )
        return [_family(row) for row in self._database.execute(found)]

    def end_of_client(self, account_id: str, client_id: str) -> list[str]:
        """Remove what an account's families give to a client; names the grants they had."""
        of_client = (
            delete(_FAMILIES)
            .where(_FAMILIES.c.account_id == account_id, _FAMILIES.c.client_id == client_id)
            .returning(_FAMILIES.c.grant_id)
        )
        return list(self._database.execute(of_client).scalars())

    def end_given(
        self, client_ids: Sequence[str], *, since: datetime, until: datetime
    ) -> list[str]:
        """Remove families of clients whose current token was given in that time, one batch."""
        given = (
            select(_FAMILIES.c.id)
            .where(
                _FAMILIES.c.client_id.in_(client_ids),
                _FAMILIES.c.rotated_at >= since,
                _FAMILIES.c.rotated_at < until,
            )
            .limit(_BATCH)
        )
        removed = delete(_FAMILIES).where(_FAMILIES.c.id.in_(given)).returning(_FAMILIES.c.grant_id)
        return list(self._database.execute(removed).scalars())

    def forget(self, before: datetime) -> int:
        """Remove families that expired before that, one batch; gives how many."""
        expired = (
            select(_FAMILIES.c.id)
            .where(_FAMILIES.c.expires_at <= before)
            .order_by(_FAMILIES.c.expires_at)
            .limit(_BATCH)
        )
        return self._remove(_FAMILIES.c.id.in_(expired))

    def _remove(self, which: ColumnElement[bool]) -> int:
        result = self._database.execute(delete(_FAMILIES).where(which))
        return int(result.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it


def _family(row: Row[Any]) -> Family:  # Any: the columns of one row
    authorization = Authorization(
        client_id=row.client_id,
        redirect_uri="",
        scope=tuple(row.scope.split()),
        account_id=row.account_id,
        credential_version=row.credential_version,
        session_key=row.session_key,
        session_ends_at=row.ends_at,
        auth_time=row.auth_time,
        acr=row.acr,
        amr=tuple(row.amr.split()),
        resources=tuple(row.resources.split()),
        userinfo_claims=tuple(row.userinfo_claims.split()),
        id_token_claims=tuple(row.id_token_claims.split()),
    )
    return Family(
        id=row.id,
        authorization=authorization,
        grant_id=row.grant_id,
        token_hash=row.token_hash,
        former_hash=row.former_hash,
        started_at=row.started_at,
        rotated_at=row.rotated_at,
        expires_at=row.expires_at,
    )
