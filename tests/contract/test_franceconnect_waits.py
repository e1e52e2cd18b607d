"""Tries, arrivals and hints: what waits for a person who is at FranceConnect or back from it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.identity.franceconnect_port import ARRIVAL_LIFETIME
from idp.identity.franceconnect_port import TRIES_OF_BROWSER
from idp.identity.franceconnect_port import TRIES_OF_NETWORK
from idp.identity.franceconnect_port import TRY_LIFETIME
from idp.identity.franceconnect_port import TRY_REMEMBERED
from idp.identity.franceconnect_port import Arrived
from idp.identity.franceconnect_port import Purpose
from idp.identity.franceconnect_port import Spent
from idp.identity.franceconnect_port import Try
from idp.identity.franceconnect_port import browser_hash
from idp.identity.pivot import Arrival
from idp.identity.pivot import PivotIdentity
from idp.infra import franceconnect_tries
from idp.infra.franceconnect_arrivals import RedisArrivals
from idp.infra.franceconnect_hints import RedisHints
from tests import fake_franceconnect
from tests.contract.conftest import ABSOLUTE
from tests.contract.conftest import COOKIE_KEYS

SECOND = timedelta(seconds=1)
BROWSER, OTHER = "a browser of one member", "a browser of another one"
BEGUN = Try(
    browser_hash(BROWSER), "a nonce", "sealed", Purpose.CONFIRM, "account-1", "/compte/acces"
)
NAMES = "Élise Aline"
ARRIVED = Arrived(
    Arrival("s" * 64, PivotIdentity("DURAND", NAMES, "female", "1950-00-00", "", "99350")),
    "header.claims.signature",
)


class TestTries:
    def test_a_try_comes_back_whole_to_its_browser(self, world):
        world.tries.put("state", BEGUN, network="192.0.2.1")

        assert world.tries.take("state", BROWSER) == BEGUN

    def test_a_state_that_nobody_was_sent_with_is_unknown(self, world):
        assert world.tries.take("state", BROWSER) is None
        assert world.tries.take("", "") is None

    def test_replay_a_second_use_is_told_from_an_unknown_state(self, world):
        world.tries.put("state", BEGUN, network="192.0.2.1")
        world.tries.take("state", BROWSER)

        assert world.tries.take("state", BROWSER) == Spent("sealed", "/compte/acces")
        assert world.tries.take("state", BROWSER) == Spent("sealed", "/compte/acces")

    @pytest.mark.parametrize("browser", [OTHER, "", browser_hash(BROWSER), "\ud800"])
    def test_login_csrf_another_browser_learns_nothing_and_takes_nothing(self, world, browser):
        world.tries.put("state", BEGUN, network="192.0.2.1")

        assert world.tries.take("state", browser) is None
        assert world.tries.take("state", BROWSER) == BEGUN
        assert world.tries.take("state", browser) is None

    def test_a_try_that_is_too_old_tells_where_it_came_from_and_signs_nobody_in(self, world):
        world.tries.put("early", BEGUN, network="192.0.2.1")
        world.tries.put("late", BEGUN, network="192.0.2.1")
        world.pass_time(TRY_LIFETIME - SECOND)
        assert world.tries.take("early", BROWSER) == BEGUN

        world.pass_time(SECOND)

        for _ in range(2):
            assert world.tries.take("late", BROWSER) == Spent("sealed", "/compte/acces")
        assert world.tries.take("late", OTHER) is None

    def test_taken_or_not_a_try_is_forgotten_in_the_end(self, world):
        world.tries.put("taken", BEGUN, network="192.0.2.1")
        world.tries.put("lost", BEGUN, network="192.0.2.1")
        world.tries.take("taken", BROWSER)
        world.pass_time(TRY_LIFETIME - SECOND)
        assert world.tries.take("taken", BROWSER) == Spent("sealed", "/compte/acces")
        world.pass_time(SECOND)
        assert world.tries.take("taken", BROWSER) is None

        world.pass_time(TRY_REMEMBERED - TRY_LIFETIME - SECOND)
        assert world.tries.take("lost", BROWSER) == Spent("sealed", "/compte/acces")
        world.pass_time(SECOND)
        assert world.tries.take("lost", BROWSER) is None

    def test_the_oldest_try_of_a_browser_gives_way(self, world):
        for number in range(TRIES_OF_BROWSER + 1):
            world.tries.put(f"state-{number}", BEGUN, network=f"192.0.2.{number}")

        assert world.tries.take("state-0", BROWSER) is None
        assert world.tries.take("state-1", BROWSER) == BEGUN
        assert world.tries.take(f"state-{TRIES_OF_BROWSER}", BROWSER) == BEGUN

    def test_flood_the_oldest_try_of_a_network_gives_way_and_others_keep_theirs(self, world):
        world.tries.put("elsewhere", BEGUN, network="198.51.100.1")
        for number in range(TRIES_OF_NETWORK + 1):
            begun = replace(BEGUN, browser_hash=browser_hash(f"robot-{number}"))
            world.tries.put(f"state-{number}", begun, network="192.0.2.1")

        assert world.tries.take("state-0", "robot-0") is None
        assert world.tries.take("state-1", "robot-1") is not None
        assert world.tries.take("elsewhere", BROWSER) == BEGUN

    def test_flood_from_many_networks_the_oldest_try_of_all_gives_way(self, world, monkeypatch):
        for module in (fake_franceconnect, franceconnect_tries):
            monkeypatch.setattr(module, "TRIES_OF_ALL", 3)
        for number in range(4):
            begun = replace(BEGUN, browser_hash=browser_hash(f"robot-{number}"))
            world.tries.put(f"state-{number}", begun, network=f"2001:db8:{number}::")

        assert world.tries.take("state-0", "robot-0") is None
        assert world.tries.take("state-1", "robot-1") is not None

    def test_flood_one_browser_that_begins_again_and_again_takes_nobodys_place(
        self, world, monkeypatch
    ):
        for module in (fake_franceconnect, franceconnect_tries):
            monkeypatch.setattr(module, "TRIES_OF_ALL", TRIES_OF_BROWSER + 1)
        other = replace(BEGUN, browser_hash=browser_hash(OTHER))
        world.tries.put("other", other, network="198.51.100.1")
        for number in range(3 * TRIES_OF_BROWSER):
            world.tries.put(f"state-{number}", BEGUN, network="192.0.2.1")

        assert world.tries.take("other", OTHER) == other

    def test_flood_what_gave_way_leaves_nothing_in_the_store(self, real_world, monkeypatch):
        monkeypatch.setattr(franceconnect_tries, "TRIES_OF_ALL", 2)
        for number in range(9):
            begun = replace(BEGUN, browser_hash=browser_hash(f"robot-{number}"))
            real_world.tries.put(f"state-{number}", begun, network=f"2001:db8:{number}::")

        # Two tries, the lists of their browsers and networks, and that of all.
        assert real_world.store.client.dbsize() == 2 * 3 + 1

    def test_flood_what_was_taken_and_gave_way_leaves_nothing_either(self, real_world, monkeypatch):
        """Attack: take each try, and let its hash end before the lists that it stands in."""
        monkeypatch.setattr(franceconnect_tries, "TRIES_OF_ALL", 2)
        for number in range(9):
            begun = replace(BEGUN, browser_hash=browser_hash(f"robot-{number}"))
            real_world.tries.put(f"state-{number}", begun, network=f"2001:db8:{number}::")
            real_world.tries.take(f"state-{number}", f"robot-{number}")
            real_world.pass_time(TRY_LIFETIME)

        assert real_world.store.client.dbsize() <= 2 * 3 + 1

    def test_flood_tombstones_count_too(self, world):
        for number in range(TRIES_OF_BROWSER + 1):
            world.tries.put(f"state-{number}", BEGUN, network="192.0.2.1")
            world.tries.take(f"state-{number}", BROWSER)

        assert world.tries.take("state-0", BROWSER) is None
        assert world.tries.take("state-1", BROWSER) == Spent("sealed", "/compte/acces")

    def test_of_many_threads_one_takes_it(self, real_world, at_once):
        real_world.tries.put("state", BEGUN, network="192.0.2.1")

        told = at_once(lambda: real_world.tries.take("state", BROWSER), 8)

        assert sorted(type(one).__name__ for one in told) == ["Spent"] * 7 + ["Try"]

    def test_what_the_store_holds_is_neither_a_state_nor_a_cookie(self, real_world):
        real_world.tries.put("the-state", BEGUN, network="192.0.2.1")

        held = everything_in(real_world)
        assert "a nonce" in held
        assert "the-state" not in held
        assert BROWSER not in held


class TestArrivals:
    def test_an_arrival_is_read_again_and_again_and_taken_once(self, world):
        world.arrivals.put("token", ARRIVED)

        assert world.arrivals.get("token") == ARRIVED
        assert world.arrivals.get("token") == ARRIVED
        assert world.arrivals.take("token") == ARRIVED
        assert world.arrivals.take("token") is None
        assert world.arrivals.get("token") is None

    def test_it_is_nobody_elses(self, world):
        world.arrivals.put("token", ARRIVED)

        assert world.arrivals.get("another") is None
        assert world.arrivals.take("") is None

    def test_it_ends_with_its_lifetime(self, world):
        world.arrivals.put("token", ARRIVED)
        world.pass_time(ARRIVAL_LIFETIME - SECOND)
        assert world.arrivals.get("token") == ARRIVED

        world.pass_time(SECOND)

        assert world.arrivals.take("token") is None

    def test_of_many_threads_one_takes_it(self, real_world, at_once):
        real_world.arrivals.put("token", ARRIVED)

        told = at_once(lambda: real_world.arrivals.take("token"), 8)

        assert [one for one in told if one is not None] == [ARRIVED]

    def test_theft_who_reads_the_store_has_no_identity_and_no_token(self, real_world):
        real_world.arrivals.put("the-token", ARRIVED)
        held = everything_in(real_world)

        for secret in ("the-token", "DURAND", NAMES, "1950-00-00", "s" * 64, "header.claims"):
            assert secret not in held

    def test_swap_who_writes_to_the_store_cannot_give_one_browser_anothers_arrival(
        self, real_world
    ):
        real_world.arrivals.put("victim", ARRIVED)
        real_world.arrivals.put("thief", ARRIVED)
        client = real_world.store.client
        one, other = client.keys("franceconnect-arrival:*")
        client.rename(one, "aside")
        client.rename(other, one)
        client.rename("aside", other)

        assert real_world.arrivals.get("thief") is None
        assert real_world.arrivals.take("victim") is None

    def test_it_opens_with_the_key_of_before_and_with_no_other(self, real_world):
        real_world.arrivals.put("token", ARRIVED)
        new, store = b"n" * 32, real_world.store

        assert RedisArrivals(store, (new, *COOKIE_KEYS)).get("token") == ARRIVED
        assert RedisArrivals(store, (new,)).get("token") is None


class TestHints:
    def test_a_hint_is_taken_once_at_the_sign_out(self, world):
        world.hints.put("session", "account-1", "id token")

        assert world.hints.take("session", "account-1") == "id token"
        assert world.hints.take("session", "account-1") == ""

    def test_there_is_none_for_another_session_or_account(self, world):
        world.hints.put("session", "account-1", "id token")

        assert world.hints.take("another", "account-1") == ""
        assert world.hints.take("session", "account-2") == ""

    def test_a_session_of_the_same_account_takes_it_over(self, world):
        world.hints.put("former", "account-1", "id token")

        world.hints.follow("former", "session", "account-1")

        assert world.hints.take("former", "account-1") == ""
        assert world.hints.take("session", "account-1") == "id token"

    def test_a_session_of_somebody_else_does_not(self, world):
        world.hints.put("former", "account-1", "id token")

        world.hints.follow("former", "session", "account-2")

        assert world.hints.take("session", "account-2") == ""
        assert world.hints.take("session", "account-1") == ""

    def test_to_follow_a_session_without_a_hint_leaves_none(self, world):
        world.hints.follow("former", "session", "account-1")

        assert world.hints.take("session", "account-1") == ""

    def test_it_lives_as_long_as_a_session_may_counted_anew_where_one_follows(self, world):
        world.hints.put("former", "account-1", "id token")
        world.pass_time(ABSOLUTE - SECOND)
        world.hints.follow("former", "session", "account-1")
        world.pass_time(ABSOLUTE - SECOND)
        world.hints.follow("session", "next", "account-1")

        world.pass_time(ABSOLUTE)

        assert world.hints.take("next", "account-1") == ""

    def test_what_a_sign_in_that_failed_wrote_is_not_there(self, real_world):
        real_world.hints.put("former", "account-1", "id token")

        def sign_in_that_fails():
            with real_world.store.together():
                real_world.hints.follow("former", "session", "account-1")
                raise StoreUnavailable

        with pytest.raises(StoreUnavailable):
            sign_in_that_fails()

        assert real_world.hints.take("session", "account-1") == ""
        assert real_world.hints.take("former", "account-1") == "id token"

    def test_theft_who_reads_the_store_has_no_token(self, real_world):
        real_world.hints.put("session", "account-1", "header.claims.signature")

        assert "header.claims" not in everything_in(real_world)

    def test_swap_a_hint_that_was_put_in_the_place_of_anothers_is_none(self, real_world):
        real_world.hints.put("session", "account-1", "id token")
        real_world.store.client.rename(
            "franceconnect-hint:session:account-1", "franceconnect-hint:session:account-2"
        )

        assert real_world.hints.take("session", "account-2") == ""

    def test_it_opens_with_the_key_of_before_and_with_no_other(self, real_world):
        real_world.hints.put("session", "account-1", "id token")
        new, store = b"n" * 32, real_world.store

        assert RedisHints(store, (new,), absolute=ABSOLUTE).take("session", "account-1") == ""
        real_world.hints.put("session", "account-1", "id token")
        keys = (new, *COOKIE_KEYS)
        assert RedisHints(store, keys, absolute=ABSOLUTE).take("session", "account-1") == "id token"


def everything_in(real_world):
    """Every key and every value of the store, as its owner could read them."""
    client = real_world.store.client
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1),
    }
    return "|".join(f"{key}|{read[client.type(key)](key)}" for key in client.scan_iter())
