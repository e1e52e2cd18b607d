"""Accounts and subjects in SQL, read with one statement each."""

import time
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from typing import cast

from sqlalchemy import Table
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from idp.identity.account import DOUBTED
from idp.identity.account import Account
from idp.identity.account import Protection
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.password import PasswordHash
from idp.infra.kept_counts import KeptCounts
from idp.infra.mail_mix import STOOD
from idp.infra.mail_mix import standing
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import Instant
from idp.infra.tables import address_of
from idp.oidc.claims import Subject

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
        _ACCOUNTS.c.protection,
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
        _ACCOUNTS.c.protection,
        *(column for column in _DOSSIERS.c if column.name not in ("id", "fingerprint")),
    )
    .join_from(_ACCOUNTS, _DOSSIERS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)
    .where(_ACCOUNTS.c.id == bindparam("of_account"))
)

_OF_ACTIVE_DOSSIER = _ACCOUNTS.c.dossier_id.in_(
    select(_DOSSIERS.c.id).where(_DOSSIERS.c.status == str(DossierStatus.ACTIVE))
)

_SIGNED_IN = (
    update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == bindparam("of_account"),
        _ACCOUNTS.c.credential_version == bindparam("of_version"),
        _ACCOUNTS.c.protection == str(Protection.NONE),
        _OF_ACTIVE_DOSSIER,
    )
    .values(
        last_sign_in_at=func.coalesce(bindparam("at", type_=Instant), _ACCOUNTS.c.last_sign_in_at)
    )
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

_CHOSEN = (
    update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == bindparam("of_account"),
        _ACCOUNTS.c.credential_version == bindparam("of_version"),
        _OF_ACTIVE_DOSSIER,
    )
    .values(
        password_hash=bindparam("new_hash"),
        password_scheme=bindparam("new_scheme"),
        credential_version=_ACCOUNTS.c.credential_version + 1,
        last_sign_in_at=bindparam("at"),
        protection=str(Protection.NONE),
    )
)

# The former address is no way back: whoever recorded two in a row may have recorded it as well.
_DOUBTED = _ACCOUNTS.c.email_confirmed_at > bindparam("doubted_since")
_FROZEN = (
    update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == bindparam("of_account"),
        _ACCOUNTS.c.credential_version == bindparam("of_version"),
        _ACCOUNTS.c.protection != str(Protection.FROZEN),
    )
    .values(
        protection=str(Protection.FROZEN),
        credential_version=_ACCOUNTS.c.credential_version + 1,
        email=case((_DOUBTED, None), else_=_ACCOUNTS.c.email),
        former_email=case((_DOUBTED, None), else_=_ACCOUNTS.c.former_email),
        email_confirmed_at=case((_DOUBTED, None), else_=_ACCOUNTS.c.email_confirmed_at),
    )
)

_REOPENED = (
    update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == bindparam("of_account"),
        _ACCOUNTS.c.protection == str(Protection.FROZEN),
    )
    .values(protection=bindparam("to"))
)

# What stood its time is the former address. One that did not leaves the former one in place:
# whoever records two in a row must not make the first of them receive resets. None: the import's.
_RECORDED = (
    update(_ACCOUNTS)
    .where(_ACCOUNTS.c.id == bindparam("of_account"), _OF_ACTIVE_DOSSIER)
    .values(
        former_email=case(
            (STOOD, _ACCOUNTS.c.email),
            else_=_ACCOUNTS.c.former_email,
        ),
        email=bindparam("address"),
        email_confirmed_at=bindparam("at"),
    )
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
        self,
        database: Database,
        *,
        new_address_wait: timedelta = NEW_ADDRESS_WAIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._new_address_wait = new_address_wait
        self._scheme_counts = KeptCounts(database, self._count_schemes, monotonic=monotonic)

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
            protection=Protection(row.protection),
        )

    def signed_in(
        self, account: Account, *, at: datetime | None, replacement: PasswordHash | None
    ) -> bool:
        """Note a sign-in; False when anything of the account changed meanwhile."""
        of = {"of_account": account.id, "of_version": account.credential_version}
        result = self._database.execute(_SIGNED_IN, {**of, "at": at})
        if result.rowcount != 1:  # type: ignore[attr-defined] # an UPDATE's result has it
            return False
        if replacement is not None and account.password is not None:
            new = {"new_hash": replacement.phc, "new_scheme": replacement.scheme}
            self._database.execute(_REPLACED, {**of, **new, "of_hash": account.password.phc})
        return True

    def choose_password(
        self, account_id: str, *, version: int, hashed: PasswordHash, at: datetime
    ) -> bool:
        """Put a new password in force; False when somebody was first or the dossier is closed."""
        new = {"new_hash": hashed.phc, "new_scheme": hashed.scheme, "at": at}
        result = self._database.execute(
            _CHOSEN, {"of_account": account_id, "of_version": version, **new}
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it

    def record_email(self, account_id: str, address: str, *, at: datetime) -> bool:
        """Note a confirmed address; False when there is no such account that may sign in."""
        result = self._database.execute(
            _RECORDED,
            {
                "of_account": account_id,
                "address": address,
                "at": at,
                **standing(at - self._new_address_wait),
            },
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it

    def freeze(self, account_id: str, *, version: int, at: datetime) -> bool:
        """Freeze the account; False when it is frozen already, or its version is another."""
        result = self._database.execute(
            _FROZEN,
            {"of_account": account_id, "of_version": version, "doubted_since": at - DOUBTED},
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it

    def reopen(self, account_id: str, *, to: Protection) -> bool:
        """Let a frozen account go on as ``to``; False when it is not frozen."""
        result = self._database.execute(_REOPENED, {"of_account": account_id, "to": str(to)})
        return bool(result.rowcount == 1)  # type: ignore[attr-defined] # an UPDATE's result has it

    def get(self, account_id: str) -> Subject | None:
        """Read the subject of an account."""
        row = self._database.execute(_SUBJECT, {"of_account": account_id}).one_or_none()
        if row is None:
            return None
        return Subject(
            account_id=row.id,
            credential_version=row.credential_version,
            signs_in=(row.status == DossierStatus.ACTIVE and row.protection == Protection.NONE),
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
            address=address_of(row),
            updated_at=row.updated_at,
        )

    def scheme_counts(self, qualite: Qualite) -> Mapping[str, int]:
        """Count the accounts of a qualité by scheme: again each hour, and after an import."""
        return self._scheme_counts.get().get(qualite, {})

    def _count_schemes(self) -> Mapping[Qualite, Mapping[str, int]]:
        counts: dict[Qualite, dict[str, int]] = {}
        for row in self._database.execute(_SCHEME_COUNTS):
            counts.setdefault(Qualite(row.qualite), {})[row.password_scheme] = row.accounts
        return counts
