"""The SQL store in a file and back: ``pg_dump`` and ``pg_restore``, or SQLite's own copy.

Both read one instant of a store that goes on serving.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine
from sqlalchemy import inspect
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL
from sqlalchemy.engine import make_url

from idp import IdpError
from idp.infra.private_files import make_private_file
from idp.infra.programs import find_program
from idp.infra.programs import run
from idp.infra.sql import sql_failures_told

POSTGRESQL = "postgresql"
SQLITE = "sqlite"


class NotEmpty(IdpError):
    """A store that a backup would be restored into holds something; nothing was touched."""

    code = "not_empty"


def save_sql(url: str, folder: Path) -> tuple[Path, str]:
    """Write the store into ``folder``; give the file and its kind.

    Raises:
        ProgramFailed: pg_dump is missing or refused.
    """
    given = make_url(url)
    if given.get_backend_name() == SQLITE:
        path = folder / "database.sqlite"
        make_private_file(path)
        _copy(Path(given.database or ""), path)
        return path, SQLITE
    path = folder / "database.dump"
    _run_postgres(
        "pg_dump", given, "--format=custom", "--no-owner", "--no-privileges", f"--file={path}"
    )
    return path, POSTGRESQL


def check_sql_is_empty(url: str) -> None:
    """Refuse a store that holds a schema of ours, or anything else.

    Raises:
        NotEmpty: it does.
        StoreUnavailable: it is away.
    """
    given = make_url(url)
    if given.get_backend_name() == SQLITE and not Path(given.database or "").exists():
        return
    engine = create_engine(url, hide_parameters=True)
    try:
        with sql_failures_told(), engine.connect() as connection:
            tables = inspect(connection).get_table_names()
    finally:
        engine.dispose()
    if tables:
        raise NotEmpty(
            f"IDP_DATABASE_URL: the database holds {len(tables)} tables; a backup is restored into"
            " an empty one, so that nothing of two stores is ever mixed"
        )


def load_sql(url: str, path: Path, kind: str) -> None:
    """Bring the store back, in one transaction.

    Raises:
        ProgramFailed: pg_restore is missing or refused; nothing was restored.
    """
    given = make_url(url)
    if given.get_backend_name() != kind:
        raise NotEmpty(
            f"IDP_DATABASE_URL: names a store of {given.get_backend_name()}, the set is of {kind}"
        )
    if kind == SQLITE:
        make_private_file(Path(given.database or ""))
        _copy(path, Path(given.database or ""))
        return
    _run_postgres(
        "pg_restore", given, "--exit-on-error", "--single-transaction", "--no-owner",
        "--no-privileges", str(path),
    )  # fmt: skip


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def _run_postgres(program: str, url: URL, *arguments: str) -> None:
    # What the driver would connect with; the password stays out of what `ps` shows.
    dialect = registry.load("postgresql.psycopg")()
    _, options = dialect.create_connect_args(url)
    password = options.pop("password", None)
    run(
        [str(find_program(program, package="postgresql-client")), *arguments,
         f"--dbname={make_conninfo(**options)}"],
        environment={"PGPASSWORD": password} if password else {},
    )  # fmt: skip
