from dataclasses import replace
from datetime import timedelta

import pytest

from idp import Busy
from idp import StoreUnavailable
from idp.audit import Event
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import Cause
from idp.identity.login import MustChoosePassword
from idp.identity.login import subject_of
from idp.identity.password import Argon2Cost
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import channel_of
from idp.identity.temporary_password import draw
from idp.identity.temporary_password import written
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.session import session_key
from tests.sign_in_scene import DECOY_KEY
from tests.sign_in_scene import HERE
from tests.sign_in_scene import NUMERO
from tests.sign_in_scene import UNKNOWN
from tests.sign_in_scene import WRONG
from tests.sign_in_scene import CountingPasswords
from tests.sign_in_scene import Scene


@pytest.fixture
def scene():
    return Scene()


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
