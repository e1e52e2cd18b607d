"""The one module of the plan Config, and the sign-out's: lines C1, C4 to C7, G1 to G9, L1."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.checks import check_metadata
from tests.conformance.checks import good_address
from tests.conformance.suite import Suite

MODULE = "oidcc-discovery-endpoint-verification"
STRINGS = "an array of strings"
ADDRESS = "an address"
FLAG = "a boolean"
TYPES = {
    "issuer": ADDRESS,
    "authorization_endpoint": ADDRESS,
    "token_endpoint": ADDRESS,
    "userinfo_endpoint": ADDRESS,
    "jwks_uri": ADDRESS,
    "end_session_endpoint": ADDRESS,
    "revocation_endpoint": ADDRESS,
    "introspection_endpoint": ADDRESS,
    "service_documentation": ADDRESS,
    "op_policy_uri": ADDRESS,
    "op_tos_uri": ADDRESS,
    "scopes_supported": STRINGS,
    "response_types_supported": STRINGS,
    "response_modes_supported": STRINGS,
    "grant_types_supported": STRINGS,
    "acr_values_supported": STRINGS,
    "subject_types_supported": STRINGS,
    "id_token_signing_alg_values_supported": STRINGS,
    "token_endpoint_auth_methods_supported": STRINGS,
    "token_endpoint_auth_signing_alg_values_supported": STRINGS,
    "revocation_endpoint_auth_methods_supported": STRINGS,
    "revocation_endpoint_auth_signing_alg_values_supported": STRINGS,
    "introspection_endpoint_auth_methods_supported": STRINGS,
    "introspection_endpoint_auth_signing_alg_values_supported": STRINGS,
    "display_values_supported": STRINGS,
    "claim_types_supported": STRINGS,
    "claims_supported": STRINGS,
    "claims_locales_supported": STRINGS,
    "ui_locales_supported": STRINGS,
    "code_challenge_methods_supported": STRINGS,
    "prompt_values_supported": STRINGS,
    "claims_parameter_supported": FLAG,
    "request_parameter_supported": FLAG,
    "request_uri_parameter_supported": FLAG,
    "authorization_response_iss_parameter_supported": FLAG,
    "backchannel_logout_supported": FLAG,
    "backchannel_logout_session_supported": FLAG,
    "frontchannel_logout_supported": FLAG,
    "frontchannel_logout_session_supported": FLAG,
}
"""The members of the registry that this provider may announce, and their types."""


@pytest.fixture
def metadata(module: Callable[..., Suite]) -> dict[str, Any]:
    return module(MODULE).metadata


def is_of_type(value: object, kind: str) -> bool:
    if kind == ADDRESS:
        return isinstance(value, str) and good_address(value)
    if kind == FLAG:
        return isinstance(value, bool)
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def test_c1_c4_c5_c6_g1_the_document_is_where_its_issuer_says(module: Callable[..., Suite]) -> None:
    suite = module(MODULE)

    assert suite.discovery_url.endswith("/.well-known/openid-configuration")
    check_metadata(suite.metadata, suite.discovery_url)


def test_c3_no_endpoint_that_is_called_without_a_browser_answers_by_a_redirect(
    module: Callable[..., Suite],
) -> None:
    suite = module(MODULE)
    called = ("jwks_uri", "token_endpoint", "userinfo_endpoint", "revocation_endpoint")

    answers = [suite.call(way, suite.metadata[one]) for one in called for way in ("GET", "POST")]

    assert not [answer.url for answer in answers if 300 <= answer.status_code < 400]
    assert max(answer.elapsed.total_seconds() for answer in answers) < 60


def test_c7_every_key_is_public_and_of_a_kind_that_the_suite_can_use(
    module: Callable[..., Suite],
) -> None:
    keys = module(MODULE).jwks["keys"]  # ``Suite`` has checked them

    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert {key.get("crv") for key in keys} <= {None, "P-256"}


def test_g2_response_types(metadata: dict[str, Any]) -> None:
    assert "code" in metadata["response_types_supported"]


def test_g3_subject_types_and_rs256(metadata: dict[str, Any]) -> None:
    assert {"public", "pairwise"} & set(metadata["subject_types_supported"])
    assert "RS256" in metadata["id_token_signing_alg_values_supported"]


def test_g4_userinfo_is_there_and_registration_is_not(metadata: dict[str, Any]) -> None:
    assert good_address(metadata["userinfo_endpoint"])
    assert "registration_endpoint" not in metadata


def test_g5_grant_types(metadata: dict[str, Any]) -> None:
    assert {"authorization_code", "refresh_token"} <= set(metadata["grant_types_supported"])


def test_g6_scopes_claims_and_locales(metadata: dict[str, Any]) -> None:
    assert "openid" in metadata["scopes_supported"]
    assert all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", s) for s in metadata["scopes_supported"])
    assert metadata["claims_supported"]
    for name in ("ui_locales_supported", "claims_locales_supported"):
        # Canonical casing: a language in small letters, a region in capitals (RFC 5646 §2.1.1).
        assert all(re.fullmatch(r"[a-z]{2,3}(-[A-Z]{2})?", tag) for tag in metadata.get(name, []))


def test_g7_every_endpoint_is_https_and_pkce_is_a_list(metadata: dict[str, Any]) -> None:
    endpoints = [name for name in metadata if name.endswith("_endpoint")]
    assert len(endpoints) >= 5
    assert all(good_address(metadata[name]) for name in endpoints)
    assert metadata["code_challenge_methods_supported"] == ["S256"]


def test_g8_every_member_is_known_and_of_its_type(metadata: dict[str, Any]) -> None:
    wrong = {n: v for n, v in metadata.items() if n not in TYPES or not is_of_type(v, TYPES[n])}

    assert wrong == {}


def test_g9_which_parameters_are_taken_is_told(metadata: dict[str, Any]) -> None:
    told = [
        metadata[f"{name}_parameter_supported"] for name in ("claims", "request", "request_uri")
    ]

    assert told == [True, False, False]


def test_l1_oidcc_rp_initiated_logout_discovery_endpoint_verification(
    module: Callable[..., Suite],
) -> None:
    metadata = module("oidcc-rp-initiated-logout-discovery-endpoint-verification").metadata

    assert good_address(metadata["end_session_endpoint"])
    assert urlsplit(metadata["end_session_endpoint"]).query == ""
