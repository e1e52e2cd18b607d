"""The SQL connection: SQLite or PostgreSQL, one transaction a use case.

Stores never commit: their caller opens ``Database.transaction``. The URL decides the store; what
differs between the two stands here and nowhere else.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection
from sqlalchemy import Engine
from sqlalchemy import Executable
from sqlalchemy import Result
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from idp import StoreUnavailable
from idp.infra.private_files import make_private_file
from idp.infra.tables import Base

SQL_TIMEOUT_SECONDS = 2

POSTGRES_PATIENCE: dict[str, Any] = {  # Any: what the driver takes
    "connect_timeout": SQL_TIMEOUT_SECONDS,
    "tcp_user_timeout": SQL_TIMEOUT_SECONDS * 1000,
    "options": f"-c statement_timeout={SQL_TIMEOUT_SECONDS * 1000} "
    f"-c lock_timeout={SQL_TIMEOUT_SECONDS * 1000}",
}

_REFUSALS = {
    "25006": "it is read-only: a standby",
    "42501": "its role may not use our tables (GRANT)",
    "SQLITE_NOTADB": "the file is no SQLite database",
    "SQLITE_CORRUPT": "the file is damaged",
}
"""SQLSTATEs and SQLite's names of what only an operator can mend."""


@contextmanager
def sql_failures_told() -> Iterator[None]:
    """Tell a store that is away, locked or too slow as StoreUnavailable; let faults through."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        # The statement and its parameters stay out of the message: they hold personal data.
        raise StoreUnavailable(f"SQL: {type(error).__name__}") from None
    except DBAPIError as error:
        names = (getattr(error.orig, name, None) for name in ("sqlstate", "sqlite_errorname"))
        refusal = next((_REFUSALS[name] for name in names if name in _REFUSALS), "")
        if refusal or error.connection_invalidated:
            raise StoreUnavailable(f"SQL: {refusal or type(error).__name__}") from None
        raise


class Database:
    """The one SQL store of a process."""

    def __init__(self, app: Flask, url: str, *, pool_size: int = 8) -> None:
        self.url = make_url(url)
        options: dict[str, Any] = {"hide_parameters": True}  # Any: engine options of either store
        if self.is_sqlite:
            options["connect_args"] = {"timeout": SQL_TIMEOUT_SECONDS}
        else:
            options |= {
                "pool_size": pool_size,
                "max_overflow": pool_size,  # a look at the clients needs a connection of its own
                "pool_timeout": SQL_TIMEOUT_SECONDS,
                "pool_pre_ping": True,  # a restarted server costs nobody an error
                "connect_args": POSTGRES_PATIENCE,
            }
        self._open = threading.local()
        self.watch: Callable[[str, float, bool], None] | None = None
        """Told of each question: what it was, how long it took, whether it failed."""
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
        self._db = SQLAlchemy(model_class=Base)
        self._db.init_app(app)
        with app.app_context():
            self.engine: Engine = self._db.engine
        if self.is_sqlite:
            event.listen(self.engine, "do_connect", self._make_file)
            event.listen(self.engine, "connect", _prepare_sqlite)
        else:
            event.listen(self.engine, "do_connect", connect_patiently)

    def _make_file(self, *_: object) -> None:
        # SQLite would let everybody read what it makes: it holds password hashes.
        with suppress(OSError):  # it will say itself that it cannot
            make_private_file(Path(self.url.database or ""))

    @property
    def is_sqlite(self) -> bool:
        """True on the embedded store."""
        return self.url.get_backend_name() == "sqlite"

    def execute(self, statement: Executable, parameters: Any = None) -> Result[Any]:  # Any: rows
        """Run one statement in the transaction of the caller.

        Raises:
            StoreUnavailable: the store is away, locked or too slow.
        """
        with self._told("statement"):
            result: Result[Any] = self._connection().execute(statement, parameters)
        return result

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this when the caller's transaction is committed, and never when it is not."""
        if getattr(self._open, "connection", None) is not None:
            self._open.afterwards.append(act)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the caller's transaction that may fail without it, by a savepoint.

        Raises:
            StoreUnavailable: the store is away.
        """
        with sql_failures_told():
            savepoint = self._connection().begin_nested()
        with sql_failures_told(), savepoint:
            yield

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._open, "connection", None)
        return connection or self._db.session.connection()

    @contextmanager
    def transaction(self, *, unhurried: bool = False) -> Iterator[None]:
        """Commit at the end, roll back on any error. Needs an application context.

        One at a time in a thread: a second one inside would commit on its own.
        ``unhurried`` waits for the server as long as it takes.

        A connection and not the ORM's session: statements give rows, never entities, and the
        session's half of each would be paid at every sign-in.

        Raises:
            StoreUnavailable: the commit did not reach the store.
        """
        if getattr(self._open, "connection", None) is not None:
            message = "a transaction inside a transaction"
            raise RuntimeError(message)
        self._db.session.remove()  # what was read before: a thread holds one connection at a time
        with self._told("connect"):
            connection = self.engine.connect()
        self._open.connection = connection
        self._open.afterwards = []
        driver = connection.connection.driver_connection
        if unhurried and not self.is_sqlite:
            driver.patience = None  # type: ignore[union-attr] # a PatientConnection
        try:
            yield
            with self._told("commit"):
                connection.commit()
            for act in self._open.afterwards:
                act()
        finally:
            self._open.connection = None
            self._open.afterwards = []
            if unhurried and not self.is_sqlite:
                del driver.patience  # type: ignore[union-attr] # what every connection has again
            connection.close()  # rolls back what was not committed

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        began, failed = time.perf_counter(), True
        try:
            with sql_failures_told():
                yield
            failed = False
        finally:
            if self.watch is not None:
                self.watch(what, time.perf_counter() - began, failed)

    def ping(self) -> None:
        """Ask the store for an answer.

        Raises:
            StoreUnavailable: there is none.
        """
        with sql_failures_told(), self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")


def connect_patiently(
    _dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]
) -> object:
    """Connect an engine to a PostgreSQL that may say nothing; for its event ``do_connect``."""
    # Any: what the driver takes. Imported here: a process on SQLite does without the driver.
    from idp.infra.postgres import PatientConnection

    return PatientConnection.connect(*arguments, **named)


def _prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
