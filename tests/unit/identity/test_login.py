import threading
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import bcrypt
import pytest
from argon2.low_level import Type
from argon2.low_level import hash_secret

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
from idp.identity.login import FAILURES_TOLD
from idp.identity.login import Cause
from idp.identity.login import MustChoosePassword
from idp.identity.login import SignIn
from idp.identity.login import SignInRefused
from idp.identity.login import browser_key
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.identity.outbox import PromiseState
from idp.identity.password import PASSWORD_LIMIT
from idp.identity.password import Argon2Cost
from idp.identity.password import Passwords
from idp.identity.password import PasswordTooLong
from idp.identity.password import parse_imported
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TryPolicy
from idp.identity.temporary_password import channel_of
from idp.identity.temporary_password import draw
from idp.identity.temporary_password import written
from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.session import SignedIn
from idp.session import session_key
from tests.fake_outbox import MemoryOutbox
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAttempts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryOnce
from tests.fakes import MemoryResetQuotas
from tests.fakes import MemoryTemporaryPasswords
from tests.fakes import subject
from tests.instance import Clock

REDESIGN = datetime(2021, 3, 1, tzinfo=UTC)
NUMERO = NumeroDossier("1234567")
UNKNOWN = NumeroDossier("7654321")
HERE = Origin("192.0.2.1")
DECOY_KEY = b"d" * 32
WRONG = "les mimosas du moulin"
RIGHT = "les glycines du moulin"
BCRYPT = parse_imported(bcrypt.hashpw(RIGHT.encode(), bcrypt.gensalt(4)).decode())
ARGON2ID = parse_imported(hash_secret(RIGHT.encode(), b"s" * 16, 1, 16, 1, 32, Type.ID).decode())


class CountingPasswords(Passwords):
    """The real ones, and a note of what each attempt cost."""

    def __init__(self, accounts, cost):
        super().__init__(pepper=b"p" * 32, decoy_key=DECOY_KEY, cost=cost, mix=accounts)
        self.verified = []
        self.hashed = 0
        self.decoys = 0

    def verify(self, stored, clear):
        self.verified.append(stored)
        return super().verify(stored, clear)

    def hash(self, clear):
        self.hashed += 1
        return super().hash(clear)

    def decoy(self, subject, qualite):
        self.decoys += 1
        return super().decoy(subject, qualite)


class Scene:
    """The use case over stores in memory, with one affilié who has a password of ours."""

    def __init__(self, *, cost=None, policy=None, pool=None):
        self.clock = Clock()
        self.accounts = MemoryAccounts()
        self.attempts = MemoryAttempts(policy or AttemptPolicy(), now=self.clock)
        self.audit = MemoryAuditLog()
        self.temporaries = MemoryTemporaryPasswords(TryPolicy(), now=self.clock)
        self.outbox = MemoryOutbox(now=self.clock)
        self.quotas = MemoryResetQuotas(QuotaPolicy(), now=self.clock)
        self.once = MemoryOnce(now=self.clock)
        self.passwords = CountingPasswords(self.accounts, cost or Argon2Cost(8, 1))
        self.sign_in = SignIn(
            accounts=self.accounts,
            attempts=self.attempts,
            temporaries=self.temporaries,
            quotas=self.quotas,
            outbox=self.outbox,
            once=self.once,
            passwords=self.passwords,
            pool=pool or HashPool(threads=1, queue=4),
            audit=self.audit,
            decoy_key=DECOY_KEY,
            redesign_at=REDESIGN,
            now=self.clock,
        )
        self.accounts.add(
            DirectoryEntry(
                Account("account", DossierStatus.ACTIVE, self.passwords.hash(RIGHT), 3, None),
                Qualite.AFFILIE,
                NUMERO,
                subject(),
            )
        )
        self.forget_costs()

    @property
    def account(self):
        return self.accounts.entries["account"].account

    def change(self, **changes):
        return self.accounts.change("account", **changes)

    def forget_costs(self):
        self.passwords.verified.clear()
        self.passwords.hashed = self.passwords.decoys = 0

    def try_password(
        self, clear=RIGHT, *, qualite=Qualite.AFFILIE, numero=NUMERO, origin=HERE, browser="b"
    ):
        return self.sign_in.with_password(
            qualite, numero, clear,
            origin=origin, device="phone", browser=browser,
            actor=Actor(network=origin.network, request_id="r1"),
        )  # fmt: skip

    def refused(self, *args, **kwargs):
        with pytest.raises(SignInRefused) as refusal:
            self.try_password(*args, **kwargs)
        return refusal.value

    def next_streak(self, numero=NUMERO, origin=HERE):
        name = subject_of(DECOY_KEY, Qualite.AFFILIE, numero)
        return self.attempts.reserve(name, origin).streak


