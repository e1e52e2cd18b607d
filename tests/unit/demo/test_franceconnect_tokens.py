"""Codes, tokens, who the person is, and the keys that say so, at the simulated FranceConnect."""

import re
import secrets
from datetime import timedelta

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from demo.franceconnect.people import PEOPLE
from tests.franceconnect import CLIENT_ID
from tests.franceconnect import FranceConnect
from tests.franceconnect import answer_in
from tests.franceconnect import claims_in
from tests.service_signer import ServiceSigner
from tests.unit.demo.conftest import tokens_of

PIVOT = {"family_name", "given_name", "gender", "birthdate", "birthplace", "birthcountry"}
FRAME = {"iss", "aud", "iat", "exp"}


def code_of(there, **changes):
    return answer_in(there.abroad().pick(there.request(**changes)))["code"]


def person_of(there, person="camille-durand", **changes):
    answer = there.userinfo(tokens_of(there, person, **changes)["access_token"])
    assert answer.status_code == 200
    return claims_in(answer.text)


def keys_of(there):
    return KeySet.import_key_set(requests.get(f"{there.issuer}/jwks", timeout=10).json())


def test_a_code_is_good_for_exactly_five_members(there, time):
    nonce = secrets.token_urlsafe(32)

    tokens = tokens_of(there, nonce=nonce)

    assert tokens.keys() == {"access_token", "expires_in", "id_token", "scope", "token_type"}
    assert (tokens["expires_in"], tokens["token_type"]) == (60, "Bearer")
    assert tokens["scope"] == "openid identite_pivot"
    claims = claims_in(tokens["id_token"])
    assert claims.keys() == {"sub", "acr", "auth_time", "nonce", *FRAME}
    assert (claims["acr"], claims["nonce"]) == ("eidas1", nonce)
    assert (claims["iss"], claims["aud"]) == (there.issuer, CLIENT_ID)
    assert claims["iat"] == claims["auth_time"] == int(time().timestamp())
    assert claims["exp"] - claims["iat"] == 60


def test_a_code_lives_for_thirty_seconds(there, time):
    late, in_time = code_of(there), None
    time.advance(timedelta(seconds=29))
    in_time = code_of(there)
    time.advance(timedelta(seconds=1))

    assert there.redeem(late).json()["error"] == "invalid_grant"
    assert there.redeem(in_time).status_code == 200


def test_a_code_used_twice_takes_back_what_it_gave(there):
    code = code_of(there)
    token = there.redeem(code).json()["access_token"]
    assert there.userinfo(token).status_code == 200

    again = there.redeem(code)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert there.userinfo(token).status_code == 401


@pytest.mark.parametrize(
    ("changes", "error", "status"),
    [
        ({"client_secret": "x" * 64}, "invalid_client", 401),
        ({"client_secret": ""}, "invalid_client", 401),
        ({"client_secret": ...}, "invalid_client", 401),
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"code": "x" * 43}, "invalid_grant", 400),
        ({"redirect_uri": "https://mallory.example/"}, "invalid_grant", 400),
        ({"code_verifier": "x" * 43}, "invalid_grant", 400),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type", 400),
    ],
    ids=repr,
)
def test_the_token_endpoint_refuses(there, changes, error, status):
    answer = there.redeem(code_of(there), **changes)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_client_secret_basic_is_not_among_its_methods(there):
    registration = there.simulator.configuration.registration
    address = f"{there.issuer}/token"
    form = {
        "grant_type": "authorization_code",
        "code": code_of(there),
        "redirect_uri": registration.redirect_uris[0],
    }

    answer = requests.post(
        address, data=form, auth=(registration.client_id, registration.client_secret), timeout=10
    )

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_service_that_is_known_by_a_key_proves_itself_by_it_alone(tmp_path, clock, alg):
    signer = ServiceSigner(CLIENT_ID, alg=alg)
    running = FranceConnect(tmp_path, now=clock, client_secret="", jwks={"keys": [signer.jwk()]})
    code = code_of(running)

    def redeem(form):
        return running.redeem(code, **{"client_secret": ..., **form})

    good = signer.form(clock(), f"{running.issuer}/token")
    wrong = {
        "nothing": {},
        "an empty secret": {"client_secret": ""},
        "another audience": signer.form(clock(), "https://mallory.example"),
        "another name": signer.form(clock(), running.issuer, sub="somebody"),
        "no jti": signer.form(clock(), running.issuer, jti=...),
        "too late": signer.form(clock() - timedelta(minutes=2), running.issuer),
        "too long": signer.form(clock() + timedelta(minutes=9), running.issuer),
        "another key": ServiceSigner(CLIENT_ID, alg=alg, number=9).form(clock(), running.issuer),
        "a secret beside it": {**good, "client_secret": "x"},
    }
    answers = {why: redeem(form).json().get("error") for why, form in wrong.items()}
    right, again = redeem(good), redeem(good)
    running.stop()

    assert answers == dict.fromkeys(wrong, "invalid_client")
    assert right.status_code == 200
    assert again.json()["error"] == "invalid_client"  # an assertion is good for once


