"""The policy of rotation, for any policy and any rhythm of runs."""

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from idp.oidc.keys import KeyRing
from idp.oidc.keys import SigningKey
from idp.oidc.rotation import Due
from idp.oidc.rotation import RotationPolicy
from idp.oidc.rotation import due
from idp.oidc.rotation import next_due_at

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ANY_KEY = ECKey.generate_key("P-256")
POLICY = RotationPolicy(lifetime=90 * DAY, announced=DAY, algs=("ES256",))


@dataclass
class Folder:
    """The keys drawn so far, and when each was: it is published from then on."""

    policy: RotationPolicy
    longest_token: timedelta = 10 * MINUTE

    def __post_init__(self):
        self.keys = []
        self.drawn_at = {}

    def run(self, now):
        """Do what is due, as the command does."""
        for one in due(self.keys, self.policy, now):
            kid = f"{one.alg}-{len(self.keys)}"
            self.keys.append(SigningKey(kid, one.alg, one.signs_from, ANY_KEY, {"kid": kid}))
            self.drawn_at[kid] = now

    def ring(self):
        return KeyRing(self.keys, longest_token=self.longest_token)

    def published(self, now):
        """What the key list held at ``now``, as it was then."""
        return {k.kid for k in self.ring().published(now=now) if self.drawn_at[k.kid] <= now}


def spans(least, most):
    return st.timedeltas(least, most)


policies = st.tuples(spans(HOUR, 10 * DAY), spans(timedelta(), 200 * DAY)).map(
    lambda drawn: RotationPolicy(lifetime=2 * drawn[0] + drawn[1], announced=drawn[0])
)


def test_the_first_run_draws_a_key_that_signs_and_one_that_follows_it():
    assert due([], POLICY, NOON) == [Due("ES256", NOON), Due("ES256", NOON + 90 * DAY)]


def test_a_run_between_two_keys_has_nothing_to_do():
    folder = Folder(POLICY)
    folder.run(NOON)

    assert due(folder.keys, POLICY, NOON + 89 * DAY) == []
    assert next_due_at(folder.ring(), POLICY, NOON + 89 * DAY) == NOON + 90 * DAY


def test_when_a_key_begins_to_sign_the_one_that_follows_is_drawn():
    folder = Folder(POLICY)
    folder.run(NOON)

    assert due(folder.keys, POLICY, NOON + 90 * DAY) == [Due("ES256", NOON + 180 * DAY)]
    assert next_due_at(folder.ring(), POLICY, NOON + 91 * DAY) == NOON + 91 * DAY


def test_a_timer_that_stood_still_makes_a_key_sign_longer_and_shortens_no_announcement():
    folder = Folder(POLICY)
    folder.run(NOON)
    late = NOON + 400 * DAY + SECOND

    assert due(folder.keys, POLICY, late) == [Due("ES256", NOON + 401 * DAY + MINUTE)]


def test_a_key_announced_by_hand_is_the_one_that_follows():
    folder = Folder(POLICY)
    folder.keys.append(SigningKey("now", "ES256", NOON - DAY, ANY_KEY, {}))
    folder.keys.append(SigningKey("hand", "ES256", NOON + 2 * DAY, ANY_KEY, {}))

    assert due(folder.keys, POLICY, NOON) == []


def test_nothing_at_all_is_due_at_once():
    assert next_due_at(KeyRing([], longest_token=HOUR), POLICY, NOON) == NOON
    assert next_due_at(KeyRing([], longest_token=HOUR), RotationPolicy(DAY, HOUR, ()), NOON) == NOON


@given(policies, st.lists(spans(SECOND, 300 * DAY), min_size=1, max_size=12))
def test_whatever_the_policy_and_the_rhythm_no_key_signs_unannounced_and_one_always_waits(
    policy, waits
):
    folder, now = Folder(policy), NOON
    folder.run(now)
    for wait in waits:
        now += wait
        folder.run(now)

        assert due(folder.keys, policy, now) == []
        for alg in policy.algs:
            waiting = [k for k in folder.keys if k.alg == alg and k.signs_from > now]
            assert len(waiting) == 1
            assert folder.ring().signing_key(alg, now=now)
    for key in folder.keys:
        first = folder.drawn_at[key.kid] == NOON and key.signs_from == NOON
        assert first or key.signs_from - folder.drawn_at[key.kid] >= policy.announced


@given(
    policies,
    spans(MINUTE, 30 * MINUTE),
    st.lists(spans(SECOND, 3 * DAY), min_size=5, max_size=40),
)
def test_a_service_that_follows_its_cache_never_meets_a_key_it_does_not_know(
    policy, cached_for, waits
):
    """It asks again when its copy is too old, and never because a kid is unknown to it."""
    folder, now = Folder(policy), NOON
    folder.run(now)
    known, fetched_at = folder.published(now), now
    for wait in waits:
        now += wait
        folder.run(now)
        for alg in policy.algs:
            signed_at = now
            kid = folder.ring().signing_key(alg, now=signed_at).kid
            for verified_at in (signed_at, signed_at + folder.longest_token - SECOND):
                if verified_at - fetched_at >= cached_for:
                    known, fetched_at = folder.published(verified_at), verified_at
                assert kid in known
        now += folder.longest_token


@pytest.mark.parametrize("hours", [1, 24])
def test_a_year_of_runs_makes_each_key_sign_its_lifetime(hours):
    folder, now = Folder(POLICY), NOON
    while now < NOON + 365 * DAY:
        folder.run(now)
        now += hours * HOUR

    starts = [key.signs_from for key in folder.keys]
    assert [later - sooner for sooner, later in pairwise(starts)] == (
        [90 * DAY] * (len(starts) - 1)
    )
    assert len(starts) == 6