@pytest.fixture
def scene():
    return Scene()


NEVER_KNOWN = {"numero": UNKNOWN}
OTHER_BOX = {"qualite": Qualite.AYANT_DROIT}
REFUSALS = {
    "an unknown number": ({}, NEVER_KNOWN, Cause.UNKNOWN_DOSSIER),
    "a number of the other qualité": ({}, OTHER_BOX, Cause.UNKNOWN_DOSSIER),
    "a closed dossier": ({"dossier_status": DossierStatus.CLOSED}, {}, Cause.NOT_ACTIVE),
    "a deceased person": ({"dossier_status": DossierStatus.DECEASED}, {}, Cause.NOT_ACTIVE),
    "an account without a password": ({"password": None}, {}, Cause.NO_PASSWORD),
    "a wrong password": ({}, {"clear": WRONG}, Cause.WRONG_PASSWORD),
    "a wrong imported password": ({"password": BCRYPT}, {"clear": WRONG}, Cause.WRONG_PASSWORD),
    "an imported password of unknown use": ({"password": BCRYPT}, {}, Cause.MUST_RESET),
    "an account unused since the redesign": (
        {"last_sign_in_at": REDESIGN - timedelta(seconds=1)},
        {},
        Cause.MUST_RESET,
    ),
}
EVERY_REFUSAL = pytest.mark.parametrize(
    ("account", "typed", "cause"), REFUSALS.values(), ids=REFUSALS.keys()
)


def test_the_right_password_signs_in_by_password_and_nothing_more(scene):
    signed_in = scene.try_password()

    assert signed_in == SignedIn("account", 3, ("pwd",), ACR_PASSWORD)
    assert scene.account.last_sign_in_at == scene.clock()


def test_a_sign_in_is_told_to_the_audit_log_without_number_or_password(scene):
    scene.try_password()

    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.SIGN_IN_SUCCEEDED, "account")
    assert event.actor == Actor(network="192.0.2.0/24", request_id="r1")
    assert NUMERO.value not in repr(event)


@EVERY_REFUSAL
def test_a_refusal_is_one_error_with_one_text_whatever_the_cause(scene, account, typed, cause):
    scene.change(**account)

    refusal = scene.refused(**typed)

    assert (refusal.code, str(refusal), refusal.wait) == (
        "sign_in_refused",
        "sign-in refused",
        timedelta(0),
    )


@EVERY_REFUSAL
def test_the_cause_of_a_refusal_is_in_the_audit_log_and_nothing_that_was_typed(
    scene, account, typed, cause
):
    scene.change(**account)

    scene.refused(**typed)

    (event,) = scene.audit.events
    assert event.event == Event.SIGN_IN_REFUSED
    assert event.account_id == (None if cause is Cause.UNKNOWN_DOSSIER else "account")
    assert event.detail["cause"] == cause
    assert (event.detail["streak"], event.detail["known_device"]) == (1, 0)
    assert not any(secret in repr(event) for secret in (RIGHT, WRONG, NUMERO.value, UNKNOWN.value))


@EVERY_REFUSAL
def test_a_refusal_costs_exactly_one_verification_and_no_hash(scene, account, typed, cause):
    scene.change(**account)

    scene.refused(**typed)

    assert len(scene.passwords.verified) == 1
    assert (scene.passwords.hashed, scene.passwords.decoys) == (0, 1)


@EVERY_REFUSAL
def test_a_refusal_changes_nothing_of_the_account_and_counts_once(scene, account, typed, cause):
    before = scene.change(**account)

    scene.refused(**typed)

    assert scene.account == before
    if typed is not OTHER_BOX:
        assert scene.next_streak(typed.get("numero", NUMERO)) == 2


