"""Temporary passwords in Redis: a hash for each account and channel, a script for each move."""

import hmac
from collections.abc import Callable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp.identity.password import PasswordHash
from idp.identity.temporary_password import REMEMBERED
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TryPolicy
from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told

# KEYS 1 is the slot, everywhere. Its fields:
#   newest, asked_at                     of the newest request
#   promise, version, state, requested_at    of the secret, or of the request while there is none
#   scheme, phc, expires_at              of the secret; absent while only requested
#   wrong_tries                          on this secret
#   network:…, browser:…                 tries of each on this promise
#   holder, opened_until                 of the last lease; there since the secret was first typed
# Instants are in ms. They decide; the time to live only sweeps up after them.

# ARGV  1 now   2 promise   3 version   4 time to live of a request
_REQUEST = """
local slot, now, version = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[3])
local newest, kept_version, phc, expires_at, opened_until = unpack(redis.call(
  'HMGET', slot, 'newest', 'version', 'phc', 'expires_at', 'opened_until'))
if newest then
  if tonumber(newest) >= tonumber(ARGV[2]) or tonumber(kept_version) > version then return end
end
local alive = phc and tonumber(kept_version) == version
  and (tonumber(expires_at) > now or tonumber(opened_until or 0) > now)
if not alive then
  redis.call('DEL', slot)
  redis.call('HSET', slot, 'promise', ARGV[2], 'version', ARGV[3], 'state', 'requested',
    'requested_at', ARGV[1])
end
redis.call('HSET', slot, 'newest', ARGV[2], 'asked_at', ARGV[1])
redis.call('PEXPIRE', slot, math.max(redis.call('PTTL', slot), tonumber(ARGV[4])))
"""

# ARGV  1 now   2 promise   3 version   4 scheme   5 phc   6 expires_at   7 time to live
_ISSUE = """
local slot, promise = KEYS[1], tonumber(ARGV[2])
local newest, version, kept, opened_until, asked_at = unpack(redis.call(
  'HMGET', slot, 'newest', 'version', 'promise', 'opened_until', 'asked_at'))
if newest then
  if tonumber(newest) > promise or tonumber(version) > tonumber(ARGV[3]) then return 0 end
end
local again = kept and tonumber(kept) == promise
if again and opened_until then return 0 end
if not (newest and tonumber(newest) == promise) then asked_at = ARGV[1] end
if again then redis.call('HDEL', slot, 'wrong_tries') else redis.call('DEL', slot) end
redis.call('HSET', slot, 'newest', ARGV[2], 'asked_at', asked_at, 'promise', ARGV[2],
  'version', ARGV[3], 'state', 'issued', 'requested_at', asked_at,
  'scheme', ARGV[4], 'phc', ARGV[5], 'expires_at', ARGV[6])
redis.call('PEXPIRE', slot, ARGV[7])
return 1
"""

# ARGV  1 promise
_SENT = """
local promise, state = unpack(redis.call('HMGET', KEYS[1], 'promise', 'state'))
if promise == ARGV[1] and state == 'issued' then redis.call('HSET', KEYS[1], 'state', 'sent') end
"""

# ARGV  1 now   2 version   3 network   4 browser   5 tries by origin   6 tries in all
# Gives the fields of the slot, or nothing.
_RESERVE = """
local slot, by_origin = KEYS[1], tonumber(ARGV[5])
local network, browser = 'network:' .. ARGV[3], 'browser:' .. ARGV[4]
local version, phc, expires_at, in_all, of_network, of_browser = unpack(redis.call(
  'HMGET', slot, 'version', 'phc', 'expires_at', 'wrong_tries', network, browser))
if not phc or version ~= ARGV[2] or tonumber(expires_at) <= tonumber(ARGV[1]) then return {} end
if tonumber(in_all or 0) >= tonumber(ARGV[6]) or tonumber(of_network or 0) >= by_origin
  or tonumber(of_browser or 0) >= by_origin then return {} end
for _, count in ipairs({'wrong_tries', network, browser}) do
  redis.call('HINCRBY', slot, count, 1)
end
return redis.call('HGETALL', slot)
"""

# ARGV  1 now   2 phc   3 network   4 browser
_RELEASE = """
local slot, now = KEYS[1], tonumber(ARGV[1])
local phc, expires_at = unpack(redis.call('HMGET', slot, 'phc', 'expires_at'))
if phc ~= ARGV[2] or tonumber(expires_at) <= now then return 0 end
for _, count in ipairs({'wrong_tries', 'network:' .. ARGV[3], 'browser:' .. ARGV[4]}) do
  if tonumber(redis.call('HGET', slot, count) or 0) > 0 then
    redis.call('HINCRBY', slot, count, -1)
  end
end
"""

# ARGV  further: 5 holder   6 until   7 how long the slot is remembered afterwards
_OPEN = (
    _RELEASE
    + """
redis.call('HSET', slot, 'state', 'sent', 'holder', ARGV[5], 'opened_until', ARGV[6])
local left = tonumber(ARGV[6]) - now + tonumber(ARGV[7])
redis.call('PEXPIRE', slot, math.max(redis.call('PTTL', slot), left))
return 1
"""
)


