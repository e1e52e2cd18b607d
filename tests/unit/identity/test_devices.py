"""Where a member is signed in: what is listed, what is ended, and what the audit log tells."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.audit import Actor
from idp.audit import Event
from idp.identity.devices import Devices
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import subject_of
from idp.limits import AttemptPolicy
from idp.limits import Origin
from idp.session import Session
from idp.session import SignedIn
from tests.fake_counters import MemoryAttempts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemorySessions
from tests.instance import Clock

DECOY_KEY = b"d" * 32
NUMERO = NumeroDossier("1234567")
SUBJECT = subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)
BROWSER = Actor(network="192.0.2.0/24", request_id="r1")
MINUTE = timedelta(minutes=1)


class SigningOut:
    """The port ``SignsOut``, where no service is to be told."""

    def __init__(self, sessions):
        self.end_one = sessions.end
        self.end_others = sessions.end_others
        self.make_room = sessions.make_room


class Scene:
    """A member of three sessions, the oldest ``phone``, and somebody else of one."""

    def __init__(self):
        self.clock = Clock()
        self.sessions = MemorySessions(idle=timedelta(minutes=30), now=self.clock)
        self.attempts = MemoryAttempts(AttemptPolicy(), now=self.clock)
        self.audit = MemoryAuditLog()
        self.devices = Devices(
            sessions=self.sessions,
            farewell=SigningOut(self.sessions),
            attempts=self.attempts,
            audit=self.audit,
            decoy_key=DECOY_KEY,
        )
        for key in ("phone", "tablet", "desk"):
            self.sign_in(key)
        self.sign_in("theirs", account_id="another")

    def sign_in(self, key, account_id="account"):
        signed_in = SignedIn(account_id, 3, ("pwd",), "acr")
        opened = Session.open(signed_in, now=self.clock(), absolute=timedelta(hours=8))
        self.sessions.put(key, opened)
        self.clock.advance(MINUTE)

    def listed(self, version=3):
        return [one.key for one in self.devices.of_account("account", version)]

    def told(self):
        (event,) = self.audit.events
        assert (event.event, event.account_id) == (Event.SESSIONS_ENDED, "account")
        assert event.actor == BROWSER
        return event.detail

    def know(self, device):
        """Let a browser have signed in before."""
        tried = self.attempts.reserve(SUBJECT, Origin("192.0.2.1", device))
        self.attempts.succeeded(tried, device=device)

    def knows(self, device):
        tried = self.attempts.reserve(SUBJECT, Origin("192.0.2.1", device))
        self.attempts.release(tried)
        return tried.known_device


@pytest.fixture
def scene():
    return Scene()


def test_a_members_own_sessions_are_listed_the_newest_first(scene):
    assert scene.listed() == ["desk", "tablet", "phone"]


def test_a_session_from_before_a_new_password_is_not_listed(scene):
    renewed = replace(scene.sessions.get("desk"), credential_version=4)
    scene.sessions.put("desk", renewed)

    assert scene.listed(4) == ["desk"]


def test_one_session_is_ended_and_told_of(scene):
    assert scene.devices.end("account", "tablet", actor=BROWSER)

    assert scene.listed() == ["desk", "phone"]
    assert scene.told() == {"cause": "device", "sessions": 1}


@pytest.mark.parametrize("key", ["theirs", "nobodys", ""])
def test_attack_the_session_of_somebody_else_is_named_and_goes_on(scene, key):
    assert not scene.devices.end("account", key, actor=BROWSER)

    assert scene.sessions.get("theirs") is not None
    assert len(scene.listed()) == 3
    assert scene.audit.events == []


def test_every_other_session_is_ended_and_no_other_browser_known_any_more(scene):
    scene.know("stolen phone")
    scene.know("desk")

    scene.devices.end_others(
        "account", Qualite.AFFILIE, NUMERO, key="desk", device="desk", actor=BROWSER
    )

    assert scene.listed() == ["desk"]
    assert scene.sessions.get("theirs") is not None
    assert (scene.knows("desk"), scene.knows("stolen phone")) == (True, False)
    assert scene.told() == {"cause": "other_devices", "sessions": 2}


def test_the_oldest_sessions_make_room_for_one_that_begins(scene):
    scene.devices.make_room("account", keep=1, actor=BROWSER)

    assert scene.listed() == ["desk"]
    assert scene.told() == {"cause": "too_many", "sessions": 2}


def test_where_there_is_room_nothing_is_ended_nor_told(scene):
    scene.devices.make_room("account", keep=3, actor=BROWSER)

    assert len(scene.listed()) == 3
    assert scene.audit.events == []
