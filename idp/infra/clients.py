"""The relying services: read from memory, written by operators.

Every write raises ``registry_version`` in its own transaction. A process asks for that number once
a second at most, and reads all the clients again when it has changed: a service that was added or
removed is so everywhere within a second, and a request costs no SQL.
"""

import secrets
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from idp import IdpError
from idp import StoreUnavailable
from idp.infra.registry import LOOK_EVERY_SECONDS
from idp.infra.registry import VERSION
from idp.infra.registry import raise_version
from idp.infra.sql import Database
from idp.infra.sql import sql_failures_told
from idp.infra.tables import ClientRow
from idp.infra.tables import ClientSecretRow
from idp.oidc.clients import Client
from idp.oidc.clients import hash_client_secret
from idp.oidc.clients import readers_of
from idp.oidc.registration import from_stored
from idp.oidc.registration import to_metadata

LOOK_FOR_UNKNOWN_EVERY_SECONDS = 0.1
"""A service just added is found at once; made-up identifiers cost ten looks a second at most."""

SERVE_FROM_MEMORY_SECONDS = 60.0
"""For how long the copy is used while SQL is away: nobody can change the registry meanwhile."""

LIVE_SECRETS = 2


class UnknownClient(IdpError):
    """No service is registered under this identifier."""

    code = "unknown_client"

    def __init__(self, client_id: str) -> None:
        super().__init__(f"no client {client_id!r}; see `idp clients list`")


class ClientExists(IdpError):
    """A service is registered under this identifier already."""

    code = "client_exists"

    def __init__(self, client_id: str) -> None:
        super().__init__(
            f"there is a client {client_id!r} already; `idp clients update` changes it"
        )


class ClientHasNoSecret(IdpError):
    """A service that proves itself by its key, or not at all, is given no secret."""

    code = "client_has_no_secret"

    def __init__(self, client_id: str, method: str) -> None:
        super().__init__(f"{client_id!r} has no secret: its token_endpoint_auth_method is {method}")


@dataclass(frozen=True, slots=True)
class _Copy:
    """The registry as read at ``version``; replaced whole, so that readers need no lock."""

    version: int
    clients: Mapping[str, Client]


