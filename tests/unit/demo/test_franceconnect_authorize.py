"""What the simulated FranceConnect takes at ``/authorize``, and its two ways to refuse."""

import json
import secrets
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import pytest
import requests

from tests.franceconnect import answer_in
from tests.franceconnect import claims_in
from tests.instance import ISSUER
from tests.unit.demo.conftest import tokens_of

BACK = f"{ISSUER}/franceconnect/retour"
SHORT = "x" * 21


def refused_there(there, **changes):
    """The page of a request that never comes back."""
    answer = there.abroad().open(there.request(**changes))
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert ISSUER not in answer.text  # no way back
    return answer.text


def sent_back(there, **changes):
    state = secrets.token_urlsafe(32)
    there_and_back = there.abroad().follow(there.request(state=state, **changes))
    assert there_and_back.startswith(f"{BACK}?")
    answer = answer_in(there_and_back)
    assert (answer.pop("state"), answer.pop("iss")) == (state, there.issuer)
    return answer


def test_discovery_promises_what_it_refuses_as_the_real_one_does(there):
    published = requests.get(f"{there.issuer}/.well-known/openid-configuration", timeout=10).json()

    assert published["issuer"] == there.issuer
    assert published["code_challenge_methods_supported"] == ["S256"]
    assert "HS256" in published["id_token_signing_alg_values_supported"]
    assert published["acr_values_supported"] == ["eidas1"]
    assert published["subject_types_supported"] == ["pairwise"]
    assert published["token_endpoint_auth_methods_supported"] == [
        "client_secret_post",
        "private_key_jwt",
    ]
    assert published["authorization_response_iss_parameter_supported"] is True
    assert "backchannel_logout_supported" not in published
    assert "offline_access" not in published["scopes_supported"]


def test_a_person_who_is_picked_comes_back_with_a_code_the_state_and_the_issuer(there):
    state = secrets.token_urlsafe(32)

    callback = there.abroad().pick(there.request(state=state))

    assert callback.startswith(f"{BACK}?")
    answer = answer_in(callback)
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (state, there.issuer)


@pytest.mark.parametrize(
    "name",
    [
        "code_challenge",
        "code_challenge_method",
        "login_hint",
        "max_age",
        "response_mode",
        "request",
    ],
)
def test_a_parameter_outside_the_closed_list_ends_there(there, name):
    page = refused_there(there, **{name: "x"})

    assert "Y030007" in page
    assert name in page


@pytest.mark.parametrize(
    "name",
    ["client_id", "response_type", "redirect_uri", "scope", "acr_values", "state", "nonce"],
)
def test_a_parameter_that_is_missing_ends_there(there, name):
    assert "Y030007" in refused_there(there, **{name: ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": SHORT},
        {"nonce": ""},
        {"state": SHORT},
        {"client_id": ""},
        {"redirect_uri": ""},
        {"acr_values": ""},
        {"prompt": "none"},
        {"prompt": "select_account"},
        {"prompt": "login none"},
        {"prompt": ""},
        {"scope": ["openid", "openid"]},
    ],
    ids=repr,
)
def test_a_parameter_that_the_list_does_not_take_ends_there(there, changes):
    assert "Y030007" in refused_there(there, **changes)


def test_twenty_two_characters_will_do(there):
    assert there.abroad().pick(there.request(nonce="n" * 22, state="s" * 22))


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "login"},
        {"prompt": "consent login"},
        {"idp_hint": "anything"},
        {"ui_locales": "fr"},
        {"acr_values": "eidas1 eidas2"},
    ],
    ids=repr,
)
def test_what_the_list_leaves_open_is_taken(there, changes):
    assert there.abroad().pick(there.request(**changes))


def test_an_unknown_service_and_an_unknown_address_end_there(there):
    assert "Y030106" in refused_there(there, client_id="nobody")
    for address in ("https://mallory.example/retour", f"{BACK}/", BACK.upper()):
        assert "Y030118" in refused_there(there, redirect_uri=address)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "identite_pivot"}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
        ({"scope": "openid identite_pivot phone"}, "invalid_scope"),
        ({"scope": "openid offline_access"}, "invalid_scope"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "inconnu"}, "unsupported_response_type"),
        ({"acr_values": "eidas3"}, "invalid_request"),
        ({"claims": "not json"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
    ],
    ids=repr,
)
def test_a_fault_of_the_protocol_comes_back_with_state_and_issuer(there, changes, error):
    answer = sent_back(there, **changes)

    assert answer.pop("error") == error
    assert answer.keys() == {"error_description"}


@pytest.mark.parametrize("asked", ["id_token", "code token", "id_token token"])
def test_a_response_that_would_be_in_a_fragment_is_refused_in_one(there, asked):
    location = there.abroad().follow(there.request(response_type=asked))

    assert urlsplit(location).query == ""
    assert dict(parse_qsl(urlsplit(location).fragment))["error"] == "unsupported_response_type"


def test_a_form_does_as_well_as_an_address(there):
    address, _, query = there.request().partition("?")

    answer = requests.post(address, data=dict(parse_qsl(query)), allow_redirects=False, timeout=10)
    mixed = requests.post(f"{address}?{query}", allow_redirects=False, timeout=10)

    assert answer.status_code == 303
    assert "/interaction/" in answer.headers["Location"]
    assert mixed.status_code == 400  # what stands in the address of a form is not read


def test_the_id_token_says_amr_only_to_who_asks_for_it(there):
    wanted = json.dumps({"id_token": {"amr": {"essential": True}}})

    assert "amr" in claims_in(tokens_of(there, claims=wanted)["id_token"])
    assert "amr" not in claims_in(tokens_of(there)["id_token"])
