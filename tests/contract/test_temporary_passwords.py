"""The state machine of the temporary password, in the store: product.md and its values table."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.identity.password import PasswordHash
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import REMEMBERED
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TryPolicy
from idp.infra.redis_store import RedisStore
from idp.infra.temporary_passwords import RedisTemporaryPasswords

MAIL, LETTER = Channel.MAIL, Channel.LETTER
MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)


def hashed(name):
    return PasswordHash("ours:m=19456,t=2,p=1", f"$argon2id$v=19$m=19456,t=2,p=1${name}")


class Account:
    """What happens to one account's temporary passwords, told in few words."""

    def __init__(self, store, clock):
        self.store = store
        self.clock = clock

    def request(self, promise, channel=MAIL, version=1):
        self.store.request("account", channel, promise, version=version)

    def issue(self, promise, secret=None, channel=MAIL, version=1):
        return self.store.issue(
            "account",
            channel,
            promise,
            version=version,
            hashed=hashed(secret or f"secret-{promise}"),
            expires_at=self.clock() + LIFETIMES[channel],
        )

    def deliver(self, promise, channel=MAIL, version=1):
        self.request(promise, channel, version)
        assert self.issue(promise, channel=channel, version=version)
        self.store.sent("account", channel, promise)

    def attempt(self, origin=0, channel=MAIL, version=1):
        return self.store.reserve_try(
            "account", channel, version=version, network=f"192.0.2.{origin}", browser=f"b{origin}"
        )

    def open(self, found, holder="holder", origin=0, lease=LEASE):
        return self.store.open(
            found,
            network=f"192.0.2.{origin}",
            browser=f"b{origin}",
            holder=holder,
            until=self.clock() + lease,
        )

    def looked(self, channel=MAIL):
        return next((it for it in self.store.look("account") if it.channel is channel), None)

    def state(self, channel=MAIL):
        return self.looked(channel).state


@pytest.fixture
def account(world):
    return Account(world.temporary_passwords(TryPolicy()), world.clock)


@pytest.fixture
def real_account(real_world):
    return Account(real_world.temporary_passwords(TryPolicy()), real_world.clock)


def test_a_request_waits_without_a_secret(account):
    account.request(1)

    asked = account.looked()

    assert (asked.state, asked.promise, asked.newest) == (State.REQUESTED, 1, 1)
    assert (asked.hash, asked.expires_at) == (None, None)
    assert (asked.requested_at, asked.credential_version) == (account.clock(), 1)
    assert account.attempt() is None


def test_the_worker_draws_and_hands_over(world, account):
    asked_at = account.clock()
    account.request(1)
    world.pass_time(HOUR)

    assert account.issue(1)
    issued = account.looked()
    account.store.sent("account", MAIL, 1)

    assert (issued.state, issued.hash, issued.requested_at) == (
        State.ISSUED,
        hashed("secret-1"),
        asked_at,
    )
    assert issued.expires_at == account.clock() + timedelta(hours=24)
    assert account.state() is State.SENT


def test_the_hash_that_was_kept_is_what_a_try_is_verified_against(account):
    account.deliver(1)

    found = account.attempt()

    assert (found.hash, found.account_id, found.channel) == (hashed("secret-1"), "account", MAIL)


def test_what_was_issued_opens_before_anybody_noted_that_it_left(account):
    account.issue(1)

    assert account.open(account.attempt())
    assert account.state() is State.OPENED


def test_a_mere_request_cancels_no_secret_that_is_alive(account):
    account.deliver(1)

    account.request(2)

    kept = account.looked()
    assert (kept.state, kept.promise, kept.newest) == (State.SENT, 1, 2)
    assert account.open(account.attempt())


def test_a_mere_request_takes_the_lease_from_nobody(account):
    account.deliver(1)
    account.open(account.attempt())

    account.request(2)

    assert account.store.is_open("account", MAIL, "holder")


def test_a_mere_request_neither_unlocks_nor_gives_tries_back(account):
    account.deliver(1)
    for _ in range(5):
        account.attempt()

    account.request(2)

    assert account.attempt() is None
    assert account.looked().wrong_tries == 5


