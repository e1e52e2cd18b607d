"""Calls to the addresses of services: their keys, their sign-out notices; and to FranceConnect.

An operator registers the address, and yet whoever answers for it decides where it leads: so the
name is resolved once, every address it has is looked at, and the connection goes to an address
that was looked at (no DNS rebinding), never through a proxy or a redirect into our own network.
What a call costs is bounded, in time and in bytes, whatever the other side does.
"""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import ExitStack
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from functools import cache
from http.client import HTTPConnection
from http.client import HTTPException
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult
from urllib.parse import urlsplit

from idp import IdpError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ServiceNotReached(IdpError):
    """Nobody answered as one may; the text names neither address nor what the other side said."""

    code = "service_not_reached"

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        """Stable: ``service_unreachable``, ``service_unknown``, ``service_timeout``,
        ``service_certificate``, ``service_not_public``, ``service_not_secure``,
        ``service_answer``."""


class UnreadableAuthorities(IdpError):
    """The file of trusted authorities cannot be used."""

    code = "unreadable_authorities"


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What a service answered."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = ""
    """Its media type, in lower case and without parameters."""


class ServiceCalls:
    """Asks one address at a time; a process may have several, of different patience."""

    def __init__(
        self,
        *,
        private_networks: tuple[Network, ...] = (),
        ca_file: Path | None = None,
        seconds: float = 2.0,
        ca_setting: str = "IDP_SERVICES_CA_FILE",
    ) -> None:
        """Prepare to call.

        Args:
            private_networks: networks that are not of the public Internet and may be asked.
            ca_file: PEM of the authorities to believe; None for those of the system.
            seconds: of the name, the connection and the answer together.
            ca_setting: what names ``ca_file``.

        Raises:
            UnreadableAuthorities: ``ca_file`` is missing, or holds no certificate.
        """
        self._private_networks = private_networks
        self._seconds = seconds
        try:
            self._tls = _tls(ca_file) if ca_file else _tls_of_the_system()
        except OSError:
            raise UnreadableAuthorities(f"{ca_setting}: no readable PEM file") from None

    def ask(
        self,
        method: str,
        uri: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        limit: int,
        read: tuple[int, ...] = (200,),
        seconds: float | None = None,
    ) -> ServiceAnswer:
        """Send one request; http:// never leaves this machine.

        Args:
            method: GET or POST.
            uri: the whole address.
            headers: beside those of the protocol.
            body: what is sent.
            limit: in bytes, of the body of an answer; 0 leaves it unread.
            read: the statuses of the answers whose body is read.
            seconds: less than what was prepared for.

        Raises:
            ServiceNotReached: no whole answer, in time and of a decent size.
        """
        parts = urlsplit(uri)
        end = time.monotonic() + (self._seconds if seconds is None else seconds)
        try:
            with self._connected(parts, end) as connection:
                request = _Request(method, parts, headers, body)
                answer = _answer_of(connection, request, limit, read)
        except (OSError, HTTPException, ValueError) as error:
            if time.monotonic() >= end:
                raise _too_long() from None
            # The kind alone: texts of the library quote addresses and what the other side said.
            raise ServiceNotReached(_fault_of(error), type(error).__name__) from None
        if time.monotonic() >= end:  # what was cut off can look like an answer
            raise _too_long()
        return answer

    @contextmanager
    def _connected(self, parts: SplitResult, end: float) -> Iterator[HTTPConnection]:
        host, is_secure = str(parts.hostname), parts.scheme != "http"
        port = parts.port or (443 if is_secure else 80)
        connection = (
            HTTPSConnection(host, port, context=self._tls)
            if is_secure
            else HTTPConnection(host, port)
        )
        with ExitStack() as stack:
            stack.callback(connection.close)
            plain = stack.enter_context(self._plain_connection(host, port, end, is_secure))
            if is_secure:
                secured = stack.enter_context(
                    self._tls.wrap_socket(
                        plain, server_hostname=host, do_handshake_on_connect=False
                    )
                )
                # A time-out of the socket begins anew with each byte: who sends slowly is cut off.
                stack.enter_context(_cut_off(secured, end))
                secured.do_handshake()
                connection.sock = secured
            else:
                stack.enter_context(_cut_off(plain, end))
                connection.sock = plain
            yield connection

    def _plain_connection(self, host: str, port: int, end: float, is_secure: bool) -> socket.socket:
        addresses = _resolve(host, port, end - time.monotonic())
        if not all(self._may_be_asked(address) for address in addresses):
            raise ServiceNotReached(
                "service_not_public",
                "it leads into a network that is not public (IDP_SERVICES_PRIVATE_NETWORKS)",
            )
        if not (is_secure or all(address.is_loopback for address in addresses)):
            raise ServiceNotReached("service_not_secure", "it is on another machine, without TLS")
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


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@cache
def _tls_of_the_system() -> ssl.SSLContext:
    # Reading a hundred authorities takes 50 ms, and every caller of the process believes the same.
    return _tls(None)


def _too_long() -> ServiceNotReached:
    return ServiceNotReached("service_timeout", "it took too long")


def _fault_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "service_certificate"
    return "service_unreachable" if isinstance(error, OSError) else "service_answer"


@contextmanager
def _cut_off(connection: socket.socket, end: float) -> Iterator[None]:
    cutter = threading.Timer(end - time.monotonic(), _cut, [connection])
    cutter.daemon = True
    cutter.start()
    try:
        yield
    finally:
        cutter.cancel()


def _cut(connection: socket.socket) -> None:
    """End a connection under the thread that reads from it."""
    with suppress(OSError):
        # Not the one of SSLSocket, which takes away what the other thread is using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _resolve(host: str, port: int, seconds: float) -> list[Address]:
    """Resolve a name in so much time: the system's resolver knows no other bound than its own."""
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([ipaddress.ip_address(entry[4][0]) for entry in found])
        except (OSError, ValueError):  # a label that is too long is a ValueError
            answers.put([])

    threading.Thread(target=ask, name="resolver of services", daemon=True).start()
    try:
        addresses = answers.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise _too_long() from None
    if not addresses:
        raise ServiceNotReached("service_unknown", "the name is unknown")
    return addresses


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    parts: SplitResult
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


def _answer_of(
    connection: HTTPConnection, request: _Request, limit: int, read: tuple[int, ...]
) -> ServiceAnswer:
    parts = request.parts
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {**request.headers, "Accept-Encoding": "identity"}
    connection.request(request.method, target, request.body, headers=headers)
    with connection.getresponse() as answer:
        received = answer.read(limit + 1) if limit and answer.status in read else b""
        content_type = answer.headers.get_content_type()
    if len(received) > limit:
        raise ServiceNotReached("service_answer", f"more than {limit} bytes")
    return ServiceAnswer(answer.status, received, content_type)
