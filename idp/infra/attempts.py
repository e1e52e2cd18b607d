"""Counters of failures in Redis: one atomic step to reserve a try, one to take it back."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import Writes
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told
from idp.limits import DAY
from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import Reservation
from idp.limits import SignInDelayed
from idp.limits import Waiting
from idp.limits import longest

# Every failure is one member, the try, of three sorted sets by instant: so a try that is taken back
# leaves each of them as if it had never been, whatever happened since. A device that the account
# knows is held by its own row and day alone: a stranger behind the same address, which a whole
# operator's customers may share, must not shut the member out. A temporary password counts for the
# network alone, whatever the device.
#
# KEYS  1 network's failures   2 known devices   3 account's row   4 account's day
#       5, 6 the same of the device
# ARGV  1 now (ms)   2 try   3 device   4 temporary (1 or 0)   5 device lifetime (ms)
#       6 network window (ms)   7 network limit   8 day (ms)   9 day limit
#       10… the wait (ms) after the 1st, 2nd, … failure in a row
# Gives {0, 'network'|'account', wait in ms} or {1, streak, wait in ms, known device, devices}.
_RESERVE = """
local now, try, device = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local temporary = ARGV[4] == '1'
local window, day = tonumber(ARGV[6]), tonumber(ARGV[8])
local margin = 60000  -- instants decide; the time to live only sweeps up after them
local function instant(key, place)
  return tonumber(redis.call('ZRANGE', key, place, place, 'WITHSCORES')[2])