def test_a_newer_secret_supersedes_the_older_when_it_is_drawn(world, account):
    account.deliver(1)
    found = account.attempt()
    world.pass_time(HOUR)
    account.request(2)

    assert account.issue(2)

    assert account.looked().requested_at == account.clock()
    assert account.attempt().hash == hashed("secret-2")
    assert account.open(found) is False


def test_a_newer_secret_ends_the_lease_of_the_older(account):
    account.deliver(1)
    account.open(account.attempt())

    account.deliver(2)

    assert not account.store.is_open("account", MAIL, "holder")
    assert account.state() is State.SENT


def test_a_message_of_an_older_promise_must_not_leave(account):
    account.request(1)
    account.request(2)

    assert account.issue(1) is False
    assert account.state() is State.REQUESTED
    assert account.issue(2) is True
    assert account.issue(1) is False
    assert account.attempt().hash == hashed("secret-2")


def test_an_older_request_that_comes_late_changes_nothing(account):
    account.deliver(2)
    before = account.looked()

    account.request(1)

    assert account.looked() == before


def test_the_note_that_an_older_message_left_says_nothing_of_the_newer(account):
    account.issue(1)
    account.issue(2)

    account.store.sent("account", MAIL, 1)

    assert account.state() is State.ISSUED


def test_a_note_that_it_left_makes_nothing_of_a_request_and_nothing_of_nothing(account):
    account.store.sent("account", MAIL, 1)
    assert account.looked() is None

    account.request(1)
    account.store.sent("account", MAIL, 1)

    assert account.state() is State.REQUESTED


def test_a_store_that_forgot_everything_accepts_the_outbox_for_the_promise(account):
    account.deliver(1)
    account.store.use_up("account")  # leaves as much as an emptied store

    assert account.issue(2)
    assert account.attempt().hash == hashed("secret-2")


def test_a_retry_draws_again_and_the_first_secret_dies(account):
    account.issue(1, "first")
    found = account.attempt()

    assert account.issue(1, "second")

    assert account.open(found) is False
    assert account.attempt().hash == hashed("second")
    assert account.state() is State.ISSUED


def test_a_retry_keeps_the_instant_of_the_request(world, account):
    asked_at = account.clock()
    account.request(1)
    account.issue(1)
    world.pass_time(HOUR)

    account.issue(1)

    assert account.looked().requested_at == asked_at


def test_a_guesser_gets_no_five_more_tries_from_a_retry(account):
    account.issue(1, "first")
    for _ in range(5):
        account.attempt()

    account.issue(1, "second")

    assert account.attempt() is None
    assert account.attempt(origin=1) is not None


def test_a_message_never_leaves_with_a_secret_that_was_locked_before(account):
    account.issue(1, "first")
    for n in range(50):
        account.attempt(origin=n)
    assert account.state() is State.LOCKED

    assert account.issue(1, "second")

    assert account.state() is State.ISSUED
    assert account.attempt(origin=60).hash == hashed("second")


def test_a_newer_promise_gives_everybody_new_tries(account):
    account.deliver(1)
    for _ in range(5):
        account.attempt()

    account.deliver(2)

    found = account.attempt()
    assert (found.hash, found.wrong_tries) == (hashed("secret-2"), 1)


def test_a_message_whose_secret_was_typed_arrived_and_is_not_sent_again(world, account):
    account.issue(1, "first")
    account.open(account.attempt())

    assert account.issue(1, "second") is False
    world.pass_time(LEASE)
    assert account.issue(1, "second") is False

    assert account.attempt().hash == hashed("first")


def test_mail_and_letter_live_side_by_side(account):
    account.deliver(1, MAIL)
    account.deliver(2, LETTER)

    assert account.attempt(channel=MAIL).hash == hashed("secret-1")
    assert account.attempt(channel=LETTER).hash == hashed("secret-2")
    assert [it.channel for it in account.store.look("account")] == [MAIL, LETTER]


def test_a_new_password_uses_up_both_channels(account):
    account.deliver(1, MAIL)
    account.deliver(2, LETTER)
    found = account.attempt()
    account.open(found)

    account.store.use_up("account")

    assert account.store.look("account") == []
    assert not account.store.is_open("account", MAIL, "holder")
    assert account.attempt() is None
    assert account.attempt(channel=LETTER) is None
    assert account.open(found) is False


