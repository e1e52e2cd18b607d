"""What may happen once, in Redis: one command puts it and tells what was there."""

from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told


class RedisOnce:
    """The port ``Once``."""

    def __init__(self, store: RedisStore, *, by_strangers: bool = True) -> None:
        """Join a store; ``by_strangers`` False where only who proved something leaves anything."""
        self._store = store
        self._by_strangers = by_strangers

    def take(self, name: str, value: str, *, lifetime: timedelta) -> str | None:
        """Put ``value`` under ``name`` unless something is there, and give what was there.

        Spec: SET with NX and GET is one command since Redis 7.0 and Valkey 7.2.
        """
        # Strangers solve challenges and send forms: they leave the last of the memory to promises.
        if self._by_strangers:
            self._store.refuse_strangers_when_nearly_full()
        with redis_failures_told():
            there = self._store.client.set(
                f"once:{{{name}}}", value, nx=True, get=True, px=milliseconds(lifetime)
            )
        return None if there is None else str(there)

    def keep(self, name: str, value: str, *, lifetime: timedelta) -> None:
        """Put ``value`` in the place of what was taken."""
        with redis_failures_told():
            self._store.client.set(f"once:{{{name}}}", value, px=milliseconds(lifetime))

    def give_back(self, name: str) -> None:
        """Take away what was put."""
        with redis_failures_told():
            self._store.client.delete(f"once:{{{name}}}")
