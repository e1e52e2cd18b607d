"""Counters of failures in Redis: one atomic step to reserve a try, one to take it back."""

import secrets
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta

from idp.infra.redis_store import RedisStore
from idp.limits import DAY
from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import Reservation
from idp.limits import SignInDelayed

# KEYS  1 network's failures   2 known devices   3 account's row   4 account's day   5, 6 the same
# of the device ARGV  1 now (ms)  2 try  3 device  4 network window (ms)  5 network limit  6 day
# (ms)  7 day limit       8… the wait (ms) after the 1st, 2nd, … failure in a row
# Gives {0, 'network'|'account', wait in ms} or {1, streak, wait in ms, known device}.
_RESERVE = """
local now = tonumber(ARGV[1])
local function oldest(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - ARGV[4])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then
  return {0, 'network', oldest(KEYS[1]) + ARGV[4] - now}
end
local row, day, known = KEYS[3], KEYS[4], 0
if ARGV[3] ~= '' and redis.call('ZSCORE', KEYS[2], ARGV[3]) then
  row, day, known = KEYS[5], KEYS[6], 1
end
local held_until = tonumber(redis.call('HGET', row, 'until') or '0')
if held_until > now then
  return {0, 'account', held_until - now}
end
redis.call('ZREMRANGEBYSCORE', day, 0, now - ARGV[6])
if redis.call('ZCARD', day) >= tonumber(ARGV[7]) then
  return {0, 'account', oldest(day) + ARGV[6] - now}
end
local streak = redis.call('HINCRBY', row, 'streak', 1)
local wait = tonumber(ARGV[7 + math.min(streak, #ARGV - 7)])
redis.call('HSET', row, 'until', now + wait)
redis.call('PEXPIRE', row, ARGV[6])
redis.call('ZADD', day, now, ARGV[2])
redis.call('PEXPIRE', day, ARGV[6])
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {1, streak, wait, known}
"""

# KEYS  1 network's failures   2 row   3 day      ARGV  1 try
_RELEASE = """
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('ZREM', KEYS[3], ARGV[1]) == 1 then
  if redis.call('HINCRBY', KEYS[2], 'streak', -1) <= 0 then
    redis.call('DEL', KEYS[2])
  else
    redis.call('HSET', KEYS[2], 'until', 0)
  end
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
        self._limits: list[str | int | float] = [
            _ms(policy.network_window),
            policy.network_limit,
            _ms(DAY),
            policy.day_limit,
            *(_ms(wait) for wait in policy.schedule),
        ]

    def reserve(self, subject: str, origin: Origin) -> Reservation:
        """Count one try as failed, ahead of its verification.

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
        args = [int(self._now().timestamp() * 1000), try_id, origin.device, *self._limits]
        admitted, *rest = self._reserve(keys, args)
        if not admitted:
            held_by, wait = rest
            raise SignInDelayed(HeldBy(held_by), timedelta(milliseconds=wait))
        streak, wait, known = rest
        return Reservation(
            subject=subject,
            origin=origin,
            try_id=try_id,
            streak=streak,
            wait=timedelta(milliseconds=wait),
            known_device=bool(known),
        )

    def succeeded(self, reservation: Reservation, *, device: str) -> None:
        """Take the failure back, end the row of failures, and know ``device`` from now on."""
        row, day = _counters_of(reservation)
        devices = f"devices:{{{reservation.subject}}}"
        with self._store.pipeline() as pipeline:
            pipeline.delete(row)
            pipeline.zrem(day, reservation.try_id)
            pipeline.zrem(f"failures-network:{{{reservation.origin.network}}}", reservation.try_id)
            pipeline.zadd(devices, {device: self._now().timestamp()})
            pipeline.zremrangebyrank(devices, 0, -self._policy.devices - 1)
            pipeline.expire(devices, int(self._policy.device_lifetime.total_seconds()))

    def release(self, reservation: Reservation) -> None:
        """Take the failure back without a verdict."""
        row, day = _counters_of(reservation)
        network = f"failures-network:{{{reservation.origin.network}}}"
        self._release([network, row, day], [reservation.try_id])


def _counters(subject: str, device: str) -> tuple[str, str]:
    suffix = f":{device}" if device else ""
    return f"failures-row:{{{subject}}}{suffix}", f"failures-day:{{{subject}}}{suffix}"


def _counters_of(reservation: Reservation) -> tuple[str, str]:
    device = reservation.origin.device if reservation.known_device else ""
    return _counters(reservation.subject, device)


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
