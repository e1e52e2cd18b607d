import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from idp import Busy
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.hash_pool import HashPool
from idp.identity.login import ACR_PASSWORD
from idp.identity.login import subject_of
from idp.identity.new_password import Choice
from idp.identity.new_password import ChoiceEnded
from idp.identity.new_password import NewPassword
from idp.identity.new_password import PasswordRefused
from idp.identity.outbox import Kind
from idp.identity.password import Argon2Cost
from idp.identity.password import Passwords
from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TryPolicy
from idp.identity.temporary_password import draw
from idp.identity.temporary_password import written
from idp.limits import AttemptPolicy
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.metrics.not_counted import NOT_COUNTED
from idp.promise import PromiseState
from idp.session import Session
from idp.session import SignedIn
from tests.fake_counters import MemoryAttempts
from tests.fake_outbox import MemoryOutbox
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryContacts
from tests.fakes import MemoryOnce
from tests.fakes import MemorySessions
from tests.fakes import subject
from tests.instance import Clock

DECOY_KEY = b"d" * 32
NUMERO = NumeroDossier("1234567")
FORMER = "les glycines du moulin 1978"
NEW = "tilleul-brumeux-escalier-47"
ACTOR = Actor(network="192.0.2.1", request_id="r1")
HERE = Origin("192.0.2.1")
MAIL = Choice("account", Channel.MAIL, "holder of the mail")
LETTER = Choice("account", Channel.LETTER, "holder of the letter")


class Scene:
    """Somebody whose temporary passwords, by mail and by letter, were opened in two browsers."""

    def __init__(self, *, email="anne@example.org", password=FORMER):
        self.clock = Clock()
        self.accounts = MemoryAccounts()
        self.passwords = Passwords(
            pepper=b"p" * 32, decoy_key=DECOY_KEY, cost=Argon2Cost(8, 1), mix=self.accounts
        )
        hashed = self.passwords.hash(password) if password else None
        account = Account("account", DossierStatus.ACTIVE, hashed, 3, None)
        person = subject(email=email)
        self.accounts.add(DirectoryEntry(account, Qualite.AFFILIE, NUMERO, person))
        self.contacts = MemoryContacts(self.accounts, now=self.clock)
        self.temporaries = MemoryTemporaryPasswords(TryPolicy(), now=self.clock)
        self.sessions = MemorySessions(idle=timedelta(minutes=30), now=self.clock)
        self.attempts = MemoryAttempts(AttemptPolicy(), now=self.clock)
        self.outbox = MemoryOutbox(self.clock)
        self.audit = MemoryAuditLog()
        self.choosing = NewPassword(
            accounts=self.accounts,
            contacts=self.contacts,
            temporaries=self.temporaries,
            sessions=self.sessions,
            attempts=self.attempts,
            passwords=self.passwords,
            policy=PasswordPolicy(),
            pool=HashPool(threads=1, queue=4, watch=NOT_COUNTED),
            outbox=self.outbox,
            once=MemoryOnce(now=self.clock),
            audit=self.audit,
            decoy_key=DECOY_KEY,
            now=self.clock,
        )
        self.secrets = {choice.channel: self.open(choice) for choice in (MAIL, LETTER)}

    def open(self, choice, *, version=3):
        """Issue a secret, and open it for the holder of the choice."""
        secret = draw(choice.channel)
        self.temporaries.issue(
            "account",
            choice.channel,
            1,
            version=version,
            hashed=self.passwords.hash(secret),
            expires_at=self.clock() + timedelta(hours=24),
        )
        self.take_lease(choice)
        return secret

    def take_lease(self, choice):
        found = self.temporaries.reserve_try(
            "account", choice.channel, version=3, network="192.0.2.0", browser="b"
        )
        assert self.temporaries.open(
            found,
            network="192.0.2.0",
            browser="b",
            holder=choice.holder,
            until=self.clock() + LEASE,
        )

    @property
    def account(self):
        return self.accounts.entries["account"].account

    def choose(self, clear=NEW, choice=MAIL):
        return self.choosing.choose(choice, clear, actor=ACTOR)

    def refused(self, clear, choice=MAIL):
        with pytest.raises(PasswordRefused) as refusal:
            self.choose(clear, choice)
        return refusal.value.faults

    def is_password(self, clear):
        return self.passwords.verify(self.account.password, clear)

    def promises(self):
        return self.outbox.rows(states=tuple(PromiseState), limit=100)

    def open_session(self, key, account_id="account"):
        signed_in = SignedIn(account_id, 3, ("pwd",), ACR_PASSWORD)
        session = Session.open(signed_in, now=self.clock(), absolute=timedelta(hours=8))
        self.sessions.put(key, session)


