"""One dossier as the directory has it, with the account it belongs to."""

from typing import cast

from sqlalchemy import ColumnElement
from sqlalchemy import Table
from sqlalchemy import select

from idp.identity.dossier import Dossier
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import KnownDossier
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.dossier import Situation
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import address_of

_ACCOUNTS = cast("Table", AccountRow.__table__)
_DOSSIERS = cast("Table", DossierRow.__table__)

_KNOWN = select(
    _DOSSIERS,
    _ACCOUNTS.c.id.label("account_id"),
    _ACCOUNTS.c.password_scheme,
    _ACCOUNTS.c.last_sign_in_at,
    _ACCOUNTS.c.email.label("confirmed_email"),
    _ACCOUNTS.c.email_confirmed_at,
    _ACCOUNTS.c.former_email,
    _ACCOUNTS.c.created_at,
).join_from(_DOSSIERS, _ACCOUNTS)


def find_dossier(
    database: Database, qualite: Qualite, numero: NumeroDossier
) -> KnownDossier | None:
    """Read one dossier for an operator."""
    return _known(
        database,
        _DOSSIERS.c.qualite == str(qualite),
        _DOSSIERS.c.numero_dossier == numero.value,
    )


class SqlKnownDossiers:
    """The port ``KnownDossiers``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, account_id: str) -> KnownDossier | None:
        """Read the dossier of an account."""
        return _known(self._database, _ACCOUNTS.c.id == account_id)


def _known(database: Database, *wanted: ColumnElement[bool]) -> KnownDossier | None:
    row = database.execute(_KNOWN.where(*wanted)).one_or_none()
    if row is None:
        return None
    dossier = Dossier(
        qualite=Qualite(row.qualite),
        numero=NumeroDossier(row.numero_dossier),
        family_name=row.family_name,
        usage_name=row.usage_name,
        given_names=row.given_names,
        gender=row.gender,
        birthdate=row.birthdate,
        birthplace=row.birthplace,
        birthcountry=row.birthcountry,
        email=row.email,
        phone=row.phone,
        address=address_of(row),
        situations=tuple(Situation(word) for word in row.situations.split("|") if word),
        profession=row.profession,
        status=DossierStatus(row.status),
    )
    return KnownDossier(
        dossier=dossier,
        updated_at=row.updated_at,
        account_id=row.account_id,
        password_scheme=row.password_scheme,
        last_sign_in_at=row.last_sign_in_at,
        confirmed_email=row.confirmed_email,
        confirmed_at=row.email_confirmed_at,
        former_email=row.former_email,
        created_at=row.created_at,
    )
