"""Wrong client credentials, or refused codes, in Redis: a counter a network.

Its first failure opens the window.
"""

from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import redis_failures_told
from idp.limits import TooManyClientFailures

# KEYS 1 counter   ARGV 1 limit      Gives 0, or the seconds left.
_CHECK = """
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then return 0 end
return math.max(1, redis.call('TTL', KEYS[1]))
"""


class RedisClientFailures:
    """The port ``ClientFailures``."""

    def __init__(
        self, store: RedisStore, *, limit: int, window: timedelta, name: str = "client-failures"
    ) -> None:
        self._store = store
        self._name = name
        self._limit = limit
        self._window = int(window.total_seconds())
        self._check = store.script(_CHECK)

    def check(self, network: str) -> None:
        """Raise TooManyClientFailures while the network must wait."""
        if left := int(self._check([self._counter(network)], [self._limit])):
            raise TooManyClientFailures(timedelta(seconds=left))

    def count(self, network: str) -> None:
        """Count one that was wrong."""
        with redis_failures_told(), self._store.client.pipeline(transaction=True) as pipeline:
            pipeline.incr(self._counter(network))
            pipeline.expire(self._counter(network), self._window, nx=True)
            pipeline.execute()

    def _counter(self, network: str) -> str:
        return f"{self._name}:{network}"