class RedisTemporaryPasswords:
    """The port ``TemporaryPasswords``."""

    def __init__(
        self, store: RedisStore, policy: TryPolicy, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._policy = policy
        self._now = now
        self._request = store.script(_REQUEST)
        self._issue = store.script(_ISSUE)
        self._sent = store.script(_SENT)
        self._reserve = store.script(_RESERVE)
        self._release = store.script(_RELEASE)
        self._open = store.script(_OPEN)

    def request(self, account_id: str, channel: Channel, promise: int, *, version: int) -> None:
        """Note a request. A secret that is alive stays so until the newer one is drawn."""
        lifetime = REQUEST_LIFETIME + REMEMBERED
        args = [_epoch_ms(self._now()), promise, version, milliseconds(lifetime)]
        self._request([_slot(account_id, channel)], args)

    def issue(
        self,
        account_id: str,
        channel: Channel,
        promise: int,
        *,
        version: int,
        hashed: PasswordHash,
        expires_at: datetime,
    ) -> bool:
        """Put a freshly drawn secret in the place of the former one; False: it must not leave."""
        now = self._now()
        lifetime = expires_at - now + REMEMBERED
        args: list[str | int | float] = [
            _epoch_ms(now),
            promise,
            version,
            hashed.scheme,
            hashed.phc,
            _epoch_ms(expires_at),
            milliseconds(lifetime),
        ]
        return bool(self._issue([_slot(account_id, channel)], args))

    def sent(self, account_id: str, channel: Channel, promise: int) -> None:
        """Note that the message was handed over."""
        self._sent([_slot(account_id, channel)], [promise])

    def reserve_try(
        self, account_id: str, channel: Channel, *, version: int, network: str, browser: str
    ) -> TemporaryPassword | None:
        """Count one try as wrong, and give what it is verified against."""
        now = self._now()
        limits = (self._policy.by_origin, self._policy.in_all)
        args = (_epoch_ms(now), version, network, browser, *limits)
        answer = iter(self._reserve([_slot(account_id, channel)], args))
        fields = dict(zip(answer, answer, strict=True))
        return self._read(account_id, channel, fields, now) if fields else None

    def release(self, found: TemporaryPassword, *, network: str, browser: str) -> None:
        """Take the reserved try back without a verdict."""
        slot, args = self._take_back(found, network, browser)
        self._release([slot], args)

    def open(
        self, found: TemporaryPassword, *, network: str, browser: str, holder: str, until: datetime
    ) -> bool:
        """Take the reserved try back and lease the secret to ``holder``."""
        slot, args = self._take_back(found, network, browser)
        return bool(self._open([slot], [*args, holder, _epoch_ms(until), milliseconds(REMEMBERED)]))

    def is_open(self, account_id: str, channel: Channel, holder: str) -> bool:
        """Tell whether ``holder`` still has the lease."""
        with redis_failures_told():
            kept, until = self._store.client.hmget(
                _slot(account_id, channel), ["holder", "opened_until"]
            )
        if kept is None or until is None or _instant(str(until)) <= self._now():
            return False
        return hmac.compare_digest(str(kept), holder)

    def use_up(self, account_id: str) -> None:
        """Forget the secrets of both channels; joins the other writes of its use case."""
        with self._store.writes() as writes:
            writes.add("DEL", *(_slot(account_id, channel) for channel in Channel))

    def look(self, account_id: str) -> list[TemporaryPassword]:
        """Read what is there, for the help desk."""
        with redis_failures_told(), self._store.client.pipeline(transaction=True) as pipeline:
            for channel in Channel:
                pipeline.hgetall(_slot(account_id, channel))
            slots = pipeline.execute()
        now = self._now()
        return [
            self._read(account_id, channel, fields, now)
            for channel, fields in zip(Channel, slots, strict=True)
            if fields
        ]

    def _take_back(
        self, found: TemporaryPassword, network: str, browser: str
    ) -> tuple[str, list[str | int | float]]:
        phc = found.hash.phc if found.hash is not None else ""
        return _slot(found.account_id, found.channel), [
            _epoch_ms(self._now()),
            phc,
            network,
            browser,
        ]

    def _read(
        self, account_id: str, channel: Channel, fields: Mapping[str, str], now: datetime
    ) -> TemporaryPassword:
        issued = "phc" in fields
        kept = TemporaryPassword(
            account_id=account_id,
            channel=channel,
            state=State(fields["state"]),
            promise=int(fields["promise"]),
            newest=int(fields["newest"]),
            credential_version=int(fields["version"]),
            hash=PasswordHash(fields["scheme"], fields["phc"]) if issued else None,
            requested_at=_instant(fields["requested_at"]),
            expires_at=_instant(fields["expires_at"]) if issued else None,
            wrong_tries=int(fields.get("wrong_tries", 0)),
            opened_until=_instant(fields["opened_until"]) if "opened_until" in fields else None,
        )
        return kept.standing(self._policy, at=now)


def _slot(account_id: str, channel: Channel) -> str:
    return f"temporary:{{{account_id}}}:{channel}"


def _epoch_ms(at: datetime) -> int:
    return milliseconds(at - _EPOCH)


def _instant(epoch_ms: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(epoch_ms))


_EPOCH = datetime.fromtimestamp(0, UTC)
