"""Links of accounts to FranceConnect in SQL, and the dossiers that a pivot identity may equal.

At most one link of an account stands: a partial unique index says so to two arrivals at once.
"""

from collections.abc import Collection
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import cast

from sqlalchemy import Row
from sqlalchemy import Table
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect_links import CANDIDATES
from idp.identity.franceconnect_links import LINKS_OF_SUB
from idp.identity.franceconnect_links import WANTED
from idp.identity.franceconnect_links import EndedLink
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import PivotDossier
from idp.identity.franceconnect_links import Rule
from idp.identity.pivot import PivotIdentity
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import FranceConnectLinkRow

# The type: a mapped class without inheritance has a Table.
_LINKS = cast("Table", FranceConnectLinkRow.__table__)
_ACCOUNTS = cast("Table", AccountRow.__table__)
_DOSSIERS = cast("Table", DossierRow.__table__)

_STANDS = _LINKS.c.ended_at.is_(None)
_LIVING = (
    select(_LINKS)
    .join_from(_LINKS, _ACCOUNTS, _ACCOUNTS.c.id == _LINKS.c.account_id)
    .where(
        _STANDS,
        or_(
            _LINKS.c.rule != str(Rule.PROOF),
            _LINKS.c.credential_version == _ACCOUNTS.c.credential_version,
        ),
    )
)
_OF_ACCOUNT = _LIVING.where(_LINKS.c.account_id == bindparam("of_account"))
_OF_SUB = (
    _LIVING.where(_LINKS.c.sub == bindparam("of_sub")).order_by(_LINKS.c.id).limit(LINKS_OF_SUB)
)

_NEWER = _LINKS.alias("newer")
_BARRED = select(_LINKS.c.account_id).where(
    _LINKS.c.account_id.in_(bindparam("of_accounts", expanding=True)),
    _LINKS.c.ending.in_([str(ending) for ending in sorted(WANTED)]),
    ~select(_NEWER.c.id)
    .where(and_(_NEWER.c.account_id == _LINKS.c.account_id, _NEWER.c.id > _LINKS.c.id))
    .exists(),
)

_USED = (
    update(_LINKS)
    .where(_LINKS.c.account_id == bindparam("of_account"), _STANDS)
    .values(used_at=bindparam("at"))
)
_ENDED = (
    update(_LINKS)
    .where(_LINKS.c.account_id == bindparam("of_account"), _STANDS)
    .values(ended_at=bindparam("at"), ending=bindparam("why"))
    .returning(*_LINKS.c)
)
_HISTORY = (
    select(_LINKS)
    .where(_LINKS.c.account_id == bindparam("of_account"), _LINKS.c.ended_at.is_not(None))
    .order_by(_LINKS.c.id.desc())
)

_PIVOT = select(
    _ACCOUNTS.c.id.label("account_id"),
    _ACCOUNTS.c.protection,
    _DOSSIERS.c.qualite,
    _DOSSIERS.c.numero_dossier,
    _DOSSIERS.c.status,
    _DOSSIERS.c.family_name,
    _DOSSIERS.c.given_names,
    _DOSSIERS.c.gender,
    _DOSSIERS.c.birthdate,
    _DOSSIERS.c.birthplace,
    _DOSSIERS.c.birthcountry,
).join_from(_DOSSIERS, _ACCOUNTS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)
_BORN = _PIVOT.where(_DOSSIERS.c.birthdate.in_(bindparam("of_dates", expanding=True))).limit(
    CANDIDATES + 1
)
_OF_ACCOUNTS = _PIVOT.where(_ACCOUNTS.c.id.in_(bindparam("of_accounts", expanding=True)))


class SqlLinks:
    """The port ``Links``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_account(self, account_id: str) -> Link | None:
        """Read the link of an account that lives."""
        row = self._database.execute(_OF_ACCOUNT, {"of_account": account_id}).one_or_none()
        return None if row is None else _link(row)

    def of_sub(self, sub: str) -> list[Link]:
        """Read the living links of one person, the oldest first."""
        return [_link(row) for row in self._database.execute(_OF_SUB, {"of_sub": sub})]

    def barred(self, account_ids: Collection[str]) -> frozenset[str]:
        """Tell which accounts had their last link ended because somebody wanted it."""
        if not account_ids:
            return frozenset()
        rows = self._database.execute(_BARRED, {"of_accounts": sorted(account_ids)})
        return frozenset(rows.scalars())

    def put(self, link: Link) -> bool:
        """Make a link; False when the account has one that nobody ended."""
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        made = self._database.execute(
            insert(_LINKS)
            .values(
                account_id=link.account_id,
                sub=link.sub,
                rule=str(link.rule),
                pivot_digest=link.pivot_digest,
                credential_version=link.credential_version,
                linked_at=link.linked_at,
                used_at=link.used_at,
            )
            .on_conflict_do_nothing()
            .returning(_LINKS.c.id)
        )
        return made.scalar() is not None

    def used(self, account_id: str, *, at: datetime) -> None:
        """Note that the link of an account opened it."""
        self._database.execute(_USED, {"of_account": account_id, "at": at})

    def end(self, account_id: str, *, at: datetime, why: Ending) -> Link | None:
        """End what stands of an account, and give it."""
        parameters = {"of_account": account_id, "at": at, "why": str(why)}
        row = self._database.execute(_ENDED, parameters).one_or_none()
        return None if row is None else _link(row)

    def history(self, account_id: str) -> list[EndedLink]:
        """Read the links of an account that ended, the newest first."""
        rows = self._database.execute(_HISTORY, {"of_account": account_id})
        return [EndedLink(_link(row), row.ended_at, Ending(row.ending)) for row in rows]


class SqlPivotDirectory:
    """The port ``PivotDirectory``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def candidates(self, birthdates: Collection[str]) -> Sequence[PivotDossier]:
        """Read the dossiers of some dates of birth, by their index."""
        rows = self._database.execute(_BORN, {"of_dates": sorted(birthdates)})
        return [_dossier(row) for row in rows]

    def of_accounts(self, account_ids: Collection[str]) -> Sequence[PivotDossier]:
        """Read the dossiers of some accounts."""
        if not account_ids:
            return ()
        rows = self._database.execute(_OF_ACCOUNTS, {"of_accounts": sorted(account_ids)})
        return [_dossier(row) for row in rows]


def _link(row: Row[Any]) -> Link:  # Any: one row's columns, here and below
    return Link(
        account_id=row.account_id,
        sub=row.sub,
        rule=Rule(row.rule),
        pivot_digest=row.pivot_digest,
        credential_version=row.credential_version,
        linked_at=row.linked_at,
        used_at=row.used_at,
    )


def _dossier(row: Row[Any]) -> PivotDossier:
    return PivotDossier(
        account_id=row.account_id,
        qualite=Qualite(row.qualite),
        numero=NumeroDossier(row.numero_dossier),
        status=DossierStatus(row.status),
        protection=Protection(row.protection),
        pivot=PivotIdentity(
            family_name=row.family_name,
            given_names=row.given_names,
            gender=row.gender,
            birthdate=row.birthdate,
            birthplace=row.birthplace,
            birthcountry=row.birthcountry,
        ),
    )
