import base64
import json

import pytest

from idp.oidc.service_keys import LARGEST_RSA_BITS
from idp.oidc.service_keys import MOST_KEYS
from idp.oidc.service_keys import SMALLEST_RSA_BITS
from idp.oidc.service_keys import UnusableServiceKey
from idp.oidc.service_keys import faults_of_jwks
from idp.oidc.service_keys import read_service_key
from idp.oidc.service_keys import read_service_keys
from idp.oidc.service_keys import registered_keys
from tests.service_signer import ServiceSigner

EC = ServiceSigner()
RSA = ServiceSigner(alg="RS256", kid="r1")


def modulus(bits):
    number = (1 << (bits - 1)) | 1
    text = number.to_bytes((bits + 7) // 8)
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


BAD = {
    "no object": ("a key", "JSON object"),
    "private EC key": (EC.key.as_dict(private=True), "private half (d)"),
    "private RSA key": (RSA.key.as_dict(private=True), "private half (d, p, q, dp, dq, qi)"),
    "private part alone": (RSA.jwk(p="AQAB"), "private half (p)"),
    "private key for encryption": ({**EC.jwk(use="enc"), "d": "AA"}, "private half (d)"),
    "symmetric key": ({"kty": "oct", "k": "c2VjcmV0"}, "symmetric"),
    "symmetric key without its value": ({"kty": "oct"}, "symmetric"),
    "kid that is no text": (EC.jwk(kid=7), "kid"),
    "kid that is null": (EC.jwk(kid=None), "kid"),
    "kind that is not served": ({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, "kty"),
    "kind that is no text": ({"kty": ["EC"]}, "kty"),
    "no kind": ({}, "kty"),
    "another use": (EC.jwk(use="tls"), "use"),
    "use that is no text": (EC.jwk(use=["sig"]), "use"),
    "another operation": (EC.jwk(key_ops=["deriveKey"]), "key_ops"),
    "operations that are no list": (EC.jwk(key_ops="verify"), "key_ops"),
    "HS256 with a public key": (RSA.jwk(alg="HS256"), "alg: expected PS256 or RS256"),
    "algorithm of another kind": (EC.jwk(alg="RS256"), "alg: expected ES256"),
    "alg none": (EC.jwk(alg="none"), "alg"),
    "another curve": (EC.jwk(crv="P-384"), "crv"),
    "point off the curve": (EC.jwk(x="AAAA"), "not a point"),
    "point that is no text": (EC.jwk(x=7), "not a point"),
    "point that is missing": (EC.jwk(y=...), "not a point"),
    "point that is not base64": (EC.jwk(y="é"), "not a point"),
    "short RSA key": (RSA.jwk(n=modulus(SMALLEST_RSA_BITS - 1)), "n: 2047 bits, expected 2048"),
    "1024 bits": (RSA.jwk(n=modulus(1024)), "n: 1024 bits"),
    "huge RSA key": (RSA.jwk(n=modulus(LARGEST_RSA_BITS + 1)), "n: 8193 bits"),
    "modulus that is no text": (RSA.jwk(n=65537), "n: 0 bits"),
    "modulus that is not base64": (RSA.jwk(n="é"), "n: 0 bits"),
    "modulus in broken base64": (RSA.jwk(n="A"), "n: 0 bits"),
    "exponent that is missing": (RSA.jwk(e=...), "not an RSA public key"),
    "exponent that is even": (RSA.jwk(e="BA"), "not an RSA public key"),
    "exponent one": (RSA.jwk(e="AQ"), "not an RSA public key"),
}


@pytest.mark.parametrize(("jwk", "reason"), BAD.values(), ids=BAD)
def test_a_key_that_verifies_nothing_is_refused_with_its_reason_and_never_quoted(jwk, reason):
    with pytest.raises(UnusableServiceKey) as refusal:
        read_service_key(jwk)

    assert reason in str(refusal.value)
    for value in jwk.values() if isinstance(jwk, dict) else ():
        if isinstance(value, str) and len(value) > 20:
            assert value not in str(refusal.value)


@pytest.mark.parametrize(("jwk", "reason"), BAD.values(), ids=BAD)
def test_an_operator_is_told_of_each_bad_key_and_of_no_good_one(jwk, reason):
    (fault,) = faults_of_jwks({"keys": [EC.jwk(), jwk, RSA.jwk()]})

    assert fault.startswith("keys[1]: ")
    assert reason in fault


@pytest.mark.parametrize("jwk", [pair[0] for pair in BAD.values()], ids=BAD)
def test_a_key_of_a_fetched_set_that_verifies_nothing_is_left_out(jwk):
    keys = read_service_keys({"keys": [jwk, EC.jwk()]})

    assert [key.kid for key in keys] == ["k1"]


@pytest.mark.parametrize("bits", [SMALLEST_RSA_BITS, LARGEST_RSA_BITS])
def test_rsa_keys_of_the_least_and_of_the_greatest_size(bits):
    assert read_service_key(RSA.jwk(n=modulus(bits)))


@pytest.mark.parametrize(
    ("jwk", "algs"),
    [
        (EC.jwk(), ("ES256",)),
        (EC.jwk(alg="ES256", use="sig", key_ops=["verify"]), ("ES256",)),
        (RSA.jwk(), ("PS256", "RS256")),
        (RSA.jwk(alg="PS256", x5c=["AA"], x5t="AA"), ("PS256",)),
        (RSA.jwk(alg="RS256"), ("RS256",)),
    ],
)
def test_a_key_serves_the_algorithms_of_its_kind_or_the_one_it_names(jwk, algs):
    assert read_service_key(jwk).algs == algs


def test_a_key_for_encryption_is_nobodys_fault_and_verifies_nothing():
    jwks = {"keys": [EC.jwk(), EC.jwk(kid="k2", use="enc"), {"kty": "OKP", "use": "enc"}]}

    assert faults_of_jwks(jwks) == []
    assert [key.kid for key in read_service_keys(jwks)] == ["k1"]


def test_two_keys_under_one_kid_are_a_fault_and_two_without_any_are_none():
    same = {"keys": [EC.jwk(), RSA.jwk(kid="k1")]}
    unnamed = {"keys": [EC.jwk(kid=...), RSA.jwk(kid=...)]}

    assert faults_of_jwks(same) == ["keys[1]: another key of the set has the same kid"]
    assert faults_of_jwks(unnamed) == []


@pytest.mark.parametrize("jwks", [None, [], "keys", {}, {"keys": {}}, {"keys": None}, EC.jwk()])
def test_what_is_no_set_is_refused(jwks):
    assert faults_of_jwks(jwks) == ['expected {"keys": […]} (RFC 7517 §5)']
    with pytest.raises(UnusableServiceKey):
        read_service_keys(jwks)


def test_a_set_has_a_key_and_not_too_many():
    many = {"keys": [EC.jwk(kid=f"k{n}") for n in range(MOST_KEYS + 1)]}

    assert faults_of_jwks({"keys": []}) == [f"expected 1 to {MOST_KEYS} keys"]
    assert faults_of_jwks(many) == [f"expected 1 to {MOST_KEYS} keys"]
    assert len(read_service_keys(many)) == MOST_KEYS


def test_a_registered_set_is_parsed_once():
    text = json.dumps({"keys": [EC.jwk(kid="once")]})

    assert registered_keys(text) is registered_keys(text)
