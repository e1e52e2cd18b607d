"""Accounts and subjects in SQL, read with one statement each."""

import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import Table
from sqlalchemy import bindparam
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from idp.identity.account import Account
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.password import PasswordHash
from idp.infra.registry import LOOK_EVERY_SECONDS
from idp.infra.registry import VERSION
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.oidc.claims import Subject

SCHEME_COUNTS_AGE_SECONDS = 3600.0

# The type: a mapped class without inheritance has a Table.
_DOSSIERS = cast("Table", DossierRow.__table__)
_ACCOUNTS = cast("Table", AccountRow.__table__)

_FIND = (
    select(
        _ACCOUNTS.c.id,
        _DOSSIERS.c.status,
        _ACCOUNTS.c.password_hash,
        _ACCOUNTS.c.password_scheme,
        _ACCOUNTS.c.credential_version,
        _ACCOUNTS.c.last_sign_in_at,
    )
    .join_from(_ACCOUNTS, _DOSSIERS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)
    .where(
        _DOSSIERS.c.qualite == bindparam("of_qualite"),
        _DOSSIERS.c.numero_dossier == bindparam("of_numero"),
    )
)

_SUBJECT = (
    select(
        _ACCOUNTS.c.id,
        _ACCOUNTS.c.credential_version,
        _ACCOUNTS.c.email.label("confirmed_email"),
        *(column for column in _DOSSIERS.c if column.name not in ("id", "fingerprint")),
    )
    .join_from(_ACCOUNTS, _DOSSIERS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)
    .where(_ACCOUNTS.c.id == bindparam("of_account"))
)

_SIGNED_IN = (
    update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == bindparam("of_account"),
        _ACCOUNTS.c.credential_version == bindparam("of_version"),
        _ACCOUNTS.c.dossier_id.in_(
            select(_DOSSIERS.c.id).where(_DOSSIERS.c.status == str(DossierStatus.ACTIVE))
        ),
    )
    .values(last_sign_in_at=bindparam("at"))
)

# Two sign-ins may replace one outdated hash at once: the second finds the first one's, of the same
# password, and leaves it. A new password is told by the version.
_REPLACED = (
    update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == bindparam("of_account"),
        _ACCOUNTS.c.credential_version == bindparam("of_version"),
        _ACCOUNTS.c.password_hash == bindparam("of_hash"),
    )
    .values(password_hash=bindparam("new_hash"), password_scheme=bindparam("new_scheme"))
)

_SCHEME_COUNTS = (
    select(_DOSSIERS.c.qualite, _ACCOUNTS.c.password_scheme, func.count().label("accounts"))
    .join_from(_ACCOUNTS, _DOSSIERS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)
    .where(_ACCOUNTS.c.password_scheme.is_not(None))
    .group_by(_DOSSIERS.c.qualite, _ACCOUNTS.c.password_scheme)
)


class SqlAccounts:
    """The ports ``Accounts``, ``Subjects`` and ``SchemeMix``."""

    def __init__(
        self, database: Database, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._scheme_counts: Mapping[Qualite, Mapping[str, int]] = {}
        self._looked_at = float("-inf")
        self._counted_at = float("-inf")
        self._counted_version = 0
        self._counting = threading.Lock()

    def find(self, qualite: Qualite, numero: NumeroDossier) -> Account | None:
        """Read the account of a dossier."""
        row = self._database.execute(
            _FIND, {"of_qualite": str(qualite), "of_numero": numero.value}
        ).one_or_none()
        if row is None:
            return None
        password = None
        if row.password_hash is not None:
            password = PasswordHash(row.password_scheme, row.password_hash)
        return Account(
            id=row.id,
            dossier_status=DossierStatus(row.status),
            password=password,
            credential_version=row.credential_version,
            last_sign_in_at=row.last_sign_in_at,
        )

    def signed_in(
        self, account: Account, *, at: datetime, replacement: PasswordHash | None
    ) -> bool:
        """Note a sign-in; False when password, version or status changed meanwhile."""
        of = {"of_account": account.id, "of_version": account.credential_version}
        result = self._database.execute(_SIGNED_IN, {**of, "at": at})
        if result.rowcount != 1:  # type: ignore[attr-defined] # an UPDATE's result has it
            return False
        if replacement is not None and account.password is not None:
            new = {"new_hash": replacement.phc, "new_scheme": replacement.scheme}
            self._database.execute(_REPLACED, {**of, **new, "of_hash": account.password.phc})
        return True

    def get(self, account_id: str) -> Subject | None:
        """Read the subject of an account."""
        row = self._database.execute(_SUBJECT, {"of_account": account_id}).one_or_none()
        if row is None:
            return None
        return Subject(
            account_id=row.id,
            credential_version=row.credential_version,
            signs_in=row.status == DossierStatus.ACTIVE,
            qualite=row.qualite,
            numero_dossier=row.numero_dossier,
            situations=tuple(row.situations.split("|")) if row.situations else (),
            family_name=row.family_name,
            usage_name=row.usage_name,
            given_names=row.given_names,
            gender=row.gender,
            birthdate=row.birthdate,
            email=row.confirmed_email or row.email,
            email_verified=row.confirmed_email is not None,
            phone=row.phone,
            address=(
                row.address_1,
                row.address_2,
                row.address_3,
                row.address_4,
                row.address_5,
                row.address_6,
            ),
            updated_at=row.updated_at,
        )

    def scheme_counts(self, qualite: Qualite) -> Mapping[str, int]:
        """Count the accounts of a qualité by scheme: again each hour, and after an import.

        A process asks for ``registry_version``, which an import raises, once a second at most.
        """
        with self._counting:
            now = self._monotonic()
            if now - self._looked_at >= LOOK_EVERY_SECONDS:
                # The number before the rows: a change in between is seen at the next look.
                version = self._database.execute(VERSION).scalar() or 0
                aged = now - self._counted_at > SCHEME_COUNTS_AGE_SECONDS
                if aged or version != self._counted_version:
                    self._scheme_counts = self._count_schemes()
                    self._counted_at, self._counted_version = now, version
                self._looked_at = now
            return self._scheme_counts.get(qualite, {})

    def _count_schemes(self) -> Mapping[Qualite, Mapping[str, int]]:
        counts: dict[Qualite, dict[str, int]] = {}
        for row in self._database.execute(_SCHEME_COUNTS):
            counts.setdefault(Qualite(row.qualite), {})[row.password_scheme] = row.accounts
        return counts
