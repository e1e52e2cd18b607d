"""SSO sessions in Redis: one key a session, one index an account."""

import json
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import redis_failures_told
from idp.session import Session

_END_ALL = """
local ended = 0
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  ended = ended + redis.call('DEL', 'session:' .. key)
end
redis.call('DEL', KEYS[1])
return ended
"""


class RedisSessions:
    """The port ``Sessions``. Idle time is the key's time to live."""

    def __init__(self, store: RedisStore, *, idle: timedelta, now: Callable[[], datetime]) -> None:
        self._store = store
        self._idle = int(idle.total_seconds())
        self._now = now
        self._end_all = store.script(_END_ALL)

    def put(self, key: str, session: Session) -> None:
        """Keep a new session and note it in the index of its account."""
        now, ends_at = self._now(), session.ends_at
        with self._store.pipeline() as pipeline:
            pipeline.set(f"session:{key}", _write(session), ex=self._life(session, now))
            index = f"account-sessions:{session.account_id}"
            pipeline.zremrangebyscore(index, 0, now.timestamp())
            pipeline.zadd(index, {key: ends_at.timestamp()})
            pipeline.expireat(index, int(ends_at.timestamp()) + 60)

    def get(self, key: str) -> Session | None:
        """Read a session and renew its idle time."""
        with redis_failures_told():
            stored = self._store.client.getex(f"session:{key}", ex=self._idle)
        if stored is None:
            return None
        session = _read(str(stored))
        if session.ends_at <= self._now():
            self.end(key)
            return None
        return session

    def end(self, key: str) -> None:
        """End one session."""
        # Its place in the account's index goes with the next ``put``, or with its absolute end.
        with self._store.pipeline() as pipeline:
            pipeline.delete(f"session:{key}")

    def end_all(self, account_id: str) -> int:
        """End every session of an account."""
        return int(self._end_all([f"account-sessions:{account_id}"]))

    def _life(self, session: Session, now: datetime) -> int:
        left = int((session.ends_at - now).total_seconds())
        return max(1, min(self._idle, left))


def _write(session: Session) -> str:
    return json.dumps(
        [
            session.account_id,
            session.credential_version,
            list(session.amr),
            session.acr,
            session.auth_time.timestamp(),
            session.ends_at.timestamp(),
        ],
        separators=(",", ":"),
    )


def _read(stored: str) -> Session:
    account_id, version, amr, acr, auth_time, ends_at = json.loads(stored)
    return Session(
        account_id=account_id,
        credential_version=version,
        amr=tuple(amr),
        acr=acr,
        auth_time=datetime.fromtimestamp(auth_time, UTC),
        ends_at=datetime.fromtimestamp(ends_at, UTC),
    )
