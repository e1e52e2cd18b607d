"""Keys that services publish at their ``jwks_uri``: fetched with care, kept for a while.

A fetch costs two seconds at most, whatever the other side does. Keys are fetched again when they
are ten minutes old, or when a signature fits none of them, thirty seconds apart at least; while
that fails they stay good for an hour.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp import IdpError
from idp.infra.service_calls import ServiceCalls
from idp.infra.service_calls import ServiceNotReached
from idp.oidc.clients import Client
from idp.oidc.service_keys import ServiceKey
from idp.oidc.service_keys import UnusableServiceKey
from idp.oidc.service_keys import read_service_keys

FETCH_SECONDS = 2.0
BODY_LIMIT = 65_536
KEPT_SECONDS = 600.0
LOOK_EVERY_SECONDS = 30.0
STALE_SECONDS = 3600.0
_HEADERS = {"Accept": "application/json"}

log = logging.getLogger("idp")


class KeysNotFetched(IdpError):
    """A key set could not be had; the text says why, and of its address names the host alone."""

    code = "keys_not_fetched"


class HttpsFetch:
    """Gets a JSON document from the address of somebody else, by https alone."""

    def __init__(self, calls: ServiceCalls) -> None:
        self._calls = calls

    def get(self, uri: str) -> object:
        """Fetch a document.

        Raises:
            KeysNotFetched: anything else than 200 and JSON, in time and of a decent size.
        """
        parts = urlsplit(uri)
        if parts.scheme != "https" or not parts.hostname:
            raise KeysNotFetched("the address is not https://")
        try:
            answer = self._calls.ask("GET", uri, headers=_HEADERS, limit=BODY_LIMIT)
        except ServiceNotReached as away:
            raise KeysNotFetched(f"{parts.hostname}: {away}") from None
        if answer.status != 200:
            redirect = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
            raise KeysNotFetched(f"{parts.hostname}: status {answer.status}{redirect}")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise KeysNotFetched(f"{parts.hostname}: the answer is not JSON") from None


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
