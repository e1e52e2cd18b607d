"""Fetches of the key list, and where services call from, in Redis: bounded by what is registered.

Fetches from networks that services call from, or that registrations name, are kept one by one;
of all others a handful, so that their number can be told. Nothing here is needed to serve anybody.
"""

import json
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import redis_failures_told
from idp.oidc.key_drill import overlaps
from idp.oidc.key_watch import Fetch
from idp.oidc.key_watch import Observed

AGENTS_OF_A_NETWORK = 16
NETWORKS_OF_A_CLIENT = 16
STRANGERS = 100
OTHERS = "others"
KEPT = timedelta(days=200)
_FETCHES, _CALLERS, _STRANGERS = "jwks-fetches", "jwks-callers", "jwks-strangers"


class RedisKeyFetches:
    """The port ``KeyFetches``."""

    def __init__(
        self,
        store: RedisStore,
        named: Callable[[], Iterable[str]],
        now: Callable[[], datetime],
    ) -> None:
        """Nothing is asked yet.

        Args:
            store: where it is kept.
            named: the networks that registrations name.
            now: the clock.
        """
        self._store = store
        self._named = named
        self._now = now

    def add(self, fetches: Iterable[Fetch], calls: Iterable[tuple[str, str]]) -> None:
        """Keep fetches and calls; what is beyond the bounds joins the others or is left out."""
        now = self._now().timestamp()
        with redis_failures_told():
            callers = {str(name) for name in self._store.client.hkeys(_CALLERS)}
            held = {str(name) for name in self._store.client.hkeys(_FETCHES)}
        of_client = Counter(name.partition(" ")[0] for name in callers)
        of_network = Counter(name.partition(" ")[0] for name in held)
        with self._store.writes() as writes:
            for client_id, network in calls:
                name = f"{client_id} {network}"
                if name not in callers and of_client[client_id] >= NETWORKS_OF_A_CLIENT:
                    continue
                of_client[client_id] += name not in callers
                callers.add(name)
                writes.add("HSET", _CALLERS, name, now)
            known = {name.partition(" ")[2] for name in callers} | set(self._named())
            for fetch in fetches:
                if not any(overlaps(network, fetch.network) for network in known):
                    stranger = f"{fetch.network} {fetch.agent}"
                    writes.add("ZADD", _STRANGERS, fetch.at.timestamp(), stranger)
                    continue
                name = f"{fetch.network} {fetch.agent}"
                if name not in held and of_network[fetch.network] >= AGENTS_OF_A_NETWORK:
                    name = f"{fetch.network} {OTHERS}"
                of_network[fetch.network] += name not in held
                held.add(name)
                writes.add("HSET", _FETCHES, name, _written(fetch))
            writes.add("ZREMRANGEBYRANK", _STRANGERS, 0, -STRANGERS - 1)
            for kept in (_FETCHES, _CALLERS, _STRANGERS):
                writes.add("EXPIRE", kept, int(KEPT.total_seconds()))

    def read(self) -> Observed:
        """Give what is kept, and forget what is older than any key."""
        oldest = (self._now() - KEPT).timestamp()
        with redis_failures_told():
            client = self._store.client
            fetches = [_read(str(k), str(v)) for k, v in client.hgetall(_FETCHES).items()]
            callers = {str(k): float(v) for k, v in client.hgetall(_CALLERS).items()}
            strangers = int(client.zcard(_STRANGERS))
            past = [f"{f.network} {f.agent}" for f in fetches if f.at.timestamp() < oldest]
            gone = [name for name, at in callers.items() if at < oldest]
            if past:
                client.hdel(_FETCHES, *past)
            if gone:
                client.hdel(_CALLERS, *gone)
        networks: dict[str, set[str]] = {}
        for name in sorted(callers.keys() - gone):
            client_id, _, network = name.partition(" ")
            networks.setdefault(client_id, set()).add(network)
        return Observed(
            fetches=tuple(fetch for fetch in fetches if fetch.at.timestamp() >= oldest),
            networks={client_id: frozenset(theirs) for client_id, theirs in networks.items()},
            strangers=strangers,
        )


def _written(fetch: Fetch) -> str:
    return json.dumps([fetch.at.timestamp(), *fetch.kids], separators=(",", ":"))


def _read(name: str, value: str) -> Fetch:
    network, _, agent = name.partition(" ")
    at, *kids = json.loads(value)
    return Fetch(network, agent, datetime.fromtimestamp(at, UTC), tuple(kids))