class SqlClients:
    """The port ``Clients`` on SQL, and what operators do to it."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._copy: _Copy | None = None
        self._readers: frozenset[str] = frozenset()
        self._looked_at = float("-inf")
        self._confirmed_at = float("-inf")

    def find(self, client_id: str) -> Client | None:
        """Read one client, from memory as long as the registry has not changed.

        Uses a connection of its own: it works inside and outside the caller's transaction.

        Raises:
            StoreUnavailable: SQL is away, and what memory holds is missing or too old.
        """
        copy = self._current(LOOK_EVERY_SECONDS)
        if client_id not in copy.clients:
            copy = self._current(LOOK_FOR_UNKNOWN_EVERY_SECONDS, wait=True)
        return copy.clients.get(client_id)

    def readers(self) -> frozenset[str]:
        """Give the origins whose scripts may read answers to some client, from memory.

        Never fails: while SQL is away, it is those that were read last.
        """
        with suppress(StoreUnavailable):
            self._current(LOOK_EVERY_SECONDS)
        return self._readers

    def known(self) -> tuple[Client, ...]:
        """Give every client from memory. Never fails: what was read last, or none yet."""
        with suppress(StoreUnavailable):
            self._current(LOOK_EVERY_SECONDS)
        return tuple(self._copy.clients.values()) if self._copy else ()

    def list(self) -> list[Client]:
        """Read every client as SQL has it now, by identifier.

        Raises:
            StoreUnavailable: SQL is away.
        """
        with sql_failures_told(), self._database.engine.connect() as connection:
            clients = _read_all(connection)
        return [clients[client_id] for client_id in sorted(clients)]

    def add(self, client: Client, clear_secret: str | None) -> None:
        """Register a service. Needs the caller's transaction, like every write below.

        Raises:
            ClientExists: the identifier is taken.
            StoreUnavailable: SQL is away.
        """
        self._touch()
        try:
            self._database.execute(
                insert(ClientRow),
                {
                    "client_id": client.client_id,
                    "metadata": to_metadata(client),
                    "created_at": self._now(),
                    "updated_at": self._now(),
                },
            )
        except IntegrityError:
            raise ClientExists(client.client_id) from None
        if clear_secret is not None:
            self._keep_secret(client.client_id, clear_secret)

    def replace(self, client: Client) -> None:
        """Give a registered service other metadata. Its secrets stay, if it still has any.

        Raises:
            UnknownClient: there is none.
            StoreUnavailable: SQL is away.
        """
        self._touch()
        changed: Any = self._database.execute(  # Any: Result hides the rowcount of an UPDATE
            update(ClientRow)
            .where(ClientRow.client_id == client.client_id)
            .values({"metadata": to_metadata(client), "updated_at": self._now()})
        )
        if not changed.rowcount:
            raise UnknownClient(client.client_id)
        if not client.has_secrets:
            self._forget_secrets(client.client_id, but_newest=0)

    def remove(self, client_id: str) -> None:
        """Remove a service and its secrets.

        Raises:
            UnknownClient: there is none.
            StoreUnavailable: SQL is away.
        """
        self._touch()
        self._forget_secrets(client_id, but_newest=0)
        removed: Any = self._database.execute(  # Any: as above
            delete(ClientRow).where(ClientRow.client_id == client_id)
        )
        if not removed.rowcount:
            raise UnknownClient(client_id)

    def add_secret(self, client_id: str) -> str:
        """Draw another secret and give it in clear, once. The oldest goes if there are two already.

        Raises:
            UnknownClient: there is none.
            ClientHasNoSecret: it authenticates by its key, or not at all.
            StoreUnavailable: SQL is away.
        """
        self._touch()
        row = self._database.execute(
            select(ClientRow.metadata_json).where(ClientRow.client_id == client_id)
        ).one_or_none()
        if row is None:
            raise UnknownClient(client_id)
        client = from_stored(row[0], ())
        if not client.has_secrets:
            raise ClientHasNoSecret(client_id, client.token_endpoint_auth_method)
        clear = new_client_secret()
        self._forget_secrets(client_id, but_newest=LIVE_SECRETS - 1)
        self._keep_secret(client_id, clear)
        return clear

    def _current(self, look_every: float, *, wait: bool = False) -> _Copy:
        copy = self._copy
        is_fresh = self._monotonic() - self._looked_at < look_every
        if copy is not None and is_fresh and not (wait and self._lock.locked()):
            return copy
        # One thread looks, the others go on with the copy there is; without one, or when what they
        # ask for is not in it, they wait for what it finds.
        if not self._lock.acquire(blocking=copy is None or wait) and copy is not None:
            return copy
        try:
            if self._monotonic() - self._looked_at < look_every:
                return self._seen_meanwhile()
            return self._look()
        finally:
            self._lock.release()

    def _seen_meanwhile(self) -> _Copy:
        if self._copy is None:
            # A store that is away must not cost each waiting thread its own timeout.
            message = "SQL: away a moment ago"
            raise StoreUnavailable(message)
        return self._copy

    def _look(self) -> _Copy:
        copy = self._copy
        started = self._looked_at = self._monotonic()
        try:
            with sql_failures_told(), self._database.engine.connect() as connection:
                # The number before the rows: a change in between is then seen at the next look.
                version = connection.scalar(VERSION) or 0
                if copy is None or version != copy.version:
                    copy = self._copy = _Copy(version, _read_all(connection))
                    self._readers = readers_of(copy.clients.values())
        except StoreUnavailable:
            self._looked_at = self._monotonic()  # the next look is due after the timeout, not in it
            if copy is None or started - self._confirmed_at > SERVE_FROM_MEMORY_SECONDS:
                self._copy = None
                raise
            return copy
        self._confirmed_at = started
        return copy

    def _touch(self) -> None:
        # First of each write: the lock of this row makes writers take turns: two secrets stay two.
        raise_version(self._database)
        self._looked_at = float("-inf")

    def _keep_secret(self, client_id: str, clear: str) -> None:
        self._database.execute(
            insert(ClientSecretRow),
            {
                "client_id": client_id,
                "secret_hash": hash_client_secret(clear),
                "created_at": self._now(),
            },
        )

    def _forget_secrets(self, client_id: str, *, but_newest: int) -> None:
        newest_first = (
            select(ClientSecretRow.id)
            .where(ClientSecretRow.client_id == client_id)
            .order_by(ClientSecretRow.id.desc())
        )
        ids = self._database.execute(newest_first).scalars().all()[but_newest:]
        if ids:
            self._database.execute(delete(ClientSecretRow).where(ClientSecretRow.id.in_(ids)))


def new_client_secret() -> str:
    """Draw a client secret: 256 random bits in base64url, safe in a header and in a form."""
    return secrets.token_urlsafe(32)


def _read_all(connection: Connection) -> dict[str, Client]:
    hashes: dict[str, list[str]] = {}
    for client_id, secret_hash in connection.execute(
        select(ClientSecretRow.client_id, ClientSecretRow.secret_hash).order_by(ClientSecretRow.id)
    ):
        hashes.setdefault(client_id, []).append(secret_hash)
    rows = connection.execute(select(ClientRow.client_id, ClientRow.metadata_json))
    return {
        client_id: from_stored(metadata, hashes.get(client_id, ())) for client_id, metadata in rows
    }
