"""The rows of an import in a temporary table, before anything real is touched.

The file is read once, and what was checked is what is written: a file that changes meanwhile, or a
pipe, makes no difference. Finding duplicates and changes is then one statement each on either
store, and memory stays flat. A refused row leaves its number there, so that its double is told.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from typing import cast

import psycopg
from sqlalchemy import Boolean
from sqlalchemy import Column
from sqlalchemy import Connection
from sqlalchemy import CursorResult
from sqlalchemy import Index
from sqlalchemy import Integer
from sqlalchemy import MetaData
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy import Text
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.schema import CreateIndex
from sqlalchemy.schema import CreateTable

from idp import StoreUnavailable
from idp.identity.directory import DirectoryRow
from idp.identity.directory import RefusedRow
from idp.identity.dossier import Dossier
from idp.infra.sql import Database
from idp.infra.tables import DossierRow
from idp.infra.tables import Instant

DOSSIERS = cast(Table, DossierRow.__table__)
DOSSIER_COLUMNS = tuple(c.name for c in DOSSIERS.c if c.name not in ("id", "updated_at"))
"""What the import owns; the last one is the fingerprint of the others."""

TEMPORARY = MetaData()
STAGED = Table(
    "import_rows",
    TEMPORARY,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("refused", Boolean, nullable=False),
    *(Column(name, DOSSIERS.c[name].type) for name in DOSSIER_COLUMNS),
    Column("account_id", String(22)),
    Column("password_hash", Text),
    Column("password_scheme", String(64)),
    Column("last_sign_in_at", Instant),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
DOUBLES = Table(
    "import_doubles",
    TEMPORARY,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("nth", Integer, nullable=False),
    Column("of", Integer, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
_BY_NUMERO = Index("ix_import_rows_key", STAGED.c.qualite, STAGED.c.numero_dossier)


@dataclass(frozen=True, slots=True)
class Double:
    """A row that shares its qualité and number with others: the ``nth`` of them by line."""

    line: int
    nth: int
    of: int


StagedRow = tuple[object, ...]
"""The values of ``STAGED``, in its order."""

_CHUNK = 1000
_REFUSED_TAIL = (None,) * (len(STAGED.c) - 4)
_FINGERPRINT_VERSION = "1"  # another one makes the next import write every row again


def staged_row(line: int, row: DirectoryRow | RefusedRow) -> StagedRow | None:
    """Lay out a row for ``fill``; None when not even its number could be read."""
    if isinstance(row, RefusedRow):
        if row.key is None:
            return None
        return (line, True, str(row.key[0]), row.key[1].value, *_REFUSED_TAIL)
    values = _dossier_values(row.dossier)
    return (
        line,
        False,
        *values,
        _fingerprint(values),
        secrets.token_urlsafe(16),
        row.password and row.password.phc,
        row.password and row.password.scheme,
        row.last_sign_in_at,
    )


def create(database: Database, *tables: Table) -> None:
    """Make temporary tables in the caller's transaction; they end with it."""
    for table in tables:
        if database.is_sqlite:
            # SQLite keeps them as long as the connection, which a pool may hand out again.
            database.execute(text(f"DROP TABLE IF EXISTS temp.{table.name}"))
        database.execute(CreateTable(table))


def fill(database: Database, rows: Iterable[StagedRow]) -> None:
    """Put rows into ``STAGED`` as fast as the store takes them.

    Raises:
        StoreUnavailable: the store went away.
    """
    connection = _connection_of(database)
    if database.is_sqlite:
        _insert(connection, rows)
    else:
        _copy(connection, rows)
    database.execute(CreateIndex(_BY_NUMERO))
    analyze(database, STAGED)


def analyze(database: Database, table: Table) -> None:
    """Gather the statistics of a temporary table, which nobody else does on PostgreSQL."""
    if not database.is_sqlite:
        database.execute(text(f"ANALYZE {table.name}"))


def refuse_doubles(database: Database) -> Iterator[Double]:
    """Refuse every row that shares its qualité and number with another, and tell each, by line."""
    key = (STAGED.c.qualite, STAGED.c.numero_dossier)
    nth = func.row_number().over(partition_by=key, order_by=STAGED.c.line)
    of = func.count().over(partition_by=key)
    counted = select(STAGED.c.line, nth.label("nth"), of.label("of")).subquery()
    database.execute(
        insert(DOUBLES).from_select(DOUBLES.c.keys(), select(counted).where(counted.c.of > 1))
    )
    doubles = select(DOUBLES.c.line)
    database.execute(update(STAGED).where(STAGED.c.line.in_(doubles)).values(refused=True))
    # By pages: an export that was appended to itself has as many doubles as rows.
    last = 0
    page = select(DOUBLES).order_by(DOUBLES.c.line).limit(_CHUNK)
    while rows := database.execute(page.where(DOUBLES.c.line > last)).all():
        for row in rows:
            yield Double(row.line, row.nth, row.of)
        last = rows[-1].line


def _dossier_values(dossier: Dossier) -> tuple[str, ...]:
    # In the order of DOSSIER_COLUMNS.
    return (
        str(dossier.qualite),
        dossier.numero.value,
        dossier.family_name,
        dossier.usage_name,
        dossier.given_names,
        dossier.gender,
        dossier.birthdate,
        dossier.birthplace,
        dossier.birthcountry,
        dossier.email,
        dossier.phone,
        *dossier.address,
        "|".join(dossier.situations),
        dossier.profession,
        str(dossier.status),
    )


def _fingerprint(values: tuple[str, ...]) -> str:
    # No value holds a control character, so the separator cannot be forged.
    joined = "\x1f".join((_FINGERPRINT_VERSION, *values))
    digest = hashlib.sha256(joined.encode("utf-8")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _connection_of(database: Database) -> Connection:
    result = cast(CursorResult[Any], database.execute(text("SELECT 1")))  # Any: rows
    result.close()
    return result.connection


def _insert(connection: Connection, rows: Iterable[StagedRow]) -> None:
    statement = str(insert(STAGED).compile(dialect=connection.dialect))
    write_instant = Instant().dialect_impl(connection.dialect).bind_processor(connection.dialect)
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        connection.exec_driver_sql(
            statement, [(*row[:-1], write_instant and write_instant(row[-1])) for row in chunk]
        )


def _copy(connection: Connection, rows: Iterable[StagedRow]) -> None:
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)  # Any: rows
    columns = ", ".join(column.name for column in STAGED.c)
    statement = f"COPY {STAGED.name} ({columns}) FROM STDIN"
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailable(f"SQL: {type(error).__name__}") from None
