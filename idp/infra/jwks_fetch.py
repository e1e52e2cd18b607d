"""Keys that services publish at their ``jwks_uri``: fetched with care, kept for a while.

An operator registers the address, and yet whoever answers for it decides where it leads: so the
name is resolved once, every address it has is looked at, and the connection goes to an address
that was looked at (no DNS rebinding), never through a proxy or a redirect into our own network.

A fetch costs two seconds at most, whatever the other side does. Keys are fetched again when they
are ten minutes old, or when a signature fits none of them, thirty seconds apart at least; while
that fails they stay good for an hour.
"""

import ipaddress
import json
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult
from urllib.parse import urlsplit

from idp import IdpError
from idp.oidc.clients import Client
from idp.oidc.service_keys import ServiceKey
from idp.oidc.service_keys import UnusableServiceKey
from idp.oidc.service_keys import read_service_keys

FETCH_SECONDS = 2.0
BODY_LIMIT = 65_536
KEPT_SECONDS = 600.0
LOOK_EVERY_SECONDS = 30.0
STALE_SECONDS = 3600.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

log = logging.getLogger("idp")


class KeysNotFetched(IdpError):
    """A key set could not be had; the text says why, and of its address names the host alone."""

    code = "keys_not_fetched"


class UnreadableAuthorities(IdpError):
    """The file of trusted authorities cannot be used."""

    code = "unreadable_authorities"