@pytest.fixture
def scene():
    return Scene()


def test_the_lease_tells_whose_password_is_chosen(scene):
    about = scene.choosing.about(MAIL)

    assert (about.account_id, about.numero, about.has_password) == ("account", NUMERO, True)


def test_a_chosen_password_is_in_force_at_once_and_signs_its_owner_in(scene):
    chosen = scene.choose()

    assert chosen.signed_in == SignedIn("account", 4, ("pwd",), ACR_PASSWORD)
    assert scene.is_password(NEW)
    assert not scene.is_password(FORMER)
    assert (scene.account.credential_version, scene.account.last_sign_in_at) == (4, scene.clock())


def test_a_first_password_is_told_as_a_first_connection():
    scene = Scene(password=None)

    assert scene.choose().first is True
    assert scene.audit.events[-1].detail["first"] == 1


def test_a_further_one_is_not(scene):
    assert scene.choose().first is False
    assert scene.audit.events[-1].detail["first"] == 0


def test_a_chosen_password_is_told_to_the_audit_log_and_nothing_that_was_typed(scene):
    scene.choose(choice=LETTER)

    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.PASSWORD_CHOSEN, "account")
    assert event.detail == {"channel": "letter", "first": 0}
    assert event.actor.network == "192.0.2.0/24"
    assert NEW not in repr(event)


@pytest.mark.parametrize(("email", "channel"), [("a@example.org", "mail"), ("", "letter")])
def test_a_notice_without_secret_is_promised_under_the_new_version(email, channel):
    scene = Scene(email=email)

    scene.choose()

    (promise,) = scene.promises()
    assert (promise.kind, promise.channel) == (Kind.PASSWORD_CHANGED, channel)
    assert (promise.account_id, promise.credential_version) == ("account", 4)


def test_a_chosen_password_ends_every_session_of_the_account_and_no_other(scene):
    scene.open_session("thief")
    scene.open_session("mine")
    scene.open_session("neighbour", account_id="another")

    scene.choose()

    assert [scene.sessions.living(key) is None for key in ("thief", "mine", "neighbour")] == [
        True,
        True,
        False,
    ]


def test_a_weak_proposal_is_told_its_faults_and_the_lease_goes_on(scene):
    scene.open_session("mine")

    assert scene.refused("court") == (PolicyFault.TOO_SHORT,)

    assert scene.is_password(FORMER)
    assert scene.sessions.living("mine") is not None
    assert scene.promises() == []
    scene.choose()


def test_the_audit_log_keeps_the_faults_and_not_the_proposal(scene):
    scene.refused("1234567 ok")

    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.PASSWORD_CHOICE_REFUSED, "account")
    assert event.detail == {"faults": "too_short holds_number"}
    assert "1234567" not in repr(event)


def test_the_former_password_is_not_a_new_one(scene):
    assert scene.refused(FORMER) == (PolicyFault.FORMER,)


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize(
    "hide",
    [
        lambda secret: f"mes tilleuls brumeux {secret}",
        lambda secret: f"{secret.lower()} escalier du moulin",
        lambda secret: f"brumeux-{written(secret)}-escalier",
    ],
    ids=["at the end", "in lower case", "with its dashes"],
)
def test_a_password_that_holds_a_temporary_one_of_either_channel_is_refused(scene, channel, hide):
    # The letter lies in a drawer, and the mail in a mailbox.
    assert scene.refused(hide(scene.secrets[channel])) == (PolicyFault.HOLDS_TEMPORARY,)


def test_a_password_that_only_looks_as_if_it_held_one_is_taken(scene):
    scene.choose(f"mes tilleuls brumeux {draw(Channel.MAIL)}")


def test_a_requested_letter_without_secret_yet_is_no_hindrance(scene):
    scene.temporaries.forget_everything()
    scene.open(MAIL)
    scene.temporaries.request("account", Channel.LETTER, 9, version=3)

    scene.choose(f"mes tilleuls brumeux {draw(Channel.LETTER)}")


