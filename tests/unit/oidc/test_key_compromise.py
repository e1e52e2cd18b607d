"""What a leaked key may have served ends: which families, their access tokens, and sessions."""

from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

import pytest

from idp.oidc.authorization import grant_id_of
from idp.oidc.key_compromise import KeyCompromise
from idp.oidc.refresh import Family
from idp.session import Session
from idp.session import SignedIn
from tests.fake_refresh_families import MemoryRefreshFamilies
from tests.fakes import MemoryCodes
from tests.fakes import MemorySessions
from tests.fakes import authorization
from tests.fakes import client
from tests.instance import NOON
from tests.instance import Clock

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
THEIRS = client(client_id="theirs")


class OneByOne(MemoryRefreshFamilies):
    """A batch is one family; the real one's is larger, and ends too."""

    def end_given(self, client_ids, *, since, until):
        given = (
            family
            for family in self.kept.values()
            if family.authorization.client_id in client_ids and since <= family.rotated_at < until
        )
        for family in list(islice(given, 1)):
            self.end(family.id)
            return [family.grant_id]
        return []


class Scene:
    """Families and sessions, and how many transactions it took to end them."""

    def __init__(self):
        self.clock = Clock()
        self.sessions = MemorySessions(idle=HOUR, now=self.clock)
        self.codes = MemoryCodes(self.sessions, tombstone=HOUR, now=self.clock)
        self.families = OneByOne()
        self.committed = 0
        self.compromise = KeyCompromise(
            families=self.families,
            codes=self.codes,
            sessions=self.sessions,
            farewell=self.sessions,
            transaction=self.transaction,
        )

    @contextmanager
    def transaction(self):
        yield
        self.committed += 1

    def sign_in(self, key, account_id):
        signed_in = SignedIn(account_id, 3, ("pwd",), "acr")
        self.sessions.put(key, Session.open(signed_in, now=NOON, absolute=8 * HOUR))

    def family(self, name, at, client_id="cotisations"):
        """A family whose last tokens were given at that time."""
        given = authorization(client_id=client_id, scope=("openid", "offline_access"))
        grant_id = grant_id_of(name)
        self.families.start(Family(name, given, grant_id, "", "", NOON, at, NOON + 99 * HOUR))
        self.codes.renew(grant_id, given, lifetime=HOUR)

    def left(self):
        return set(self.families.kept)

    def living(self, *names):
        """Those whose access tokens are good."""
        return {name for name in names if self.codes.grant(grant_id_of(name)) is not None}


@pytest.fixture
def scene():
    return Scene()


def test_the_families_that_the_key_served_end_with_their_access_tokens_and_no_other(scene):
    scene.family("before", NOON - SECOND)
    scene.family("first", NOON)
    scene.family("last", NOON + HOUR - SECOND)
    scene.family("after", NOON + HOUR)
    scene.family("of another key", NOON, client_id="theirs")

    ended = scene.compromise.end_refresh([client()], since=NOON, until=NOON + HOUR)

    spared = {"before", "after", "of another key"}
    assert ended == 2
    assert scene.left() == spared
    assert scene.living("first", "last", *spared) == spared


def test_every_batch_is_committed_by_itself_until_none_is_left(scene):
    for number in range(3):
        scene.family(f"n{number}", NOON)
    scene.family("theirs", NOON, client_id="theirs")

    ended = scene.compromise.end_refresh([client(), THEIRS], since=NOON, until=NOON + HOUR)

    assert (ended, scene.left()) == (4, set())
    assert scene.committed == 5


def test_a_key_that_served_nobody_ends_nothing(scene):
    scene.family("before", NOON - SECOND)

    assert scene.compromise.end_refresh([client()], since=NOON, until=NOON + HOUR) == 0
    assert scene.left() == {"before"}


def test_every_session_ends_and_those_that_were_alive_are_counted(scene):
    scene.sign_in("phone", "account")
    scene.sign_in("desk", "account")
    scene.sign_in("theirs", "another")
    scene.sign_in("gone", "third")
    scene.sessions.end("gone")

    assert scene.compromise.end_sessions() == 3

    assert [scene.sessions.get(key) for key in ("phone", "desk", "theirs")] == [None] * 3
    # An account by itself: a crowd is not one transaction.
    assert scene.committed == 3
