"""The Redis or Valkey connection: scripts, writes, failures told as StoreUnavailable.

Keys are ``kind:{name}``. Scripts touch keys of several slots: Redis Cluster is not served. A store
that may evict would forget a promise or a counter in silence, so it is refused.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress
from datetime import timedelta
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import ReadOnlyError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from idp import IdpError
from idp import StoreUnavailable

REDIS_TIMEOUT_SECONDS = 1.0
STRANGERS_SHARE = 0.8
MEMORY_LOOK_SECONDS = 2.0

# Cheaper than MULTI and EXEC, whose every command is packed, queued and answered by itself.
# ARGV  the length of a command, then its words; and so on
_RUN_ALL = """
local at = 1
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
"""

_AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    AuthenticationError,
    ReadOnlyError,
    OutOfMemoryError,
)


class UnsafeStore(IdpError):
    """The store may evict keys: temporary passwords and counters would vanish unnoticed."""

    code = "unsafe_store"


_UNWILLING = frozenset({"MISCONF", "NOREPLICAS", "MASTERDOWN", "BUSY", "NOPERM", "CLUSTERDOWN"})
"""First words of refusals that are nobody's fault here: a full disk, a replica that is missing."""


@contextmanager
def redis_failures_told() -> Iterator[None]:
    """Tell a store that is away, loading, full or read-only as StoreUnavailable."""
    try:
        yield
    except _AWAY as error:
        # Commands stay out of the message: their arguments are nobody's business.
        raise StoreUnavailable(f"Redis: {type(error).__name__}") from None
    except ResponseError as error:
        code = str(error).partition(" ")[0]
        if code in _UNWILLING:
            raise StoreUnavailable(f"Redis: it refuses, {code}") from None
        raise


class RedisStore:
    """The one Redis or Valkey store of a process."""

    def __init__(self, url: str) -> None:
        if not url:
            raise StoreUnavailable("IDP_REDIS_URL: not set")
        self.client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            # One silent reconnect, for connections that a restarted server has closed. Never after
            # a time-out: what is slow and not lost would run twice, and an honest code that is
            # taken twice is told as stolen.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            retry_on_error=[RedisConnectionError],
        )
        self._open = threading.local()
        self._run_all = self.script(_RUN_ALL)
        self._memory_looked_at = float("-inf")
        self._nearly_full = False

    def script(self, lua: str) -> "Script":
        """Register one atomic step."""
        return Script(self, lua)

    @contextmanager
    def writes(self) -> "Iterator[Writes]":
        """Collect writes into one atomic step, sent at the end of the block.

        Inside ``together`` they join the writes of the whole use case.
        """
        joined: Writes | None = getattr(self._open, "writes", None)
        if joined is not None:
            yield joined
            return
        collected = Writes()
        with self._sent(collected):
            yield collected

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send every write of this block as one step at its end, or none if the block fails.

        Raises:
            StoreUnavailable: nothing is certain to have been written.
        """
        if getattr(self._open, "writes", None) is not None:
            message = "writes together inside writes together"
            raise RuntimeError(message)
        with self._sent(Writes()) as collected:
            self._open.writes = collected
            try:
                yield
            finally:
                self._open.writes = None

    @contextmanager
    def _sent(self, collected: "Writes") -> "Iterator[Writes]":
        sent = False
        try:
            yield collected
            if collected.arguments:
                self._run_all([], collected.arguments)
            sent = True
        finally:
            if not sent:
                collected.give_up()

    def refuse_unsafe_store(self) -> None:
        """Make sure that the store never evicts.

        Raises:
            UnsafeStore: its maxmemory-policy is another than noeviction.
            StoreUnavailable: it does not answer.
        """
        with redis_failures_told():
            memory = self.client.info("memory")
        policy = memory.get("maxmemory_policy", "unknown")
        if policy != "noeviction":
            raise UnsafeStore(
                f"Redis: maxmemory-policy is {policy!r}; set maxmemory-policy noeviction, "
                "or temporary passwords and counters vanish unnoticed (IDP_REDIS_URL)"
            )

    def refuse_store_that_does_not_write(self) -> None:
        """Write something, for readiness: a full disk answers a PING.

        Raises:
            StoreUnavailable: it does not answer, or does not write.
        """
        with redis_failures_told():
            self.client.set("readiness", "1", ex=60)

    def refuse_strangers_when_nearly_full(self) -> None:
        """Keep the last fifth of the memory for what was promised.

        Raises:
            StoreUnavailable: a stranger may leave nothing more behind for the moment.
        """
        if time.monotonic() >= self._memory_looked_at + MEMORY_LOOK_SECONDS:
            self._memory_looked_at = time.monotonic()
            with redis_failures_told():
                memory = self.client.info("memory")
            limit = int(memory.get("maxmemory", 0))
            used = int(memory.get("used_memory", 0))
            self._nearly_full = bool(limit) and used > limit * STRANGERS_SHARE
        if self._nearly_full:
            raise StoreUnavailable("Redis: four fifths of maxmemory are used (IDP_REDIS_URL)")


class Writes:
    """Commands that are sent as one; what they answer is not read."""

    def __init__(self) -> None:
        self.arguments: list[str | int | float] = []
        self._otherwise: list[Callable[[], None]] = []

    def otherwise(self, undo: Callable[[], None]) -> None:
        """Do this when the writes are not sent, because the block or the store failed."""
        self._otherwise.append(undo)

    def give_up(self) -> None:
        """Undo what was done in the hope of these writes, as far as the store lets us."""
        for undo in self._otherwise:
            with suppress(StoreUnavailable):
                undo()

    def add(self, *command: str | int | float) -> None:
        """Add one command, its name first."""
        self.arguments += (len(command), *command)


class Script:
    """One Lua script, sent whole once and by its digest afterwards."""

    def __init__(self, store: RedisStore, lua: str) -> None:
        self._script = store.client.register_script(lua)

    def __call__(self, keys: Sequence[str], args: Sequence[str | int | float] = ()) -> Any:
        """Run it; what comes back is what the script returns.

        Raises:
            StoreUnavailable: the store did not run it, or its answer was lost.
        """
        with redis_failures_told():
            return self._script(keys=list(keys), args=list(args))


def milliseconds(span: timedelta) -> int:
    """Write a span as Redis takes it."""
    return span // timedelta(milliseconds=1)
