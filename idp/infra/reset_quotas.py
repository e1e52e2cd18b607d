"""The quotas of the reset in Redis: what was asked for, by instant, in sliding windows."""

import secrets
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

from idp.identity.reset_quotas import HOUR
from idp.identity.reset_quotas import LETTERS_WINDOW
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import milliseconds
from idp.infra.redis_store import redis_failures_told
from idp.limits import DAY

# One request is one member of each sorted set that counts it, however often it is asked again.
# Every window is looked at before any set is written: what one of them refuses counts for none.
#
# KEYS  a sorted set for each window; the same one twice where it has two, its widest window last
# ARGV  1 now (ms)   2 request   3 number of windows   then the window (ms) and limit of each
# Gives {place of the window that holds longest, wait in ms}, or goes on.
_COUNT = """
local now, request, windows = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local margin = 60000  -- instants decide; the time to live only sweeps up after them
local longest, place = 0, 0
for nth = 1, windows do
  local key, window, limit = KEYS[nth], tonumber(ARGV[2 + 2 * nth]), tonumber(ARGV[3 + 2 * nth])
  local counted = redis.call('ZSCORE', key, request)
  if not counted and redis.call('ZCOUNT', key, '(' .. (now - window), '+inf') >= limit then
    -- There is room again when the limit-th from the end is as old as the window.
    local left = redis.call('ZRANGE', key, -limit, -limit, 'WITHSCORES')[2] + window - now
    if left > longest then longest, place = left, nth end
  end
end
if place > 0 then return {place, longest} end
for nth = 1, windows do
  local key, window = KEYS[nth], tonumber(ARGV[2 + 2 * nth])
  if key ~= KEYS[nth + 1] then
    redis.call('ZREMRANGEBYSCORE', key, 0, now - window)
    redis.call('ZADD', key, now, request)
    redis.call('PEXPIRE', key, window + margin)
  end
end
"""

_COUNTED = """
return {0, 0}
"""

# A letter that is held does not count for the breaker: it has not left.
# KEYS  after the windows: letters of all, then what an operator raised the breaker to
# ARGV  after the windows: day (ms), letters a day
# Gives {0, 1 when it is held}.
_BREAKER = """
local of_all, raised = KEYS[windows + 1], KEYS[windows + 2]
local day, limit = tonumber(ARGV[4 + 2 * windows]), tonumber(ARGV[5 + 2 * windows])
limit = tonumber(redis.call('GET', raised) or limit)
redis.call('ZREMRANGEBYSCORE', of_all, 0, now - day)
local counted = redis.call('ZSCORE', of_all, request)
if not counted and redis.call('ZCARD', of_all) >= limit then return {0, 1} end
redis.call('ZADD', of_all, now, request)
redis.call('PEXPIRE', of_all, day + margin)
return {0, 0}
"""

# The tries are those of one letter, named by its request.
# KEYS  1 last letter of the subject   2 its tries, a hash
# ARGV  1 now (ms)   2 letter every (ms)   3 network   4 browser   5 tries by origin   6 in all
_LETTER_REFUSED = """
local last, tries, by_origin = KEYS[1], KEYS[2], tonumber(ARGV[5])
local network, browser = 'network:' .. ARGV[3], 'browser:' .. ARGV[4]
local letter, asked_at = unpack(redis.call('ZRANGE', last, -1, -1, 'WITHSCORES'))
if not letter or tonumber(asked_at) <= tonumber(ARGV[1]) - tonumber(ARGV[2]) then return end
if redis.call('HGET', tries, 'letter') ~= letter then
  redis.call('DEL', tries)
  redis.call('HSET', tries, 'letter', letter)
  redis.call('PEXPIRE', tries, redis.call('PTTL', last))
end
local of_network, of_browser = unpack(redis.call('HMGET', tries, network, browser))
if tonumber(of_network or 0) >= by_origin or tonumber(of_browser or 0) >= by_origin then return end
redis.call('HINCRBY', tries, network, 1)
redis.call('HINCRBY', tries, browser, 1)
if redis.call('HINCRBY', tries, 'in_all', 1) >= tonumber(ARGV[6]) then
  redis.call('DEL', last, tries)
end
"""

# KEYS  1 a counter
# ARGV  1 its time to live (ms)
_CHOICE_REFUSED = """
local refused = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return refused
"""

_LETTERS_OF_ALL = "reset-letters-of-all"
_RAISED = "reset-letters-a-day"


@dataclass(frozen=True, slots=True)
class _Window:
    """At most ``limit`` within ``span``, counted under ``key``."""

    quota: Quota
    key: str
    span: timedelta
    limit: int


