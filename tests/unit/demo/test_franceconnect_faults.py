"""The faults that the simulated FranceConnect can be made to have: each is there when it is on."""

import time as clock_of_this_machine
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from joserfc import jws
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from demo.franceconnect.faults import FAULTS
from demo.franceconnect.faults import HEALTHY
from demo.franceconnect.faults import Endpoint
from demo.franceconnect.faults import Fault
from tests.franceconnect import FranceConnect
from tests.franceconnect import add_member
from tests.franceconnect import answer_in
from tests.franceconnect import claims_in
from tests.unit.demo.conftest import tokens_of

JWT_FAULTS = sorted(name for name in FAULTS if name.startswith("id_token_"))


def discovered(there):
    return requests.get(f"{there.issuer}/.well-known/openid-configuration", timeout=10)


def keys_of(there):
    return KeySet.import_key_set(requests.get(f"{there.issuer}/jwks", timeout=10).json())


def is_good(there, token, now):
    """Verify a token as a careful service does."""
    if "nobody-published-this" in str(jws.extract_compact(token.encode()).headers()):
        return False
    try:
        claims = jwt.decode(token, keys_of(there), algorithms=["ES256", "RS256"]).claims
    except JoseError:
        return False
    return (
        isinstance(claims.get("sub"), str)
        and len(claims["sub"]) == 66
        and claims.get("iss") == there.issuer
        and claims.get("aud") == there.simulator.configuration.registration.client_id
        and claims.get("acr") == "eidas1"
        and claims.get("nonce") == "n" * 22
        and claims.get("iat", 0) <= now < claims.get("exp", 0)
        and now - 60 < claims.get("auth_time", 0) <= now
    )


@pytest.mark.parametrize("name", JWT_FAULTS)
def test_an_id_token_with_a_fault_is_no_good_one(there, time, name):
    there.simulator.misbehave(name)

    token = tokens_of(there, nonce="n" * 22)["id_token"]

    expected = name == "id_token_extra_claims"  # odd, and nobody's harm
    assert is_good(there, token, time().timestamp()) is expected
    assert ("roles" in claims_in(token)) is expected


@pytest.mark.parametrize("name", sorted(n for n in FAULTS if n.startswith("callback_")))
def test_a_callback_with_a_fault_is_no_good_one(there, name):
    there.simulator.misbehave(name)

    answer = answer_in(there.abroad().pick(there.request(state="r" * 22)))

    known = (answer.keys(), answer.get("state"), answer.get("iss"))
    assert known != ({"code", "state", "iss"}, "r" * 22, there.issuer) or (
        there.redeem(answer["code"]).status_code == 400
    )


def test_userinfo_can_be_of_somebody_else_unsigned_or_refused(there):
    token = tokens_of(there)["access_token"]

    there.simulator.misbehave("userinfo_other_sub")
    assert claims_in(there.userinfo(token).text)["sub"] == "f" * 64 + "v1"
    there.simulator.misbehave("userinfo_json")
    assert there.userinfo(token).json()["family_name"] == "DURAND"
    there.simulator.misbehave("userinfo_401")
    assert there.userinfo(token).status_code == 401
    there.simulator.misbehave("userinfo_alg_none")
    assert there.userinfo(token).text.endswith(".")
    there.simulator.misbehave("userinfo_no_pivot")
    assert "family_name" not in claims_in(there.userinfo(token).text)


def test_the_token_endpoint_can_refuse_forget_and_talk_without_end(there):
    there.simulator.misbehave("token_invalid_grant")
    assert there.redeem("x").json()["error"] == "invalid_grant"
    there.simulator.misbehave("token_no_id_token")
    assert "id_token" not in tokens_of(there)
    there.simulator.misbehave("token_huge")
    assert len(there.redeem("x").content) > 7_000_000
    there.simulator.misbehave("token_down")
    assert there.redeem("x").status_code == 503
    assert discovered(there).ok  # what the fault does not name is well


def test_discovery_can_be_anything(there):
    there.simulator.misbehave("discovery_wrong_issuer")
    assert discovered(there).json()["issuer"] != there.issuer
    there.simulator.misbehave("discovery_no_jwks_uri")
    assert "jwks_uri" not in discovered(there).json()
    there.simulator.misbehave("discovery_broken")
    with pytest.raises(requests.JSONDecodeError):
        discovered(there).json()
    there.simulator.misbehave("down")
    assert discovered(there).status_code == 503


def test_whoever_waits_for_a_frozen_answer_waits_until_it_thaws(there):
    there.simulator.misbehave("frozen")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(discovered, there)
        with pytest.raises(requests.Timeout):
            requests.get(f"{there.issuer}/jwks", timeout=0.1)
        assert not waiting.done()

        there.simulator.behave()

        assert waiting.result(10).json()["issuer"] == there.issuer


def test_a_trickling_answer_beats_a_time_out_that_starts_again_with_each_byte(there):
    there.simulator.misbehave("trickling")
    began = clock_of_this_machine.monotonic()

    with requests.get(f"{there.issuer}/jwks", timeout=0.25, stream=True) as answer:
        for _, _ in zip(range(4), answer.iter_content(1), strict=False):
            pass

    assert clock_of_this_machine.monotonic() - began > 0.25


def test_a_slow_answer_is_the_right_one(there):
    there.simulator.misbehave(Fault(seconds={Endpoint.JWKS: 0.1}))

    answer = requests.get(f"{there.issuer}/jwks", timeout=10)

    assert answer.elapsed.total_seconds() >= 0.1
    assert answer.json()["keys"]


def test_each_call_is_counted_and_health_comes_back(there):
    there.simulator.calls.clear()
    there.simulator.misbehave("discovery_missing")
    assert discovered(there).status_code == 404

    there.simulator.behave()

    assert there.simulator.fault is HEALTHY
    assert discovered(there).ok
    assert there.simulator.calls == [Endpoint.DISCOVERY, Endpoint.DISCOVERY]


def test_no_address_switches_a_fault_on(there):
    rules = {rule.rule for rule in there.app.url_map.iter_rules()}

    assert {rule.removeprefix("/api/v2") for rule in rules} == {
        *("/", "/static/<path:filename>", "/.well-known/openid-configuration", "/jwks"),
        *("/authorize", "/token", "/token/revocation", "/userinfo", "/session/end"),
        *("/interaction/<sign_in>", "/interaction/<sign_in>/personne/<key>"),
        "/interaction/<sign_in>/erreur/<word>",
    }


def test_over_tls_it_is_trusted_by_its_own_authority_alone(tmp_path):
    running = FranceConnect(tmp_path, tls=True)
    try:
        callback = running.abroad().pick(running.request())
        with pytest.raises(requests.exceptions.SSLError):
            discovered(running)
    finally:
        running.stop()

    assert answer_in(callback)["iss"] == running.issuer
    assert running.issuer.startswith("https://localhost:")
    assert running.settings["franceconnect_ca_file"] == running.ca_file


@pytest.mark.stores
def test_people_there_have_the_dossiers_of_the_embedded_start(instance, there):
    person = add_member(instance, "0410552")

    assert person.qualite == "affilie"
    assert there.simulator.people["moussa-ndiaye"].birthcountry == "99341"
