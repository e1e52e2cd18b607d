"""Where sessions are kept: idle and absolute lifetime, and the end of all of them at once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.redis_store import RedisStore
from idp.infra.sessions import RedisSessions
from idp.oidc.authorization import grant_id_of
from idp.session import Ended
from idp.session import Place
from idp.session import Session
from idp.session import SignedIn
from idp.session import Visit
from idp.session import new_session_token
from idp.session import session_key
from tests.contract.conftest import IDLE
from tests.contract.test_codes import authorize
from tests.contract.test_codes import issue
from tests.contract.test_codes import take
from tests.instance import Clock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
EIGHT_HOURS = 8 * HOUR


def opened(world, account_id="account", absolute=EIGHT_HOURS):
    signed_in = SignedIn(account_id, 3, ("pwd",), "urn:example:acr")
    return Session.open(signed_in, now=world.clock(), absolute=absolute)


def keep(world, session=None):
    key = session_key(new_session_token())
    world.sessions.put(key, session or opened(world))
    return key


def test_a_session_is_read_back_as_it_was_put(world):
    world.clock.advance(timedelta(milliseconds=123))
    session = opened(world)

    key = keep(world, session)

    assert world.sessions.get(key) == session


def test_a_session_that_nobody_put_is_none(world):
    assert world.sessions.get(session_key("made up")) is None


def test_a_session_lives_as_long_as_it_is_looked_at(world):
    key = keep(world)

    for _ in range(5):
        world.pass_time(IDLE - SECOND)
        assert world.sessions.get(key) is not None

    world.pass_time(IDLE)
    assert world.sessions.get(key) is None


def test_a_session_ends_at_its_absolute_end_however_busy(world):
    session = opened(world)
    key = keep(world, session)
    while world.clock() + 10 * timedelta(minutes=1) < session.ends_at:
        world.pass_time(10 * timedelta(minutes=1))
        assert world.sessions.get(key) == session

    world.pass_time(session.ends_at - world.clock() - SECOND)
    assert world.sessions.get(key) == session
    world.pass_time(SECOND)
    assert world.sessions.get(key) is None


def test_a_session_shorter_than_the_idle_time_ends_at_its_absolute_end(world):
    key = keep(world, opened(world, absolute=timedelta(minutes=5)))

    world.pass_time(timedelta(minutes=5) - SECOND)
    assert world.sessions.get(key) is not None
    world.pass_time(SECOND)
    assert world.sessions.get(key) is None


def test_an_ended_session_is_gone_and_ending_it_again_changes_nothing(world):
    key, other = keep(world), keep(world)

    world.sessions.end(key)
    world.sessions.end(key)

    assert world.sessions.get(key) is None
    assert world.sessions.get(other) is not None


def test_all_sessions_of_an_account_end_and_no_others(world):
    mine = [keep(world) for _ in range(3)]
    yours = keep(world, opened(world, account_id="another"))

    assert world.sessions.end_all("account").alive == 3

    assert [world.sessions.get(key) for key in mine] == [None] * 3
    assert world.sessions.get(yours) is not None
    assert world.sessions.end_all("account").alive == 0


def test_ending_all_counts_only_those_that_were_alive(world):
    keep(world)
    world.pass_time(IDLE)
    world.sessions.end(keep(world))
    alive = keep(world)

    assert world.sessions.end_all("account").alive == 1
    assert world.sessions.get(alive) is None


def test_a_session_of_a_longer_lifetime_is_still_ended_with_all_the_others(world):
    # The setting was shortened between the two sign-ins.
    long = keep(world, opened(world, absolute=EIGHT_HOURS))
    keep(world, opened(world, absolute=HOUR))
    for _ in range(5):
        world.pass_time(timedelta(minutes=20))
        assert world.sessions.get(long) is not None

    assert world.sessions.end_all("account").alive == 1
    assert world.sessions.get(long) is None


def visit(key, service="cotisations", account_id="account"):
    return Visit(account_id, key, service)


def test_what_was_visited_in_a_session_is_told_when_it_ends_and_again_until_it_would_have(world):
    key = keep(world)
    world.sessions.inherit(key, [visit(key, "b"), visit(key, "a")])
    world.sessions.inherit(key, [visit(key, "a")])

    ended = world.sessions.end(key)
    again = world.sessions.end(key)

    assert ended == Ended(1, (visit(key, "a"), visit(key, "b")))
    assert again == Ended(0, ended.visits)


def test_visits_of_a_session_that_went_idle_are_told_all_the_same(world):
    key = keep(world)
    world.sessions.inherit(key, [visit(key)])

    world.pass_time(IDLE)

    assert world.sessions.end(key) == Ended(0, (visit(key),))


def test_the_visits_of_every_session_of_an_account_are_told_with_those_ended_before(world):
    mine = [keep(world) for _ in range(3)]
    yours = keep(world, opened(world, account_id="another"))
    for key in (*mine, yours):
        world.sessions.inherit(key, [visit(key)])
    world.sessions.end(mine[0])

    ended = world.sessions.end_all("account")

    assert ended.alive == 2
    assert {one.session_key for one in ended.visits} == set(mine)
    assert world.sessions.end_all("account") == Ended(0, ended.visits)


def test_a_new_session_answers_for_what_the_one_before_visited(world):
    former, key = keep(world), keep(world)
    world.sessions.inherit(former, [visit(former)])

    world.sessions.inherit(key, world.sessions.retire(former, "account").visits)
    world.sessions.inherit(key, [])

    assert world.sessions.end(key).visits == (visit(former),)


def followed(world, former):
    """Let another session of the account follow; gives its key."""
    key = keep(world)
    world.sessions.inherit(key, world.sessions.retire(former, "account").visits)
    return key


def granted(world, session_key):
    """Sign in to a service in a session; gives the grant."""
    code = issue(world, authorize(world, session_key=session_key))
    take(world, code)
    return grant_id_of(code)


def test_a_retired_session_opens_nothing_and_what_it_gave_lives_on(world):
    former = keep(world)
    grant = granted(world, former)

    followed(world, former)

    assert world.sessions.get(former) is None
    assert world.codes.grant(grant) is not None


def test_what_a_retired_session_gave_ends_with_the_one_that_follows(world):
    former = keep(world)
    grant = granted(world, former)
    second = followed(world, former)
    third = followed(world, second)

    world.sessions.end(third)

    assert world.codes.grant(grant) is None


def test_what_a_retired_session_gave_ends_with_all_of_the_account(world):
    former = keep(world)
    grant = granted(world, former)
    sessions = 2  # the one that follows, and one that ``authorize`` opens by the way
    followed(world, former)

    assert world.sessions.end_all("account").alive == sessions
    assert world.codes.grant(grant) is None


def test_a_session_that_somebody_else_follows_ends_whole(world):
    former = keep(world)
    grant = granted(world, former)

    ended = world.sessions.retire(former, "another")

    assert ended == Ended(1, (visit(former),))
    assert world.codes.grant(grant) is None


def test_retiring_twice_tells_the_same_visits_and_ends_nothing_more(world):
    former = keep(world)
    grant = granted(world, former)
    first = world.sessions.retire(former, "account")

    again = world.sessions.retire(former, "account")

    assert (first.alive, again.alive) == (1, 0)
    assert again.visits == first.visits == (visit(former),)
    assert world.codes.grant(grant) is not None


def test_a_session_that_gave_nothing_leaves_nothing_behind(real_world):
    former = keep(real_world)

    assert real_world.sessions.retire(former, "account") == Ended(1)

    assert not real_world.store.client.exists(f"session:{former}")


def test_visits_leave_the_store_when_their_session_would_have_ended(real_world):
    key = keep(real_world)
    real_world.sessions.inherit(key, [visit(key)])

    real_world.pass_time(EIGHT_HOURS + timedelta(minutes=1))

    assert list(real_world.store.client.scan_iter()) == []


def test_all_sessions_end_on_a_store_whose_clock_is_days_ahead_of_ours(real_world):
    real_world.clock.advance(timedelta(days=-3))
    key = keep(real_world)

    assert real_world.sessions.end_all("account").alive == 1
    assert real_world.sessions.get(key) is None


def test_the_store_holds_neither_cookie_nor_a_key_without_end(real_world):
    token = new_session_token()
    real_world.sessions.put(session_key(token), opened(real_world))

    client = real_world.store.client
    keys = list(client.scan_iter())

    assert len(keys) == 2
    assert all(client.pttl(key) > 0 for key in keys)
    assert not any(token in key for key in keys)


def test_an_abandoned_session_leaves_the_store_at_the_latest_with_its_absolute_end(real_world):
    keep(real_world)

    real_world.pass_time(EIGHT_HOURS + timedelta(minutes=1))

    assert list(real_world.store.client.scan_iter()) == []


def test_a_session_that_was_looked_at_late_does_not_stay_beyond_its_end(real_world):
    session = opened(real_world, absolute=timedelta(minutes=40))
    key = keep(real_world, session)
    real_world.pass_time(timedelta(minutes=20))

    real_world.sessions.get(key)

    left = real_world.store.client.pttl(f"session:{key}")
    assert 0 < left <= timedelta(minutes=20).total_seconds() * 1000


def test_two_nodes_see_one_session(real_world):
    key = keep(real_world)
    other = RedisSessions(real_world.store, idle=IDLE, absolute=EIGHT_HOURS, now=real_world.clock)

    other.end(key)

    assert real_world.sessions.get(key) is None


def test_without_the_store_nobody_is_told_that_there_is_no_session():
    sessions = RedisSessions(
        RedisStore("redis://127.0.0.1:1/0"), idle=IDLE, absolute=EIGHT_HOURS, now=Clock()
    )
    session = replace(Session("account", 1, (), "", Clock()(), Clock()()))

    with pytest.raises(StoreUnavailable):
        sessions.get("key")
    with pytest.raises(StoreUnavailable):
        sessions.put("key", session)
    with pytest.raises(StoreUnavailable):
        sessions.end("key")
    with pytest.raises(StoreUnavailable):
        sessions.end_all("account")


def test_every_account_with_a_session_is_named(world):
    for account_id in ("one", "two", "one"):
        keep(world, opened(world, account_id))

    assert set(world.sessions.accounts()) == {"one", "two"}


def test_the_living_sessions_of_an_account_are_listed_the_oldest_first(world):
    place = Place("Firefox", "Windows", "192.0.2.0/24")
    first = replace(opened(world), place=place)
    keys = [keep(world, first)]
    world.pass_time(timedelta(minutes=2))
    keys.append(keep(world))
    world.sessions.end(keep(world))
    keep(world, opened(world, account_id="another"))
    began = world.clock()
    world.sessions.get(keys[0])
    world.pass_time(timedelta(minutes=2))

    listed = world.sessions.of_account("account")

    assert [one.key for one in listed] == keys
    assert listed[0].session == first
    assert abs(listed[0].used_at - began) < 2 * SECOND
    assert world.sessions.of_account("nobody") == []


def test_listing_sessions_keeps_none_of_them_alive(world):
    key = keep(world)

    world.pass_time(IDLE - SECOND)
    assert len(world.sessions.of_account("account")) == 1
    world.pass_time(SECOND)

    assert world.sessions.of_account("account") == []
    assert world.sessions.get(key) is None


def test_near_its_absolute_end_nobody_knows_when_a_session_was_used(world):
    keep(world, opened(world, absolute=timedelta(minutes=5)))

    assert world.sessions.of_account("account")[0].used_at is None


def test_all_other_sessions_end_and_what_this_one_answers_for_stays(world):
    former, other = keep(world), keep(world)
    grant, ended_grant = granted(world, former), granted(world, other)
    key = followed(world, former)

    ended = world.sessions.end_others("account", key)

    assert visit(other) in ended.visits
    assert visit(former) not in ended.visits
    assert world.sessions.get(other) is None
    assert world.sessions.get(key) is not None
    assert world.codes.grant(grant) is not None
    assert world.codes.grant(ended_grant) is None


def test_room_is_made_by_the_end_of_the_oldest(world):
    keys = []
    for _ in range(4):
        keys.append(keep(world))
        world.pass_time(SECOND)
    world.sessions.inherit(keys[0], [visit(keys[0])])

    ended = world.sessions.make_room("account", keep=2)

    assert ended == Ended(2, (visit(keys[0]),))
    assert [world.sessions.get(key) is not None for key in keys] == [False, False, True, True]
    assert world.sessions.make_room("account", keep=2) == Ended(0)
    # What could not be told is asked for again.
    assert visit(keys[0]) in world.sessions.end_all("account").visits


def test_what_a_retired_session_gave_ends_with_the_oldest_that_made_room(world):
    former = keep(world)
    grant = granted(world, former)
    followed(world, former)

    world.sessions.make_room("account", keep=0)

    assert world.codes.grant(grant) is None


def test_whoever_signs_in_all_day_does_not_pile_up_what_is_kept(real_world):
    for _ in range(30):
        keep(real_world)
        real_world.sessions.make_room("account", keep=2)
    real_world.sessions.make_room("account", keep=2)

    client = real_world.store.client
    assert client.zcard("account-sessions:account") == 2
