import logging
from dataclasses import replace
from datetime import date
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Proof
from idp.identity.anti_robot import Solution
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import subject_of
from idp.identity.mask import Decoys
from idp.identity.outbox import Kind
from idp.identity.reset import CHOOSING
from idp.identity.reset import FORM
from idp.identity.reset import REFUSED_CHOICES
from idp.identity.reset import ChannelNotOffered
from idp.identity.reset import ChoiceUnderWay
from idp.identity.reset import Reset
from idp.identity.reset_journey import Journey
from idp.identity.reset_journey import JourneyEnded
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TryPolicy
from idp.promise import PromiseState
from tests.fake_counters import MemoryResetQuotas
from tests.fake_outbox import MemoryOutbox
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryContacts
from tests.fakes import MemoryOnce
from tests.fakes import subject
from tests.instance import Clock

DECOY_KEY = b"d" * 32
NUMERO = NumeroDossier("1234567")
POST_ONLY = NumeroDossier("1111111")
CLOSED = NumeroDossier("2222222")
UNKNOWN = NumeroDossier("7654321")
NETWORK = "192.0.2.1"
ACTOR = Actor(network=NETWORK, request_id="r1")
BROWSER = "the browser's cookie"
HALF_AN_HOUR = timedelta(minutes=30)
STORES = ("contacts", "masks", "temporaries", "outbox", "quotas", "once", "audit")
EVERYBODY = pytest.mark.parametrize(
    "numero", [NUMERO, CLOSED, UNKNOWN], ids=["known", "closed", "unknown"]
)


class Robots:
    """The port ``AntiRobot``: accepts what says that it is solved."""

    def __init__(self):
        self.asked = []

    def accept(self, form, browser, solution):
        self.asked.append((form, browser))
        if solution.work == "solved":
            return Proof.WORK
        if solution.answer == "solved":
            return Proof.ANSWER
        raise AntiRobotRefused


class Told:
    """A port that notes which of its methods are called, in order."""

    def __init__(self, name, port, calls):
        self._name, self._port, self._calls = name, port, calls

    def __getattr__(self, method):
        act = getattr(self._port, method)

        def noted(*words, **named):
            self._calls.append(f"{self._name}.{method}")
            return act(*words, **named)

        return noted


class Failing:
    """A port one method of which finds its store away."""

    def __init__(self, port, method):
        self._port, self._method = port, method

    def __getattr__(self, method):
        if method != self._method:
            return getattr(self._port, method)

        def fail(*words, **named):
            raise StoreUnavailable(method)

        return fail


class Scene:
    """The use case over stores in memory: a member, one without an address, a closed dossier."""

    def __init__(self, policy=None):
        self.clock = Clock()
        self.accounts = MemoryAccounts()
        for numero, email, status in (
            (NUMERO, "anne@example.org", DossierStatus.ACTIVE),
            (POST_ONLY, "", DossierStatus.ACTIVE),
            (CLOSED, "paul@example.org", DossierStatus.CLOSED),
        ):
            account = Account(f"account {numero.last_digits}", status, None, 3, None)
            person = subject(email=email)
            self.accounts.add(DirectoryEntry(account, Qualite.AFFILIE, numero, person))
        self.contacts = MemoryContacts(self.accounts, now=self.clock)
        self.masks = Decoys(DECOY_KEY, self.contacts, post_only_share=0.0)
        self.temporaries = MemoryTemporaryPasswords(TryPolicy(), now=self.clock)
        self.outbox = MemoryOutbox(self.clock)
        self.quotas = MemoryResetQuotas(policy or QuotaPolicy(), now=self.clock)
        self.once = MemoryOnce(now=self.clock)
        self.audit = MemoryAuditLog()
        self.robots = Robots()
        self.reset = Reset(
            contacts=self.contacts,
            masks=self.masks,
            temporaries=self.temporaries,
            outbox=self.outbox,
            quotas=self.quotas,
            once=self.once,
            anti_robot=self.robots,
            audit=self.audit,
            decoy_key=DECOY_KEY,
            journey_lifetime=HALF_AN_HOUR,
            print_hour=15,
            letter_every=timedelta(days=10),
            now=self.clock,
        )

    def begin(self, numero=NUMERO, *, solution=Solution(work="solved"), network=NETWORK):  # noqa: B008
        return self.reset.begin(
            Qualite.AFFILIE,
            numero,
            solution=solution,
            browser=BROWSER,
            network=network,
            actor=ACTOR,
        )

    def journey(self, numero=NUMERO):
        return Journey.begun(Qualite.AFFILIE, numero)

    def choose(self, channel=Channel.MAIL, *, numero=NUMERO, journey=None, network=NETWORK):
        return self.reset.choose(
            journey or self.journey(numero), channel, network=network, actor=ACTOR
        )

    def promise(self, *args, **kwargs):
        """Choose, and note it as after the commit."""
        chosen = self.choose(*args, **kwargs)
        self.reset.noted(chosen)
        return chosen

    def held(self, *args, **kwargs):
        with pytest.raises(QuotaReached) as reached:
            self.choose(*args, **kwargs)
        return reached.value.quota

    def promises(self):
        self.outbox.away = False
        rows = self.outbox.rows(states=tuple(PromiseState), limit=1_000)
        return [row for row in rows if row.kind is Kind.TEMPORARY_PASSWORD]

    def notices(self):
        self.outbox.away = False
        rows = self.outbox.rows(states=tuple(PromiseState), limit=1_000)
        return [row for row in rows if row.kind is not Kind.TEMPORARY_PASSWORD]

    def told(self, act):
        """The calls of every store that an act makes, in order."""
        calls = []
        whole = self.reset
        ports = {name: Told(name, getattr(whole, name), calls) for name in STORES}
        self.reset = replace(whole, **ports)
        try:
            act()
        finally:
            self.reset = whole
        return calls

    def subject(self, numero=NUMERO):
        return subject_of(DECOY_KEY, Qualite.AFFILIE, numero)