class HttpsFetch:
    """Gets a JSON document from the address of somebody else."""

    def __init__(
        self,
        *,
        private_networks: tuple[Network, ...] = (),
        ca_file: Path | None = None,
        seconds: float = FETCH_SECONDS,
    ) -> None:
        """Prepare to fetch.

        Args:
            private_networks: networks that are not of the public Internet and may be asked.
            ca_file: PEM of the authorities to believe; None for those of the system.
            seconds: of the name, the connection and the answer together.

        Raises:
            UnreadableAuthorities: ``ca_file`` is missing, or holds no certificate.
        """
        self._private_networks = private_networks
        self._seconds = seconds
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except OSError:
            raise UnreadableAuthorities("IDP_JWKS_URI_CA_FILE: no readable PEM file") from None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def get(self, uri: str) -> object:
        """Fetch a document.

        Raises:
            KeysNotFetched: anything else than 200 and JSON, in time and of a decent size.
        """
        parts = urlsplit(uri)
        if parts.scheme != "https" or not parts.hostname:
            raise KeysNotFetched("the address is not https://")
        end = time.monotonic() + self._seconds
        try:
            with self._connected(parts, end) as connection:
                body = _body_of(connection, parts)
        except (OSError, HTTPException, ValueError) as error:
            # The kind alone: texts of the library quote addresses and what the other side said.
            why = "it took too long" if time.monotonic() >= end else type(error).__name__
            raise KeysNotFetched(f"{parts.hostname}: {why}") from None
        if time.monotonic() >= end:  # what was cut off can look like an answer
            raise KeysNotFetched(f"{parts.hostname}: it took too long")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise KeysNotFetched(f"{parts.hostname}: the answer is not JSON") from None

    @contextmanager
    def _connected(self, parts: SplitResult, end: float) -> Iterator[HTTPSConnection]:
        host, port = str(parts.hostname), parts.port or 443
        connection = HTTPSConnection(host, port, context=self._tls)
        plain = self._plain_connection(host, port, end)
        with (
            plain,
            self._tls.wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            ) as secured,
        ):
            # A time-out of the socket begins anew with each byte: who sends slowly is cut off.
            cutter = threading.Timer(end - time.monotonic(), _cut, [secured])
            cutter.daemon = True
            cutter.start()
            try:
                secured.do_handshake()
                connection.sock = secured
                yield connection
            finally:
                cutter.cancel()
                connection.close()

    def _plain_connection(self, host: str, port: int, end: float) -> socket.socket:
        addresses = _resolve(host, port, end - time.monotonic())
        if not all(self._may_be_asked(address) for address in addresses):
            raise KeysNotFetched(
                f"{host}: it leads into a network that is not public"
                " (IDP_JWKS_URI_PRIVATE_NETWORKS)"
            )
        failure: OSError = ConnectionError()
        for address in addresses:
            left = max(0.001, end - time.monotonic())
            try:
                return socket.create_connection((str(address), port), timeout=left)
            except OSError as error:
                failure = error
        raise failure

    def _may_be_asked(self, address: Address) -> bool:
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is not None:
                return self._may_be_asked(address.ipv4_mapped)
            # They carry an IPv4 address that a gateway would take out, or are private of old.
            is_other = address.sixtofour or address.teredo or address.is_site_local
        else:
            is_other = False
        is_special = address.is_multicast or address.is_reserved or is_other
        if address.is_global and not is_special:
            return True
        return any(address in network for network in self._private_networks)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was last seen at an address; instants of the monotonic clock, in seconds."""

    keys: tuple[ServiceKey, ...] = ()
    read_at: float = float("-inf")
    looked_at: float = float("-inf")


class RemoteKeys:
    """The port ``FetchedKeys``: one copy a process."""

    def __init__(
        self, fetch: HttpsFetch, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._seen: dict[str, _Seen] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def keys(self, client: Client) -> tuple[ServiceKey, ...]:
        """Give the keys of a service as last seen; none when they cannot be had."""
        seen = self._seen.get(client.jwks_uri, _Seen())
        if self._monotonic() - seen.read_at < KEPT_SECONDS:
            return seen.keys
        return self._good(self._look(client))

    def look_again(self, client: Client, tried: tuple[ServiceKey, ...]) -> tuple[ServiceKey, ...]:
        """Give other keys than those ``tried``, fetched anew if need be, or none.

        Whoever asks meanwhile waits for them: a service that changes its key sends many requests.
        """
        keys = self._good(self._look(client, tried))
        return () if keys is tried else keys

    def _good(self, seen: _Seen) -> tuple[ServiceKey, ...]:
        return seen.keys if self._monotonic() - seen.read_at < STALE_SECONDS else ()

    def _look(self, client: Client, tried: tuple[ServiceKey, ...] | None = None) -> _Seen:
        """Fetch if it is time to; one thread does, the others go on with the copy there is."""
        uri = client.jwks_uri
        with self._lock:
            turn = self._turns.setdefault(uri, threading.Lock())
        seen = self._seen.get(uri, _Seen())
        # Who has nothing to go on with waits, as long as a fetch takes.
        if not turn.acquire(blocking=not seen.keys or seen.keys is tried):
            return seen
        try:
            seen = self._seen.get(uri, seen)
            looked_at = self._monotonic()
            is_other = tried is not None and seen.keys is not tried
            if is_other or looked_at - seen.looked_at < LOOK_EVERY_SECONDS:
                return seen
            try:
                found = _Seen(read_service_keys(self._fetch.get(uri)), looked_at, looked_at)
            except (KeysNotFetched, UnusableServiceKey) as error:
                log.warning("jwks_uri of %s: %s", client.client_id, error)
                found = _Seen(seen.keys, seen.read_at, looked_at)
            self._seen[uri] = found
            return found
        finally:
            turn.release()


def _resolve(host: str, port: int, seconds: float) -> list[Address]:
    """Resolve a name in so much time: the system's resolver knows no other bound than its own."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([ipaddress.ip_address(entry[4][0]) for entry in found])
        except (OSError, ValueError):  # a label that is too long is a ValueError
            answers.put([])

    threading.Thread(target=ask, name="jwks_uri resolver", daemon=True).start()
    try:
        addresses = answers.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise TimeoutError from None
    if not addresses:
        raise KeysNotFetched(f"{host}: the name is unknown")
    return addresses


def _cut(connection: ssl.SSLSocket) -> None:
    """End a connection under the thread that reads from it."""
    with suppress(OSError):
        # Not the one of SSLSocket, which takes away what the other thread is using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _body_of(connection: HTTPSConnection, parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(
        "GET", target, headers={"Accept": "application/json", "Accept-Encoding": "identity"}
    )
    with connection.getresponse() as answer:
        if answer.status != 200:
            redirect = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
            raise KeysNotFetched(f"{parts.hostname}: status {answer.status}{redirect}")
        body = answer.read(BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise KeysNotFetched(f"{parts.hostname}: more than {BODY_LIMIT} bytes")
    return body
