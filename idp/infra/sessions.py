"""SSO sessions in Redis: one key a session, one set of its visits, one index an account."""

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import Writes
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told
from idp.session import Ended
from idp.session import LivingSession
from idp.session import Place
from idp.session import Session
from idp.session import Visit

_INDEX = "account-sessions:"

# A value that begins with "-" is of a retired session: no browser comes back by it, and what hangs
# on it, which asks only whether it is there, lives on.

# KEYS  1 session   2 its visits, in retired ones too
_END = """
local told = redis.call('SMEMBERS', KEYS[2])
for _, visit in ipairs(told) do
  local former = 'session:' .. string.match(visit, '^%S+ (%S+) ')
  if string.sub(redis.call('GET', former) or '', 1, 1) == '-' then redis.call('DEL', former) end
end
table.insert(told, 1, redis.call('DEL', KEYS[1]))
return told
"""

# KEYS  1 session   2 its visits
# ARGV  1 account of the one that follows
_RETIRE = """
local told = redis.call('SMEMBERS', KEYS[2])
local kept = redis.call('GET', KEYS[1]) or ''
local alive = (kept ~= '' and string.sub(kept, 1, 1) ~= '-') and 1 or 0
if alive == 1 then
  if #told > 0 and string.find(kept, '["' .. ARGV[1] .. '"', 1, true) == 1 then
    redis.call('SET', KEYS[1], '-' .. kept, 'KEEPTTL')
  else
    redis.call('DEL', KEYS[1])
  end
end
table.insert(told, 1, alive)
return told
"""

# KEYS  1 index of the account, which stays: what could not be told is asked for again
# ARGV  1 the session that is spared, with those that it answers for; "" spares none
_END_ALL = """
local spared = {[ARGV[1]] = true}
for _, visit in ipairs(redis.call('SMEMBERS', 'session-visits:' .. ARGV[1])) do
  spared[string.match(visit, '^%S+ (%S+) ')] = true
end
local told = {0}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if not spared[key] then
    local kept = redis.call('GETDEL', 'session:' .. key)
    if kept and string.sub(kept, 1, 1) ~= '-' then told[1] = told[1] + 1 end
    for _, visit in ipairs(redis.call('SMEMBERS', 'session-visits:' .. key)) do
      told[#told + 1] = visit
    end
  end
end
return told
"""

# KEYS  1 index of the account      ARGV  1 how many may stay
_MAKE_ROOM = """
local living, told = {}, {0}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local kept = redis.call('GET', 'session:' .. key)
  if kept and string.sub(kept, 1, 1) ~= '-' then
    living[#living + 1] = key
  elseif not kept and redis.call('EXISTS', 'session-visits:' .. key) == 0 then
    redis.call('ZREM', KEYS[1], key)
  end
end
for place = 1, #living - tonumber(ARGV[1]) do
  for _, visit in ipairs(redis.call('SMEMBERS', 'session-visits:' .. living[place])) do
    local former = 'session:' .. string.match(visit, '^%S+ (%S+) ')
    if string.sub(redis.call('GET', former) or '', 1, 1) == '-' then redis.call('DEL', former) end
    told[#told + 1] = visit
  end
  told[1] = told[1] + redis.call('DEL', 'session:' .. living[place])
end
return told
"""

# KEYS  1 index of the account      Gives a key, what it holds and its time to live, and so on.
_OF_ACCOUNT = """
local told = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local kept = redis.call('GET', 'session:' .. key)
  if kept and string.sub(kept, 1, 1) ~= '-' then
    told[#told + 1] = key
    told[#told + 1] = kept
    told[#told + 1] = redis.call('PTTL', 'session:' .. key)
  end
end
return told
"""