def test_accounts_do_not_meet(account):
    account.deliver(1)

    account.store.use_up("another")

    assert account.store.look("another") == []
    assert account.store.reserve_try(
        "another", MAIL, version=1, network="192.0.2.1", browser="b"
    ) is None  # fmt: skip
    assert account.attempt() is not None


@pytest.mark.parametrize("version", [0, 2])
def test_a_secret_of_another_version_of_the_account_is_dead(account, version):
    account.deliver(1, version=1)

    assert account.attempt(version=version) is None
    assert account.looked().wrong_tries == 0


def test_a_secret_brought_back_by_a_backup_gives_way_to_a_request(account):
    account.deliver(1, version=1)

    account.request(2, version=2)

    asked = account.looked()
    assert (asked.state, asked.promise, asked.credential_version) == (State.REQUESTED, 2, 2)
    assert account.attempt(version=1) is None


def test_what_an_older_version_asked_for_neither_kills_nor_replaces_a_living_secret(account):
    account.deliver(1, version=2)

    account.request(2, version=1)

    assert account.issue(2, version=1) is False
    kept = account.looked()
    assert (kept.promise, kept.newest) == (1, 1)
    assert account.attempt(version=2).hash == hashed("secret-1")


@pytest.mark.parametrize("channel", Channel)
def test_a_secret_opens_until_its_instant_and_not_a_millisecond_longer(world, account, channel):
    account.deliver(1, channel)
    world.pass_time(LIFETIMES[channel] - MILLISECOND)
    found = account.attempt(channel=channel)
    assert found is not None

    world.pass_time(MILLISECOND)

    assert account.attempt(channel=channel) is None
    assert account.open(found) is False


def test_what_expired_is_remembered_for_the_help_desk_and_then_forgotten(world, account):
    account.deliver(1)
    world.pass_time(LIFETIMES[MAIL] + REMEMBERED - MILLISECOND * 1_000)

    assert account.looked().expires_at < account.clock()
    world.pass_time(MILLISECOND * 1_000)
    assert account.looked() is None


def test_what_expired_gives_way_to_a_request(world, account):
    account.deliver(1)
    world.pass_time(LIFETIMES[MAIL])

    account.request(2)

    assert (account.state(), account.looked().hash) == (State.REQUESTED, None)


def test_a_request_is_remembered_as_long_as_it_may_wait(world, account):
    account.request(1)

    world.pass_time(REQUEST_LIFETIME)
    assert account.state() is State.REQUESTED
    world.pass_time(REMEMBERED)
    assert account.looked() is None


def test_a_request_shortens_the_life_of_no_letter(world, account):
    account.deliver(1, LETTER)

    account.request(2, LETTER)

    world.pass_time(LIFETIMES[LETTER] - MILLISECOND)
    assert account.attempt(channel=LETTER) is not None


def test_a_request_is_not_forgotten_with_the_secret_it_will_replace(world, account):
    account.deliver(1)
    world.pass_time(23 * HOUR)
    account.request(2)

    world.pass_time(REQUEST_LIFETIME)

    assert account.looked().newest == 2


def test_the_sixth_try_of_one_network_and_browser_is_not_verified(account):
    account.deliver(1)

    found = [account.attempt() for _ in range(6)]

    assert [it.wrong_tries for it in found[:5]] == [1, 2, 3, 4, 5]
    assert found[5] is None
    assert account.attempt(origin=1) is not None


def test_a_guesser_who_changes_the_browser_is_known_by_the_network(account):
    account.deliver(1)

    tries = [
        account.store.reserve_try("account", MAIL, version=1, network="192.0.2.1", browser=f"b{n}")
        for n in range(6)
    ]

    assert tries[4] is not None
    assert tries[5] is None


def test_a_guesser_who_changes_the_network_is_known_by_the_browser(account):
    account.deliver(1)

    tries = [
        account.store.reserve_try("account", MAIL, version=1, network=f"192.0.2.{n}", browser="b")
        for n in range(6)
    ]

    assert tries[4] is not None
    assert tries[5] is None


