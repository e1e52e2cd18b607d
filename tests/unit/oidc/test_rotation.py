"""The policy of rotation, for any policy and any rhythm of runs."""

import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.discovery import PublishedKeys
from idp.oidc.keys import KeyRing
from idp.oidc.keys import RevokedKey
from idp.oidc.rotation import Due
from idp.oidc.rotation import RotationPolicy
from idp.oidc.rotation import due
from idp.oidc.rotation import next_due_at
from tests.fakes import MemoryKeyRings
from tests.fakes import key_of
from tests.instance import Clock

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TEN_MINUTES = 10 * MINUTE
POLICY = RotationPolicy(90 * DAY, announced=DAY, cached=HOUR, algs=("ES256",))


class Folder:
    """A folder of keys on a clock of its own, and the list of keys as it is served."""

    def __init__(self, policy, *, longest_token=TEN_MINUTES):
        self.policy = policy
        self.longest_token = longest_token
        self.clock = Clock(NOON)
        self.drawn_at = {}
        self._rings = MemoryKeyRings(KeyRing([], longest_token=longest_token))
        self._served = PublishedKeys(self._rings, max_age=policy.cached, now=self.clock)

    @property
    def ring(self):
        return self._rings.current

    def put(self, signs_from, alg="ES256"):
        kid = f"{alg}-{len(self.drawn_at)}"
        self.drawn_at[kid] = self.clock()
        keys = [*self.ring, key_of(kid, signs_from, alg)]
        self._rings.current = KeyRing(keys, longest_token=self.longest_token)

    def due(self):
        return due(self.ring, self.policy, self.clock())

    def rotate(self):
        """Do what is due, as the command does."""
        for one in self.due():
            self.put(one.signs_from, one.alg)

    def signs(self, alg):
        return self.ring.signing_key(alg, now=self.clock()).kid

    def asked(self):
        """Answer a service: the names of the keys, and for how long it may keep them."""
        document = self._served.document()
        age = re.fullmatch(r"public, max-age=([0-9]+)", document.cache_control)
        return set(document.kids), timedelta(seconds=int(age[1]))


class CachingService:
    """It asks again when its copy is too old, and never because a kid is unknown to it."""

    def __init__(self, folder):
        self._folder = folder
        self._known, self._fresh_until = set(), None

    def knows(self, kid):
        now = self._folder.clock()
        if self._fresh_until is None or now >= self._fresh_until:
            self._known, age = self._folder.asked()
            self._fresh_until = now + age
        return kid in self._known


def spans(least, most):
    return st.timedeltas(least, most)


@st.composite
def policies(draw):
    """Any policy that the settings allow."""
    cached = draw(spans(SECOND, 2 * DAY))
    announced = draw(spans(max(HOUR, 2 * cached), 10 * DAY))
    lifetime = draw(spans(2 * announced, 200 * DAY))
    return RotationPolicy(lifetime, announced, cached)


def test_the_first_run_draws_a_key_that_signs_and_one_that_follows_it():
    assert Folder(POLICY).due() == [Due("ES256", NOON), Due("ES256", NOON + 90 * DAY)]


def test_a_run_between_two_keys_has_nothing_to_do():
    folder = Folder(POLICY)
    folder.rotate()
    folder.clock.advance(89 * DAY)

    assert folder.due() == []
    assert next_due_at(folder.ring, POLICY, folder.clock()) == NOON + 90 * DAY


def test_when_a_key_begins_to_sign_the_one_that_follows_is_drawn():
    folder = Folder(POLICY)
    folder.rotate()
    folder.clock.advance(90 * DAY)

    assert folder.due() == [Due("ES256", NOON + 180 * DAY)]
    assert next_due_at(folder.ring, POLICY, NOON + 91 * DAY) == NOON + 91 * DAY


def test_a_timer_that_stood_still_makes_a_key_sign_longer_and_shortens_no_announcement():
    folder = Folder(POLICY)
    folder.rotate()
    folder.clock.advance(400 * DAY + SECOND)

    assert folder.due() == [Due("ES256", NOON + 401 * DAY + MINUTE)]


def test_a_key_announced_by_hand_is_the_one_that_follows():
    folder = Folder(POLICY)
    folder.put(NOON - DAY)
    folder.put(NOON + 2 * DAY)

    assert folder.due() == []


def test_when_a_key_was_revoked_the_one_that_took_over_gets_a_successor():
    signing, waiting = key_of("signing", NOON - 10 * DAY), key_of("waiting", NOON + 80 * DAY)
    left = RevokedKey("signing", "ES256", signing.signs_from, NOON)
    ring = KeyRing([waiting], longest_token=HOUR, revoked=[left])

    assert due(ring, POLICY, NOON) == [Due("ES256", NOON + 90 * DAY)]


def test_nothing_at_all_is_due_at_once():
    empty = KeyRing([], longest_token=HOUR)

    assert next_due_at(empty, POLICY, NOON) == NOON
    assert next_due_at(empty, RotationPolicy(DAY, HOUR, HOUR, algs=()), NOON) == NOON


@given(policies(), st.lists(spans(SECOND, 300 * DAY), min_size=1, max_size=12))
def test_whatever_the_policy_and_the_rhythm_no_key_signs_unannounced_and_one_always_waits(
    policy, waits
):
    folder = Folder(policy)
    folder.rotate()
    for wait in waits:
        folder.clock.advance(wait)
        folder.rotate()

        assert folder.due() == []
        for alg in policy.algs:
            waiting = [k for k in folder.ring.of_alg(alg) if k.signs_from > folder.clock()]
            assert len(waiting) == 1
            assert folder.signs(alg)
    for key in folder.ring:
        first = folder.drawn_at[key.kid] == NOON and key.signs_from == NOON
        announced = key.signs_from - folder.drawn_at[key.kid]
        assert first or announced >= max(policy.announced, policy.least_announced)


@given(
    policies(),
    spans(MINUTE, 2 * HOUR),
    st.lists(spans(SECOND, 3 * DAY), min_size=5, max_size=40),
)
def test_a_service_that_follows_its_cache_headers_never_meets_a_key_it_does_not_know(
    policy, longest_token, waits
):
    folder = Folder(policy, longest_token=longest_token)
    folder.rotate()
    service = CachingService(folder)
    for wait in waits:
        folder.clock.advance(wait)
        folder.rotate()
        signed = [folder.signs(alg) for alg in policy.algs]
        assert all(service.knows(kid) for kid in signed)
        folder.clock.advance(longest_token - SECOND)
        assert all(service.knows(kid) for kid in signed)
        folder.clock.advance(SECOND)


@given(policies(), spans(MINUTE, HOUR), spans(timedelta(), 502 * DAY), spans(timedelta(), DAY))
def test_no_copy_holds_a_key_that_has_left_the_list(policy, longest_token, at, later):
    folder = Folder(policy, longest_token=longest_token)
    folder.put(NOON)
    folder.put(NOON + 500 * DAY)
    folder.clock.advance(at)
    copy, age = folder.asked()

    folder.clock.advance(min(later, age - SECOND))

    assert copy == {key.kid for key in folder.ring.published(now=folder.clock())}


@pytest.mark.parametrize("hours", [1, 24])
def test_a_year_of_runs_makes_each_key_sign_its_lifetime(hours):
    folder = Folder(POLICY)
    while folder.clock() < NOON + 365 * DAY:
        folder.rotate()
        folder.clock.advance(hours * HOUR)

    starts = [key.signs_from for key in folder.ring]
    assert [later - sooner for sooner, later in pairwise(starts)] == (
        [90 * DAY] * (len(starts) - 1)
    )
    assert len(starts) == 6
