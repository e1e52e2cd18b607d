"""The records that services' own access tokens hang on, in Redis."""

from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import redis_failures_told


class RedisServiceGrants:
    """The port ``ServiceGrants``."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    def put(self, grant_id: str, client_id: str, *, lifetime: timedelta) -> None:
        """Keep a record as long as its token lives."""
        with self._store.writes() as writes:
            writes.add("SET", _name(grant_id), client_id, "EX", int(lifetime.total_seconds()))

    def holder(self, grant_id: str) -> str:
        """Name the client of a record, or "" when it has ended."""
        with redis_failures_told():
            kept = self._store.client.get(_name(grant_id))
        return "" if kept is None else str(kept)

    def revoke(self, grant_id: str) -> None:
        """End a record."""
        with redis_failures_told():
            self._store.client.delete(_name(grant_id))


def _name(grant_id: str) -> str:
    return f"service-grant:{{{grant_id}}}"
