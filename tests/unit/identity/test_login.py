import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from idp import Busy
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import Qualite
from idp.identity.hash_pool import HashPool
from idp.identity.login import ACR_PASSWORD
from idp.identity.login import FAILURES_TOLD
from idp.identity.login import Cause
from idp.identity.login import browser_key
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.identity.password import PASSWORD_LIMIT
from idp.identity.password import Argon2Cost
from idp.identity.password import Passwords
from idp.identity.password import PasswordTooLong
from idp.identity.temporary_password import Channel
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.metrics.not_counted import NOT_COUNTED
from idp.promise import PromiseState
from idp.session import SignedIn
from tests.fakes import MemoryAccounts
from tests.sign_in_scene import ARGON2ID
from tests.sign_in_scene import BCRYPT
from tests.sign_in_scene import DECOY_KEY
from tests.sign_in_scene import NUMERO
from tests.sign_in_scene import REDESIGN
from tests.sign_in_scene import RIGHT
from tests.sign_in_scene import UNKNOWN
from tests.sign_in_scene import WRONG
from tests.sign_in_scene import Scene


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
    "a frozen account": ({"protection": Protection.FROZEN}, {}, Cause.FROZEN),
    "an account reopened to mails": ({"protection": Protection.REOPENED}, {}, Cause.FROZEN),
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


@pytest.mark.parametrize(
    ("account", "takes"),
    [
        ({}, True),
        ({"password": None}, False),
        ({"last_sign_in_at": REDESIGN - timedelta(seconds=1)}, False),
    ],
)
def test_a_page_asks_for_a_password_where_one_would_be_taken(scene, account, takes):
    scene.change(**account)

    assert scene.sign_in.takes_password(Qualite.AFFILIE, NUMERO) is takes
    assert scene.sign_in.takes_password(Qualite.AFFILIE, UNKNOWN) is False


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
    pool = HashPool(threads=1, queue=0, watch=NOT_COUNTED)
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


def new_browser_notices(scene):
    rows = scene.outbox.rows(states=tuple(PromiseState), limit=100)
    return [row for row in rows if row.kind is Kind.NEW_BROWSER]


def test_the_first_browser_of_an_account_is_told_to_nobody(scene):
    scene.try_password()

    assert new_browser_notices(scene) == []


def test_a_browser_that_the_account_does_not_know_is_told_once_a_day(scene):
    scene.try_password()
    scene.try_password()
    scene.try_password()

    (notice,) = new_browser_notices(scene)
    assert (notice.account_id, notice.channel) == ("account", Channel.MAIL)


def test_a_known_browser_and_a_refusal_are_told_by_no_notice(scene):
    scene.try_password()
    scene.try_password(origin=Origin("192.0.2.1", "phone"))
    scene.refused(clear=WRONG)

    assert new_browser_notices(scene) == []


def test_an_installation_may_tell_of_no_browser(scene):
    scene.sign_in = replace(scene.sign_in, notices=None)
    scene.try_password()
    scene.try_password()

    assert new_browser_notices(scene) == []
