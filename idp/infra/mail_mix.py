"""The mix of mail addresses that decoys follow: counted by the import, stored, read by the pages.

Counting reads the whole directory: a second or two, more than a page may take.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from typing import cast

from sqlalchemy import ColumnElement
from sqlalchemy import Select
from sqlalchemy import Table
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import literal
from sqlalchemy import select
from sqlalchemy import union_all

from idp.identity.contact import LETTER_ARRIVES
from idp.identity.contact import MailMix
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import Qualite
from idp.identity.mask import SHORT_LOCAL
from idp.identity.mask import join_domain
from idp.identity.mask import lower
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import Instant
from idp.infra.tables import MailMixRow

_ONCE = "MATERIALIZED"  # PostgreSQL would write each expression out wherever it is named

# The type: a mapped class without inheritance has a Table.
_DOSSIERS = cast("Table", DossierRow.__table__)
_ACCOUNTS = cast("Table", AccountRow.__table__)

NOBODY = MailMix(post_only=1.0, domains={}, firsts={}, lasts={})
"""The mix of a qualité without any active dossier."""

_OF_IMPORT = (
    select(_DOSSIERS.c.email)
    .where(_DOSSIERS.c.id == _ACCOUNTS.c.dossier_id)
    .correlate(_ACCOUNTS)
    .scalar_subquery()
)


def _stood(former: ColumnElement[str]) -> ColumnElement[bool]:
    """Tell whether the newest address stood its time; without a former one the letter's too."""
    told_by_letter = bindparam("stood_since_letter", type_=Instant)
    since = case((former == "", told_by_letter), else_=bindparam("stood_since", type_=Instant))
    return _ACCOUNTS.c.email_confirmed_at <= since


FORMER: ColumnElement[str] = func.coalesce(_ACCOUNTS.c.former_email, _DOSSIERS.c.email)
"""The address that might receive a reset before the newest was recorded, or ""."""

RECEIVES: ColumnElement[str] = case((_stood(FORMER), _ACCOUNTS.c.email), else_=FORMER)
"""The address that may receive a reset: a new one must have stood its time first."""

STOOD: ColumnElement[bool] = _stood(func.coalesce(_ACCOUNTS.c.former_email, _OF_IMPORT))
"""Whether the newest address stood its time, for a statement on accounts alone."""


def standing(stood_since: datetime) -> dict[str, datetime]:
    """Give the values that ``RECEIVES`` and ``STOOD`` need.

    Args:
        stood_since: an address confirmed here after this instant receives no reset yet.
    """
    return {"stood_since": stood_since, "stood_since_letter": stood_since - LETTER_ARRIVES}


def _counted() -> Any:  # Any: the type of a compound select says nothing
    """Count, in one reading of the directory, every fragment that a mask may show.

    ``rtrim(x, replace(x, '@', ''))`` takes everything after the last ``@`` away: the one way to
    find it that SQLite and PostgreSQL share.
    """
    receives = (
        select(_DOSSIERS.c.qualite, RECEIVES.label("email"))
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


_COUNTED = _counted()
_STORED = select(MailMixRow.qualite, MailMixRow.mix)


def count_mail_mixes(database: Database, *, stood_since: datetime) -> Mapping[Qualite, MailMix]:
    """Count the mix of each qualité from the rows as they are.

    Args:
        database: read in the caller's transaction.
        stood_since: an address confirmed here after this instant receives no reset yet.

    Raises:
        StoreUnavailable: the store is away, or has no time for this.
    """
    counts: dict[Qualite, dict[str, dict[str, int]]] = {}
    for row in database.execute(_COUNTED, standing(stood_since)):
        parts = counts.setdefault(
            Qualite(row.qualite), {"none": {}, "domain": {}, "first": {}, "last": {}}
        )
        shown = join_domain(row.one, row.two) if row.part == "domain" else lower(row.one)
        # Two spellings in SQL may be one in a mask, which has no capitals.
        parts[row.part][shown] = parts[row.part].get(shown, 0) + row.dossiers
    return {qualite: _mix(counts[qualite]) if qualite in counts else NOBODY for qualite in Qualite}


def store_mail_mixes(database: Database, *, stood_since: datetime) -> bool:
    """Count the mixes and store them in the caller's transaction; False when they are the same.

    Whoever changed them raises ``registry_version``: while two processes followed two mixes, the
    masks that differ from one to the other would be known as decoys.
    """
    mixes = count_mail_mixes(database, stood_since=stood_since)
    if mixes == stored_mail_mixes(database):
        return False
    database.execute(delete(MailMixRow))
    database.execute(
        insert(MailMixRow),
        [{"qualite": str(qualite), "mix": asdict(mix)} for qualite, mix in mixes.items()],
    )
    return True


def stored_mail_mixes(database: Database) -> Mapping[Qualite, MailMix]:
    """Read the stored mixes; empty until an import has counted."""
    return {Qualite(row.qualite): MailMix(**row.mix) for row in database.execute(_STORED)}


def _mix(parts: Mapping[str, Mapping[str, int]]) -> MailMix:
    without, having = sum(parts["none"].values()), sum(parts["first"].values())
    return MailMix(
        post_only=without / (without + having),
        domains=parts["domain"],
        firsts=parts["first"],
        lasts=parts["last"],
    )