@pytest.fixture
def scene():
    return Scene()


def test_a_solved_anti_robot_begins_a_journey_of_the_number_that_was_typed(scene):
    journey = scene.begin()

    assert (journey.qualite, journey.numero, journey.chosen) == (Qualite.AFFILIE, NUMERO, None)
    assert scene.robots.asked == [(FORM, BROWSER)]


def test_an_answer_in_words_begins_one_too_and_says_so(scene):
    scene.begin(solution=Solution(answer="solved"))

    assert scene.audit.events[0].detail["by_question"] == 1


def test_without_a_solution_nothing_is_counted_told_or_looked_up(scene):
    def begin():
        with pytest.raises(AntiRobotRefused):
            scene.begin(solution=Solution())

    assert scene.told(begin) == []


@EVERYBODY
def test_nothing_is_looked_up_before_the_second_page_whoever_it_is(scene, numero):
    assert scene.told(lambda: scene.begin(numero)) == ["quotas.begin", "audit.record"]


@EVERYBODY
def test_the_audit_log_tells_of_a_begun_reset_by_a_keyed_name(scene, numero):
    scene.begin(numero)

    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.RESET_BEGUN, None)
    assert event.detail == {"subject": scene.subject(numero), "by_question": 0}
    assert numero.value not in repr(event)


def test_a_network_that_asks_too_often_is_held_and_the_audit_log_says_so():
    scene = Scene(QuotaPolicy(requests_an_hour=2))
    scene.begin()
    scene.begin(UNKNOWN)

    with pytest.raises(QuotaReached) as held:
        scene.begin()

    assert (held.value.quota, held.value.retry_after) == (Quota.NETWORK, timedelta(hours=1))
    event = scene.audit.events[-1]
    assert (event.event, event.detail["quota"]) == (Event.RESET_HELD, Quota.NETWORK)
    scene.begin(network="192.0.2.2")


def test_answers_in_words_have_a_stricter_quota_robots_that_read():
    scene = Scene(QuotaPolicy(requests_by_question=1))
    scene.begin(solution=Solution(answer="solved"))

    with pytest.raises(QuotaReached):
        scene.begin(solution=Solution(answer="solved"))

    scene.begin()


def test_a_member_is_offered_the_masked_address_and_the_letter(scene):
    offer = scene.reset.offer(scene.journey())

    assert offer.mail_mask == "a***ne@e*****.org"
    assert offer.letter_by == date(2026, 11, 27)


def test_who_has_no_address_is_offered_the_letter_alone(scene):
    assert scene.reset.offer(scene.journey(POST_ONLY)).mail_mask == ""


@pytest.mark.parametrize("numero", [CLOSED, UNKNOWN], ids=["closed", "unknown"])
def test_who_cannot_sign_in_is_offered_a_decoy_that_stays_the_same(scene, numero):
    offered = scene.reset.offer(scene.journey(numero))

    scene.clock.advance(timedelta(hours=2))
    assert offered.mail_mask == scene.masks.contact_mask(scene.subject(numero), Qualite.AFFILIE)
    assert offered.mail_mask != ""
    assert scene.reset.offer(scene.journey(numero)).mail_mask == offered.mail_mask


