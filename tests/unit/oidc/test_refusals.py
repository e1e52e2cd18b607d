"""What of a refused request is told to operators: enough to mend it, and no secret."""

import pytest
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.params import Params
from idp.oidc.refusals import LONGEST
from idp.oidc.refusals import SHOWN
from idp.oidc.refusals import Finding
from idp.oidc.refusals import finding_of
from idp.oidc.refusals import seen
from idp.oidc.refusals import shown

SECRET = "kX9-2fQ7vLr0_ZpA8sWm3TbYc6HdJn5eUgIoR1xVt4M"


def of(**pairs):
    return Params.of(pairs.items())


def test_a_parameter_that_is_no_secret_is_shown():
    params = of(redirect_uri="http://127.0.0.1:51004/retour", scope="openid profil")

    assert seen(params, "redirect_uri", "scope", "prompt") == (
        "redirect_uri=http://127.0.0.1:51004/retour; scope=openid profil; no prompt"
    )


@pytest.mark.parametrize(
    "name",
    [
        "code", "code_verifier", "code_challenge", "client_secret", "client_assertion", "token",
        "access_token", "refresh_token", "id_token_hint", "login_hint", "state", "nonce", "claims",
        "request", "password", "numero_dossier",
    ],
)  # fmt: skip
def test_of_any_other_its_length_is_shown(name):
    assert name not in SHOWN
    assert seen(of(**{name: "azerty"}), name) == f"{name} of 6 characters"


def test_a_parameter_that_came_twice_is_counted():
    params = Params.of(
        [("scope", "openid"), ("scope", SECRET), ("resource", "a"), ("resource", "b")]
    )

    assert seen(params, "scope", "resource") == "scope 2 times; resource=a b"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("https://a.example/cb?jeton=abc&x=1", "https://a.example/cb?jeton=(hidden)&x=(hidden)"),
        ("https://camille:secret@a.example/", "https://(hidden)@a.example/"),
        (f"https://a.example/{SECRET}", "https://a.example/(43 characters)"),
        (SECRET, "(43 characters)"),
        ("https://a.example/1204816", "https://a.example/(number)"),
        ("120 48 16", "(number)"),
        ("a\x00b\nc\x7f", "a\\x00b\\x0ac\\x7f"),
        ("https://аpple.example/", "https://\\u0430pple.example/"),
        ("\ud800", "\\ud800"),
        ("x " * 200, "x " * 80 + "... (400 characters)"),
    ],
)
def test_a_value_is_shown_without_what_could_be_secret(value, told):
    assert shown(value) == told


@given(st.text(max_size=400))
def test_whatever_came_is_shown_in_a_line_of_ascii(value):
    told = shown(value)

    assert told.isascii()
    assert told == "" or told.isprintable()
    assert len(told) <= 200


@given(st.text(alphabet="kX9-2fQ7vLr0_ZpA8sWm3", min_size=32, max_size=80))
def test_attack_no_secret_put_into_another_parameter_is_shown(secret):
    told = shown(f"https://a.example/{secret}?{secret}")

    assert secret not in told


def test_a_finding_is_bounded():
    finding = Finding("scope", "e" * 1000, "f" * 1000)

    assert (len(finding.expected), len(finding.found)) == (LONGEST, LONGEST)


def test_a_finding_is_read_through_the_errors_that_it_caused():
    finding = Finding("scope", "openid", "profile")
    refusal = InvalidRequestError("no")
    refusal.__cause__ = finding
    outer = ValueError("outer")
    outer.__cause__ = refusal

    assert finding_of(refusal) is finding_of(outer) is finding
    assert "expected openid; found profile" in str(finding)


def test_an_error_without_a_finding_says_what_it_is_called():
    finding = finding_of(InvalidRequestError("code is required."))
    other = Finding("code", "a code")

    assert (finding.check, finding.expected) == ("invalid_request", "code is required.")
    assert finding_of(ValueError("x"), other) is other
    assert "found nothing" in str(other)
