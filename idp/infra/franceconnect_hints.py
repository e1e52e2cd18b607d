"""The ID tokens by which sessions can be ended at FranceConnect too, in Redis: sealed."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told
from idp.sealed import Sealer
from idp.sealed import Unreadable


class RedisHints:
    """The port ``Hints``. The account stands in the key: a session of another one finds nothing."""

    def __init__(self, store: RedisStore, keys: Sequence[bytes], *, absolute: timedelta) -> None:
        """Join a store.

        Args:
            store: where the sessions are.
            keys: the cookie keys; the first seals, all open.
            absolute: how long a session may last.
        """
        self._store = store
        self._sealer = Sealer(keys, "franceconnect-hint:1")
        self._kept = milliseconds(absolute)

    def put(self, session_key: str, account_id: str, id_token: str) -> None:
        """Keep a hint."""
        sealed = self._sealer.seal(json.dumps([account_id, id_token]).encode("ascii"))
        with self._store.writes() as writes:
            writes.add("SET", _key(session_key, account_id), sealed, "PX", self._kept)

    def follow(self, former_key: str, session_key: str, account_id: str) -> None:
        """Let a session take over the hint of the one it follows."""
        former, following = _key(former_key, account_id), _key(session_key, account_id)
        with self._store.writes() as writes:
            # Not RENAME, which fails where there is none.
            writes.add("COPY", former, following, "REPLACE")
            writes.add("DEL", former)
            writes.add("PEXPIRE", following, self._kept)

    def take(self, session_key: str, account_id: str) -> str:
        """Take a hint, once, or give ""."""
        with redis_failures_told():
            sealed = self._store.client.getdel(_key(session_key, account_id))
        with suppress(Unreadable):  # or sealed by a key that has gone
            own, id_token = json.loads(self._sealer.open(str(sealed or "")))
            if own == account_id:
                return str(id_token)
        return ""


def _key(session_key: str, account_id: str) -> str:
    return f"franceconnect-hint:{session_key}:{account_id}"
