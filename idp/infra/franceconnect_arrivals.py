"""Arrivals that wait for a choice or a proof, in Redis: sealed, under the hash of a cookie's token.

Whoever reads the store, or a backup of it, finds neither a name nor a token of FranceConnect there.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple

from idp.identity.franceconnect_port import ARRIVAL_LIFETIME
from idp.identity.franceconnect_port import Arrived
from idp.identity.pivot import Arrival
from idp.identity.pivot import PivotIdentity
from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told
from idp.sealed import Sealer
from idp.sealed import Unreadable
from idp.session import session_key


class RedisArrivals:
    """The port ``Arrivals``."""

    def __init__(self, store: RedisStore, keys: Sequence[bytes]) -> None:
        """Join a store; the first of the cookie keys seals, all of them open."""
        self._store = store
        self._sealer = Sealer(keys, "franceconnect-arrival:1")

    def put(self, token: str, arrived: Arrived) -> None:
        """Keep an arrival."""
        name = session_key(token)
        arrival = arrived.arrival
        # With its own name: who may write to the store cannot give a browser another's arrival.
        clear = json.dumps([name, arrival.sub, astuple(arrival.pivot), arrived.id_token])
        sealed = self._sealer.seal(clear.encode("ascii"))
        with self._store.writes() as writes:
            writes.add("SET", _key(name), sealed, "PX", milliseconds(ARRIVAL_LIFETIME))

    def get(self, token: str) -> Arrived | None:
        """Read an arrival and leave it there."""
        name = session_key(token)
        with redis_failures_told():
            return self._opened(name, self._store.client.get(_key(name)))

    def take(self, token: str) -> Arrived | None:
        """Take an arrival, once."""
        name = session_key(token)
        with redis_failures_told():
            return self._opened(name, self._store.client.getdel(_key(name)))

    def _opened(self, name: str, sealed: object) -> Arrived | None:
        with suppress(Unreadable):  # or sealed by a key that has gone
            own, sub, pivot, id_token = json.loads(self._sealer.open(str(sealed or "")))
            if own == name:
                return Arrived(Arrival(sub, PivotIdentity(*pivot)), id_token)
        return None


def _key(name: str) -> str:
    return f"franceconnect-arrival:{name}"
