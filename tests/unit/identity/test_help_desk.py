"""What the help desk may do: under a name, with a reason, and never with a secret in its hands."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.freeze import Freeze
from idp.identity.freeze import NotFrozen
from idp.identity.help_desk import HelpDesk
from idp.identity.help_desk import NoSuchAccount
from idp.identity.help_desk import NotPromised
from idp.identity.help_desk import Promised
from idp.identity.help_desk import Refusal
from idp.identity.help_desk import UnfitReason
from idp.identity.help_desk import Unlocked
from idp.identity.help_desk import fit_reason
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.identity.password import PasswordHash
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TryPolicy
from idp.identity.timeline import OnItsWay
from idp.limits import AttemptPolicy
from idp.limits import Origin
from idp.limits import Waiting
from idp.promise import PromiseState
from tests.fake_counters import MemoryAttempts
from tests.fake_counters import MemoryResetQuotas
from tests.fake_franceconnect_links import MemoryLinks
from tests.fake_outbox import MemoryOutbox
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryContacts
from tests.fakes import MemorySessions
from tests.fakes import subject
from tests.instance import Clock

NUMERO = NumeroDossier("1234567")
UNKNOWN = NumeroDossier("7654321")
DECOY_KEY = b"d" * 32
SUBJECT = subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)
HERE = Origin("192.0.2.1")
JEANNE = Actor(operator="jeanne")
REASON = "appel du matin"
HASHED = PasswordHash("argon2id", "$argon2id$")
ONE_TRY = TryPolicy(in_all=1)


class Scene:
    """The use cases over stores in memory, with one affilié who has both addresses."""

    def __init__(self, *, tries=TryPolicy()):  # noqa: B008 - frozen
        self.clock = Clock()
        self.accounts = MemoryAccounts()
        self.outbox = MemoryOutbox(now=self.clock)
        self.attempts = MemoryAttempts(AttemptPolicy(), now=self.clock)
        self.temporaries = MemoryTemporaryPasswords(tries, now=self.clock)
        self.quotas = MemoryResetQuotas(QuotaPolicy(), now=self.clock)
        self.audit = MemoryAuditLog(now=self.clock)
        self.transactions = []
        self.sessions = MemorySessions(idle=timedelta(minutes=30), now=self.clock)
        contacts = MemoryContacts(self.accounts, now=self.clock)
        self.desk = HelpDesk(
            accounts=self.accounts,
            contacts=contacts,
            freezing=Freeze(
                accounts=self.accounts,
                contacts=contacts,
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
            ),
            temporaries=self.temporaries,
            outbox=self.outbox,
            promises=self.outbox,
            attempts=self.attempts,
            quotas=self.quotas,
            links=MemoryLinks(self.accounts),
            trail=self.audit,
            audit=self.audit,
            decoy_key=DECOY_KEY,
            transaction=self.transaction,
            now=self.clock,
        )
        account = Account("account", DossierStatus.ACTIVE, HASHED, 3, None)
        self.accounts.add(DirectoryEntry(account, Qualite.AFFILIE, NUMERO, subject()))

    @contextmanager
    def transaction(self):
        self.transactions.append("open")
        try:
            yield
        except BaseException:
            self.transactions.append("rolled back")
            raise
        self.transactions.append("committed")

    def change(self, **changes):
        entry = self.accounts.entries["account"]
        entry.subject = replace(entry.subject, **changes)

    def fail(self, times):
        for _ in range(times):
            self.attempts.reserve(SUBJECT, HERE)

    def look(self, qualite=Qualite.AFFILIE, numero=NUMERO, events=50):
        return self.desk.look(qualite, numero, events=events, actor=JEANNE)

    def unlock(self, numero=NUMERO, reason=REASON):
        return self.desk.unlock(Qualite.AFFILIE, numero, reason=reason, actor=JEANNE)

    def send(self, channel, *, numero=NUMERO, reason=REASON, again=False):
        return self.desk.send(
            Qualite.AFFILIE, numero, channel, reason=reason, again=again, actor=JEANNE
        )

    def act(self, name, **named):
        return self.unlock(**named) if name == "unlock" else self.send(Channel(name), **named)

    def deliver(self, channel):
        (claimed,) = self.outbox.claim(channel)
        self.issue(channel, claimed.id)
        self.outbox.done(claimed)
        self.temporaries.sent("account", channel, claimed.id)

    def issue(self, channel, promise):
        assert self.temporaries.issue(
            "account",
            channel,
            promise,
            version=3,
            hashed=HASHED,
            expires_at=self.clock() + timedelta(hours=24),
        )

    def lock(self, channel):
        """Type the secret wrong once too often."""
        assert self.temporaries.reserve_try("account", channel, version=3, network="n", browser="b")

    def events(self):
        return [
            (kept.event, kept.account_id, kept.actor, kept.detail) for kept in self.audit.events
        ]


@pytest.fixture
def scene():
    return Scene()


def test_a_look_gives_what_every_store_says_and_leaves_a_trace(scene):
    scene.fail(5)
    scene.send(Channel.MAIL)
    scene.audit.record(Event.SIGN_IN_DELAYED, detail={"subject": SUBJECT})

    seen = scene.look()

    assert (seen.at, seen.contact.account_id) == (scene.clock(), "account")
    assert seen.waiting == Waiting(5, scene.clock() + timedelta(minutes=1))
    assert [kept.state for kept in seen.temporaries] == [State.REQUESTED]
    assert [row.state for row in seen.promises] == [PromiseState.WAITING]
    assert [past.event for past in seen.events] == ["sign_in.delayed", "reset.requested"]
    assert scene.events()[-1] == (Event.ACCOUNT_SHOWN, "account", JEANNE, {})


def test_a_look_gives_the_newest_events_and_no_more_than_asked_for(scene):
    for event in (Event.SIGN_IN_SUCCEEDED, Event.SESSION_ENDED):
        scene.audit.record(event, account_id="account")

    assert [past.event for past in scene.look(events=1).events] == ["session.ended"]


@pytest.mark.parametrize(
    ("qualite", "numero", "other"),
    [(Qualite.AFFILIE, UNKNOWN, False), (Qualite.AYANT_DROIT, NUMERO, True)],
)
def test_a_number_of_nobody_says_whether_the_other_box_has_somebody(scene, qualite, numero, other):
    with pytest.raises(NoSuchAccount) as nobody:
        scene.look(qualite, numero)

    assert (nobody.value.other, str(nobody.value)) == (other, "no such dossier")
    assert scene.events() == []


def test_an_account_unlocked_waits_no_more_and_the_audit_log_says_who_and_why(scene):
    scene.fail(5)

    lifted = scene.unlock()

    assert lifted == Unlocked(Waiting(5, scene.clock() + timedelta(minutes=1)), letter=False)
    assert scene.attempts.look(SUBJECT) == Waiting()
    detail = {"reason": REASON, "failures": 5, "letter": 0}
    assert scene.events() == [(Event.ACCOUNT_UNLOCKED, "account", JEANNE, detail)]


def test_a_locked_letter_counts_no_more_for_the_next_one():
    scene = Scene(tries=ONE_TRY)
    scene.quotas.letter(SUBJECT, "192.0.2.1")
    scene.issue(Channel.LETTER, 1)
    scene.lock(Channel.LETTER)

    assert scene.unlock().letter

    assert scene.quotas.letter(SUBJECT, "192.0.2.2") is False
    assert scene.events()[0][3]["letter"] == 1


@pytest.mark.parametrize("channel", [None, Channel.MAIL, Channel.LETTER])
def test_a_letter_that_is_not_locked_still_counts_for_the_next_one(channel):
    scene = Scene(tries=ONE_TRY)
    scene.quotas.letter(SUBJECT, "192.0.2.1")
    if channel is not None:
        scene.issue(channel, 1)
    if channel is Channel.MAIL:
        scene.lock(channel)

    assert not scene.unlock().letter

    with pytest.raises(QuotaReached):
        scene.quotas.letter(SUBJECT, "192.0.2.2")


def test_nothing_is_lifted_that_the_audit_log_did_not_take(scene):
    scene.fail(5)
    scene.audit.away = True

    with pytest.raises(StoreUnavailable):
        scene.unlock()

    assert scene.attempts.look(SUBJECT).until is not None


def test_an_unlock_that_redis_did_not_take_is_not_told_as_done(scene):
    scene.attempts.away = True

    with pytest.raises(StoreUnavailable):
        scene.unlock()

    assert scene.transactions == ["open", "rolled back"]


@pytest.mark.parametrize(
    ("channel", "mask"), [(Channel.MAIL, "a***te@e*****.org"), (Channel.LETTER, "")]
)
def test_a_message_is_promised_as_the_member_would_have_it(scene, channel, mask):
    scene.change(email="annette@example.org")

    promised = scene.send(channel)

    (row,) = scene.outbox.of_account("account", limit=9)
    assert promised == Promised(row.id, mask)
    assert (row.kind, row.channel, row.state) == (
        Kind.TEMPORARY_PASSWORD,
        channel,
        PromiseState.WAITING,
    )
    assert row.credential_version == 3
    (requested,) = scene.temporaries.look("account")
    assert (requested.state, requested.promise, requested.hash) == (State.REQUESTED, row.id, None)
    detail = {"channel": channel, "promise": row.id, "reason": REASON, "again": 0}
    assert scene.events() == [(Event.RESET_REQUESTED, "account", JEANNE, detail)]


def test_a_promise_stands_though_redis_is_away_right_after_it(scene):
    noted = scene.temporaries.request

    def away_by_now(*words, **named):
        scene.temporaries.away = True
        noted(*words, **named)

    scene.temporaries.request = away_by_now

    promised = scene.send(Channel.MAIL)

    assert scene.transactions == ["open", "committed"]
    assert [row.id for row in scene.outbox.claim(Channel.MAIL)] == [promised.promise]


def test_nothing_is_promised_while_redis_is_away(scene):
    scene.temporaries.away = True

    with pytest.raises(StoreUnavailable):
        scene.send(Channel.MAIL)

    assert scene.outbox.of_account("account", limit=9) == []


@pytest.mark.parametrize("channel", list(Channel))
def test_one_that_waits_or_is_alive_is_told_and_another_needs_insistence(scene, channel):
    asked_at = scene.clock()
    scene.send(channel)
    with pytest.raises(NotPromised) as waiting:
        scene.send(channel)
    scene.clock.advance(timedelta(minutes=1))
    scene.deliver(channel)
    with pytest.raises(NotPromised) as alive:
        scene.send(channel)

    assert waiting.value.refusal is alive.value.refusal is Refusal.ON_ITS_WAY
    assert waiting.value.way == OnItsWay(asked_at, None)
    assert alive.value.way == OnItsWay(scene.clock(), scene.clock() + timedelta(hours=24))
    assert str(alive.value) == "not promised: on_its_way"
    assert scene.send(channel, again=True).promise == 2
    assert scene.events()[-1][3]["again"] == 1


def test_the_other_channel_is_free(scene):
    scene.send(Channel.MAIL)

    assert scene.send(Channel.LETTER).promise == 2


def test_the_members_own_quotas_neither_bind_the_help_desk_nor_count_what_it_sends(scene):
    for _ in range(3):
        scene.quotas.mail(SUBJECT)
    scene.quotas.letter(SUBJECT, "192.0.2.1")

    scene.send(Channel.MAIL)
    scene.send(Channel.LETTER)

    scene.clock.advance(QuotaPolicy().letter_every)
    assert scene.quotas.letter(SUBJECT, "192.0.2.1") is False


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("status", [DossierStatus.CLOSED, DossierStatus.DECEASED])
def test_a_dossier_that_is_not_active_is_sent_nothing(scene, channel, status):
    scene.accounts.change("account", dossier_status=status)

    with pytest.raises(NotPromised) as refused:
        scene.send(channel, again=True)

    assert refused.value.refusal is Refusal.NOT_ACTIVE
    assert (scene.events(), scene.outbox.of_account("account", limit=9)) == ([], [])


def test_a_letter_needs_an_address_that_can_be_printed(scene):
    scene.change(address=("MME ANNE MARTIN", "", "", "", "", ""))

    with pytest.raises(NotPromised) as refused:
        scene.send(Channel.LETTER)

    assert (refused.value.refusal, refused.value.fault) == (
        Refusal.NO_ADDRESS,
        "address_incomplete",
    )


def test_a_mail_needs_an_address_and_a_new_one_waits_so_that_its_thief_is_noticed(scene):
    scene.change(email="")
    with pytest.raises(NotPromised) as none:
        scene.send(Channel.MAIL)
    scene.accounts.record_email("account", "voleur@example.org", at=scene.clock())
    with pytest.raises(NotPromised) as waits:
        scene.send(Channel.MAIL)

    assert (none.value.fault, waits.value.fault) == ("no_address", "address_waits")
    scene.clock.advance(timedelta(days=10))
    assert scene.send(Channel.MAIL).mask == "v***ur@e*****.org"


@pytest.mark.parametrize("act", ["unlock", "mail", "letter"])
def test_an_act_on_a_number_of_nobody_does_nothing(scene, act):
    with pytest.raises(NoSuchAccount):
        scene.act(act, numero=UNKNOWN)

    assert scene.events() == []


@pytest.mark.parametrize("act", ["unlock", "mail"])
def test_an_act_without_a_fit_reason_does_nothing(scene, act):
    scene.fail(5)

    with pytest.raises(UnfitReason):
        scene.act(act, reason="?")

    assert scene.events() == []
    assert scene.attempts.look(SUBJECT).until is not None


@pytest.mark.parametrize(
    "reason",
    [
        "ab",
        "abc " * 31,
        "anne@example.org",
        "dossier 1234567",
        "tél. 06 12 34 56 78",
        "06.12.34.56.78",
        "dossier １２３４５６７",
        "reçu SE2K-ABCD-EFGA ce matin",
        "se2kabcdefga",
        "pour se2k abcd efga",
        "SE2K/ABCD/EFGA",
        "SE2K -- ABCD -- EFGA",
        "S E 2 K A B C D E F G A",
        "dossier 1204/816",
        "dossier 12 / 04 / 816",
        "dossier 1204 puis 816",
        "dossier 1·2·0·4·8·1·6",
        "dossier ①②③④⑤⑥⑦",
        "dossier 24/11/20261",
        "dossier 99/99/2026",
        "anne (at) exemple",
        "anne[at]exemple",
        "anne(a)exemple",
        "anne at exemple",
        "anne＠exemple",
        "anne arobase exemple",
        "anne chez orange.fr",
        "effacer \x1b[2J",
        "un\u202eretourné",
    ],
)
def test_a_reason_holds_no_address_number_secret_or_control_character(reason):
    with pytest.raises(UnfitReason):
        fit_reason(reason)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("abc", "abc"),
        ("abc " * 30, "abc " * 29 + "abc"),
        ("  appel\n du   24/11/2026 ", "appel du 24/11/2026"),
        ("changement de carte demandée", "changement de carte demandée"),
        ("ticket 123456, identité vérifiée", "ticket 123456, identité vérifiée"),
        ("ticket 123456 du 24/11/2026", "ticket 123456 du 24/11/2026"),
        ("lettre perdue, a rappelé deux fois", "lettre perdue, a rappelé deux fois"),
    ],
)
def test_a_fit_reason_is_kept_with_its_spaces_folded(typed, kept):
    assert fit_reason(typed) == kept


def freeze(scene, *, reason=REASON):
    return scene.desk.freeze(Qualite.AFFILIE, NUMERO, letter=True, reason=reason, actor=JEANNE)


def reopen(scene, *, keep_password=False, reason=REASON):
    return scene.desk.reopen(
        Qualite.AFFILIE, NUMERO, keep_password=keep_password, reason=reason, actor=JEANNE
    )


def test_the_help_desk_freezes_and_no_mail_leaves_until_it_reopens(scene):
    frozen = freeze(scene)

    assert frozen.promise
    assert scene.audit.events[-1].event == Event.ACCOUNT_FROZEN
    assert scene.audit.events[-1].actor == JEANNE
    assert scene.audit.events[-1].detail["reason"] == REASON
    with pytest.raises(NotPromised) as refused:
        scene.send(Channel.MAIL)
    assert refused.value.refusal is Refusal.FROZEN
    with pytest.raises(NotFrozen):
        freeze(scene)

    assert reopen(scene)

    assert scene.audit.events[-1].detail == {"reason": REASON, "password_kept": 0}
    assert scene.send(Channel.MAIL).mask
    assert not reopen(scene)


def test_a_freeze_by_mistake_gives_the_password_of_before_back(scene):
    freeze(scene)

    assert reopen(scene, keep_password=True)

    account = scene.accounts.find(Qualite.AFFILIE, NUMERO)
    assert account.protection is Protection.NONE
    assert scene.audit.events[-1].detail["password_kept"] == 1


def test_a_reopening_is_told_by_mail_where_there_is_an_address(scene):
    def told():
        rows = scene.outbox.rows(states=tuple(PromiseState), limit=100)
        return [row for row in rows if row.kind is Kind.ACCOUNT_REOPENED]

    freeze(scene)
    reopen(scene)
    assert len(told()) == 1
    scene.change(email="")
    freeze(scene)

    reopen(scene)

    assert len(told()) == 1


def test_a_freeze_stands_when_the_store_of_secrets_is_away(scene):
    scene.temporaries.away = True

    freeze(scene)

    account = scene.accounts.find(Qualite.AFFILIE, NUMERO)
    assert account.protection is Protection.FROZEN


@pytest.mark.parametrize("act", [freeze, reopen])
def test_neither_freeze_nor_reopening_goes_without_a_fit_reason(scene, act):
    with pytest.raises(UnfitReason):
        act(scene, reason="a")

    assert scene.accounts.find(Qualite.AFFILIE, NUMERO).protection is Protection.NONE


def test_no_repr_of_the_help_desk_shows_its_key_log_leak(scene):
    shown = repr(scene.desk)

    assert DECOY_KEY.hex() not in shown
    assert repr(DECOY_KEY) not in shown