def test_the_day_of_the_letter_is_counted_from_the_print(scene):
    scene.clock.at = scene.clock.at.replace(hour=13, minute=59)  # 14 h 59 in France, a Tuesday
    assert scene.reset.offer(scene.journey()).letter_by == date(2026, 11, 27)

    scene.clock.advance(timedelta(minutes=1))

    assert scene.reset.offer(scene.journey()).letter_by == date(2026, 11, 30)


@EVERYBODY
def test_an_offer_asks_the_same_of_the_stores_whoever_it_is_enumeration(scene, numero):
    calls = scene.told(lambda: scene.reset.offer(scene.journey(numero)))

    assert calls == ["contacts.find", "masks.contact_mask"]


@EVERYBODY
@pytest.mark.parametrize("channel", Channel)
def test_a_choice_takes_the_same_steps_through_the_same_stores_enumeration(scene, numero, channel):
    def choose():
        scene.promise(channel, numero=numero)

    offered = ["contacts.find", "masks.contact_mask"] if channel is Channel.MAIL else []
    told = ["outbox.add"] if channel is Channel.LETTER else []
    assert scene.told(choose) == [
        *offered,
        "once.take",
        f"quotas.{channel}",
        "contacts.find",
        "outbox.add",
        "audit.record",
        *told,
        "once.keep",
        "temporaries.request",
    ]


@pytest.mark.parametrize("channel", Channel)
def test_a_member_is_promised_one_message_under_the_version_of_now(scene, channel):
    chosen = scene.choose(channel)

    (promise,) = scene.promises()
    assert (promise.kind, promise.channel) == (Kind.TEMPORARY_PASSWORD, channel)
    assert (promise.account_id, promise.credential_version) == ("account 67", 3)
    assert promise.state is PromiseState.WAITING
    assert chosen.journey.chosen is channel


@pytest.mark.parametrize("numero", [CLOSED, UNKNOWN], ids=["closed", "unknown"])
@pytest.mark.parametrize("channel", Channel)
def test_who_cannot_sign_in_leaves_a_row_that_the_worker_drops(scene, numero, channel):
    promised = scene.choose(channel, numero=numero).promised

    (promise,) = scene.promises()
    assert (promise.account_id, promise.credential_version) == (None, 0)
    assert (promised.holder, promised.version) == (scene.subject(numero), 0)


@EVERYBODY
def test_a_letter_asked_for_is_told_by_mail_whoever_it_is_enumeration(scene, numero):
    scene.choose(Channel.LETTER, numero=numero)

    (notice,) = scene.notices()
    known = "account 67" if numero == NUMERO else None
    assert (notice.kind, notice.channel) == (Kind.LETTER_REQUESTED, Channel.MAIL)
    assert notice.account_id == known
    assert notice.state is PromiseState.WAITING


def test_a_mail_asked_for_is_told_by_no_letter(scene):
    scene.choose(Channel.MAIL)

    assert scene.notices() == []


@EVERYBODY
def test_a_promise_is_told_to_the_audit_log_without_number_or_address(scene, numero):
    scene.choose(numero=numero)

    (event,) = scene.audit.events
    known = "account 67" if numero == NUMERO else None
    assert (event.event, event.account_id) == (Event.RESET_REQUESTED, known)
    assert event.detail == {
        "subject": scene.subject(numero),
        "channel": "mail",
        "promise": 1,
        "held": 0,
    }
    assert numero.value not in repr(event)


def test_a_mail_is_not_promised_where_there_is_no_address_and_nothing_is_taken(scene):
    journey = scene.journey(POST_ONLY)
    with pytest.raises(ChannelNotOffered):
        scene.choose(Channel.MAIL, journey=journey)

    assert scene.promises() == []
    assert scene.choose(Channel.LETTER, journey=journey).promised is not None


def test_a_form_sent_twice_promises_once_and_keeps_the_first_channel(scene):
    journey = scene.journey()
    first = scene.promise(Channel.MAIL, journey=journey)

    again = scene.choose(Channel.LETTER, journey=journey)

    assert first.promised is not None
    assert (again.promised, again.journey.chosen) == (None, Channel.MAIL)
    scene.reset.noted(again)
    assert len(scene.promises()) == 1
    assert [event.event for event in scene.audit.events] == [Event.RESET_REQUESTED]


