"""Worlds: one set of stores under one clock, in memory or real, for contracts written once.

Redis forgets by its own clock. ``pass_time`` moves the test's clock and shortens every time to live
by the same span, so that a day passes in no time and to the same effect.
"""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

import pytest
import redis

from idp.identity.email_address import PendingAddresses
from idp.identity.franceconnect_port import Arrivals
from idp.identity.franceconnect_port import Hints
from idp.identity.franceconnect_port import Tries
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import ResetQuotas
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.temporary_password import TryPolicy
from idp.infra.attempts import RedisAttempts
from idp.infra.client_failures import RedisClientFailures
from idp.infra.codes import TOMBSTONE
from idp.infra.codes import RedisCodes
from idp.infra.franceconnect_arrivals import RedisArrivals
from idp.infra.franceconnect_hints import RedisHints
from idp.infra.franceconnect_tries import RedisTries
from idp.infra.once import RedisOnce
from idp.infra.pending_addresses import RedisPendingAddresses
from idp.infra.redis_store import RedisStore
from idp.infra.refusals import RedisRefusals
from idp.infra.reset_quotas import RedisResetQuotas
from idp.infra.service_grants import RedisServiceGrants
from idp.infra.sessions import RedisSessions
from idp.infra.temporary_passwords import RedisTemporaryPasswords
from idp.limits import AttemptPolicy
from idp.limits import Attempts
from idp.limits import ClientFailures
from idp.limits import Once
from idp.oidc.authorization import Codes
from idp.oidc.refusals import Refusals
from idp.oidc.service_grants import ServiceGrants
from idp.session import Sessions
from tests.fake_counters import MemoryAttempts
from tests.fake_counters import MemoryResetQuotas
from tests.fake_franceconnect import MemoryArrivals
from tests.fake_franceconnect import MemoryHints
from tests.fake_franceconnect import MemoryTries
from tests.fake_outbox import MemoryPendingAddresses
from tests.fake_refusals import MemoryRefusals
from tests.fake_service_grants import MemoryServiceGrants
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import MemoryClientFailures
from tests.fakes import MemoryCodes
from tests.fakes import MemoryOnce
from tests.fakes import MemorySessions
from tests.instance import Clock

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=8)
COOKIE_KEYS = (b"c" * 32,)


class World(Protocol):
    """The stores of what ends by itself."""

    clock: Clock
    sessions: Sessions
    codes: Codes
    service_grants: ServiceGrants
    once: Once
    pending_addresses: PendingAddresses
    refusals: Refusals
    tries: Tries
    arrivals: Arrivals
    hints: Hints

    def temporary_passwords(self, policy: TryPolicy) -> TemporaryPasswords:
        """Temporary passwords under a policy."""

    def reset_quotas(self, policy: QuotaPolicy) -> ResetQuotas:
        """Quotas of the reset under a policy."""

    def attempts(self, policy: AttemptPolicy) -> Attempts:
        """Counters under a policy; every one of a world sees the same failures."""

    def client_failures(self, limit: int, window: timedelta) -> ClientFailures:
        """Counters of wrong client credentials."""

    def pass_time(self, span: timedelta) -> None:
        """Let time pass for the stores and for the clock."""


class MemoryWorld:
    """The fakes."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sessions = MemorySessions(idle=IDLE, now=clock)
        self.codes = MemoryCodes(self.sessions, tombstone=TOMBSTONE, now=clock)
        self.service_grants = MemoryServiceGrants(now=clock)
        self.once = MemoryOnce(now=clock)
        self.pending_addresses = MemoryPendingAddresses(clock)
        self.refusals = MemoryRefusals(now=clock)
        self.tries = MemoryTries(clock)
        self.arrivals = MemoryArrivals(clock)
        self.hints = MemoryHints(clock, absolute=ABSOLUTE)

    def temporary_passwords(self, policy: TryPolicy) -> TemporaryPasswords:
        """Temporary passwords in memory."""
        return MemoryTemporaryPasswords(policy, now=self.clock)

    def reset_quotas(self, policy: QuotaPolicy) -> ResetQuotas:
        """Quotas in memory."""
        return MemoryResetQuotas(policy, now=self.clock)

    def attempts(self, policy: AttemptPolicy) -> Attempts:
        """Counters in memory."""
        return MemoryAttempts(policy, now=self.clock)

    def client_failures(self, limit: int, window: timedelta) -> ClientFailures:
        """Counters in memory."""
        return MemoryClientFailures(limit=limit, window=window, now=self.clock)

    def pass_time(self, span: timedelta) -> None:
        """Move the clock."""
        self.clock.advance(span)


class RedisWorld:
    """The real adapters on a real store."""

    def __init__(self, clock: Clock, url: str) -> None:
        self.clock = clock
        self.store = RedisStore(url)
        self.sessions = RedisSessions(self.store, idle=IDLE, absolute=ABSOLUTE, now=clock)
        self.codes = RedisCodes(self.store, session_absolute=ABSOLUTE, now=clock)
        self.service_grants = RedisServiceGrants(self.store)
        self.once = RedisOnce(self.store)
        self.pending_addresses = RedisPendingAddresses(self.store)
        self.refusals = RedisRefusals(self.store, now=clock)
        self.tries = RedisTries(self.store)
        self.arrivals = RedisArrivals(self.store, COOKIE_KEYS)
        self.hints = RedisHints(self.store, COOKIE_KEYS, absolute=ABSOLUTE)

    def temporary_passwords(self, policy: TryPolicy) -> TemporaryPasswords:
        """Temporary passwords in the store."""
        return RedisTemporaryPasswords(self.store, policy, now=self.clock)

    def reset_quotas(self, policy: QuotaPolicy) -> ResetQuotas:
        """Quotas in the store."""
        return RedisResetQuotas(self.store, policy, now=self.clock)

    def attempts(self, policy: AttemptPolicy) -> Attempts:
        """Counters in the store."""
        return RedisAttempts(self.store, policy, now=self.clock)

    def client_failures(self, limit: int, window: timedelta) -> ClientFailures:
        """Counters in the store."""
        return RedisClientFailures(self.store, limit=limit, window=window)

    def pass_time(self, span: timedelta) -> None:
        """Move the clock and every time to live."""
        self.clock.advance(span)
        client: redis.Redis = self.store.client
        for key in list(client.scan_iter()):
            left = int(client.pttl(key)) - int(span.total_seconds() * 1000)
            assert client.pttl(key) != -1, f"{key} would stay for ever"
            if left > 0:
                client.pexpire(key, left)
            else:
                client.delete(key)


@pytest.fixture(params=["memory", "valkey", "redis"])
def world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[World]:
    """The test runs once in each."""
    if request.param == "memory":
        yield MemoryWorld(clock)
        return
    real = RedisWorld(clock, request.getfixturevalue(f"{request.param}_url"))
    yield real
    real.store.client.close()


@pytest.fixture(params=["valkey", "redis"])
def real_world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[RedisWorld]:
    """For what only a server can prove: many threads at once."""
    real = RedisWorld(clock, request.getfixturevalue(f"{request.param}_url"))
    yield real
    real.store.client.close()


@pytest.fixture
def at_once() -> Callable[[Callable[[], object], int], list[object]]:
    """Run one act in many threads that start together; give results and errors."""

    def run(act: Callable[[], object], threads: int) -> list[object]:
        gate = threading.Barrier(threads)

        def turn(_: int) -> object:
            gate.wait(10)
            try:
                return act()
            except Exception as error:  # noqa: BLE001 - the error is the result
                return error

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(turn, range(threads)))

    return run