def test_a_sign_in_costs_exactly_one_verification_and_no_hash(scene):
    scene.try_password()

    assert scene.passwords.verified == [scene.account.password]
    assert (scene.passwords.hashed, scene.passwords.decoys) == (0, 1)


@pytest.mark.parametrize(
    "status", [DossierStatus.CLOSED, DossierStatus.DECEASED], ids=["closed", "deceased"]
)
def test_the_password_of_a_closed_dossier_is_not_even_looked_at(scene, status):
    scene.change(dossier_status=status)

    scene.refused()

    assert scene.passwords.verified[0] != scene.account.password


def test_an_unknown_number_costs_what_an_account_of_the_directory_would(scene):
    scene.change(password=ARGON2ID)

    scene.refused(numero=UNKNOWN)

    assert scene.passwords.verified[0].scheme == ARGON2ID.scheme


def test_a_right_password_that_must_be_reset_costs_no_more_than_a_wrong_one():
    # Otherwise the time of the refusal would tell a thief that the password is right.
    scene = Scene()
    scene.change(password=BCRYPT, last_sign_in_at=None)

    scene.refused()

    assert scene.passwords.hashed == 0


@pytest.mark.parametrize("imported", [BCRYPT, ARGON2ID], ids=["bcrypt", "argon2id"])
def test_an_imported_password_is_replaced_by_ours_at_the_first_sign_in(scene, imported):
    scene.change(password=imported, last_sign_in_at=REDESIGN)

    assert scene.try_password().credential_version == 3

    assert scene.account.password.scheme == "ours:m=8,t=1,p=1"
    assert scene.passwords.hashed == 1
    scene.forget_costs()
    scene.try_password()
    assert (len(scene.passwords.verified), scene.passwords.hashed) == (1, 0)


def test_a_hash_of_another_cost_is_replaced_at_the_next_sign_in():
    scene = Scene(cost=Argon2Cost(16, 1))
    cheaper = Passwords(
        pepper=b"p" * 32, decoy_key=DECOY_KEY, cost=Argon2Cost(8, 1), mix=scene.accounts
    )
    scene.change(password=cheaper.hash(RIGHT))

    scene.try_password()

    assert scene.account.password.scheme == "ours:m=16,t=1,p=1"


def test_a_wrong_password_never_replaces_a_hash(scene):
    scene.change(password=BCRYPT, last_sign_in_at=REDESIGN)

    scene.refused(WRONG)

    assert scene.account.password == BCRYPT


def test_a_decoy_is_never_kept(scene):
    scene.change(password=None)

    scene.refused()

    assert scene.account.password is None


def test_a_password_changed_between_its_verification_and_its_use_is_refused(scene):
    class ChangedMeanwhile(MemoryAccounts):
        def signed_in(self, account, *, at, replacement):
            self.change(account.id, credential_version=4)
            return super().signed_in(account, at=at, replacement=replacement)

    accounts = ChangedMeanwhile()
    accounts.entries = scene.accounts.entries
    scene.sign_in = replace(scene.sign_in, accounts=accounts)

    scene.refused()

    assert scene.audit.events[0].detail["cause"] == Cause.CHANGED_MEANWHILE
    assert scene.next_streak() == 2


def test_a_dossier_closed_between_verification_and_sign_in_is_refused(scene):
    class ClosedMeanwhile(MemoryAccounts):
        def signed_in(self, account, *, at, replacement):
            self.change(account.id, dossier_status=DossierStatus.CLOSED)
            return super().signed_in(account, at=at, replacement=replacement)

    accounts = ClosedMeanwhile()
    accounts.entries = scene.accounts.entries
    scene.sign_in = replace(scene.sign_in, accounts=accounts)

    scene.refused()

    assert scene.audit.events[0].detail["cause"] == Cause.CHANGED_MEANWHILE