@pytest.mark.parametrize(
    "stranger",
    [
        replace(MAIL, holder="another browser"),
        replace(MAIL, holder=""),
        replace(MAIL, channel=Channel.LETTER),
        replace(MAIL, account_id="another"),
    ],
    ids=["another holder", "no holder", "the other channel", "another account"],
)
def test_who_does_not_hold_the_lease_learns_and_changes_nothing_stolen_page(scene, stranger):
    with pytest.raises(ChoiceEnded):
        scene.choosing.about(stranger)
    with pytest.raises(ChoiceEnded):
        scene.choose(choice=stranger)

    assert scene.is_password(FORMER)
    assert scene.audit.events == []


def test_a_lease_ends_after_fifteen_minutes_and_not_a_second_before(scene):
    scene.clock.advance(LEASE - timedelta(seconds=1))
    scene.choosing.about(MAIL)

    scene.clock.advance(timedelta(seconds=1))

    with pytest.raises(ChoiceEnded):
        scene.choose()


def test_a_secret_typed_in_another_browser_takes_the_lease_there(scene):
    there = replace(MAIL, holder="the telephone")
    scene.take_lease(there)

    with pytest.raises(ChoiceEnded):
        scene.choose()
    scene.choose(choice=there)


@pytest.mark.parametrize("late", [MAIL, LETTER], ids=["the same form again", "the other channel"])
def test_a_lease_dies_with_the_choice_of_another_even_before_the_sweep(scene, late):
    # Otherwise a stolen letter, opened in time, would choose once more after its owner did.
    scene.choose()

    with pytest.raises(ChoiceEnded):
        scene.choosing.about(late)
    with pytest.raises(ChoiceEnded):
        scene.choose("capucine-lointaine-rivage-82", choice=late)

    assert scene.is_password(NEW)
    assert scene.account.credential_version == 4


def test_of_two_forms_that_reach_the_directory_at_once_one_wins(scene):
    class ChosenMeanwhile(MemoryAccounts):
        def choose_password(self, account_id, *, version, hashed, at):
            self.change(account_id, credential_version=version + 1)
            return super().choose_password(account_id, version=version, hashed=hashed, at=at)

    accounts = ChosenMeanwhile()
    accounts.entries = scene.accounts.entries
    scene.choosing = replace(scene.choosing, accounts=accounts)

    with pytest.raises(ChoiceEnded):
        scene.choose()

    assert (scene.promises(), scene.audit.events) == ([], [])
    assert scene.is_password(FORMER)


def test_a_dossier_closed_meanwhile_chooses_nothing(scene):
    scene.accounts.change("account", dossier_status=DossierStatus.CLOSED)

    with pytest.raises(ChoiceEnded):
        scene.choose()

    assert (scene.promises(), scene.audit.events) == ([], [])


def test_an_account_that_left_the_directory_chooses_nothing(scene):
    entry = scene.accounts.entries.pop("account")
    with pytest.raises(ChoiceEnded):
        scene.choosing.about(MAIL)

    class Stale(MemoryAccounts):
        def find(self, qualite, numero):
            return None

    scene.accounts.add(entry)
    scene.choosing = replace(scene.choosing, accounts=Stale())
    with pytest.raises(ChoiceEnded):
        scene.choose()


def test_a_busy_pool_gives_no_verdict_and_the_lease_goes_on(scene):
    pool = HashPool(threads=1, queue=0, watch=NOT_COUNTED)
    whole, scene.choosing = scene.choosing, replace(scene.choosing, pool=pool)
    begun, go_on = threading.Event(), threading.Event()

    def occupy():
        begun.set()
        go_on.wait(10)

    other = threading.Thread(target=pool.run, args=(occupy,))
    other.start()
    begun.wait(10)
    try:
        for proposal in (NEW, "court"):
            with pytest.raises(Busy):
                scene.choose(proposal)
    finally:
        go_on.set()
        other.join(10)

    assert (scene.promises(), scene.audit.events) == ([], [])
    scene.choosing = whole
    scene.choose()


