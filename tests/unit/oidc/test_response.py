from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.response import home_location
from idp.oidc.response import refusal
from idp.oidc.response import success
from idp.oidc.return_address import RefusedByRedirect
from idp.oidc.return_address import ReturnAddress
from tests.fakes import client

ISSUER = "https://idp.example"
CALLBACK = "https://cotisations.example/callback"


def back(redirect_uri=CALLBACK, state="s", mode="query"):
    return ReturnAddress(client(), redirect_uri, state, mode)


def success_location(redirect_uri=CALLBACK, state="s"):
    return success(back(redirect_uri, state), code="c", issuer=ISSUER).location


def refused(description, **changes):
    cause = InvalidScopeError(description)
    return refusal(RefusedByRedirect(back(**changes), cause), issuer=ISSUER)


def test_a_success_brings_code_state_and_issuer():
    assert success_location() == f"{CALLBACK}?code=c&state=s&iss=https%3A%2F%2Fidp.example"


def test_authlib_trap_08_a_refusal_brings_the_issuer_too():
    location = refused("The scope must hold openid.").location

    assert parse_qs(urlsplit(location).query) == {
        "error": ["invalid_scope"],
        "error_description": ["The scope must hold openid."],
        "state": ["s"],
        "iss": [ISSUER],
    }


def test_c14_a_refusal_by_fragment_leaves_the_query_as_it_was_registered():
    location = refused("No token here.", redirect_uri=f"{CALLBACK}?a=1", mode="fragment").location

    assert location.startswith(f"{CALLBACK}?a=1#error=invalid_scope&")
    assert parse_qs(urlsplit(location).fragment)["state"] == ["s"]


def test_what_is_empty_is_left_out():
    assert "state" not in success_location(state="")
    assert dict(refused("", state="").parameters) == {"error": "invalid_scope", "iss": ISSUER}


def test_an_answer_by_form_holds_what_one_by_query_does():
    by_form = success(back(mode="form_post"), code="c", issuer=ISSUER)

    assert by_form.parameters == (("code", "c"), ("state", "s"), ("iss", ISSUER))
    assert by_form.back.response_mode == "form_post"
    assert "'c'" not in repr(by_form)


@pytest.mark.parametrize(
    ("redirect_uri", "begins"),
    [
        ("https://c.example", "https://c.example?code=c"),
        ("https://c.example/", "https://c.example/?code=c"),
        ("https://c.example/cb?a=%20b&a=c+d", "https://c.example/cb?a=%20b&a=c+d&code=c"),
        ("https://c.example/cb?", "https://c.example/cb?code=c"),
        ("https://c.example/cb?a&", "https://c.example/cb?a&code=c"),
        ("https://c.example/cb;x=1", "https://c.example/cb;x=1?code=c"),
        ("http://[::1]:9001/cb", "http://[::1]:9001/cb?code=c"),
        ("com.example.app:/cb", "com.example.app:/cb?code=c"),
        ("com.example.app:///cb", "com.example.app:///cb?code=c"),
    ],
)
def test_the_registered_address_is_kept_byte_for_byte(redirect_uri, begins):
    assert success_location(redirect_uri).startswith(begins + "&state=s&iss=")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_state_comes_back_as_it_was_sent_and_breaks_nothing(state):
    location = success_location(state=state)

    assert location.isascii()
    assert location.isprintable()
    assert parse_qs(urlsplit(location).query).get("state", [""]) == [state]


def test_a_service_begins_anew_at_its_own_sign_in_and_learns_whom_to_ask():
    named = client(
        initiate_login_uri="https://c.example/login?a=1", client_uri="https://c.example/"
    )

    assert home_location(named, issuer=ISSUER) == (
        "https://c.example/login?a=1&iss=https%3A%2F%2Fidp.example"
    )


def test_a_service_without_a_sign_in_of_its_own_begins_at_its_page_or_nowhere():
    assert home_location(client(client_uri="https://c.example/"), issuer=ISSUER) == (
        "https://c.example/"
    )
    assert home_location(client(), issuer=ISSUER) == ""
