"""What FranceConnect publishes, fetched now and then, and how its JSON answers are read."""

import json
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import fields
from typing import Generic
from typing import TypeVar
from urllib.parse import urlsplit

from idp.identity.franceconnect_port import FranceConnectAway
from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.infra.franceconnect_calls import Exchange
from idp.infra.service_calls import ServiceAnswer
from idp.oidc.service_keys import ServiceKey
from idp.oidc.service_keys import UnusableServiceKey
from idp.oidc.service_keys import read_service_keys

KEPT_SECONDS = 3600.0
LOOK_EVERY_SECONDS = 30.0
_ADDRESS_LIMIT = 512
_OK = 200
_ERRORS = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
        "unsupported_grant_type", "invalid_scope",
    }
)  # fmt: skip
_OTHER = "other"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The addresses of FranceConnect, as its discovery document names them."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    end_session_endpoint: str


class Document(Generic[T]):
    """One document, good for an hour; one thread fetches, others wait or go on with the old one."""

    def __init__(self, read: Callable[[Exchange], T], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._kept: T | None = None
        self._read_at = self._again_at = float("-inf")

    def kept(self) -> T | None:
        """Give it if nothing has to be fetched for it."""
        age = self._monotonic() - self._read_at
        if age < KEPT_SECONDS or (age < 2 * KEPT_SECONDS and self._turn.locked()):
            return self._kept
        return None

    def get(self, exchange: Exchange) -> T:
        """Give it, fetched if need be.

        Raises:
            FranceConnectAway: it cannot be had.
            FranceConnectMistrusted: it is not what it should be.
        """
        if (kept := self.kept()) is not None:
            return kept
        with self._own_turn(exchange):
            is_old = self._monotonic() - self._read_at >= KEPT_SECONDS
            return self._fetched(exchange) if self._kept is None or is_old else self._kept

    def anew(self, exchange: Exchange) -> T:
        """Fetch it, whatever there is; raises like ``get``."""
        with self._own_turn(exchange):
            return self._fetched(exchange)

    def other_than(self, tried: T, exchange: Exchange) -> T | None:
        """Give another one, fetched if need be; None where one was looked for a moment ago.

        Raises like ``get``.
        """
        with self._own_turn(exchange):
            if self._kept is not tried:
                return self._kept
            now = self._monotonic()
            if now - self._again_at < LOOK_EVERY_SECONDS:
                return None
            self._again_at = now
            return self._fetched(exchange)

    def _fetched(self, exchange: Exchange) -> T:
        asked_at = self._monotonic()
        self._kept = read = self._read(exchange)
        self._read_at = asked_at
        return read

    @contextmanager
    def _own_turn(self, exchange: Exchange) -> Iterator[None]:
        if not self._turn.acquire(timeout=exchange.left()):
            raise FranceConnectAway("timeout")
        try:
            yield
        finally:
            self._turn.release()


class Published:
    """The two documents of one process."""

    def __init__(self, issuer: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self.metadata = Document(self._read_metadata, monotonic)
        self.keys = Document(self._read_keys, monotonic)

    def _read_metadata(self, exchange: Exchange) -> Metadata:
        answer = exchange.get(f"{self._issuer}/.well-known/openid-configuration")
        told = json_object(answer)
        # OIDC Discovery 1.0 §4.3: else anybody's document would make us somebody else's client.
        if told.get("issuer") != self._issuer:
            raise FranceConnectMistrusted("discovery_issuer")
        return Metadata(*(self._address(told.get(field.name)) for field in fields(Metadata)))

    def _address(self, address: object) -> str:
        """Read an address, which is where the issuer is: our secret and our members go there."""
        if not isinstance(address, str) or len(address) > _ADDRESS_LIMIT:
            raise FranceConnectMistrusted("discovery_endpoint")
        parts = urlsplit(address)
        is_plain = address.isascii() and address.isprintable() and not set(address) & set("?# ")
        if not is_plain or f"{parts.scheme}://{parts.netloc}" != origin_of(self._issuer):
            raise FranceConnectMistrusted("discovery_endpoint")
        return address

    def _read_keys(self, exchange: Exchange) -> tuple[ServiceKey, ...]:
        answer = exchange.get(self.metadata.get(exchange).jwks_uri)
        try:
            return read_service_keys(json_object(answer))
        except UnusableServiceKey:
            raise FranceConnectAway("unreadable") from None


def origin_of(issuer: str) -> str:
    """The scheme, the host and the port of an address."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"


def json_object(answer: ServiceAnswer) -> dict[str, object]:
    """Read an answer of status 200.

    Raises:
        FranceConnectAway: of another status, or no JSON object: it is not well.
    """
    if answer.status != _OK:
        raise FranceConnectAway("status")
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise FranceConnectAway("unreadable")
    return told


def error_of(refusal: ServiceAnswer) -> str:
    """Read why a code was refused; what is no word of RFC 6749 §5.2 is not repeated."""
    try:
        told = json.loads(refusal.body)
    except (ValueError, RecursionError):
        return _OTHER
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, str) and error in _ERRORS else _OTHER
