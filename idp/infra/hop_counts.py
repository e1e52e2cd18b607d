"""How many addresses requests brought, in Redis: one hash of ten counters, for some hours."""

from collections.abc import Mapping
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import redis_failures_told

KEPT = timedelta(hours=6)
"""After a change of the proxies alone, so long may the former ones still be told."""


class RedisHopCounts:
    """The port ``HopCounts``. Another number of trusted proxies begins with other counters."""

    def __init__(self, store: RedisStore, trusted_proxies: int) -> None:
        self._store = store
        self._key = f"hops:{trusted_proxies}"

    def add(self, counts: Mapping[int, int]) -> None:
        """Add requests; the counters end together, whatever comes meanwhile."""
        with self._store.writes() as writes:
            for hops, requests in counts.items():
                writes.add("HINCRBY", self._key, hops, requests)
            writes.add("EXPIRE", self._key, int(KEPT.total_seconds()), "NX")

    def read(self) -> dict[int, int]:
        """Give what came."""
        with redis_failures_told():
            counts = self._store.client.hgetall(self._key)
        return {int(hops): int(requests) for hops, requests in counts.items()}
