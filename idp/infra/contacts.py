"""Contacts in SQL, and the mix of their addresses that decoys follow."""

import logging
import time
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import cast

from sqlalchemy import Select
from sqlalchemy import Table
from sqlalchemy import bindparam
from sqlalchemy import func
from sqlalchemy import select

from idp import StoreUnavailable
from idp.identity.account import Protection
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.contact import Contact
from idp.identity.contact import MailMix
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.infra.kept_counts import KeptCounts
from idp.infra.mail_mix import FORMER
from idp.infra.mail_mix import RECEIVES
from idp.infra.mail_mix import count_mail_mixes
from idp.infra.mail_mix import standing
from idp.infra.mail_mix import stored_mail_mixes
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import address_of
from idp.infra.usual_mail_mix import USUAL

log = logging.getLogger("idp.contacts")

# The type: a mapped class without inheritance has a Table.
_DOSSIERS = cast("Table", DossierRow.__table__)
_ACCOUNTS = cast("Table", AccountRow.__table__)

_CONTACT = select(
    _ACCOUNTS.c.id,
    _ACCOUNTS.c.credential_version,
    (_ACCOUNTS.c.password_hash.is_not(None)).label("has_password"),
    _ACCOUNTS.c.email.label("confirmed_email"),
    _ACCOUNTS.c.protection,
    _ACCOUNTS.c.email_confirmed_at,
    RECEIVES.label("receives"),
    FORMER.label("former"),
    _DOSSIERS.c.qualite,
    _DOSSIERS.c.numero_dossier,
    _DOSSIERS.c.status,
    _DOSSIERS.c.given_names,
    _DOSSIERS.c.usage_name,
    _DOSSIERS.c.family_name,
    _DOSSIERS.c.birthdate,
    *(_DOSSIERS.c[f"address_{line}"] for line in range(1, 7)),
).join_from(_ACCOUNTS, _DOSSIERS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)

_BY_NUMBER = (
    select(_DOSSIERS.c.id)
    .where(_DOSSIERS.c.qualite == bindparam("of_qualite"))
    .order_by(_DOSSIERS.c.numero_dossier)
    .limit(1)
)
_NEAREST = _CONTACT.where(
    _DOSSIERS.c.id
    == func.coalesce(
        _BY_NUMBER.where(_DOSSIERS.c.numero_dossier >= bindparam("of_numero")).scalar_subquery(),
        _BY_NUMBER.scalar_subquery(),
    )
)
"""The dossier of a number, or else its neighbour, or else the first: a row is read for everyone."""

_GET = _CONTACT.where(_ACCOUNTS.c.id == bindparam("of_account"))


class SqlContacts:
    """The ports ``Contacts`` and ``MailMixes``."""

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime],
        new_address_wait: timedelta = NEW_ADDRESS_WAIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._now = now
        self._new_address_wait = new_address_wait
        self._last_counted = USUAL
        self._mixes = KeptCounts(database, self._take_mixes, monotonic=monotonic)

    def find(self, qualite: Qualite, numero: NumeroDossier) -> Contact | None:
        """Read the contact of what was typed.

        For an unknown number a neighbour's row is read and left: reading none was told by the time
        of the answer (bench/reset_timing.py).
        """
        nearest = self._read(_NEAREST, of_qualite=str(qualite), of_numero=numero.value)
        return nearest if nearest is not None and nearest.numero == numero else None

    def get(self, account_id: str) -> Contact | None:
        """Read the contact of an account."""
        return self._read(_GET, of_account=account_id)

    def mail_mix(self, qualite: Qualite) -> MailMix:
        """Read the mix of one qualité: looked for again each hour, and after an import."""
        return self._mixes.get()[qualite]

    def _read(self, statement: Select[Any], **of: str) -> Contact | None:
        row = self._database.execute(
            statement, {**of, **standing(self._stood_since())}
        ).one_or_none()
        if row is None:
            return None
        return Contact(
            account_id=row.id,
            qualite=Qualite(row.qualite),
            numero=NumeroDossier(row.numero_dossier),
            status=DossierStatus(row.status),
            credential_version=row.credential_version,
            has_password=bool(row.has_password),
            email=row.receives,
            confirmed_email=row.confirmed_email or "",
            former_email=row.former,
            given_names=row.given_names,
            usage_name=row.usage_name,
            family_name=row.family_name,
            birthdate=row.birthdate,
            address=address_of(row),
            protection=Protection(row.protection),
            email_confirmed_at=row.email_confirmed_at,
        )

    def _stood_since(self) -> datetime:
        return self._now() - self._new_address_wait

    def _take_mixes(self) -> Mapping[Qualite, MailMix]:
        """Read what the import stored; without it count, and without time for that make do.

        What made do is kept as long as any other: a count that failed once would fail again, and
        no page must wait for that each time.
        """
        stored = stored_mail_mixes(self._database)
        if stored:
            return stored
        try:
            with self._database.part():
                self._last_counted = count_mail_mixes(
                    self._database, stood_since=self._stood_since()
                )
        except StoreUnavailable as error:
            log.warning("decoys do without the directory's mix until the next import: %s", error)
        return self._last_counted
