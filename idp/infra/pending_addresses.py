"""Addresses that wait for their code, in Redis: one an account."""

from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told

# KEYS 1 pending   ARGV 1 address   2 lifetime (ms)
_PROPOSE = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'address', ARGV[1], 'wrong', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# KEYS 1 pending   ARGV 1 digest      Gives the address or ''.
_DRAW = """
local address = redis.call('HGET', KEYS[1], 'address')
if not address then return '' end
redis.call('HSET', KEYS[1], 'digest', ARGV[1])
return address
"""

# KEYS 1 pending   ARGV 1 digest   2 tries      Gives {address or '', 1 while something waits}.
_CONFIRM = """
local kept = redis.call('HMGET', KEYS[1], 'address', 'digest')
if not kept[1] then return {'', 0} end
if kept[2] == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return {kept[1], 0}
end
if redis.call('HINCRBY', KEYS[1], 'wrong', 1) >= tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  return {'', 0}
end
return {'', 1}
"""


class RedisPendingAddresses:
    """The port ``PendingAddresses``."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._propose = store.script(_PROPOSE)
        self._draw = store.script(_DRAW)
        self._confirm = store.script(_CONFIRM)

    def propose(self, account_id: str, address: str, *, lifetime: timedelta) -> None:
        """Keep an address in the place of the one before, without a code yet."""
        self._propose([_key(account_id)], [address, milliseconds(lifetime)])

    def address(self, account_id: str) -> str:
        """The address that waits, or ""."""
        with redis_failures_told():
            kept = self._store.client.hget(_key(account_id), "address")
        return str(kept) if kept else ""

    def draw(self, account_id: str, digest: str) -> str:
        """Put a code's digest, in the place of the one before; gives the address, or ""."""
        return str(self._draw([_key(account_id)], [digest]))

    def confirm(self, account_id: str, digest: str, *, tries: int) -> tuple[str, bool]:
        """Take the address once if the digest fits, else count one wrong try."""
        address, waits = self._confirm([_key(account_id)], [digest, tries])
        return str(address), bool(waits)


def _key(account_id: str) -> str:
    return f"pending-address:{{{account_id}}}"
