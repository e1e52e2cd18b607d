"""Browsers that were sent to FranceConnect, in Redis: a hash a try, and who may have how many."""

import hashlib
import json

from idp.identity.franceconnect_port import TRIES_OF_ALL
from idp.identity.franceconnect_port import TRIES_OF_BROWSER
from idp.identity.franceconnect_port import TRIES_OF_NETWORK
from idp.identity.franceconnect_port import TRY_LIFETIME
from idp.identity.franceconnect_port import TRY_REMEMBERED
from idp.identity.franceconnect_port import Purpose
from idp.identity.franceconnect_port import Spent
from idp.identity.franceconnect_port import Try
from idp.identity.franceconnect_port import browser_hash
from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds

# A try that was taken stays as its own tombstone and counts on: else tombstones would have no cap.
# One that gives way leaves nothing behind, in no list: else a crowd of networks would have none. It
# is written in each list with those it stands in, for its hash may have ended before them.
# KEYS  1 try   2 the browser's tries, oldest first   3 the network's   4 everybody's, by instant
# ARGV  1 browser   2 waiting request   3 the rest   4 how long it is remembered (ms)
#       5 how many of a browser   6 how many of a network   7 how many of all   8 page
_PUT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function forget(entry)
  local try, browser, network = string.match(entry, '^(%S+) (%S+) (%S+)$')
  redis.call('LREM', browser, 1, entry)
  redis.call('LREM', network, 1, entry)
  redis.call('ZREM', KEYS[4], entry)
  redis.call('DEL', try)
end
local entry = KEYS[1] .. ' ' .. KEYS[2] .. ' ' .. KEYS[3]
redis.call('HSET', KEYS[1], 'browser', ARGV[1], 'demande', ARGV[2], 'begun', ARGV[3],
           'page', ARGV[8])
redis.call('RPUSH', KEYS[2], entry)
redis.call('RPUSH', KEYS[3], entry)
redis.call('ZREMRANGEBYSCORE', KEYS[4], 0, now - ARGV[4] * 1000)
redis.call('ZADD', KEYS[4], now, entry)
for at = 1, 4 do redis.call('PEXPIRE', KEYS[at], ARGV[4]) end
for at = 2, 3 do
  while redis.call('LLEN', KEYS[at]) > tonumber(ARGV[at + 3]) do
    forget(redis.call('LPOP', KEYS[at]))
  end
end
while redis.call('ZCARD', KEYS[4]) > tonumber(ARGV[7]) do
  forget(redis.call('ZPOPMIN', KEYS[4])[1])
end
"""

# KEYS  1 try      ARGV  1 browser   2 how long one that is too old is still remembered (ms)
#                        3 how long one that was taken is (ms)
# Gives {waiting request, page, the rest or '' if it was taken or is too old}.
_TAKE = """
local kept = redis.call('HMGET', KEYS[1], 'browser', 'demande', 'page', 'begun')
if kept[1] ~= ARGV[1] then return false end
redis.call('HDEL', KEYS[1], 'begun')
local in_time = kept[4] and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2])
if in_time then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {kept[2], kept[3] or '', in_time and kept[4] or ''}
"""


class RedisTries:
    """The port ``Tries``."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._put = store.script(_PUT)
        self._take = store.script(_TAKE)

    def put(self, state: str, begun: Try, *, network: str) -> None:
        """Keep a try; the oldest of its browser, of its network and of all give way."""
        self._store.refuse_strangers_when_nearly_full()
        rest = json.dumps([begun.nonce, begun.purpose, begun.account_id])
        self._put(
            [
                _key(state),
                f"franceconnect-tries:browser:{begun.browser_hash}",
                f"franceconnect-tries:network:{network}",
                "franceconnect-tries:all",
            ],
            [
                begun.browser_hash,
                begun.demande,
                rest,
                milliseconds(TRY_REMEMBERED),
                TRIES_OF_BROWSER,
                TRIES_OF_NETWORK,
                TRIES_OF_ALL,
                begun.page,
            ],
        )

    def take(self, state: str, browser: str) -> Try | Spent | None:
        """Take a try once; the browser that it is not of leaves it where it is."""
        browser_is = browser_hash(browser)
        too_old = milliseconds(TRY_REMEMBERED - TRY_LIFETIME)
        told = self._take([_key(state)], [browser_is, too_old, milliseconds(TRY_LIFETIME)])
        if not told:
            return None
        demande, page, rest = map(str, told)
        if not rest:
            return Spent(demande, page)
        nonce, purpose, account_id = json.loads(rest)
        return Try(browser_is, nonce, demande, Purpose(purpose), account_id, page)


def _key(state: str) -> str:
    # What a stranger sends as ``state`` may be long, and what the store holds opens nothing.
    return f"franceconnect-try:{hashlib.sha256(state.encode('utf-8', 'replace')).hexdigest()}"
