"""The way to the head of the SQL schema.

Alembic without its ini file: the wheel carries all that is needed, and the URL comes from the
settings.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy import Engine
from sqlalchemy import NullPool
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from idp import IdpError
from idp.infra.migrations import CONNECT_TIMEOUT_SECONDS
from idp.infra.migrations import refuse_newer
from idp.infra.private_files import make_private_file
from idp.infra.sql import sql_failures_told

TURN_TIMEOUT_SECONDS = 120
"""How long a process waits for another that is migrating."""

TABLE_LOCK_TIMEOUT = "15s"
"""A table that somebody holds refuses the migration: every request would queue up behind it."""

_ADVISORY_LOCK = 0x1D9_0001  # any number that nothing else in this database locks
_FOLDER = Path(__file__).parent


class MigrationFailed(IdpError):
    """A step of the migration was refused by the store; nothing of it stays."""

    code = "migration_failed"


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema to ``revision``, in one transaction; no effect when it is there already.

    Two processes may call this at once: the second waits for the first and finds nothing to do.

    Raises:
        migrations.UnknownSchema: a newer version of the program migrated this database.
        MigrationFailed: the store refused a step, or a table stayed locked too long.
        StoreUnavailable: the store is away.
    """
    with _transaction(url) as connection:
        config = _config()
        refuse_newer(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except DBAPIError as error:
            # The schema is no secret: an operator needs what the store said.
            raise MigrationFailed(f"nothing was migrated: {error.orig}") from None


def _config() -> Config:
    config = Config()
    # A percent sign would be read as an interpolation of the ini file that there is not.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    if _is_sqlite(url):
        _make_private_database(make_url(url).database)
    engine = _engine(url)
    if _is_sqlite(url):
        event.listen(engine, "begin", _begin_immediate)
    try:
        with sql_failures_told(), engine.begin() as connection:
            if not _is_sqlite(url):
                # The turn is waited for first, and tables only afterwards.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TURN_TIMEOUT_SECONDS}s'")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT}'")
            yield connection
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    sqlite = _is_sqlite(url)
    options: dict[str, Any] = (  # Any: what either driver takes
        {"timeout": TURN_TIMEOUT_SECONDS}
        if sqlite
        else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    )
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)
    if sqlite:
        event.listen(engine, "connect", _leave_transactions_to_us)
    return engine


def _leave_transactions_to_us(connection: SqliteConnection, _record: object) -> None:
    # The driver would commit before DDL, and half a migration would stay behind a failure.
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    # The write lock comes first: two migrations at once take turns instead of meeting half-way.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make_private_database(database: str | None) -> None:
    """Make the file for its owner alone: it will hold password hashes, and umasks are lax."""
    if not database or database == ":memory:":
        return
    make_private_file(Path(database))