def test_one_message_for_one_anti_robot_as_long_as_the_journey_lasts(scene):
    journey = scene.journey()
    scene.promise(journey=journey)

    scene.clock.advance(HALF_AN_HOUR - timedelta(seconds=1))

    assert scene.choose(journey=journey).promised is None


@pytest.mark.parametrize("channel", Channel)
def test_a_choice_under_way_is_neither_promised_again_nor_confirmed(scene, channel):
    # It may yet be refused by a quota or a store, or its process killed.
    journey = scene.journey()
    scene.choose(channel, journey=journey)

    scene.clock.advance(CHOOSING - timedelta(seconds=1))

    with pytest.raises(ChoiceUnderWay):
        scene.choose(channel, journey=journey)
    assert len(scene.promises()) == 1


@EVERYBODY
@pytest.mark.parametrize("channel", Channel)
def test_a_process_killed_before_its_commit_leaves_the_choice_to_be_made_again(
    scene, numero, channel
):
    journey = scene.journey(numero)
    scene.choose(channel, journey=journey)  # killed here: nothing is committed, noted, given back

    scene.clock.advance(CHOOSING)

    # What the killed one counted is not counted again: a letter is one within ten days.
    assert scene.promise(channel, journey=journey).promised is not None
    assert scene.choose(channel, journey=journey).promised is None


def test_a_choice_made_again_counts_once_for_the_quotas(scene):
    journey = scene.journey()
    for _ in range(5):
        scene.choose(journey=journey)
        scene.clock.advance(CHOOSING)

    scene.choose()
    scene.choose()

    assert scene.held() is Quota.MAIL


def test_a_request_is_noted_after_the_commit_and_kills_no_living_secret(scene):
    chosen = scene.choose()
    assert scene.temporaries.look("account 67") == []

    scene.reset.noted(chosen)

    (waiting,) = scene.temporaries.look("account 67")
    assert (waiting.state, waiting.promise) == (State.REQUESTED, chosen.promised.promise)
    assert waiting.credential_version == 3


def test_a_quota_holds_a_mail_and_leaves_the_letter_to_be_chosen(scene):
    for _ in range(3):
        scene.choose()
    journey = scene.journey()

    assert scene.held(journey=journey) is Quota.MAIL

    event = scene.audit.events[-1]
    assert (event.event, event.detail["quota"]) == (Event.RESET_HELD, Quota.MAIL)
    assert event.detail["subject"] == scene.subject()
    assert len(scene.promises()) == 3
    assert scene.choose(Channel.LETTER, journey=journey).promised is not None


def test_a_journey_that_has_chosen_only_confirms_a_journey_that_renews_itself(scene):
    # What is kept for one message a journey may be gone: the journey itself says that it chose.
    confirmed = scene.choose().journey
    scene.once.give_back(f"reset-journey:{confirmed.id}")

    calls = scene.told(lambda: scene.choose(Channel.LETTER, journey=confirmed))

    assert calls == []
    assert len(scene.promises()) == 1


@EVERYBODY
def test_refusals_of_one_journey_are_one_event_for_each_quota_audit_flood(scene, numero):
    for _ in range(3):
        scene.choose(numero=numero)
    scene.choose(Channel.LETTER, numero=numero)
    scene.audit.events.clear()
    journey = scene.journey(numero)

    for channel in [*Channel] * 3:
        scene.held(channel, journey=journey)

    quotas = [event.detail["quota"] for event in scene.audit.events]
    assert quotas == [Quota.MAIL, Quota.LETTER]
    scene.held(journey=scene.journey(numero))
    assert len(scene.audit.events) == 3


@EVERYBODY
def test_ten_refusals_end_a_journey_whatever_it_asks_for_then_audit_flood(scene, numero):
    for _ in range(3):
        scene.choose(numero=numero)
    journey = scene.journey(numero)
    for _ in range(REFUSED_CHOICES):
        scene.held(journey=journey)
    scene.audit.events.clear()
    rows = len(scene.promises())

    for channel in Channel:
        with pytest.raises(JourneyEnded):
            scene.choose(channel, journey=journey)

    assert REFUSED_CHOICES == 10
    assert scene.audit.events == []
    assert len(scene.promises()) == rows
    assert scene.choose(Channel.LETTER, numero=numero).promised is not None


def test_nine_refusals_leave_the_letter_to_be_chosen(scene):
    for _ in range(3):
        scene.choose()
    journey = scene.journey()
    for _ in range(REFUSED_CHOICES - 1):
        scene.held(journey=journey)

    assert scene.choose(Channel.LETTER, journey=journey).promised is not None