def test_a_form_sent_twice_signs_in_twice_although_the_first_replaced_the_hash(scene):
    # A double click at the first sign-in after the migration: the browser shows the second answer.
    class ReplacedMeanwhile(MemoryAccounts):
        def signed_in(self, account, *, at, replacement):
            if replacement is not None:
                self.change(account.id, password=replacement)
            return super().signed_in(account, at=at, replacement=replacement)

    accounts = ReplacedMeanwhile()
    accounts.entries = scene.accounts.entries
    scene.change(password=BCRYPT, last_sign_in_at=REDESIGN)
    accounts.change("account", password=BCRYPT)
    scene.sign_in = replace(scene.sign_in, accounts=accounts)

    assert scene.try_password().account_id == "account"
    assert scene.account.last_sign_in_at == scene.clock()


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
def test_an_over_long_password_is_told_as_such_before_hashing_and_does_not_count(scene, numero):
    with pytest.raises(PasswordTooLong):
        scene.try_password("x" * (PASSWORD_LIMIT + 1), numero=numero)

    assert (scene.passwords.verified, scene.passwords.decoys, scene.audit.events) == ([], 0, [])
    assert scene.next_streak(numero) == 1


def test_a_password_of_the_longest_length_is_verified(scene):
    scene.refused("x" * PASSWORD_LIMIT)

    assert len(scene.passwords.verified) == 1


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
def test_a_delayed_try_is_told_and_neither_looked_up_nor_hashed(scene, numero):
    for _ in range(4):
        assert scene.refused(WRONG, numero=numero).wait == timedelta(0)
    assert scene.refused(WRONG, numero=numero).wait == timedelta(seconds=60)
    scene.forget_costs()
    scene.audit.events.clear()
    scene.accounts.away = True

    with pytest.raises(SignInDelayed) as delayed:
        scene.try_password(numero=numero)

    assert (delayed.value.held_by, delayed.value.retry_after) == (
        HeldBy.ACCOUNT,
        timedelta(seconds=60),
    )
    assert (scene.passwords.verified, scene.passwords.decoys) == ([], 0)
    (event,) = scene.audit.events
    assert (event.event, event.detail["held_by"]) == (Event.SIGN_IN_DELAYED, HeldBy.ACCOUNT)


def test_hammering_on_a_wait_is_one_event(scene):
    for _ in range(5):
        scene.refused(WRONG)
    scene.audit.events.clear()

    for _ in range(20):
        with pytest.raises(SignInDelayed):
            scene.try_password()

    assert [event.event for event in scene.audit.events] == [Event.SIGN_IN_DELAYED]


def test_a_wait_holds_for_the_right_password_too_and_then_it_signs_in(scene):
    for _ in range(5):
        scene.refused(WRONG)
    with pytest.raises(SignInDelayed):
        scene.try_password()

    scene.clock.advance(timedelta(seconds=60))

    assert scene.try_password().account_id == "account"
    assert scene.next_streak() == 1


def test_a_success_makes_the_browser_known(scene):
    scene.try_password()
    for _ in range(5):
        scene.refused(WRONG, origin=Origin("203.0.113.9"))

    assert scene.try_password(origin=Origin("192.0.2.1", "phone")).account_id == "account"


def test_a_refusal_of_a_known_browser_says_so_in_the_audit_log(scene):
    scene.try_password()

    scene.refused(WRONG, origin=Origin("192.0.2.1", "phone"))

    assert scene.audit.events[-1].detail["known_device"] == 1


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
def test_without_the_directory_there_is_no_verdict_and_the_try_does_not_count(scene, numero):
    scene.accounts.away = True

    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            scene.try_password(numero=numero)

    assert scene.next_streak(numero) == 1
    assert scene.audit.events == []


def test_without_counters_nothing_is_verified(scene):
    scene.attempts.away = True

    with pytest.raises(StoreUnavailable):
        scene.try_password()

    assert scene.passwords.verified == []


def test_a_busy_pool_gives_no_verdict_and_the_try_does_not_count():
    pool = HashPool(threads=1, queue=0)
    scene = Scene(pool=pool)
    begun, go_on = threading.Event(), threading.Event()

    def occupy():
        begun.set()
        go_on.wait(10)

    other = threading.Thread(target=pool.run, args=(occupy,))
    other.start()
    begun.wait(10)
    try:
        for _ in range(10):
            with pytest.raises(Busy):
                scene.try_password()
    finally:
        go_on.set()
        other.join(10)

    assert scene.audit.events == []
    assert scene.next_streak() == 1
    assert scene.passwords.verified == []


