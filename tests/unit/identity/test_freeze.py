"""A frozen account: what a freeze ends, what opens it again, and what does not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import DOUBTED
from idp.identity.account import Protection
from idp.identity.composers import TemporaryPasswordMail
from idp.identity.delivery import NothingToSend
from idp.identity.dossier import Qualite
from idp.identity.freeze import Freeze
from idp.identity.freeze import NotFrozen
from idp.identity.login import Cause
from idp.identity.login import MustChoosePassword
from idp.identity.login import subject_of
from idp.identity.notices import Notices
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import draw
from idp.limits import Origin
from idp.promise import PromiseState
from idp.session import Session
from tests.fake_franceconnect_links import MemoryLinks
from tests.fakes import MemoryContacts
from tests.fakes import MemorySessions
from tests.sign_in_scene import DECOY_KEY
from tests.sign_in_scene import NUMERO
from tests.sign_in_scene import WRONG
from tests.sign_in_scene import Scene

HERE = Actor(network="192.0.2.0/24")
SUBJECT = subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)
ACTS = st.lists(st.sampled_from(["freeze", "reopen", "mistake", "choose"]), max_size=8)


class FreezeScene(Scene):
    """A sign-in, and what freezes its account."""

    def __init__(self):
        super().__init__()
        self.contacts = MemoryContacts(self.accounts, now=self.clock)
        self.sessions = MemorySessions(idle=timedelta(minutes=30), now=self.clock)
        self.notices = Notices(self.outbox, self.once)
        self.freezing = Freeze(
            accounts=self.accounts,
            contacts=self.contacts,
            temporaries=self.temporaries,
            sessions=self.sessions,
            links=MemoryLinks(self.accounts),
            attempts=self.attempts,
            quotas=self.quotas,
            outbox=self.outbox,
            audit=self.audit,
            decoy_key=DECOY_KEY,
            print_hour=8,
            now=self.clock,
        )

    def freeze(self, version=3, **named):
        frozen = self.freezing.freeze("account", version=version, actor=HERE, **named)
        self.freezing.settle(frozen)
        return frozen

    def promises(self):
        rows = self.outbox.rows(states=tuple(PromiseState), limit=100)
        return [(row.kind, row.channel, row.credential_version) for row in rows]

    def issue(self, channel, version):
        secret = draw(channel)
        promise = self.outbox.add(Kind.TEMPORARY_PASSWORD, channel, account_id="account")
        assert self.temporaries.issue(
            "account",
            channel,
            promise,
            version=version,
            hashed=self.passwords.hash(secret),
            expires_at=self.clock() + timedelta(hours=24),
        )
        return secret

    @property
    def entry(self):
        return self.accounts.entries["account"]


@pytest.fixture
def scene():
    return FreezeScene()


def test_a_freeze_ends_sessions_browsers_and_secrets_and_raises_the_version(scene):
    signed_in = scene.try_password()
    session = Session.open(signed_in, now=scene.clock(), absolute=timedelta(hours=8))
    scene.sessions.put("key", session)
    secret = scene.issue(Channel.LETTER, 3)

    scene.freeze()

    assert scene.account.protection is Protection.FROZEN
    assert scene.account.credential_version == 4
    assert scene.sessions.get("key") is None
    assert not scene.accounts.get("account").stands_behind(3)
    assert not scene.accounts.get("account").stands_behind(4)
    assert scene.refused(clear=secret)
    reservation = scene.attempts.reserve(SUBJECT, Origin("192.0.2.1", "phone"))
    assert not reservation.known_device
    assert not reservation.others_known


def test_a_freeze_promises_the_letter_that_opens_again_and_the_notice(scene):
    scene.freeze()

    assert scene.promises() == [
        (Kind.TEMPORARY_PASSWORD, Channel.LETTER, 4),
        (Kind.ACCOUNT_FROZEN, Channel.MAIL, 4),
    ]
    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.ACCOUNT_FROZEN, "account")
    assert event.detail == {"sessions": 0, "letter": 1}
    assert event.actor == HERE


def test_a_letter_above_the_breaker_is_held_and_sounds_the_alarm_letter_cannon(scene, caplog):
    scene.quotas.letter_of_freeze = lambda: True

    scene.freeze()

    (letter,) = scene.outbox.rows(states=(PromiseState.HELD,), limit=9)
    assert (letter.kind, letter.channel) == (Kind.TEMPORARY_PASSWORD, Channel.LETTER)
    assert "the letter breaker holds letters back" in caplog.text


def test_without_any_address_nothing_is_promised_and_the_freeze_holds(scene):
    scene.entry.subject = replace(scene.entry.subject, email="", address=("",) * 6)

    scene.freeze()

    assert scene.promises() == []
    assert scene.freezing.outlook("account").letter_by is None
    assert scene.account.protection is Protection.FROZEN


def test_an_operator_may_freeze_without_a_letter_and_says_why(scene):
    scene.freeze(letter=False, detail={"reason": "a rappelé"})

    assert scene.promises() == [(Kind.ACCOUNT_FROZEN, Channel.MAIL, 4)]
    assert scene.audit.events[-1].detail == {"reason": "a rappelé", "sessions": 0, "letter": 0}


def test_the_page_before_can_say_when_the_letter_arrives(scene):
    assert scene.freezing.outlook("account").letter_by > scene.clock().date()
    assert scene.freezing.outlook("nobody").letter_by is None


@pytest.mark.parametrize("version", [2, 4])
def test_a_session_of_another_version_freezes_nothing(scene, version):
    with pytest.raises(NotFrozen):
        scene.freeze(version)

    assert scene.account.protection is Protection.NONE
    assert scene.promises() == []


def test_a_second_freeze_changes_nothing_and_sends_no_second_letter_letter_cannon(scene):
    scene.freeze()

    with pytest.raises(NotFrozen):
        scene.freeze(4)

    assert scene.account.credential_version == 4
    assert len(scene.promises()) == 2


def test_an_account_that_goes_meanwhile_is_not_frozen(scene):
    scene.contacts.get = lambda account_id: None

    with pytest.raises(NotFrozen):
        scene.freeze()


def test_a_sign_in_under_way_does_not_survive_a_freeze_race(scene):
    found = scene.accounts.find(Qualite.AFFILIE, NUMERO)
    scene.freeze()

    assert not scene.accounts.signed_in(found, at=scene.clock(), replacement=None)


def test_the_right_password_of_a_frozen_account_costs_one_hash_and_says_nothing_oracle(scene):
    scene.freeze()
    scene.forget_costs()

    right = scene.refused()

    assert len(scene.passwords.verified) == 1
    assert scene.passwords.hashed == 0
    assert scene.audit.events[-1].detail["cause"] == Cause.FROZEN
    wrong = scene.refused(clear=WRONG)
    assert str(right) == str(wrong)
    assert (type(right), right.slip) == (type(wrong), wrong.slip)


def test_a_letter_drawn_since_opens_the_choice_of_a_password_and_a_mail_does_not(scene):
    scene.freeze()
    by_mail = scene.issue(Channel.MAIL, 4)
    by_letter = scene.issue(Channel.LETTER, 4)

    assert scene.refused(clear=by_mail)
    assert isinstance(scene.try_password(clear=by_letter), MustChoosePassword)


def test_no_mail_with_a_secret_is_written_to_a_frozen_account(scene):
    scene.freeze()
    scene.outbox.add(
        Kind.TEMPORARY_PASSWORD, Channel.MAIL, account_id="account", credential_version=4
    )
    scene.outbox.claim(Channel.MAIL)  # the notice
    (promise,) = scene.outbox.claim(Channel.MAIL)
    composer = TemporaryPasswordMail(scene.temporaries, scene.passwords)

    with pytest.raises(NothingToSend) as nothing:
        composer.compose(promise, scene.contacts.get("account"), now=scene.clock())

    assert nothing.value.fault == "account_frozen"
    assert scene.accounts.reopen("account", to=Protection.REOPENED)
    message = composer.compose(promise, scene.contacts.get("account"), now=scene.clock())
    assert message.secret
    assert not message.opens


def test_an_address_of_late_is_set_aside_and_one_of_long_ago_stays_stolen_session(scene):
    scene.entry.confirmed_email, scene.entry.former_email = "thief@example.net", "also@example.net"
    scene.entry.email_confirmed_at = scene.clock() - DOUBTED + timedelta(seconds=1)

    scene.freeze()

    contact = scene.contacts.get("account")
    assert (contact.email, contact.confirmed_email) == ("anne@example.org", "")
    scene.accounts.reopen("account", to=Protection.NONE)
    scene.entry.confirmed_email = "anne@new.example"
    scene.entry.email_confirmed_at = scene.clock() - DOUBTED
    scene.freeze(4)
    assert scene.contacts.get("account").email == "anne@new.example"


def test_what_the_store_could_not_sweep_up_is_dead_all_the_same(scene):
    secret = scene.issue(Channel.LETTER, 3)
    frozen = scene.freezing.freeze("account", version=3, actor=HERE)
    scene.temporaries.away = True
    with pytest.raises(StoreUnavailable):
        scene.freezing.settle(frozen)
    scene.temporaries.away = False

    assert scene.refused(clear=secret)


@given(acts=ACTS)
@settings(max_examples=50, deadline=None)
def test_whatever_happens_in_whatever_order_only_a_new_password_or_the_desk_opens(acts):
    scene = FreezeScene()
    expected = Protection.NONE
    for act in acts:
        version, at = scene.account.credential_version, scene.clock()
        if act == "freeze":
            done = scene.accounts.freeze("account", version=version, at=at)
            assert done is (expected is not Protection.FROZEN)
            expected = Protection.FROZEN
        elif act == "choose":
            chosen = scene.account.password
            assert scene.accounts.choose_password("account", version=version, hashed=chosen, at=at)
            expected = Protection.NONE
        else:
            to = Protection.REOPENED if act == "reopen" else Protection.NONE
            done = scene.accounts.reopen("account", to=to)
            assert done is (expected is Protection.FROZEN)
            expected = to if done else expected
        assert scene.account.protection is expected
        assert scene.accounts.get("account").signs_in is (expected is Protection.NONE)


def test_a_notice_of_one_kind_leaves_once_a_day_mail_bomb(scene):
    for _ in range(3):
        scene.notices.tell(Kind.ACCESS_GIVEN, "account", version=3)
    scene.notices.tell(Kind.SESSIONS_ENDED, "account", version=3)
    scene.clock.advance(timedelta(days=1))
    scene.notices.tell(Kind.ACCESS_GIVEN, "account", version=3)

    told = [kind for kind, _, _ in scene.promises()]
    assert told == [Kind.ACCESS_GIVEN, Kind.SESSIONS_ENDED, Kind.ACCESS_GIVEN]


def test_a_notice_that_could_not_be_promised_may_be_promised_again(scene):
    scene.outbox.away = True
    with pytest.raises(StoreUnavailable):
        scene.notices.tell(Kind.ACCESS_GIVEN, "account", version=3)
    scene.outbox.away = False

    scene.notices.tell(Kind.ACCESS_GIVEN, "account", version=3)

    assert len(scene.promises()) == 1
