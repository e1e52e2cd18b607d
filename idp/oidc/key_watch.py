"""Who asks for the list of keys, and from where services call: noted beside serving them.

A fetch of the JWKS carries no credential: all there is to know is a network and a user agent. A
service is known by the network that its own calls came from, which do carry one, or by what its
registration says. Noting costs a fetch one entry in memory; the store is written with a call of a
service, once in ``FLUSH_EVERY`` at most. What strangers ask fills neither: both are bounded.
"""

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import StoreUnavailable
from idp.limits import audited_network
from idp.limits import network_of

FLUSH_EVERY = timedelta(seconds=30)
MOST_NOTED = 500
LONGEST_AGENT = 60


@dataclass(frozen=True, slots=True)
class Fetch:
    """The last time that somebody fetched the list, and the keys that were in it.

    Attributes:
        network: the /24 or /48 that it came from.
        agent: the product that the user agent begins with.
    """

    network: str
    agent: str
    at: datetime
    kids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of fetches: of networks that services call from, and how many others came."""

    fetches: tuple[Fetch, ...] = ()
    networks: Mapping[str, frozenset[str]] | None = None
    strangers: int = 0


class KeyFetches(Protocol):
    """Where it is kept for all processes. Raises StoreUnavailable when the store is away."""

    def add(self, fetches: Iterable[Fetch], calls: Iterable[tuple[str, str]]) -> None:
        """Keep fetches, and calls of services: each a client and the network it came from."""

    def read(self) -> Observed:
        """Give what is kept."""


class KeyWatch:
    """Notes fetches and calls in one process. Threads share it."""

    def __init__(self, kept: KeyFetches, now: Callable[[], datetime]) -> None:
        self._kept = kept
        self._now = now
        self._lock = threading.Lock()
        self._fetched: dict[tuple[str, str], tuple[datetime, tuple[str, ...]]] = {}
        self._called: set[tuple[str, str]] = set()
        self._flush_at = now()

    def fetched(self, address: str, agent: str, kids: tuple[str, ...]) -> None:
        """Note that somebody has the list; nothing is read of what they sent before it is kept."""
        noted = address, agent[:LONGEST_AGENT]
        if noted in self._fetched or len(self._fetched) < MOST_NOTED:
            self._fetched[noted] = self._now(), kids

    def called(self, client_id: str, network: str) -> None:
        """Note where a service that proved itself called from, and keep all notes when it is time.

        A store that is away costs nothing but the notes: the next fetch says the same.
        """
        now = self._now()
        with self._lock:
            if len(self._called) < MOST_NOTED:
                self._called.add((client_id, audited_network(network)))
            if now < self._flush_at:
                return
            self._flush_at = now + FLUSH_EVERY
            fetched, self._fetched = self._fetched, {}
            called, self._called = self._called, set()
        with suppress(StoreUnavailable):
            self._kept.add(
                [
                    Fetch(audited_network(network_of(address)), _product(agent), at, kids)
                    for (address, agent), (at, kids) in fetched.items()
                ],
                called,
            )


def _product(agent: str) -> str:
    """Read the first product of a user agent, in letters that any list may show.

    Spec: RFC 9110 §10.1.5.
    """
    first = agent.split(" ", 1)[0]
    return "".join(c for c in first if c.isascii() and (c.isalnum() or c in "-_./+")) or "none"
