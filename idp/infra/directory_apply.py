"""What an import changes, as statements over the whole file: ``match`` finds, ``writes`` does.

What a row may change, and what it may not, is ADR 0010.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from typing import cast

from sqlalchemy import BigInteger
from sqlalchemy import Boolean
from sqlalchemy import Column
from sqlalchemy import ColumnElement
from sqlalchemy import CompoundSelect
from sqlalchemy import Executable
from sqlalchemy import Integer
from sqlalchemy import Select
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy import and_
from sqlalchemy import case
from sqlalchemy import exists
from sqlalchemy import false
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import literal
from sqlalchemy import not_
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import union
from sqlalchemy import union_all
from sqlalchemy import update

from idp.identity.dossier import DossierStatus
from idp.identity.dossier import Qualite
from idp.identity.password import OURS
from idp.infra.directory_stage import DOSSIER_COLUMNS
from idp.infra.directory_stage import DOSSIERS
from idp.infra.directory_stage import STAGED
from idp.infra.directory_stage import TEMPORARY
from idp.infra.tables import AccountRow
from idp.infra.tables import Instant

ACCOUNTS = cast(Table, AccountRow.__table__)
MATCHED = Table(
    "import_matches",
    TEMPORARY,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("dossier_id", BigInteger, nullable=False),
    Column("account_id", String(22)),
    Column("dossier_changed", Boolean),
    Column("password_changed", Boolean),
    Column("sign_in_changed", Boolean),
    Column("closes", Boolean),
    Column("email_differs", Boolean),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""One row for each good row whose dossier is known: what the import changes there."""

_ACTIVE = str(DossierStatus.ACTIVE)
_PIVOT = ("family_name", "given_names", "gender", "birthdate", "birthplace", "birthcountry")
_GOOD = STAGED.c.refused == false()
_NEW = and_(_GOOD, not_(exists().where(MATCHED.c.line == STAGED.c.line)))
_SAME_NUMERO = and_(
    DOSSIERS.c.qualite == STAGED.c.qualite, DOSSIERS.c.numero_dossier == STAGED.c.numero_dossier
)
_ACCOUNT_OF_DOSSIER = ACCOUNTS.c.dossier_id == DOSSIERS.c.id
_OF_OLD_SYSTEM = or_(
    ACCOUNTS.c.password_hash.is_(None), not_(ACCOUNTS.c.password_scheme.startswith(OURS))
)
"""The account has no password of ours, so that the export may still speak of it."""

_LATER_SIGN_IN = or_(
    ACCOUNTS.c.last_sign_in_at.is_(None), ACCOUNTS.c.last_sign_in_at < STAGED.c.last_sign_in_at
)


def match() -> Executable:
    """Note in ``MATCHED`` what each good row would change."""
    changes = (
        DOSSIERS.c.fingerprint != STAGED.c.fingerprint,
        and_(
            STAGED.c.password_hash.is_not(None),
            _OF_OLD_SYSTEM,
            ACCOUNTS.c.password_hash.is_distinct_from(STAGED.c.password_hash),
        ),
        and_(STAGED.c.last_sign_in_at.is_not(None), _LATER_SIGN_IN),
        and_(DOSSIERS.c.status == _ACTIVE, STAGED.c.status != _ACTIVE),
        and_(
            STAGED.c.email != "",
            ACCOUNTS.c.email.is_not(None),
            func.lower(ACCOUNTS.c.email) != func.lower(STAGED.c.email),
        ),
    )
    known = STAGED.join(DOSSIERS, _SAME_NUMERO).outerjoin(ACCOUNTS, _ACCOUNT_OF_DOSSIER)
    return insert(MATCHED).from_select(
        MATCHED.c.keys(),
        select(STAGED.c.line, DOSSIERS.c.id, ACCOUNTS.c.id, *changes)
        .select_from(known)
        .where(_GOOD),
    )


def counts() -> Select[Any]:
    """Count what was found: new, changed, unchanged, refused, closed, emails_kept."""
    m = MATCHED.c
    changed = or_(m.dossier_changed, m.password_changed, m.sign_in_changed)
    rows = select(
        _count_where(_GOOD).label("good"), _count_where(STAGED.c.refused).label("refused")
    ).subquery()
    known = select(
        func.count().label("known"),
        _count_where(changed).label("changed"),
        _count_where(m.closes).label("closed"),
        _count_where(m.email_differs).label("emails_kept"),
    ).subquery()
    return select(
        (rows.c.good - known.c.known).label("new"),
        known.c.changed,
        (known.c.known - known.c.changed).label("unchanged"),
        rows.c.refused,
        known.c.closed,
        known.c.emails_kept,
    ).select_from(rows.join(known, literal(1) == literal(1)))


def emails_kept() -> Select[Any]:
    """Select the lines whose address differs from the one confirmed here."""
    lines = select(MATCHED.c.line).where(MATCHED.c.email_differs).order_by(MATCHED.c.line)
    return lines.execution_options(yield_per=1000)