def test_a_network_and_a_browser_of_one_name_are_counted_apart(account):
    account.deliver(1)
    for n in range(5):
        account.store.reserve_try("account", MAIL, version=1, network="same", browser=f"b{n}")

    assert account.store.reserve_try("account", MAIL, version=1, network="n", browser="same")


def test_the_fiftieth_wrong_try_locks_for_everybody_until_it_expires(world, account):
    account.deliver(1)

    found = [account.attempt(origin=n) for n in range(50)]

    assert [it.state for it in found[48:]] == [State.SENT, State.LOCKED]
    assert account.state() is State.LOCKED
    assert account.attempt(origin=60) is None
    world.pass_time(LIFETIMES[MAIL] - MILLISECOND)
    assert account.state() is State.LOCKED
    assert account.attempt(origin=60) is None


def test_the_fiftieth_try_opens_if_it_is_right(account):
    account.deliver(1)
    found = [account.attempt(origin=n) for n in range(50)]

    assert account.open(found[-1], origin=49)

    assert (account.state(), account.looked().wrong_tries) == (State.OPENED, 49)


def test_strangers_who_lock_a_secret_do_not_take_the_lease(account):
    account.deliver(1)
    account.open(account.attempt())
    for n in range(50):
        account.attempt(origin=n)

    assert account.state() is State.LOCKED
    assert account.store.is_open("account", MAIL, "holder")


def test_a_right_try_takes_itself_back_and_leaves_the_wrong_ones(account):
    account.deliver(1)
    for _ in range(4):
        account.attempt()

    account.open(account.attempt())

    assert account.looked().wrong_tries == 4
    assert account.attempt() is not None
    assert account.attempt() is None


def test_a_member_who_types_the_right_secret_again_and_again_is_never_locked_out(account):
    account.deliver(1)

    assert all(account.open(account.attempt(), holder=f"tab-{n}") for n in range(60))

    assert account.looked().wrong_tries == 0


def test_a_try_that_could_not_be_verified_leaves_no_trace(account):
    account.deliver(1)

    for _ in range(60):
        account.store.release(account.attempt(), network="192.0.2.0", browser="b0")

    assert account.looked().wrong_tries == 0
    assert account.state() is State.SENT


def test_taking_back_gives_no_more_tries_than_were_reserved(account):
    account.deliver(1)
    found = account.attempt()

    for _ in range(3):
        account.store.release(found, network="192.0.2.0", browser="b0")

    assert account.looked().wrong_tries == 0
    assert [account.attempt() is None for _ in range(6)] == [False] * 5 + [True]


def test_a_try_of_the_former_secret_takes_nothing_back_from_the_newer(account):
    account.deliver(1)
    found = account.attempt()
    account.deliver(2)
    account.attempt()

    account.store.release(found, network="192.0.2.0", browser="b0")

    assert account.looked().wrong_tries == 1


def test_only_the_holder_has_the_lease(account):
    account.deliver(1)

    account.open(account.attempt(), holder="holder")

    assert account.store.is_open("account", MAIL, "holder")
    assert not account.store.is_open("account", MAIL, "thief")
    assert not account.store.is_open("account", LETTER, "holder")
    assert not account.store.is_open("another", MAIL, "holder")


def test_typing_the_secret_elsewhere_moves_the_lease(account):
    account.deliver(1)
    account.open(account.attempt(), holder="first")

    assert account.open(account.attempt(), holder="second")

    assert not account.store.is_open("account", MAIL, "first")
    assert account.store.is_open("account", MAIL, "second")


def test_a_lease_that_ended_is_sent_again_without_anybody_doing_anything(world, account):
    account.issue(1)
    account.open(account.attempt())

    world.pass_time(LEASE - MILLISECOND)
    assert account.store.is_open("account", MAIL, "holder")
    assert account.looked().opened_until == account.clock() + MILLISECOND
    world.pass_time(MILLISECOND)

    assert not account.store.is_open("account", MAIL, "holder")
    assert (account.state(), account.looked().opened_until) == (State.SENT, None)
    assert account.open(account.attempt(), holder="again")