@EVERYBODY
def test_a_refused_choice_takes_the_same_steps_whoever_it_is_enumeration(scene, numero):
    scene.choose(Channel.LETTER, numero=numero)
    journey = scene.journey(numero)

    first, second = (
        scene.told(lambda: scene.held(Channel.LETTER, journey=journey)) for _ in range(2)
    )

    counted = ["once.give_back", "quotas.choice_refused"]
    assert first == ["once.take", "quotas.letter", "once.take", "audit.record", *counted]
    assert second == ["once.take", "quotas.letter", "once.take", *counted]


@EVERYBODY
def test_quotas_count_what_was_typed_whoever_has_it_enumeration(scene, numero):
    for _ in range(3):
        scene.choose(numero=numero)
    scene.choose(Channel.LETTER, numero=numero)

    assert scene.held(numero=numero) is Quota.MAIL
    assert scene.held(Channel.LETTER, numero=numero) is Quota.LETTER
    assert scene.held(Channel.LETTER, numero=numero, network="198.51.100.7") is Quota.LETTER


def test_a_network_has_five_letters_a_day_letter_cannon(scene):
    for number in range(5):
        scene.choose(Channel.LETTER, numero=NumeroDossier(f"555000{number}"))

    assert scene.held(Channel.LETTER) is Quota.LETTERS_OF_NETWORK


def test_a_letter_above_the_breaker_is_promised_held_and_sounds_the_alarm(caplog):
    scene = Scene(QuotaPolicy(letters_a_day=1))
    scene.choose(Channel.LETTER, numero=UNKNOWN)

    with caplog.at_level(logging.ERROR):
        scene.choose(Channel.LETTER)

    promise = scene.promises()[-1]
    assert (promise.state, promise.account_id) == (PromiseState.HELD, "account 67")
    assert scene.audit.events[-1].detail["held"] == 1
    assert [record.message for record in caplog.records] == [
        "the letter breaker holds letters back: see idp letters list"
    ]


EVERY_STEP = [
    (channel, store, method)
    for channel in Channel
    for store, method in (
        ("once", "take"),
        ("quotas", str(channel)),
        ("contacts", "find"),
        ("outbox", "add"),
        ("audit", "record"),
    )
]


@pytest.mark.parametrize(("channel", "store", "method"), EVERY_STEP)
def test_a_store_away_for_a_moment_leaves_the_choice_to_be_made_again(
    scene, channel, store, method
):
    journey, whole = scene.journey(), scene.reset
    scene.reset = replace(whole, **{store: Failing(getattr(whole, store), method)})
    with pytest.raises(StoreUnavailable):
        scene.choose(channel, journey=journey)

    scene.reset = whole

    # A letter that was not promised does not hold the next one for ten days.
    assert scene.choose(channel, journey=journey).promised is not None


@pytest.mark.parametrize("channel", Channel)
def test_a_commit_that_failed_leaves_the_choice_to_be_made_again(scene, channel):
    # Otherwise the form sent again would confirm a message that never leaves.
    journey = scene.journey()
    scene.choose(channel, journey=journey)

    scene.reset.taken_back(journey, channel)

    assert scene.choose(channel, journey=journey).promised is not None


def test_quotas_out_of_reach_give_no_letter_its_days_back_letter_cannon(scene):
    scene.choose(Channel.LETTER)
    whole = scene.reset
    scene.reset = replace(whole, quotas=Failing(whole.quotas, "letter"))
    with pytest.raises(StoreUnavailable):
        scene.choose(Channel.LETTER)

    scene.reset = whole

    assert scene.held(Channel.LETTER) is Quota.LETTER


def test_a_letter_refused_by_a_quota_gives_no_letter_its_days_back_letter_cannon(scene):
    scene.choose(Channel.LETTER)

    assert [scene.held(Channel.LETTER) for _ in range(3)] == [Quota.LETTER] * 3


@pytest.mark.parametrize("store", ["contacts", "quotas", "audit"])
def test_without_its_stores_a_reset_neither_begins_nor_offers(scene, store):
    getattr(scene, store).away = True

    with pytest.raises(StoreUnavailable):
        scene.reset.offer(scene.begin())


def test_a_store_away_after_the_commit_is_told_and_the_row_is_the_promise(scene):
    chosen = scene.choose()
    scene.temporaries.away = True

    with pytest.raises(StoreUnavailable):
        scene.reset.noted(chosen)

    assert [promise.state for promise in scene.promises()] == [PromiseState.WAITING]
