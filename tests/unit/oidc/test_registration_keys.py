"""Registration of how a service proves itself: methods, keys, algorithms."""

import json

import pytest

from idp.oidc.metadata_reader import InvalidClientMetadata
from idp.oidc.metadata_reader import decode
from idp.oidc.registration import from_stored
from idp.oidc.registration import parse
from idp.oidc.registration import to_metadata
from tests.service_signer import ServiceSigner

SIGNER = ServiceSigner()
RSA = ServiceSigner(alg="RS256")
LEAST = {
    "client_id": "retraite",
    "client_name": "Espace retraite",
    "redirect_uris": ["https://retraite.example/callback"],
    "scope": "openid dossier",
}
BY_KEY = LEAST | {
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [SIGNER.jwk()]},
}
BY_URI = LEAST | {
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks_uri": "https://retraite.example/jwks?version=1",
    "token_endpoint_auth_signing_alg": "PS256",
    "require_issuer_aud": True,
}


def faults(base=BY_KEY, **changes):
    metadata = {name: value for name, value in (base | changes).items() if value is not ...}
    with pytest.raises(InvalidClientMetadata) as refusal:
        parse(metadata)
    return refusal.value.faults


def only_fault(base=BY_KEY, **changes):
    (fault,) = faults(base, **changes)
    return fault


@pytest.mark.parametrize(
    ("method", "has_secrets"),
    [
        ("client_secret_basic", True),
        ("client_secret_post", True),
        ("private_key_jwt", False),
        ("none", False),
    ],
)
def test_each_method_may_be_registered_and_two_of_them_need_a_secret(method, has_secrets):
    keys = {"jwks": BY_KEY["jwks"]} if method == "private_key_jwt" else {}

    client = parse(LEAST | {"token_endpoint_auth_method": method} | keys)

    assert client.has_secrets == has_secrets
    assert client.is_public == (method == "none")


@pytest.mark.parametrize("metadata", [BY_KEY, BY_URI], ids=["jwks", "jwks_uri"])
def test_keys_go_through_a_client_and_json_and_come_back_the_same(metadata):
    client = parse(metadata)
    written = to_metadata(client)

    assert metadata.items() <= written.items()
    assert parse(decode(json.dumps(written))) == client
    assert from_stored(json.loads(json.dumps(written)), []) == client


def test_a_service_is_held_to_no_algorithm_and_to_no_audience_unless_it_says_so():
    client = parse(BY_KEY)

    assert client.token_endpoint_auth_signing_alg == ""
    assert not client.require_issuer_aud


def test_a_service_that_signs_must_show_its_keys():
    assert only_fault(jwks=...).startswith("jwks_uri: private_key_jwt needs the service's public")


def test_keys_by_value_and_by_address_are_one_too_many():
    fault = only_fault(jwks_uri="https://retraite.example/jwks")

    assert fault == "jwks_uri: give jwks or jwks_uri, not both (RFC 7591 §2)"


def test_every_bad_key_of_a_set_is_told_and_nothing_of_it_is_quoted():
    private = SIGNER.key.as_dict(private=True)
    short = RSA.jwk(n="AQAB", kid="short")

    found = faults(jwks={"keys": [private, {"kty": "oct", "k": "c2VjcmV0"}, short]})

    assert [fault.partition(": ")[2].partition(":")[0] for fault in found] == [
        "keys[0]",
        "keys[1]",
        "keys[2]",
    ]
    assert "private half (d)" in found[0]
    assert "draw another key" in found[0]
    assert "symmetric" in found[1]
    assert "bits, expected 2048" in found[2]
    assert private["d"] not in "".join(found)


@pytest.mark.parametrize("jwks", [None, "https://retraite.example/jwks", [], {"keys": "x"}])
def test_a_set_that_is_none_is_refused_once(jwks):
    assert only_fault(jwks=jwks).startswith("jwks: expected {")


def test_a_set_without_a_key_that_verifies_is_refused():
    fault = only_fault(jwks={"keys": [SIGNER.jwk(use="enc")]})

    assert fault == "jwks: no key of it verifies ES256 or PS256 or RS256"


def test_a_set_without_a_key_for_the_registered_algorithm_is_refused():
    fault = only_fault(token_endpoint_auth_signing_alg="PS256")

    assert fault == "jwks: no key of it verifies PS256"
    assert parse(BY_KEY | {"token_endpoint_auth_signing_alg": "ES256"})


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "EdDSA", "", None, ["ES256"]])
def test_an_algorithm_that_nobody_may_sign_with_is_refused(alg):
    fault = only_fault(token_endpoint_auth_signing_alg=alg)

    assert fault.startswith("token_endpoint_auth_signing_alg: expected ES256 or PS256 or RS256")


def test_an_algorithm_of_assertions_is_for_a_service_that_signs():
    fault = only_fault(LEAST, token_endpoint_auth_signing_alg="ES256")

    assert fault == "token_endpoint_auth_signing_alg: it is for private_key_jwt"


@pytest.mark.parametrize(
    ("attack", "uri", "reason"),
    [
        ("keys read on the wire", "http://retraite.example/jwks", "plain http"),
        ("keys of this machine", "http://localhost:9000/jwks", "https://, on this machine too"),
        ("a file of ours", "file:///etc/passwd", "https://"),
        ("a text in the address", "data:application/json,x", "https://"),
        ("trusted host as a user name", "https://retraite.example@evil.example/", "user name"),
        ("address as one number", "https://2130706433/jwks", "host"),
        ("header injection", "https://retraite.example/\r\nHost: evil", "control"),
        ("fragment", "https://retraite.example/jwks#k1", "fragment"),
    ],
)
def test_ssrf_an_address_of_keys_that_leads_elsewhere_is_refused(attack, uri, reason):
    found = faults(BY_URI, jwks_uri=uri)

    assert all(fault.startswith("jwks_uri: ") for fault in found)
    assert reason in " ".join(found), attack