def test_a_subject_is_keyed_and_differs_by_number_and_qualite():
    subjects = {
        subject_of(key, qualite, numero)
        for key in (DECOY_KEY, b"e" * 32)
        for qualite in Qualite
        for numero in (NUMERO, UNKNOWN)
    }

    assert len(subjects) == 8
    assert all(len(name) == 32 and NUMERO.value not in name for name in subjects)


def issue(scene, channel=Channel.MAIL, *, version=3, account_id="account", lifetime=LEASE * 4):
    """Put a freshly drawn temporary password into the store, and give it."""
    secret = draw(channel)
    hashed = scene.passwords.hash(secret)
    expires_at = scene.clock() + lifetime
    scene.temporaries.issue(
        account_id, channel, 1, version=version, hashed=hashed, expires_at=expires_at
    )
    scene.forget_costs()
    return secret


def other_than(secret):
    """Another secret of the same channel, with a right check symbol."""
    return next(other for other in iter(lambda: draw(channel_of(secret)), "") if other != secret)


def wrong_tries(scene):
    return [kept.wrong_tries for kept in scene.temporaries.look("account")]


@pytest.mark.parametrize("channel", Channel)
def test_a_temporary_password_opens_the_choice_of_a_new_one_and_nothing_else(scene, channel):
    secret = issue(scene, channel)

    opened = scene.try_password(secret)

    assert isinstance(opened, MustChoosePassword)
    assert (opened.account_id, opened.channel) == ("account", channel)
    lease = ("account", channel, session_key(opened.token))
    scene.clock.advance(LEASE - timedelta(seconds=1))
    assert scene.temporaries.is_open(*lease)
    scene.clock.advance(timedelta(seconds=1))
    assert not scene.temporaries.is_open(*lease)
    assert scene.account.last_sign_in_at is None


def test_a_temporary_password_is_typed_in_lower_case_without_dashes_or_with_them(scene):
    secret = issue(scene)

    for typed in (secret.lower(), written(secret), f" {written(secret).lower()} "):
        assert scene.try_password(typed).account_id == "account"


def test_the_opening_is_told_to_the_audit_log_and_the_secret_to_nobody(scene):
    secret = issue(scene)

    opened = scene.try_password(secret)

    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.TEMPORARY_OPENED, "account")
    assert event.detail == {"channel": "mail"}
    assert not any(part in repr(event) for part in (secret, opened.token))
    assert opened.token not in repr(opened)


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("waiting", [True, False], ids=["with a reset", "without"])
def test_a_temporary_password_costs_one_verification_whoever_has_the_number_timing(
    scene, numero, waiting
):
    secret = issue(scene) if waiting else draw(Channel.MAIL)

    refusal = scene.refused(other_than(secret), numero=numero)

    assert (refusal.wait, refusal.slip, str(refusal)) == (timedelta(0), False, "sign-in refused")
    assert [stored.scheme for stored in scene.passwords.verified] == ["ours:m=8,t=1,p=1"]
    assert (scene.passwords.hashed, scene.passwords.decoys) == (0, 0)


NO_TEMPORARY = {
    "an unknown number": ({}, {"numero": UNKNOWN}, {}),
    "a closed dossier": ({"dossier_status": DossierStatus.CLOSED}, {}, {}),
    "an account of a newer version": ({"credential_version": 4}, {}, {}),
    "a secret that expired": ({}, {}, {"lifetime": timedelta(0)}),
    "a secret of another account": ({}, {}, {"account_id": "another"}),
}


@pytest.mark.parametrize(
    ("account", "typed", "issued"), NO_TEMPORARY.values(), ids=NO_TEMPORARY.keys()
)
def test_a_right_secret_opens_nothing_for(scene, account, typed, issued):
    secret = issue(scene, **issued)
    scene.change(**account)

    scene.refused(secret, **typed)

    (event,) = scene.audit.events
    assert (event.event, event.detail["cause"]) == (Event.TEMPORARY_REFUSED, Cause.NO_TEMPORARY)
    assert event.account_id == (None if "numero" in typed else "account")
    assert secret not in repr(event)


