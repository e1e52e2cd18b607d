"""A PostgreSQL connection that gives up on a server that says nothing.

The server's own time-outs do not run in a server that is stopped, nor behind a proxy that swallows
packets; a web thread must not wait for either.
"""

from typing import Any
from typing import TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

PATIENCE_SECONDS = 2.5
"""How long a PostgreSQL that says nothing is waited for: its own time-outs tell more."""

T = TypeVar("T")


class PatientConnection(psycopg.Connection[Any]):  # Any: rows, as SQLAlchemy wants them
    """Waits ``patience`` seconds for each answer; None for an import, which takes its time."""

    patience: float | None = PATIENCE_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server.

        Raises:
            psycopg.OperationalError: it did not answer in time; the connection is closed.
        """
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except errors._WaitTimeout:  # psycopg asks callers to turn it into a public one
            self.pgconn.finish()
            message = "the server did not answer in time"
            raise psycopg.OperationalError(message) from None