def closing() -> Select[Any]:
    """Select the accounts of dossiers that the file closes or tells deceased."""
    return select(MATCHED.c.account_id).where(MATCHED.c.closes, MATCHED.c.account_id.is_not(None))


def moved() -> Select[Any]:
    """Select the accounts that a changed qualité leaves behind.

    A new row, with the number and the person of an active dossier of the other qualité that the
    file does not hold any more. The person is told by the six pivot fields, birth date known.
    """
    affilie, ayant_droit = str(Qualite.AFFILIE), str(Qualite.AYANT_DROIT)
    other = case((STAGED.c.qualite == affilie, ayant_droit), else_=affilie)
    same_person = [DOSSIERS.c[name] == STAGED.c[name] for name in _PIVOT]
    former = and_(
        DOSSIERS.c.qualite == other,
        DOSSIERS.c.numero_dossier == STAGED.c.numero_dossier,
        DOSSIERS.c.status == _ACTIVE,
        DOSSIERS.c.birthdate != "",
        *same_person,
    )
    file = STAGED.alias()
    still_there = exists().where(
        file.c.qualite == DOSSIERS.c.qualite, file.c.numero_dossier == DOSSIERS.c.numero_dossier
    )
    return (
        select(ACCOUNTS.c.id)
        .select_from(STAGED.join(DOSSIERS, former).join(ACCOUNTS, _ACCOUNT_OF_DOSSIER))
        .where(_NEW, not_(still_there))
    )


def causes() -> CompoundSelect[Any]:
    """Select each account whose dossier the file closes, or moves, with the cause."""
    status = STAGED.c.status.label("cause")
    closed = (
        select(MATCHED.c.account_id, status)
        .join_from(MATCHED, STAGED, MATCHED.c.line == STAGED.c.line)
        .where(MATCHED.c.closes, MATCHED.c.account_id.is_not(None))
    )
    left_behind = moved().subquery()
    return union_all(closed, select(left_behind.c.id, literal("qualite_changed")))


def accounts_to_end(signed_in_since: datetime) -> CompoundSelect[Any]:
    """Select the accounts whose sessions must end: once for all, before anything is written.

    Those closed earlier are among them when a sign-in since ``signed_in_since`` may have left a
    session, so that a second run mends what a lost Redis left open.
    """
    closed_earlier = (
        select(ACCOUNTS.c.id)
        .select_from(DOSSIERS.join(ACCOUNTS, _ACCOUNT_OF_DOSSIER))
        .where(DOSSIERS.c.status != _ACTIVE, ACCOUNTS.c.last_sign_in_at >= signed_in_since)
    )
    return union(closing(), moved(), closed_earlier)


def writes(now: datetime) -> Iterator[Executable]:
    """Give the statements that bring dossiers and accounts to what the good rows say, in order.

    What belongs to the member is asked again of each row as it is written: a sign-in may have
    replaced a password since the rows were matched.
    """
    of_match = and_(MATCHED.c.line == STAGED.c.line, ACCOUNTS.c.id == MATCHED.c.account_id)
    version = ACCOUNTS.c.credential_version
    yield (
        update(ACCOUNTS)
        .where(ACCOUNTS.c.id.in_(union(closing(), moved())))
        .values(credential_version=version + 1)
    )
    yield (
        update(DOSSIERS)
        .where(DOSSIERS.c.id == MATCHED.c.dossier_id, MATCHED.c.line == STAGED.c.line)
        .where(MATCHED.c.dossier_changed)
        .values(updated_at=now, **{name: STAGED.c[name] for name in DOSSIER_COLUMNS})
    )
    yield (
        update(ACCOUNTS)
        .where(of_match, MATCHED.c.password_changed, _OF_OLD_SYSTEM)
        .values(
            password_hash=STAGED.c.password_hash,
            password_scheme=STAGED.c.password_scheme,
            # Another password than before: what the former one opened is dead.
            credential_version=case(
                (ACCOUNTS.c.password_hash.is_(None), version), else_=version + 1
            ),
        )
    )
    yield (
        update(ACCOUNTS)
        .where(of_match, MATCHED.c.sign_in_changed, _LATER_SIGN_IN)
        .values(last_sign_in_at=STAGED.c.last_sign_in_at)
    )
    yield insert(DOSSIERS).from_select(
        [*DOSSIER_COLUMNS, "updated_at"],
        select(*(STAGED.c[name] for name in DOSSIER_COLUMNS), literal(now, Instant))
        .where(_NEW)
        .order_by(STAGED.c.line),
    )
    made = {
        "id": STAGED.c.account_id,
        "dossier_id": DOSSIERS.c.id,
        "password_hash": STAGED.c.password_hash,
        "password_scheme": STAGED.c.password_scheme,
        "credential_version": literal(0),
        "last_sign_in_at": STAGED.c.last_sign_in_at,
        "created_at": literal(now, Instant),
    }
    without_account = not_(exists().where(_ACCOUNT_OF_DOSSIER))
    yield insert(ACCOUNTS).from_select(
        list(made),
        select(*made.values())
        .select_from(STAGED.join(DOSSIERS, _SAME_NUMERO))
        .where(_GOOD, without_account),
    )


def _count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
