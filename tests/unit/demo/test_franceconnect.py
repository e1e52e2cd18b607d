"""The simulator of FranceConnect, rule by rule, as the real one behaves towards a service."""

import secrets
from typing import Any
from urllib.parse import urlencode

import requests

from tests.franceconnect import CLIENT_ID
from tests.franceconnect import FranceConnect
from tests.franceconnect import answer_in
from tests.franceconnect import claims_in
from tests.instance import ISSUER

BACK = f"{ISSUER}/franceconnect/retour"


def request_of(franceconnect: FranceConnect, **changes: Any) -> str:
    """The address that a service sends a browser to; ``...`` takes a parameter away."""
    params = {
        "client_id": CLIENT_ID,
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": "openid identite_pivot",
        "acr_values": "eidas1",
        "state": secrets.token_urlsafe(32),
        "nonce": secrets.token_urlsafe(32),
        **changes,
    }
    kept = {name: value for name, value in params.items() if value is not ...}
    return f"{franceconnect.issuer}/authorize?{urlencode(kept)}"


def redeem(franceconnect: FranceConnect, code: str, **changes: Any) -> requests.Response:
    registration = franceconnect.simulator.configuration.registration
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "client_id": registration.client_id,
        "client_secret": registration.client_secret,
        **changes,
    }
    kept = {name: value for name, value in form.items() if value is not ...}
    return requests.post(f"{franceconnect.issuer}/token", data=kept, timeout=10)


def userinfo(franceconnect: FranceConnect, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{franceconnect.issuer}/userinfo", headers=headers, timeout=10)


def test_a_person_who_is_picked_comes_back_with_a_code_the_state_and_the_issuer(franceconnect):
    state = secrets.token_urlsafe(32)

    callback = franceconnect.abroad().pick(request_of(franceconnect, state=state))

    assert callback.startswith(f"{BACK}?")
    answer = answer_in(callback)
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (state, franceconnect.issuer)


def test_the_code_is_good_for_five_members_and_for_who_the_person_is(franceconnect):
    nonce = secrets.token_urlsafe(32)
    callback = franceconnect.abroad().pick(request_of(franceconnect, nonce=nonce))

    tokens = redeem(franceconnect, answer_in(callback)["code"]).json()

    assert tokens.keys() == {"access_token", "expires_in", "id_token", "scope", "token_type"}
    assert (tokens["expires_in"], tokens["token_type"]) == (60, "Bearer")
    claims = claims_in(tokens["id_token"])
    assert claims.keys() == {"sub", "acr", "auth_time", "nonce", "aud", "exp", "iat", "iss"}
    assert (claims["acr"], claims["nonce"]) == ("eidas1", nonce)
    answer = userinfo(franceconnect, tokens["access_token"])
    assert answer.headers["Content-Type"].startswith("application/jwt")
    person = claims_in(answer.text)
    assert person["sub"] == claims["sub"]
    assert person["family_name"] == "DURAND"