class RedisSessions:
    """The port ``Sessions``. Idle time is the key's time to live."""

    def __init__(
        self,
        store: RedisStore,
        *,
        idle: timedelta,
        absolute: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._idle = idle
        self._absolute = absolute
        self._now = now
        self._end = store.script(_END)
        self._retire = store.script(_RETIRE)
        self._end_all = store.script(_END_ALL)
        self._make_room = store.script(_MAKE_ROOM)
        self._of_account = store.script(_OF_ACCOUNT)

    def put(self, key: str, session: Session) -> None:
        """Keep a new session and note it in the index of its account."""
        left = session.ends_at - self._now()
        index = f"{_INDEX}{session.account_id}"
        with self._store.writes() as writes:
            idle = _ms(min(self._idle, left))
            writes.add("SET", f"session:{key}", _write(session), "PX", idle)
            writes.add("ZREMRANGEBYSCORE", index, 0, self._now().timestamp())
            writes.add("ZADD", index, session.ends_at.timestamp(), key)
            # The index outlives the longest of its sessions, by the clock of the store: one that
            # went before them would leave them out of ``end_all``.
            writes.add("PEXPIRE", index, _ms(left) + 1000, "NX")
            writes.add("PEXPIRE", index, _ms(left) + 1000, "GT")

    def get(self, key: str) -> Session | None:
        """Read a session and renew its idle time, up to its absolute end."""
        with redis_failures_told():
            stored = self._store.client.getex(f"session:{key}", px=_ms(self._idle))
            if stored is None or str(stored).startswith("-"):
                return None
            session = _read(str(stored))
            left = session.ends_at - self._now()
            if left < self._idle:
                # Grants ask only whether the key is there.
                self._store.client.pexpire(f"session:{key}", _ms(left))
        return session if left > timedelta(0) else None

    def end(self, key: str) -> Ended:
        """End one session and read its visits, in one step."""
        # Its place in the account's index goes with a later ``put``, or with its absolute end.
        return _ended(self._end([f"session:{key}", visits_of(key)]))

    def retire(self, key: str, account_id: str) -> Ended:
        """End one that another of this account follows, but for what it gave."""
        return _ended(self._retire([f"session:{key}", visits_of(key)], [account_id]))

    def end_all(self, account_id: str) -> Ended:
        """End every session of an account and read their visits, in one step."""
        return _ended(self._end_all([f"{_INDEX}{account_id}"], [""]))

    def end_others(self, account_id: str, key: str) -> Ended:
        """End every session of an account but one, in one step."""
        return _ended(self._end_all([f"{_INDEX}{account_id}"], [key]))

    def make_room(self, account_id: str, *, keep: int) -> Ended:
        """End the oldest sessions of an account beyond ``keep``, in one step."""
        return _ended(self._make_room([f"{_INDEX}{account_id}"], [keep]))

    def of_account(self, account_id: str) -> list[LivingSession]:
        """List the living sessions of an account, the oldest first."""
        told = iter(self._of_account([f"{_INDEX}{account_id}"]))
        now = self._now()
        found = []
        for key, kept, left in zip(told, told, told, strict=True):
            session, idle_until = _read(str(kept)), now + timedelta(milliseconds=int(left))
            # Near its absolute end nothing tells any more when it was used.
            cut_short = idle_until + timedelta(seconds=1) >= session.ends_at
            used_at = None if cut_short else idle_until - self._idle
            if session.ends_at > now:
                found.append(LivingSession(str(key), session, used_at))
        return found

    def accounts(self) -> Iterator[str]:
        """Name every account that may have a session; the store goes on serving meanwhile."""
        with redis_failures_told():
            for index in self._store.client.scan_iter(f"{_INDEX}*", count=1000):
                yield str(index).removeprefix(_INDEX)

    def inherit(self, key: str, visits: Iterable[Visit]) -> None:
        """Let a new session answer for what was visited in the one before."""
        with self._store.writes() as writes:
            for visit in visits:
                note_visit(writes, key, visit, kept=self._absolute)


def visits_of(key: str) -> str:
    """Name the set of a session's visits."""
    return f"session-visits:{key}"


def note_visit(writes: Writes, key: str, visit: Visit, *, kept: timedelta) -> None:
    """Add a visit to those that a session answers for; none of its parts ever holds a space."""
    member = f"{visit.account_id} {visit.session_key} {visit.client_id}"
    writes.add("SADD", visits_of(key), member)
    # Counted from the last visit: never shorter than the session's absolute end.
    writes.add("EXPIRE", visits_of(key), int(kept.total_seconds()))


def _ended(told: list[str | int]) -> Ended:
    alive, *members = told
    return Ended(int(alive), tuple(Visit(*str(member).split(" ")) for member in sorted(members)))


def _write(session: Session) -> str:
    return json.dumps(
        [
            session.account_id,
            session.credential_version,
            list(session.amr),
            session.acr,
            session.auth_time.timestamp(),
            session.ends_at.timestamp(),
            [session.place.browser, session.place.system, session.place.network],
        ],
        separators=(",", ":"),
    )


def _read(stored: str) -> Session:
    account_id, version, amr, acr, auth_time, ends_at, *more = json.loads(stored)
    return Session(
        account_id=account_id,
        credential_version=version,
        amr=tuple(amr),
        acr=acr,
        auth_time=datetime.fromtimestamp(auth_time, UTC),
        ends_at=datetime.fromtimestamp(ends_at, UTC),
        place=Place(*more[0]) if more else Place(),  # an earlier version may have written this
    )


def _ms(span: timedelta) -> int:
    return max(1, milliseconds(span))
