"""Where the SQL schema stands, without Alembic: a web process asks, and never migrates.

``upgrade`` is the way to the head. ``tables`` is the schema that the head must equal; a test
compares them on both stores. A revision is a file ``NNNN_what_it_does.py`` and ``NNNN`` its
identifier, one after the other.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy import NullPool
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import inspect
from sqlalchemy import text
from sqlalchemy.engine import make_url

from idp import IdpError
from idp.infra.sql import POSTGRES_PATIENCE
from idp.infra.sql import connect_patiently
from idp.infra.sql import sql_failures_told

CONNECT_TIMEOUT_SECONDS = 5
"""Of a migration, which nobody waits for on a page."""

LOOK_EVERY_SECONDS = 1.0

_FOLDER = Path(__file__).parent / "versions"


class UnknownSchema(IdpError):
    """The database is at a revision unknown to this program: a newer version migrated it."""

    code = "unknown_schema"


def revisions() -> list[str]:
    """Name every revision, oldest first."""
    return sorted(path.name.partition("_")[0] for path in _FOLDER.glob("[0-9]*_*.py"))


def pending(url: str) -> bool:
    """Tell whether the schema is behind this program's.

    Raises:
        UnknownSchema: a newer version of the program migrated this database.
        StoreUnavailable: the store is away, or refuses to be read.
    """
    given = make_url(url)
    sqlite = given.get_backend_name() == "sqlite"
    if sqlite and not (given.database and Path(given.database).exists()):
        return True  # asking must not make the file
    options = {} if sqlite else POSTGRES_PATIENCE
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)
    if not sqlite:
        event.listen(engine, "do_connect", connect_patiently)
    try:
        with sql_failures_told(), engine.connect() as connection:
            refuse_newer(connection)
            return _current(connection) != {revisions()[-1]}
    finally:
        engine.dispose()


class Pending:
    """``pending`` for whoever may ask: one look a second, the others are told what it found."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._looked_at = float("-inf")
        self._found: bool | IdpError = True

    def __call__(self) -> bool:
        """Tell whether the schema is behind; raises what ``pending`` does."""
        if self._looking.acquire(blocking=False):
            try:
                if self._monotonic() - self._looked_at >= LOOK_EVERY_SECONDS:
                    self._found = self._look()
                    self._looked_at = self._monotonic()
            finally:
                self._looking.release()
        found = self._found
        if isinstance(found, IdpError):
            raise found.with_traceback(None)
        return found

    def _look(self) -> bool | IdpError:
        try:
            return pending(self._url)
        except IdpError as error:
            return error


def refuse_newer(connection: Connection) -> None:
    """Raise UnknownSchema when a newer version of the program migrated this database."""
    if unknown := _current(connection) - set(revisions()):
        raise UnknownSchema(
            f"the database is at revision {', '.join(sorted(unknown))}, unknown to this version: "
            "a newer version migrated it; run that version, or restore the backup made before"
        )


def _current(connection: Connection) -> set[str]:
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.scalars(text("SELECT version_num FROM alembic_version")))