class RedisResetQuotas:
    """The port ``ResetQuotas``."""

    def __init__(
        self, store: RedisStore, policy: QuotaPolicy, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._policy = policy
        self._now = now
        self._count = store.script(_COUNT + _COUNTED)
        self._count_letter = store.script(_COUNT + _BREAKER)
        self._letter_refused = store.script(_LETTER_REFUSED)
        self._choice_refused = store.script(_CHOICE_REFUSED)

    def begin(self, network: str, *, by_question: bool) -> None:
        """Count a reset request of a network."""
        self._store.refuse_strangers_when_nearly_full()
        policy = self._policy
        windows = [
            _Window(Quota.NETWORK, f"reset-requests:{{{network}}}", HOUR, policy.requests_an_hour)
        ]
        if by_question:
            answers = f"reset-requests-by-question:{{{network}}}"
            windows.append(_Window(Quota.NETWORK, answers, HOUR, policy.requests_by_question))
        keys, args = self._step(windows)
        self._refuse(windows, *self._count(keys, args))

    def mail(self, subject: str, *, request: str = "") -> None:
        """Count a mail to the account of a subject."""
        mails = f"reset-mails:{{{subject}}}"
        windows = [
            _Window(Quota.MAIL, mails, HOUR, self._policy.mails_an_hour),
            _Window(Quota.MAIL, mails, DAY, self._policy.mails_a_day),
        ]
        keys, args = self._step(windows, request)
        self._refuse(windows, *self._count(keys, args))

    def letter(self, subject: str, network: str, *, request: str = "") -> bool:
        """Count a letter of a subject, a network and all; True when the breaker holds it."""
        policy = self._policy
        letters, of_network = f"reset-letters:{{{subject}}}", f"reset-letters-of:{{{network}}}"
        windows = [
            _Window(Quota.LETTER, _last_letter(subject), policy.letter_every, 1),
            _Window(Quota.LETTER, letters, LETTERS_WINDOW, policy.letters_in_90_days),
            _Window(Quota.LETTERS_OF_NETWORK, of_network, DAY, policy.letters_of_network_a_day),
        ]
        place, answer = self._count_of_all(windows, request)
        self._refuse(windows, place, answer)
        return bool(answer)

    def letter_of_freeze(self) -> bool:
        """Count a letter that a freeze sends, of all alone; True when the breaker holds it."""
        _, answer = self._count_of_all([], "")
        return bool(answer)

    def _count_of_all(self, windows: Sequence[_Window], request: str) -> tuple[int, int]:
        keys, args = self._step(windows, request)
        place, answer = self._count_letter(
            [*keys, _LETTERS_OF_ALL, _RAISED],
            [*args, milliseconds(DAY), self._policy.letters_a_day],
        )
        return int(place), int(answer)

    def letter_refused(self, subject: str, *, network: str, browser: str) -> None:
        """Count a letter's secret that was typed wrong; the last of all forgets its days."""
        policy, tries = self._policy, self._policy.letter_tries
        self._letter_refused(
            [_last_letter(subject), f"reset-letter-tries:{{{subject}}}"],
            [
                self._now_ms(),
                milliseconds(policy.letter_every),
                network,
                browser,
                tries.by_origin,
                tries.in_all,
            ],
        )

    def forget_letter(self, subject: str) -> None:
        """Let the last letter not count for the days until the next one."""
        with redis_failures_told():
            self._store.client.delete(_last_letter(subject))

    def choice_refused(self, journey_id: str, *, lifetime: timedelta) -> int:
        """Count a choice that a quota refused, and tell how many the journey has had."""
        refused = self._choice_refused(
            [f"reset-choices:{{{journey_id}}}"], [milliseconds(lifetime)]
        )
        return int(refused)

    def raise_breaker(self, letters_a_day: int, *, until: datetime) -> None:
        """Let that many letters of all leave in a day, until then."""
        left = max(1, milliseconds(until - self._now()))
        with redis_failures_told():
            self._store.client.set(_RAISED, letters_a_day, px=left)

    def _step(
        self, windows: Sequence[_Window], request: str = ""
    ) -> tuple[list[str], list[str | int | float]]:
        args: list[str | int | float] = [
            self._now_ms(),
            request or secrets.token_hex(8),
            len(windows),
        ]
        for window in windows:
            args += (milliseconds(window.span), window.limit)
        return [window.key for window in windows], args

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)

    def _refuse(self, windows: Sequence[_Window], place: int, answer: int) -> None:
        if place:
            raise QuotaReached(windows[place - 1].quota, timedelta(milliseconds=answer))


def _last_letter(subject: str) -> str:
    return f"reset-last-letter:{{{subject}}}"
