"""Authorization codes: taken once, tombstoned, and the grant that every token hangs on."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.codes import TOMBSTONE
from idp.infra.codes import RedisCodes
from idp.infra.redis_store import RedisStore
from idp.oidc.authorization import VISITS_KEPT
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import CodeReplayed
from idp.oidc.authorization import grant_id_of
from idp.session import Session
from idp.session import SignedIn
from idp.session import Visit
from idp.session import new_session_token
from idp.session import session_key
from tests.contract.conftest import IDLE
from tests.instance import Clock

SECOND = timedelta(seconds=1)
MINUTE = timedelta(seconds=60)
FIVE_MINUTES = timedelta(minutes=5)


def authorize(world, **changes):
    """A live session, and what it gave to one client."""
    signed_in = SignedIn("account", 3, ("pwd",), "urn:example:acr")
    session = Session.open(signed_in, now=world.clock(), absolute=timedelta(hours=8))
    key = session_key(new_session_token())
    world.sessions.put(key, session)
    values = {
        "client_id": "cotisations",
        "redirect_uri": "https://cotisations.example/callback?a=1&b=é",
        "scope": ("openid", "dossier"),
        "account_id": "account",
        "credential_version": 3,
        "session_key": key,
        "session_ends_at": session.ends_at,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": session.amr,
        "nonce": "n-0 S6\u2028_WzA2Mj é",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "resources": ("https://api.example/paiements?v=1", "urn:example:api"),
        "userinfo_claims": ("email", "name"),
        "id_token_claims": ("given_name",),
        **changes,
    }
    return Authorization(**values)


def issue(world, authorization=None):
    code = new_session_token()
    world.codes.put(code, authorization or authorize(world), lifetime=MINUTE)
    return code


def take(world, code, client_id="cotisations"):
    return world.codes.take(code, client_id=client_id, grant_lifetime=FIVE_MINUTES)


def grant(world, code):
    return world.codes.grant(grant_id_of(code))


def test_a_code_gives_what_it_was_issued_for_and_becomes_its_grant(world):
    authorization = authorize(world)
    code = issue(world, authorization)

    assert grant(world, code) is None
    assert take(world, code) == authorization
    assert grant(world, code) == authorization


def test_a_code_nobody_issued_gives_nothing_and_makes_no_grant(world):
    assert take(world, "made up") is None
    assert take(world, "made up") is None
    assert grant(world, "made up") is None


def test_authlib_trap_03_a_second_use_is_told_as_such_and_revokes_what_the_first_gave(world):
    code = issue(world)
    take(world, code)

    with pytest.raises(CodeReplayed) as first:
        take(world, code)

    assert grant(world, code) is None
    with pytest.raises(CodeReplayed) as second:
        take(world, code)
    assert (first.value.revoked, second.value.revoked) == (True, False)


def test_a_stolen_used_code_lets_another_client_revoke_nothing(world):
    authorization = authorize(world)
    code = issue(world, authorization)
    take(world, code)

    assert take(world, code, client_id="thief") is None

    assert grant(world, code) == authorization


def test_a_stolen_fresh_code_is_not_burnt_by_another_client(world):
    authorization = authorize(world)
    code = issue(world, authorization)

    assert take(world, code, client_id="thief") is None

    assert grant(world, code) is None
    assert take(world, code) == authorization


def test_a_replay_after_the_grant_has_expired_ended_nothing(world):
    code = issue(world)
    take(world, code)
    world.pass_time(FIVE_MINUTES)

    with pytest.raises(CodeReplayed) as replay:
        take(world, code)

    assert replay.value.revoked is False


def test_a_replay_leaves_the_other_codes_of_the_session_alone(world):
    authorization = authorize(world)
    replayed, other = issue(world, authorization), issue(world, authorization)
    take(world, replayed)
    take(world, other)

    with pytest.raises(CodeReplayed):
        take(world, replayed)

    assert grant(world, other) == authorization


def test_authlib_trap_03_of_twenty_threads_one_gets_the_code_and_the_others_revoke_it(
    real_world, at_once
):
    authorization = authorize(real_world)
    code = issue(real_world, authorization)

    outcomes = at_once(lambda: take(real_world, code), 20)

    assert outcomes.count(authorization) == 1
    replays = [outcome for outcome in outcomes if isinstance(outcome, CodeReplayed)]
    assert sorted(replay.revoked for replay in replays) == [False] * 18 + [True]
    assert grant(real_world, code) is None


def test_a_code_expires_at_the_end_of_its_minute(world):
    used, late = issue(world), issue(world)

    world.pass_time(MINUTE - SECOND)
    assert take(world, used) is not None
    world.pass_time(SECOND)
    assert take(world, late) is None


def test_an_expired_code_is_not_told_as_replayed(world):
    code = issue(world)
    world.pass_time(MINUTE)

    assert take(world, code) is None
    assert take(world, code) is None


def test_a_used_code_is_remembered_longer_than_anything_it_gave(world):
    code = issue(world)
    take(world, code)

    world.pass_time(FIVE_MINUTES)
    assert grant(world, code) is None
    world.pass_time(TOMBSTONE - FIVE_MINUTES - SECOND)
    with pytest.raises(CodeReplayed):
        take(world, code)
    world.pass_time(SECOND)
    assert take(world, code) is None


def test_a_grant_expires_with_its_lifetime(world):
    code = issue(world)
    take(world, code)

    world.pass_time(FIVE_MINUTES - SECOND)
    assert grant(world, code) is not None
    world.pass_time(SECOND)
    assert grant(world, code) is None


def test_a_revoked_grant_is_gone_and_revoking_it_again_changes_nothing(world):
    code = issue(world)
    take(world, code)

    world.codes.revoke(grant_id_of(code))
    world.codes.revoke(grant_id_of(code))

    assert grant(world, code) is None


def test_a_code_is_a_visit_of_its_session_and_of_no_other(world):
    authorization, other = authorize(world), authorize(world)
    issue(world, authorization)
    issue(world, authorization)

    visit = Visit(authorization.account_id, authorization.session_key, "cotisations")
    assert world.sessions.end(other.session_key).visits == ()
    assert world.sessions.end(authorization.session_key).visits == (visit,)


def test_a_grant_ends_with_its_session(world):
    authorization = authorize(world)
    code = issue(world, authorization)
    take(world, code)

    world.sessions.end(authorization.session_key)

    assert grant(world, code) is None


def test_a_grant_ends_when_all_sessions_of_its_account_do(world):
    code = issue(world)
    take(world, code)

    world.sessions.end_all("account")

    assert grant(world, code) is None


def test_a_grant_outlives_neither_the_idle_nor_the_absolute_end_of_its_session(world):
    idle, busy = authorize(world), authorize(world)
    of_idle = issue(world, idle)
    while world.clock() + timedelta(minutes=20) < busy.session_ends_at:
        world.pass_time(timedelta(minutes=20))
        world.sessions.get(busy.session_key)
    world.pass_time(busy.session_ends_at - world.clock() - SECOND)
    world.sessions.get(busy.session_key)
    of_busy = issue(world, busy)
    take(world, of_busy)
    assert grant(world, of_busy) == busy

    world.pass_time(SECOND)

    assert grant(world, of_busy) is None
    assert take(world, of_idle) is None


def test_a_grant_does_not_keep_its_session_alive(world):
    authorization = authorize(world)
    world.pass_time(IDLE - MINUTE)
    code = issue(world, authorization)
    take(world, code)
    assert grant(world, code) is not None

    world.pass_time(MINUTE)

    assert world.sessions.get(authorization.session_key) is None
    assert grant(world, code) is None


def test_a_code_whose_session_has_ended_gives_nothing_and_counts_as_used(world):
    authorization = authorize(world)
    code = issue(world, authorization)
    world.sessions.end(authorization.session_key)

    assert take(world, code) is None

    assert grant(world, code) is None
    with pytest.raises(CodeReplayed):
        take(world, code)


def test_authlib_trap_16_the_store_never_holds_a_code_in_clear(real_world):
    code = issue(real_world)
    take(real_world, code)
    waiting = issue(real_world)

    client = real_world.store.client
    keys = list(client.scan_iter())

    assert len([key for key in keys if key.startswith(("code:", "used-code:", "grant:"))]) == 3
    assert all(client.pttl(key) > 0 for key in keys)
    values = [
        client.smembers(key) if key.startswith("session-visits:") else client.get(key)
        for key in keys
        if not key.startswith(("account-sessions:", "last-visits:"))
    ]
    last = client.zrange("last-visits:account", 0, -1)
    held = " ".join(map(str, [*keys, *values, *last]))
    assert code not in held
    assert waiting not in held


@pytest.mark.parametrize("later", [",[],[],[]]", ",[],[]]"])
def test_a_code_that_an_earlier_version_wrote_asks_for_nothing_that_came_later(real_world, later):
    authorization = authorize(real_world, resources=(), userinfo_claims=(), id_token_claims=())
    code = issue(real_world, authorization)
    client = real_world.store.client
    name = f"code:{{{grant_id_of(code)}}}"
    written = client.get(name)
    assert written.endswith(later)
    client.set(name, written.removesuffix(later) + "]", ex=60)

    assert take(real_world, code) == authorization


def test_without_the_store_there_is_no_verdict():
    codes = RedisCodes(
        RedisStore("redis://127.0.0.1:1/0"), session_absolute=timedelta(hours=8), now=Clock()
    )

    with pytest.raises(StoreUnavailable):
        codes.take("code", client_id="cotisations", grant_lifetime=MINUTE)
    with pytest.raises(StoreUnavailable):
        codes.grant("grant")
    with pytest.raises(StoreUnavailable):
        codes.revoke("grant")


def test_the_last_visit_to_each_service_is_known_for_half_a_year(world):
    first = authorize(world, client_id="cotisations")
    issue(world, first)
    began = world.clock()
    world.clock.advance(timedelta(days=1))
    issue(world, authorize(world, client_id="retraite"))
    issue(world, authorize(world, client_id="retraite", account_id="another"))

    assert world.codes.last_visits("account") == {
        "cotisations": began,
        "retraite": began + timedelta(days=1),
    }
    world.clock.advance(VISITS_KEPT - timedelta(days=1))
    assert list(world.codes.last_visits("account")) == ["retraite"]
    assert world.codes.last_visits("nobody") == {}
