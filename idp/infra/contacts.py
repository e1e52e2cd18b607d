"""Contacts in SQL, and the mix of their addresses that decoys follow."""

import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import cast

from sqlalchemy import ColumnElement
from sqlalchemy import Select
from sqlalchemy import Table
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import func
from sqlalchemy import literal
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import union_all

from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.contact import Contact
from idp.identity.contact import MailMix
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.mask import SHORT_LOCAL
from idp.identity.mask import join_domain
from idp.identity.mask import lower
from idp.infra.kept_counts import KeptCounts
from idp.infra.sql import SQL_TIMEOUT_SECONDS
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import Instant

COUNT_SECONDS = 20
_ONCE = "MATERIALIZED"  # PostgreSQL would write each expression out wherever it is named

# The type: a mapped class without inheritance has a Table.
_DOSSIERS = cast("Table", DossierRow.__table__)
_ACCOUNTS = cast("Table", AccountRow.__table__)

_RECEIVES: ColumnElement[str] = case(
    (
        _ACCOUNTS.c.email_confirmed_at <= bindparam("stood_since", type_=Instant),
        _ACCOUNTS.c.email,
    ),
    else_=func.coalesce(_ACCOUNTS.c.former_email, _DOSSIERS.c.email),
)
"""The address that may receive a reset: a new one must have stood its time first."""

_CONTACT = select(
    _ACCOUNTS.c.id,
    _ACCOUNTS.c.credential_version,
    (_ACCOUNTS.c.password_hash.is_not(None)).label("has_password"),
    _ACCOUNTS.c.email.label("confirmed_email"),
    _RECEIVES.label("receives"),
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


def _mail_mix() -> Any:  # Any: the type of a compound select says nothing
    """Count, in one reading of the directory, every fragment that a mask may show.

    ``rtrim(x, replace(x, '@', ''))`` takes everything after the last ``@`` away: the one way to
    find it that SQLite and PostgreSQL share.
    """
    receives = (
        select(_DOSSIERS.c.qualite, _RECEIVES.label("email"))
        .join_from(_ACCOUNTS, _DOSSIERS, _ACCOUNTS.c.dossier_id == _DOSSIERS.c.id)
        .where(_DOSSIERS.c.status == str(DossierStatus.ACTIVE))
        .cte("receives")
    )
    email = receives.c.email
    halves = (
        select(
            receives.c.qualite,
            email,
            func.length(func.rtrim(email, func.replace(email, "@", ""))).label("upto"),
        )
        .cte("halves")
        .prefix_with(_ONCE, dialect="postgresql")
    )
    domain = func.substr(halves.c.email, halves.c.upto + 1)
    parts = (
        select(
            halves.c.qualite,
            halves.c.email,
            halves.c.upto,
            domain.label("domain"),
            func.length(func.rtrim(domain, func.replace(domain, ".", ""))).label("dotted"),
        )
        .cte("parts")
        .prefix_with(_ONCE, dialect="postgresql")
    )
    last_two = func.substr(parts.c.email, parts.c.upto - 2, 2)
    last_label = func.substr(parts.c.domain, parts.c.dotted + 1)
    fragments = select(
        parts.c.qualite,
        case(((parts.c.upto >= 2) & (parts.c.domain != ""), 1), else_=0).label("is_address"),
        func.substr(parts.c.email, 1, 1).label("first"),
        case((parts.c.upto - 1 <= SHORT_LOCAL, ""), else_=last_two).label("last"),
        func.substr(parts.c.domain, 1, 1).label("domain_first"),
        case((parts.c.dotted == 0, ""), else_=last_label).label("domain_last"),
    ).cte("fragments")

    def counted(part: str, *shown: Any) -> Select[Any]:
        one, two = (*shown, literal(""), literal(""))[:2]
        return (
            select(
                fragments.c.qualite,
                literal(part).label("part"),
                one.label("one"),
                two.label("two"),
                func.count().label("dossiers"),
            )
            .where(fragments.c.is_address == (0 if part == "none" else 1))
            .group_by(fragments.c.qualite, *shown)
        )

    return union_all(
        counted("none"),
        counted("domain", fragments.c.domain_first, fragments.c.domain_last),
        counted("first", fragments.c.first),
        counted("last", fragments.c.last),
    )


_MAIL_MIX = _mail_mix()
_PATIENCE = text("SELECT set_config('statement_timeout', :milliseconds, true)")


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
        self._mixes = KeptCounts(database, self._count_mixes, monotonic=monotonic)

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
        """Read the mix of one qualité: taken again each hour, and after an import."""
        nobody = MailMix(post_only=1.0, domains={}, firsts={}, lasts={})
        return self._mixes.get().get(qualite, nobody)

    def _read(self, statement: Select[Any], **of: str) -> Contact | None:
        row = self._database.execute(
            statement, {**of, "stood_since": self._stood_since()}
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
            given_names=row.given_names,
            usage_name=row.usage_name,
            family_name=row.family_name,
            birthdate=row.birthdate,
            address=(
                row.address_1,
                row.address_2,
                row.address_3,
                row.address_4,
                row.address_5,
                row.address_6,
            ),
        )

    def _stood_since(self) -> datetime:
        return self._now() - self._new_address_wait

    def _count_mixes(self) -> Mapping[Qualite, MailMix]:
        with self._patiently():
            found = self._database.execute(_MAIL_MIX, {"stood_since": self._stood_since()})
        counts: dict[Qualite, dict[str, dict[str, int]]] = {}
        for row in found:
            parts = counts.setdefault(
                Qualite(row.qualite), {"none": {}, "domain": {}, "first": {}, "last": {}}
            )
            shown = join_domain(row.one, row.two) if row.part == "domain" else lower(row.one)
            # Two spellings in SQL may be one in a mask, which has no capitals.
            parts[row.part][shown] = parts[row.part].get(shown, 0) + row.dossiers
        return {qualite: _mix(parts) for qualite, parts in counts.items()}

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """Let one statement read the whole directory: some seconds, for one request an hour."""
        if self._database.is_sqlite:  # which has no such limit
            yield
            return
        self._database.execute(_PATIENCE, {"milliseconds": str(COUNT_SECONDS * 1000)})
        yield
        self._database.execute(_PATIENCE, {"milliseconds": str(SQL_TIMEOUT_SECONDS * 1000)})


def _mix(parts: Mapping[str, Mapping[str, int]]) -> MailMix:
    without, having = sum(parts["none"].values()), sum(parts["first"].values())
    return MailMix(
        post_only=without / (without + having),
        domains=parts["domain"],
        firsts=parts["first"],
        lasts=parts["last"],
    )
