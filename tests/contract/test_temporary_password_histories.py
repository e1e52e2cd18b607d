"""Whatever happens in whatever order: what must never come of it.

Hypothesis plays members, workers that die at any line, guessers, expiries and an emptied store
against the fake and against a real server, and remembers every secret that was ever drawn.
"""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

import pytest
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from idp.identity.password import PasswordHash
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TryPolicy
from tests.contract.conftest import MemoryWorld
from tests.contract.conftest import RedisWorld
from tests.instance import Clock

POLICY = TryPolicy(by_origin=2, in_all=5)
channels = st.sampled_from(Channel)
origins = st.integers(0, 3)


@dataclass
class Secret:
    """One that was drawn, and all that a person who holds its message knows."""

    name: str
    channel: Channel
    promise: int
    version: int
    expires_at: datetime

    @property
    def hashed(self):
        return PasswordHash("ours:m=1,t=1,p=1", self.name)


class Histories(RuleBasedStateMachine):
    """One account. ``self.living`` holds, by channel, the one secret that may open."""

    def __init__(self, new_world):
        super().__init__()
        self.world = new_world()
        self.store = self.world.temporary_passwords(POLICY)
        self.version = 1
        self.promises = 0
        self.rows = {}  # what the outbox promised: number to channel and version
        self.asked = {}
        self.drawn = []
        self.living = {}
        self.arrived = set()
        self.tries = {}
        self.used = set()
        self.leases = []
        self.reserved = []

    def teardown(self):
        if isinstance(self.world, RedisWorld):
            self.world.store.client.close()

    @rule(channel=channels)
    def a_member_asks(self, channel):
        before = self.what_opens()
        self.promises += 1
        self.rows[self.promises] = (channel, self.version)
        self.asked[self.promises] = self.world.clock()

        self.store.request("account", channel, self.promises, version=self.version)

        assert self.what_opens() == before
        assert self.looked(channel).newest == self.promises

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), then_dies=st.booleans())
    def a_worker_draws_and_sends(self, data, then_dies):
        promise = data.draw(st.sampled_from(sorted(self.rows)))
        channel, version = self.rows[promise]
        too_old = self.world.clock() - self.asked[promise] >= REQUEST_LIFETIME
        if version != self.version or too_old:
            return  # the worker drops it
        name = f"secret-{len(self.drawn)}"
        secret = Secret(name, channel, promise, version, self.world.clock() + LIFETIMES[channel])
        self.drawn.append(secret)
        before = self.looked(channel)

        left = self.store.issue(
            "account",
            channel,
            promise,
            version=version,
            hashed=secret.hashed,
            expires_at=secret.expires_at,
        )

        # The newest promise is kept: it leaves, unless it was typed, so that it did arrive. What a
        # newer one supersedes does not leave.
        superseded = before is not None and promise < before.newest
        arrived = before is not None and promise == before.promise and promise in self.arrived
        assert left == (not superseded and not arrived)
        if not left:
            return
        former = self.living.get(channel)
        if former is None or former.promise != promise:
            self.tries.pop(channel, None)
        self.living[channel] = secret
        self.leases = [lease for lease in self.leases if lease[0] is not channel]
        if not then_dies:
            self.store.sent("account", channel, promise)

    @precondition(lambda self: self.drawn)
    @rule(data=st.data(), origin=origins)
    def somebody_types_a_secret(self, data, origin):
        """The latest one, or one of long ago, as a drawer full of letters may hold."""
        secret = data.draw(st.sampled_from(self.drawn))
        found = self.reserve(secret.channel, origin)
        if found is None:
            return
        if found.hash != secret.hashed:
            return  # a wrong try, and it stays counted
        holder = f"holder-{len(self.leases)}-{origin}"
        until = self.world.clock() + LEASE

        assert self.store.open(
            found, network=f"n{origin}", browser=f"b{origin}", holder=holder, until=until
        )

        assert secret is self.living[secret.channel]
        assert secret.name not in self.used
        assert self.world.clock() < secret.expires_at
        self.take_back(secret.channel, origin)
        self.arrived.add(secret.promise)
        self.leases = [lease for lease in self.leases if lease[0] is not secret.channel]
        self.leases.append((secret.channel, holder, until, secret))

    @rule(channel=channels, origin=origins)
    def a_guesser_tries(self, channel, origin):
        found = self.reserve(channel, origin)
        if found is not None:
            self.reserved.append((found, origin))

    @precondition(lambda self: self.reserved)
    @rule(data=st.data(), right=st.booleans())
    def a_verification_ends_late(self, data, right):
        """After anything else: a race of two tabs, or of a tab and a worker."""
        found, origin = self.reserved.pop(data.draw(st.integers(0, len(self.reserved) - 1)))
        secret = next(it for it in self.drawn if it.hashed == found.hash)
        until = self.world.clock() + LEASE
        origin_names = {"network": f"n{origin}", "browser": f"b{origin}"}
        alive = self.living.get(found.channel) is secret
        alive = alive and self.world.clock() < secret.expires_at

        if right:
            opened = self.store.open(found, **origin_names, holder="late", until=until)
            assert opened == alive
            if opened:
                self.arrived.add(secret.promise)
                self.leases = [lease for lease in self.leases if lease[0] is not found.channel]
                self.leases.append((found.channel, "late", until, secret))
        else:
            self.store.release(found, **origin_names)
        if alive:
            self.take_back(found.channel, origin)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def a_member_chooses_a_password(self, data):
        channel, holder, until, secret = data.draw(st.sampled_from(self.leases))
        open_ = self.store.is_open("account", channel, holder)
        assert open_ == (self.world.clock() < until)
        if not open_:
            return

        self.store.use_up("account")

        self.used.update(it.name for it in self.drawn)
        assert secret.name in self.used
        self.version += 1
        self.forget()

    @rule(hours=st.sampled_from([0.1, 0.25, 1, 23, 25, 24 * 14, 24 * 30]))
    def time_passes(self, hours):
        self.world.pass_time(timedelta(hours=hours))

    @rule()
    def the_store_is_emptied(self):
        if isinstance(self.world, RedisWorld):
            self.world.store.client.flushdb()
        else:
            self.store.forget_everything()
        self.forget()

    @invariant()
    def at_most_one_secret_of_a_channel_opens_and_never_a_used_one(self):
        for channel in Channel:
            kept = self.looked(channel)
            if kept is None or kept.hash is None:
                continue
            assert kept.hash == self.living[channel].hashed
            if kept.credential_version == self.version:
                assert kept.hash.phc not in self.used

    @invariant()
    def nobody_tries_more_often_than_the_policy_says(self):
        for counts in self.tries.values():
            assert all(0 <= count <= POLICY.by_origin for count in counts.values())

    @invariant()
    def the_lease_is_held_by_who_typed_last_and_ends_by_itself(self):
        for channel, holder, until, _ in self.leases:
            assert self.store.is_open("account", channel, holder) == (self.world.clock() < until)

    @invariant()
    def the_states_tell_the_truth(self):
        now = self.world.clock()
        for channel in Channel:
            kept = self.looked(channel)
            if kept is None:
                continue
            assert (kept.state is State.REQUESTED) == (kept.hash is None)
            if kept.state is State.OPENED:
                assert kept.opened_until > now
            assert (kept.state is State.LOCKED) == (kept.wrong_tries >= POLICY.in_all)

    def looked(self, channel):
        return next((it for it in self.store.look("account") if it.channel is channel), None)

    def what_opens(self):
        """The secrets that would open now, and who holds a lease."""
        now = self.world.clock()
        alive = [
            (kept.hash, kept.state, kept.wrong_tries)
            for kept in self.store.look("account")
            if kept.hash is not None
            and kept.credential_version == self.version
            and kept.expires_at > now
        ]
        held = [
            (holder, self.store.is_open("account", channel, holder))
            for channel, holder, _, _ in self.leases
        ]
        return alive, held

    def reserve(self, channel, origin):
        living, now = self.living.get(channel), self.world.clock()
        before = self.looked(channel)
        counts = self.tries.setdefault(channel, {})

        found = self.store.reserve_try(
            "account",
            channel,
            version=self.version,
            network=f"n{origin}",
            browser=f"b{origin}",
        )

        may_try = (
            living is not None
            and living.version == self.version
            and now < living.expires_at
            and counts.get(origin, 0) < POLICY.by_origin
            and before is not None
            and before.state is not State.LOCKED
        )
        assert (found is not None) == may_try
        if found is not None:
            assert found.wrong_tries == before.wrong_tries + 1 <= POLICY.in_all
            counts[origin] = counts.get(origin, 0) + 1
        return found

    def take_back(self, channel, origin):
        counts = self.tries[channel]
        counts[origin] = max(0, counts.get(origin, 0) - 1)

    def forget(self):
        self.living.clear()
        self.tries.clear()
        self.leases.clear()
        self.arrived.clear()


def play(new_world, examples, steps):
    run_state_machine_as_test(
        lambda: Histories(new_world),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_no_history_ends_with_two_live_secrets_a_second_use_or_a_cancelled_secret():
    play(lambda: MemoryWorld(Clock()), examples=300, steps=60)


@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_no_history_of_a_real_store_does_either(request, server):
    url = request.getfixturevalue(f"{server}_url")

    def new_world():
        world = RedisWorld(Clock(), url)
        world.store.client.flushdb()
        return world

    play(new_world, examples=60, steps=50)