def test_a_secret_of_the_former_version_is_dead_though_its_hash_is_there_restored_backup(scene):
    secret = issue(scene)
    scene.change(credential_version=4)

    scene.refused(secret)
    scene.change(credential_version=3)

    assert scene.try_password(secret).account_id == "account"


def test_a_wrong_temporary_password_is_told_to_the_audit_log_by_its_cause(scene):
    scene.refused(other_than(issue(scene)))

    (event,) = scene.audit.events
    assert (event.event, event.account_id) == (Event.TEMPORARY_REFUSED, "account")
    assert event.detail["cause"] == Cause.WRONG_TEMPORARY
    assert event.detail["subject"] == subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)


@pytest.mark.parametrize(
    "elsewhere", [{"origin": HERE}, {"browser": "b"}], ids=["network", "browser"]
)
def test_five_wrong_tries_of_one_network_or_browser_shut_it_out_and_nobody_else_guessing(
    scene, elsewhere
):
    secret = issue(scene)
    other = other_than(secret)
    for n in range(5):
        where = {"origin": Origin(f"192.0.2.{n + 10}"), "browser": f"browser {n}", **elsewhere}
        scene.refused(other, **where)

    where = {"origin": Origin("192.0.2.99"), "browser": "another", **elsewhere}
    scene.refused(secret, **where)

    assert scene.audit.events[-1].detail["cause"] == Cause.NO_TEMPORARY
    theirs = scene.try_password(secret, origin=Origin("198.51.100.7"), browser="theirs")
    assert theirs.account_id == "account"


@pytest.mark.parametrize("channel", Channel)
def test_the_fiftieth_wrong_try_of_all_locks_the_secret_and_is_told_guessing(scene, channel):
    secret = issue(scene, channel)
    other = other_than(secret)
    for n in range(50):
        scene.refused(other, origin=Origin(f"192.0.2.{n}"), browser=f"browser {n}")

    events = [event.event for event in scene.audit.events]
    assert events == [Event.TEMPORARY_REFUSED] * 49 + [Event.TEMPORARY_LOCKED]
    scene.refused(secret, origin=Origin("198.51.100.7"), browser="theirs")


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("sent", [True, False], ids=["a letter sent", "none sent"])
def test_fifty_wrong_letters_free_the_next_one_whoever_has_the_number_enumeration(
    scene, numero, sent
):
    # The real letter locks at the fiftieth. If that alone freed the ten days, asking for another
    # letter would tell who exists, and to whom one was sent.
    name = subject_of(DECOY_KEY, Qualite.AFFILIE, numero)
    scene.quotas.letter(name, HERE.network)
    other = other_than(issue(scene, Channel.LETTER)) if sent else draw(Channel.LETTER)
    for n in range(49):
        origin = Origin(f"192.0.2.{n // 5}")
        scene.refused(other, numero=numero, origin=origin, browser=f"browser {n // 5}")
    with pytest.raises(QuotaReached) as held:
        scene.quotas.letter(name, HERE.network)
    assert held.value.quota is Quota.LETTER

    scene.refused(other, numero=numero, origin=Origin("198.51.100.7"), browser="last")

    assert scene.quotas.letter(name, HERE.network) is False


def test_wrong_mails_free_no_letter_letter_cannon(scene):
    name = subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)
    scene.quotas.letter(name, HERE.network)
    other = other_than(issue(scene, Channel.MAIL))
    for n in range(50):
        scene.refused(other, origin=Origin(f"192.0.2.{n}"), browser=f"browser {n}")

    with pytest.raises(QuotaReached):
        scene.quotas.letter(name, HERE.network)


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize(
    ("numero", "sent", "tries"),
    [(NUMERO, True, 1), (NUMERO, True, 50), (NUMERO, False, 1), (UNKNOWN, False, 1)],
    ids=["wrong", "the one that locks", "none sent", "unknown"],
)
def test_a_refused_secret_asks_the_same_of_the_stores_whoever_it_is_timing(
    scene, numero, sent, tries, channel
):
    other = other_than(issue(scene, channel)) if sent else draw(channel)
    for n in range(tries - 1):
        scene.refused(other, numero=numero, origin=Origin(f"192.0.2.{n}"), browser=f"browser {n}")
    calls = []
    scene.sign_in = replace(
        scene.sign_in,
        **{port: Told(port, getattr(scene, port), calls) for port in Told.PORTS},
    )

    scene.refused(other, numero=numero, origin=Origin("198.51.100.7"), browser="last")

    counted = ["quotas.letter_refused"] if channel is Channel.LETTER else []
    assert calls == [
        "attempts.reserve",
        "accounts.find",
        "temporaries.reserve_try",
        *counted,
        "audit.record",
    ]