@pytest.mark.parametrize("away", ["contacts", "accounts", "temporaries"])
def test_without_one_of_its_stores_nothing_is_chosen_and_the_lease_goes_on(scene, away):
    getattr(scene, away).away = True
    with pytest.raises(StoreUnavailable):
        scene.choose()

    getattr(scene, away).away = False
    assert (scene.promises(), scene.audit.events) == ([], [])
    scene.choose()


def test_settling_uses_up_the_temporary_passwords_of_both_channels(scene):
    scene.choose()

    scene.choosing.settle("account", device="phone")

    assert scene.temporaries.look("account") == []


def test_settling_lifts_the_waiting_time_and_knows_the_browser(scene):
    name = subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)
    for _ in range(5):
        scene.attempts.reserve(name, HERE)
    scene.choose()
    with pytest.raises(SignInDelayed):
        scene.attempts.reserve(name, HERE)

    scene.choosing.settle("account", device="phone")

    assert scene.attempts.reserve(name, HERE).streak == 1
    assert scene.attempts.reserve(name, replace(HERE, device="phone")).known_device is True


def test_settling_an_account_that_left_the_directory_uses_its_secrets_up_all_the_same(scene):
    scene.accounts.entries.clear()

    scene.choosing.settle("account", device="phone")

    assert scene.temporaries.look("account") == []


def test_the_loser_of_two_forms_ends_no_session_of_the_winner():
    """A double click without JavaScript: the second form comes after the first one won."""
    scene = Scene()
    choose = scene.accounts.choose_password

    def other_form_was_first(account_id, **new):
        choose(account_id, **new)
        scene.open_session("winner")
        return False

    scene.accounts.choose_password = other_form_was_first

    with pytest.raises(ChoiceEnded):
        scene.choose()
    assert scene.sessions.get("winner") is not None


def test_a_lease_tells_of_refused_proposals_once_filling_the_log():
    scene = Scene()

    for _ in range(3):
        scene.refused("court")

    assert [event.event for event in scene.audit.events] == [Event.PASSWORD_CHOICE_REFUSED]


def test_sessions_that_cannot_be_ended_take_the_choice_back(scene):
    """The caller's transaction rolls back: a session that lives on is worse than another try."""
    scene.sessions.away = True

    with pytest.raises(StoreUnavailable):
        scene.choose()

    assert (scene.promises(), scene.audit.events) == ([], [])


PROVED = SignedIn("account", 3, ("pwd",), ACR_PASSWORD)


def test_who_proved_the_password_in_use_changes_it_and_everything_older_ends(scene):
    session = Session.open(PROVED, now=scene.clock(), absolute=timedelta(hours=8))
    scene.sessions.put("elsewhere", session)

    signed_in = scene.choosing.change(PROVED, NEW, actor=ACTOR)

    assert signed_in == replace(PROVED, credential_version=4)
    account = scene.accounts.find(Qualite.AFFILIE, NUMERO)
    assert account.credential_version == 4
    assert scene.passwords.verify(account.password, NEW)
    assert scene.sessions.get("elsewhere") is None
    assert [event.event for event in scene.audit.events] == [Event.PASSWORD_CHANGED]
    ((kind, channel),) = [(row.kind, row.channel) for row in scene.promises()]
    assert (kind, channel) == (Kind.PASSWORD_CHANGED, Channel.MAIL)


def test_a_change_to_the_password_in_use_or_to_a_temporary_one_is_refused_and_told_once(scene):
    for clear, fault in (
        (FORMER, PolicyFault.FORMER),
        (f"le {scene.secrets[Channel.MAIL]} du moulin", PolicyFault.HOLDS_TEMPORARY),
    ):
        with pytest.raises(PasswordRefused) as refused:
            scene.choosing.change(PROVED, clear, actor=ACTOR)
        assert refused.value.faults == (fault,)

    assert [event.event for event in scene.audit.events] == [Event.PASSWORD_CHOICE_REFUSED]


def test_of_two_changes_at_once_one_wins(scene):
    scene.choosing.change(PROVED, NEW, actor=ACTOR)

    with pytest.raises(ChoiceEnded):
        scene.choosing.change(PROVED, "un autre mot de passe à moi 47", actor=ACTOR)


def test_nobody_changes_the_password_of_an_account_that_is_gone(scene):
    with pytest.raises(ChoiceEnded):
        scene.choosing.change(replace(PROVED, account_id="nobody"), NEW, actor=ACTOR)