def test_an_access_token_lives_for_sixty_seconds(there, time):
    token = tokens_of(there)["access_token"]
    time.advance(timedelta(seconds=59))
    in_time = there.userinfo(token)
    time.advance(timedelta(seconds=1))
    late = there.userinfo(token)

    assert in_time.status_code == 200
    assert (late.status_code, late.json()["error"]) == (401, "invalid_token")
    assert late.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_access_token_is_no_longer_good(there):
    registration = there.simulator.configuration.registration
    token = tokens_of(there)["access_token"]
    form = {"token": token, "client_id": CLIENT_ID, "client_secret": registration.client_secret}

    stranger = {**form, "client_secret": "x" * 64}
    refused = requests.post(f"{there.issuer}/token/revocation", data=stranger, timeout=10)
    assert refused.status_code == 401
    assert there.userinfo(token).status_code == 200
    assert requests.post(f"{there.issuer}/token/revocation", data=form, timeout=10).ok

    assert there.userinfo(token).status_code == 401


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_id_token_and_userinfo_are_signed_as_the_service_registered(tmp_path, clock, alg):
    running = FranceConnect(tmp_path, now=clock, signed_response_alg=alg)
    tokens, keys = tokens_of(running), keys_of(running)
    answer = running.userinfo(tokens["access_token"])
    running.stop()

    id_token = jwt.decode(tokens["id_token"], keys, algorithms=[alg])
    person = jwt.decode(answer.text, keys, algorithms=[alg])

    assert answer.headers["Content-Type"].split(";")[0] == "application/jwt"
    assert person.claims["sub"] == id_token.claims["sub"]
    assert (person.claims["iss"], person.claims["aud"]) == (running.issuer, CLIENT_ID)
    assert person.claims["exp"] - person.claims["iat"] == 60
    assert id_token.header["kid"] == person.header["kid"]


def test_identite_pivot_is_six_fields_and_no_address_of_any_kind(there):
    person = person_of(there)

    assert person.keys() == {"sub", "given_name_array", *PIVOT, *FRAME}
    assert person["given_name"] == " ".join(person["given_name_array"]) == "Camille Anne Louise"
    assert (person["birthplace"], person["birthcountry"]) == ("44109", "99100")


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("openid", set()),
        ("openid email", {"email"}),
        ("openid birth", {"birthplace", "birthcountry"}),
        ("openid given_name", {"given_name", "given_name_array"}),
        (
            "openid profile",
            {"given_name", "given_name_array", "family_name", "birthdate", "gender"},
        ),
    ],
)
def test_each_scope_gives_what_it_names(there, scope, told):
    assert person_of(there, scope=scope).keys() == {"sub", *told, *FRAME}


def test_who_was_born_abroad_has_an_empty_commune_and_a_presumed_date_is_a_first_of_january(there):
    person = person_of(there, "moussa-ndiaye")

    assert (person["birthplace"], person["birthcountry"]) == ("", "99341")
    assert person["birthdate"] == "1979-01-01"


def test_a_usage_name_comes_beside_the_name_at_birth_where_there_is_one(there):
    named = person_of(there, "paulette-mercier", scope="openid profile")

    assert (named["family_name"], named["preferred_username"]) == ("LEGRAND", "MERCIER")
    assert "preferred_username" not in person_of(there, scope="openid profile")


def test_sub_is_sixty_six_characters_and_everybody_s_own(there):
    names = [there.simulator.sub(person) for person in PEOPLE]

    assert all(re.fullmatch("[0-9a-f]{64}v1", name) for name in names)
    assert len(set(names)) == len(PEOPLE)


def test_sub_is_another_one_for_another_service_or_another_secret(there, tmp_path):
    other = FranceConnect(tmp_path, client_id="another-service")
    other.stop()

    assert other.simulator.sub(PEOPLE[0]) != there.simulator.sub(PEOPLE[0])


def test_a_corrected_record_is_another_sub_for_the_same_person(running, time):
    before = person_of(running, "henri-paoli")

    running.simulator.correct_record("henri-paoli", birthplace="2B033")

    after = person_of(running, "henri-paoli")
    assert after["birthplace"] == "2B033"
    assert after["family_name"] == before["family_name"]
    assert after["sub"] != before["sub"]


def test_a_rotated_key_signs_at_once_and_the_old_one_stays_published_or_not(there):
    old = tokens_of(there)["id_token"]
    there.simulator.keys.rotate()

    new = tokens_of(there)["id_token"]

    for token in (old, new):
        assert jwt.decode(token, keys_of(there), algorithms=["ES256"])
    there.simulator.keys.rotate(publish_old=False)
    kids = {key.kid for key in keys_of(there).keys}
    assert there.simulator.keys.current("ES256").kid in kids
    assert len(kids) == 3  # the first ES256, the third, RS256