class Told:
    """A port that notes which of its methods are called, in order."""

    PORTS = ("accounts", "attempts", "audit", "once", "outbox", "quotas", "temporaries")

    def __init__(self, name, port, calls):
        self._name, self._port, self._calls = name, port, calls

    def __getattr__(self, method):
        act = getattr(self._port, method)

        def noted(*words, **named):
            self._calls.append(f"{self._name}.{method}")
            return act(*words, **named)

        return noted


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
def test_without_the_quotas_a_wrong_letter_has_no_verdict_whoever_has_the_number(scene, numero):
    scene.quotas.away = True

    with pytest.raises(StoreUnavailable):
        scene.try_password(draw(Channel.LETTER), numero=numero)

    assert scene.audit.events == []


def test_the_right_secret_at_the_fiftieth_try_opens(scene):
    secret = issue(scene)
    other = other_than(secret)
    for n in range(49):
        scene.refused(other, origin=Origin(f"192.0.2.{n}"), browser=f"browser {n}")

    opened = scene.try_password(secret, origin=Origin("198.51.100.7"), browser="theirs")

    assert opened.account_id == "account"
    assert wrong_tries(scene) == [49]


def test_a_waiting_account_gets_out_by_its_temporary_password(scene):
    for _ in range(5):
        scene.refused(WRONG)
    with pytest.raises(SignInDelayed):
        scene.try_password()

    opened = scene.try_password(issue(scene))

    assert opened.account_id == "account"
    with pytest.raises(SignInDelayed):  # only the new password lifts the waiting time
        scene.try_password()


def test_temporary_passwords_typed_wrong_count_for_the_network_and_not_for_the_account(scene):
    for n in range(30):
        scene.refused(draw(Channel.MAIL), numero=NumeroDossier(f"555{n:04}"))

    with pytest.raises(SignInDelayed) as delayed:
        scene.try_password(issue(scene))

    assert delayed.value.held_by is HeldBy.NETWORK
    assert scene.next_streak(origin=Origin("198.51.100.7")) == 1


def test_an_opening_leaves_no_failure_behind_for_network_or_secret(scene):
    secret = issue(scene)

    for _ in range(40):
        scene.try_password(secret)

    assert wrong_tries(scene) == [0]
    assert scene.attempts.is_suspected(HERE.network) is False


def test_a_slip_of_the_finger_is_told_to_everyone_and_costs_no_try_of_the_secret(scene):
    secret = issue(scene)
    slipped = secret[:-1] + ("A" if secret[-1] != "A" else "B")

    told = [scene.refused(slipped, numero=numero).slip for numero in (NUMERO, UNKNOWN)]

    assert told == [True, True]
    assert scene.refused(WRONG).slip is False
    assert wrong_tries(scene) == [0]
    assert scene.next_streak() == 3


def test_an_imported_password_of_the_temporary_shape_still_signs_in(scene):
    shaped = "ABCDEFGHJKM" + next(
        last for last in "ABCDEFGH" if scene.refused("ABCDEFGHJKM" + last).slip
    )
    scene.change(password=scene.passwords.hash(shaped))

    assert scene.try_password(shaped).account_id == "account"


def test_a_secret_typed_elsewhere_moves_the_lease_there(scene):
    secret = issue(scene)
    here = scene.try_password(secret)

    there = scene.try_password(secret, browser="the telephone")

    opened = [
        scene.temporaries.is_open("account", Channel.MAIL, session_key(lease.token))
        for lease in (here, there)
    ]
    assert opened == [False, True]


