"""How many addresses requests bring in ``X-Forwarded-For``: whether the number of proxies is right.

Each proxy adds one address behind those that are there. A stranger can send any number of them, and
never fewer than our proxies add: so the smallest number that comes tells how many proxies there
are, but for who looks at a host from inside. Noting costs a counter in memory; a process adds its
counters to the store's twice a minute at most. Nothing of a request is kept but that number.
"""

import threading
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import StoreUnavailable

FLUSH_EVERY = timedelta(seconds=30)
MOST_HOPS = 9
"""One more than may be trusted: so many, or more."""
ENOUGH = 10
STRAYS = 10
"""One of so many may have come past the proxies."""


class HopCounts(Protocol):
    """Where the counters of all processes are. Raises StoreUnavailable when the store is away."""

    def add(self, counts: Mapping[int, int]) -> None:
        """Add requests, by how many addresses each brought."""

    def read(self) -> dict[int, int]:
        """Give what came in the last hours, with the number of proxies that is in force."""


class HopWatch:
    """Counts in one process. Threads share it."""

    def __init__(self, kept: HopCounts, now: Callable[[], datetime]) -> None:
        self._kept = kept
        self._now = now
        self._lock = threading.Lock()
        self._counts: dict[int, int] = {}
        self._flush_at = now() + FLUSH_EVERY

    def note(self, forwarded_for: str) -> None:
        """Count one request by its ``X-Forwarded-For``, "" where it has none.

        A store that is away costs nothing but the counters: the next requests say the same.
        """
        hops = min(forwarded_for.count(",") + 1, MOST_HOPS) if forwarded_for else 0
        now = self._now()
        with self._lock:
            self._counts[hops] = self._counts.get(hops, 0) + 1
            if now < self._flush_at:
                return
            self._flush_at = now + FLUSH_EVERY
            counts, self._counts = self._counts, {}
        with suppress(StoreUnavailable):
            self._kept.add(counts)


@dataclass(frozen=True, slots=True)
class Hops:
    """What the requests of the last hours say.

    Attributes:
        seen: how many there were.
        proxies: how many proxies there are; None while too few requests came.
        strays: requests that came through fewer, too few to say that the number is wrong.
    """

    seen: int
    proxies: int | None = None
    strays: int = 0


def judged(counts: Mapping[int, int], trusted: int) -> Hops:
    """Read how many proxies there are from what came, while so many are trusted.

    More than are trusted is said only when not one request brought fewer: who floods us with
    invented addresses must not have us trust one of them.
    """
    seen = sum(counts.values())
    if seen < ENOUGH:
        return Hops(seen)
    if min(counts) > trusted:
        return Hops(seen, min(counts))
    fewer = {hops: requests for hops, requests in counts.items() if hops < trusted}
    strays = sum(fewer.values())
    if strays * STRAYS > seen:
        return Hops(seen, max(fewer, key=lambda hops: fewer[hops]))
    return Hops(seen, trusted, strays)
