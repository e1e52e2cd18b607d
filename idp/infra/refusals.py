"""The newest refused requests in Redis: a sorted set for each service and standing.

A set never holds more than ``MOST``; strangers can begin none, for a service must be registered to
have one, and those who name none share one. The network that has most of a full set gives way.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told
from idp.oidc.refusals import Refusal
from idp.oidc.refusals import Standing

KEPT_FOR = timedelta(days=7)
MOST = 100

_SETS = "refusal-sets"

# A member is network|id|the rest in JSON, so that a look at its beginning is enough.
# KEYS 1 set   2 names of the sets
# ARGV 1 member   2 now (ms)   3 the oldest that stays (ms)   4 most   5 kept for (ms)
_NOTE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('SADD', KEYS[2], KEYS[1])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
if redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[4]) then return end
local counts, oldest, busiest = {}, {}, nil
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local network = string.match(member, '^[^|]*')
  counts[network] = (counts[network] or 0) + 1
  oldest[network] = oldest[network] or member
  if not busiest or counts[network] > counts[busiest] then busiest = network end
end
redis.call('ZREM', KEYS[1], oldest[busiest])
"""


class RedisRefusals:
    """The port ``Refusals``."""

    def __init__(self, store: RedisStore, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._note = store.script(_NOTE)

    def note(self, refusal: Refusal) -> None:
        """Keep one, in the place of the oldest of the network that has most where there are many.

        Raises:
            StoreUnavailable: it is not kept; the last of the memory is for promises.
        """
        self._store.refuse_strangers_when_nearly_full()
        facts = {**asdict(refusal), "at": refusal.at.isoformat()}
        member = f"{refusal.network}|{refusal.id}|{json.dumps(facts)}"
        at = self._epoch(refusal.at)
        self._note(
            [f"refusals:{{{refusal.client_id}}}:{refusal.standing}", _SETS],
            [member, at, at - milliseconds(KEPT_FOR), MOST, milliseconds(KEPT_FOR)],
        )

    def find(self, refusal_id: str) -> Refusal | None:
        """Read one back, by a look at each set.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        since = self._epoch(self._now() - KEPT_FOR)
        with redis_failures_told():
            names = sorted(self._store.client.smembers(_SETS))
            for name in names:
                for member, at in self._store.client.zscan_iter(name, f"*|{refusal_id}|*", MOST):
                    # What came can hold anything, another id too.
                    _, known_by, facts = str(member).split("|", 2)
                    if known_by == refusal_id and at > since:
                        return _read(facts)
        return None

    @staticmethod
    def _epoch(instant: datetime) -> int:
        return int(instant.timestamp() * 1000)


def _read(text: str) -> Refusal:
    facts = json.loads(text)
    facts["at"] = datetime.fromisoformat(facts["at"])
    facts["standing"] = Standing(facts["standing"])
    return Refusal(**facts)