def test_a_secret_superseded_while_it_is_verified_opens_nothing(scene):
    secret = issue(scene)

    class Superseded(CountingPasswords):
        def verify(self, stored, clear):
            issue(scene)
            return super().verify(stored, clear)

    passwords = Superseded(scene.accounts, Argon2Cost(8, 1))
    scene.sign_in = replace(scene.sign_in, passwords=passwords)

    scene.refused(secret)

    (event,) = scene.audit.events
    assert event.detail["cause"] == Cause.CHANGED_MEANWHILE


class Stumbling:
    """The temporary passwords in a store that fails one method."""

    def __init__(self, store, method):
        self._store, self._method = store, method

    def __getattr__(self, method):
        if method != self._method:
            return getattr(self._store, method)

        def fail(*words, **named):
            raise StoreUnavailable(method)

        return fail


@pytest.mark.parametrize("method", ["reserve_try", "open"])
def test_a_store_that_stumbles_costs_the_right_secret_no_try(scene, method):
    secret = issue(scene)
    whole = scene.sign_in
    scene.sign_in = replace(whole, temporaries=Stumbling(scene.temporaries, method))
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            scene.try_password(secret)

    scene.sign_in = whole

    assert wrong_tries(scene) == [0]
    assert scene.attempts.is_suspected(HERE.network) is False
    assert scene.try_password(secret).account_id == "account"


@pytest.mark.parametrize("waiting", [True, False], ids=["with a reset", "without"])
def test_a_busy_pool_costs_a_temporary_password_no_try(scene, waiting):
    secret = issue(scene) if waiting else draw(Channel.MAIL)

    class Full:
        def run(self, work):
            raise Busy("full")

    whole = scene.sign_in
    scene.sign_in = replace(whole, pool=Full())
    for _ in range(6):
        with pytest.raises(Busy):
            scene.try_password(secret)

    assert wrong_tries(scene) == ([0] if waiting else [])
    assert scene.attempts.is_suspected(HERE.network) is False
    assert scene.audit.events == []


def test_a_browser_is_named_in_counters_by_a_hash_and_one_without_a_cookie_by_a_word():
    names = {browser_key(browser) for browser in ("", "one", "other", "é", "\ud800")}

    assert len(names) == 5
    assert browser_key("") == "none"
    assert "one" not in browser_key("one")


def fail_in_a_row(scene, times, numero=NUMERO):
    for n in range(times):
        wait = scene.refused(WRONG, numero=numero, origin=Origin(f"192.0.2.{n % 200}")).wait
        scene.clock.advance(wait)


def promises(scene):
    return scene.outbox.rows(states=tuple(PromiseState), limit=100)


def test_the_tenth_failure_in_a_row_promises_a_mail_that_tells_of_it(scene):
    fail_in_a_row(scene, FAILURES_TOLD - 1)
    assert promises(scene) == []

    fail_in_a_row(scene, 1)

    (promise,) = promises(scene)
    assert (promise.kind, promise.channel) == (Kind.SIGN_IN_FAILURES, Channel.MAIL)
    assert (promise.account_id, promise.credential_version) == ("account", 3)


def test_an_unknown_number_leaves_the_same_row_for_the_worker_to_drop_enumeration(scene):
    fail_in_a_row(scene, FAILURES_TOLD, UNKNOWN)

    (promise,) = promises(scene)
    assert (promise.kind, promise.account_id) == (Kind.SIGN_IN_FAILURES, None)


def test_a_member_is_told_of_failures_once_a_day_mail_bomb(scene):
    fail_in_a_row(scene, FAILURES_TOLD + 8)
    assert len(promises(scene)) == 1

    scene.clock.advance(timedelta(hours=16))
    fail_in_a_row(scene, 1)

    assert len(promises(scene)) == 2


@pytest.mark.parametrize("numero", [NUMERO, UNKNOWN], ids=["known", "unknown"])
def test_a_notice_that_could_not_be_promised_is_promised_at_the_next_failure(scene, numero):
    fail_in_a_row(scene, FAILURES_TOLD - 1, numero)
    scene.outbox.away = True
    with pytest.raises(StoreUnavailable):
        scene.try_password(WRONG, numero=numero)
    scene.outbox.away = False
    scene.clock.advance(timedelta(hours=1))

    fail_in_a_row(scene, 1, numero)

    assert len(promises(scene)) == 1