end
local function held_by_row(key)
  local streak = redis.call('ZCARD', key)
  if streak == 0 then return 0, 0 end
  local wait = tonumber(ARGV[9 + math.min(streak, #ARGV - 9)])
  return streak, instant(key, -1) + wait - now
end
local function held_by_day(key)
  if redis.call('ZCARD', key) < tonumber(ARGV[9]) then return 0 end
  return instant(key, 0) + day - now
end
local row, of_day, known = KEYS[3], KEYS[4], 0
local seen = device ~= '' and redis.call('ZSCORE', KEYS[2], device)
if seen and tonumber(seen) + tonumber(ARGV[5]) > now then
  row, of_day, known = KEYS[5], KEYS[6], 1
end
local counted = known == 0 or temporary
if counted then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[7]) then
    return {0, 'network', instant(KEYS[1], 0) + window - now}
  end
end
local function count_for_network()
  if counted then
    redis.call('ZADD', KEYS[1], now, try)
    redis.call('PEXPIRE', KEYS[1], window + margin)
  end
end
if temporary then
  count_for_network()
  return {1, 0, 0, known, 0}
end
redis.call('ZREMRANGEBYSCORE', of_day, 0, now - day)
local newest = instant(row, -1)
if newest and newest + day <= now then redis.call('DEL', row) end
local _, left = held_by_row(row)
left = math.max(left, held_by_day(of_day))
if left > 0 then
  return {0, 'account', left}
end
count_for_network()
redis.call('ZADD', row, now, try)
redis.call('ZREMRANGEBYRANK', row, 0, -101)
redis.call('PEXPIRE', row, day + margin)
redis.call('ZADD', of_day, now, try)
redis.call('PEXPIRE', of_day, day + margin)
local streak, wait = held_by_row(row)
local devices = redis.call('ZCOUNT', KEYS[2], '(' .. (now - tonumber(ARGV[5])), '+inf')
return {1, streak, math.max(wait, held_by_day(of_day)), known, devices}
"""

# KEYS  network's failures, row, day      ARGV  1 try
_RELEASE = """
for _, failures in ipairs(KEYS) do
  redis.call('ZREM', failures, ARGV[1])
end
"""

# KEYS  known devices      ARGV  1 the device that stays known
_FORGET_DEVICES = """
for _, device in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if device ~= ARGV[1] then redis.call('ZREM', KEYS[1], device) end
end
"""


class RedisAttempts:
    """The port ``Attempts``."""

    def __init__(
        self, store: RedisStore, policy: AttemptPolicy, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._policy = policy
        self._now = now
        self._reserve = store.script(_RESERVE)
        self._release = store.script(_RELEASE)
        self._forget_devices = store.script(_FORGET_DEVICES)
        self._limits: list[str | int | float] = [
            milliseconds(policy.device_lifetime),
            milliseconds(policy.network_window),
            policy.network_limit,
            milliseconds(DAY),
            policy.day_limit,
            *(milliseconds(wait) for wait in policy.schedule),
        ]

    def reserve(self, subject: str, origin: Origin, *, temporary: bool = False) -> Reservation:
        """Count one try as failed, ahead of its verification; a temporary one for the network.

        Raises:
            SignInDelayed: the account or the network must wait.
        """
        if not origin.device:
            self._store.refuse_strangers_when_nearly_full()
        try_id = secrets.token_hex(8)
        keys = [
            f"failures-network:{{{origin.network}}}",
            f"devices:{{{subject}}}",
            *_counters(subject, ""),
            *_counters(subject, origin.device or "none"),
        ]
        args = [self._now_ms(), try_id, origin.device, int(temporary), *self._limits]
        admitted, *rest = self._reserve(keys, args)
        if not admitted:
            raise self._delay(subject, origin, *rest)
        streak, wait, known, devices = rest
        return Reservation(
            subject=subject,
            origin=origin,
            try_id=try_id,
            streak=streak,
            wait=timedelta(milliseconds=wait),
            known_device=bool(known),
            temporary=temporary,
            others_known=not known and devices > 0,
        )

    def is_suspected(self, network: str) -> bool:
        """Tell whether a network failed so often that strangers on it solve an anti-robot."""
        since = self._now_ms() - milliseconds(self._policy.network_window)
        with redis_failures_told():
            failures = self._store.client.zcount(
                f"failures-network:{{{network}}}", f"({since}", "+inf"
            )
        return int(failures) >= self._policy.anti_robot_from

    def succeeded(self, reservation: Reservation, *, device: str) -> None:
        """Take the failure back, end the row of failures, and know ``device`` from now on."""
        if reservation.temporary:
            self.release(reservation)
            return
        row, day = _counters_of(reservation)
        network = f"failures-network:{{{reservation.origin.network}}}"
        with self._store.writes() as writes:
            writes.add("DEL", row)
            writes.add("ZREM", day, reservation.try_id)
            writes.add("ZREM", network, reservation.try_id)
            # A right password is no failure, even where nobody could be signed in with it.
            writes.otherwise(lambda: self.release(reservation))
            self._know(writes, reservation.subject, device)

    def release(self, reservation: Reservation) -> None:
        """Take the failure back without a verdict, at once: what failed here sends nothing else."""
        row, day = _counters_of(reservation)
        network = f"failures-network:{{{reservation.origin.network}}}"
        self._release([network, row, day], [reservation.try_id])

    def look(self, subject: str) -> Waiting:
        """Read how an account stands, for the help desk."""
        now, devices = self._now(), self._known(subject)
        with (
            redis_failures_told(),
            self._store.client.pipeline(transaction=True) as pipeline,
        ):
            for name in ["", *devices]:
                for counter in _counters(subject, name):
                    pipeline.zrange(counter, 0, -1, withscores=True)
            answers = iter(pipeline.execute())
        stranger, *known = [
            self._policy.standing(_instants(row), _instants(day), at=now)
            for row, day in zip(answers, answers, strict=True)
        ]
        return replace(stranger, known=longest(known))

    def knows_others(self, subject: str, device: str) -> bool:
        """Tell whether the account knows browsers, and this one is none of them."""
        known = self._known(subject)
        return bool(known) and device not in known

    def _known(self, subject: str) -> list[str]:
        since = self._now_ms() - milliseconds(self._policy.device_lifetime)
        with redis_failures_told():
            known = self._store.client.zrangebyscore(f"devices:{{{subject}}}", f"({since}", "inf")
        return list(map(str, known))

    def forget_devices(self, subject: str, *, but: str = "") -> None:
        """Know no browser of the account any more, ``but`` one."""
        self._forget_devices([f"devices:{{{subject}}}"], [but])

    def lift(self, subject: str, *, device: str = "") -> None:
        """End the account's waiting time, every known device's too.

        A device that becomes known between the look and the deletion has just ended its own row.
        """
        with redis_failures_told():
            known = self._store.client.zrange(f"devices:{{{subject}}}", 0, -1)
        counters = [_counters(subject, name) for name in ["", *map(str, known)]]
        with self._store.writes() as writes:
            writes.add(
                "DEL", f"delay-told:{{{subject}}}", *(key for pair in counters for key in pair)
            )
            if device:
                self._know(writes, subject, device)

    def _know(self, writes: Writes, subject: str, device: str) -> None:
        devices = f"devices:{{{subject}}}"
        writes.add("ZADD", devices, self._now_ms(), device)
        writes.add("ZREMRANGEBYRANK", devices, 0, -self._policy.devices - 1)
        writes.add("PEXPIRE", devices, milliseconds(self._policy.device_lifetime) + 60_000)

    def _delay(self, subject: str, origin: Origin, held_by: str, wait: int) -> SignInDelayed:
        whose = origin.network if held_by == HeldBy.NETWORK else subject
        with redis_failures_told():
            first = self._store.client.set(f"delay-told:{{{whose}}}", "1", nx=True, px=wait)
        return SignInDelayed(HeldBy(held_by), timedelta(milliseconds=wait), first=bool(first))

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def _counters(subject: str, device: str) -> tuple[str, str]:
    suffix = f":{device}" if device else ""
    return f"failures-in-a-row:{{{subject}}}{suffix}", f"failures-day:{{{subject}}}{suffix}"


def _counters_of(reservation: Reservation) -> tuple[str, str]:
    device = reservation.origin.device if reservation.known_device else ""
    return _counters(reservation.subject, device)


def _instants(counter: list[tuple[str, float]]) -> list[datetime]:
    return [datetime.fromtimestamp(score / 1000, UTC) for _, score in counter]