def test_who_typed_the_secret_in_time_has_the_whole_lease(world, account):
    account.deliver(1)
    world.pass_time(LIFETIMES[MAIL] - MILLISECOND)
    account.open(account.attempt())
    world.pass_time(LEASE - MILLISECOND)

    account.request(2)

    assert account.store.is_open("account", MAIL, "holder")
    assert account.attempt() is None
    world.pass_time(MILLISECOND)
    assert not account.store.is_open("account", MAIL, "holder")


def test_a_lease_is_kept_however_long_it_is(world, account):
    account.deliver(1)
    account.open(account.attempt(), lease=timedelta(days=9))

    world.pass_time(timedelta(days=9) - MILLISECOND)

    assert account.store.is_open("account", MAIL, "holder")


def test_nobody_has_a_lease_on_what_was_never_opened(account):
    assert not account.store.is_open("account", MAIL, "")
    account.request(1)
    assert not account.store.is_open("account", MAIL, "")
    account.issue(1)
    assert not account.store.is_open("account", MAIL, "")


def test_guessing_at_numbers_nobody_has_leaves_nothing_in_the_store(real_account, real_world):
    assert real_account.attempt() is None

    assert list(real_world.store.client.scan_iter()) == []


def test_a_hundred_guesses_sent_at_once_are_five(real_account, at_once):
    real_account.deliver(1)

    outcomes = at_once(real_account.attempt, 100)

    assert sum(isinstance(outcome, TemporaryPassword) for outcome in outcomes) == 5
    assert outcomes.count(None) == 95


def test_a_hundred_guesses_sent_at_once_from_everywhere_are_fifty(real_account, at_once):
    real_account.deliver(1)
    origins = iter(range(100))

    outcomes = at_once(lambda: real_account.attempt(origin=next(origins)), 100)

    assert sum(isinstance(outcome, TemporaryPassword) for outcome in outcomes) == 50
    assert real_account.state() is State.LOCKED


def test_of_two_workers_with_two_promises_the_newer_wins_in_whatever_order(real_account, at_once):
    promises = iter([3, 1, 4, 2] * 5)

    at_once(lambda: real_account.issue(next(promises)), 20)

    assert real_account.looked().promise == 4


def test_of_twenty_browsers_with_the_right_secret_one_has_the_lease(real_account, at_once):
    real_account.deliver(1)
    names = iter(range(20))

    def type_it():
        name = next(names)
        found = real_account.attempt(origin=name)
        assert real_account.open(found, holder=f"holder-{name}", origin=name)

    assert at_once(type_it, 20) == [None] * 20
    holders = [
        name for name in range(20) if real_account.store.is_open("account", MAIL, f"holder-{name}")
    ]
    assert len(holders) == 1
    assert real_account.looked().wrong_tries == 0


def test_nothing_in_the_store_stays_for_ever(real_account, real_world):
    real_account.request(1)
    real_account.deliver(2, LETTER)
    real_account.attempt(channel=LETTER)
    real_account.open(real_account.attempt(channel=LETTER))

    client = real_world.store.client
    lives = {key: timedelta(milliseconds=client.pttl(key)) for key in client.scan_iter()}

    assert timedelta(days=14) < lives["temporary:{account}:mail"] < timedelta(days=16)
    assert timedelta(days=30) < lives["temporary:{account}:letter"] < timedelta(days=32)


def test_using_up_joins_the_other_writes_of_its_use_case(real_account, real_world):
    real_account.deliver(1)

    with real_world.store.together():
        real_account.store.use_up("account")
        assert real_account.looked() is not None

    assert real_account.looked() is None


def test_without_the_store_there_is_no_verdict(clock):
    account = Account(
        RedisTemporaryPasswords(RedisStore("redis://127.0.0.1:1/0"), TryPolicy(), now=clock), clock
    )
    found = TemporaryPassword(
        "account", MAIL, State.SENT, 1, 1, 1, hashed("secret"), clock(), clock() + HOUR
    )

    for act in (
        lambda: account.request(1),
        lambda: account.issue(1),
        lambda: account.store.sent("account", MAIL, 1),
        account.attempt,
        lambda: account.open(found),
        lambda: account.store.release(found, network="", browser=""),
        lambda: account.store.is_open("account", MAIL, "holder"),
        lambda: account.store.use_up("account"),
        lambda: account.store.look("account"),
    ):
        with pytest.raises(StoreUnavailable):
            act()
