"""What the conformance suite checks in nearly every module: its lines C1 to C25."""

import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet

from tests.conformance.browser import Landing
from tests.entropy import passes_the_suite

YEAR = 365 * 24 * 3600
RFC_6749_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
OF_THE_PROTOCOL = {
    "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash",
    "c_hash", "s_hash", "nbf", "jti", "sid", "txn",
}  # fmt: skip
SCOPE_CLAIMS = {
    "profile": {
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username",
        "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    },
    "email": {"email", "email_verified"},
    "address": {"address"},
    "phone": {"phone_number", "phone_number_verified"},
}  # fmt: skip
NOT_IN_THE_DIRECTORY = {
    "nickname", "preferred_username", "profile", "picture", "website", "zoneinfo", "locale",
}  # fmt: skip
"""docs/adr/0019-claims-one-by-one.md; the suite warns of them, docs/conformance.md says so."""

JSON = ("application/json",)
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def good_address(address: str) -> bool:
    """C1, C5, G7: https, with a host, and nothing that does not belong there."""
    parts = urlsplit(address)
    return (
        parts.scheme == "https"
        and bool(parts.hostname)
        and not parts.username
        and not parts.fragment
    )


def check_metadata(metadata: Mapping[str, Any], came_from: str) -> None:
    """C4, C5, C6."""
    assert came_from == metadata["issuer"].rstrip("/") + "/.well-known/openid-configuration"
    issuer = urlsplit(metadata["issuer"])
    assert good_address(metadata["issuer"])
    assert not issuer.query
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert good_address(metadata[name]), name
    for method in ("client_secret_basic", "client_secret_post"):
        assert method in metadata["token_endpoint_auth_methods_supported"]


def check_keys(jwks: Mapping[str, Any]) -> None:
    """C7, and what makes C8 possible: no two keys fit one header."""
    kids = [key["kid"] for key in jwks["keys"]]
    assert len(set(kids)) == len(kids) > 0
    assert all(kid.strip() for kid in kids)
    for key in jwks["keys"]:
        assert not PRIVATE & set(key)
        assert (key["kty"], key["alg"], key["use"]) in {
            ("RSA", "RS256", "sig"), ("EC", "ES256", "sig"),
        }  # fmt: skip
    KeySet.import_key_set(dict(jwks))


def check_landing(landing: Landing, *, mode: str, state: str | None, issuer: str) -> None:
    """C14, C15, C16, P1: where an answer comes, and what beside its own may come with it."""
    told = landing.parameters
    assert landing.method == ("POST" if mode == "form_post" else "GET")
    if mode == "form_post":
        assert landing.content_type == "application/x-www-form-urlencoded"
        assert landing.query == ""
    assert ("#" in landing.url) == (mode == "fragment")
    if mode == "fragment":
        assert landing.query == ""
    assert told.get("state") == state
    assert told["iss"] == issuer
    if "error" not in told:
        assert set(told) - {"state"} == {"code", "iss"}
        assert passes_the_suite(told["code"])
        return
    assert set(told) <= {"error", "error_description", "error_uri", "state", "iss"}
    assert RFC_6749_TEXT.fullmatch(told["error"])
    assert RFC_6749_TEXT.fullmatch(told["error_description"])


def check_token_answer(answer: Any) -> dict[str, Any]:
    """C3, C18, C20."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] in JSON
    assert "no-store" in answer.headers["Cache-Control"]
    body: dict[str, Any] = answer.json()
    assert body["access_token"]
    assert body["id_token"]
    assert body["token_type"].lower() == "bearer"
    assert isinstance(body["expires_in"], int)
    assert 0 < body["expires_in"] <= YEAR
    return body


def check_error_answer(answer: Any, *errors: str) -> None:
    """C19."""
    told = answer.json()
    assert answer.status_code == (401 if told["error"] == "invalid_client" else 400)
    assert answer.headers["Content-Type"] in JSON
    assert told["error"] in errors
    assert RFC_6749_TEXT.fullmatch(told["error_description"])


def read_id_token(token: str, jwks: Mapping[str, Any]) -> dict[str, Any]:
    """C7, C8: one published key, of the header's kid and algorithm, and a good signature."""
    header = json.loads(jwt_part(token))
    fitting = [
        key
        for key in jwks["keys"]
        if (key["kid"], key["alg"], key["use"]) == (header["kid"], header["alg"], "sig")
    ]
    assert len(fitting) == 1
    read = jwt.decode(
        token, KeySet.import_key_set({"keys": fitting}), algorithms=[str(header["alg"])]
    )
    return dict(read.claims)


def jwt_part(token: str, number: int = 0) -> bytes:
    """The header of a token, or its claims, as they are written."""
    part = token.split(".")[number]
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_id_token(
    claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str | None
) -> None:
    """C21, C23."""
    now = time.time()
    assert claims["iss"] == issuer
    assert claims["aud"] in (client_id, [client_id])
    assert claims.get("azp", client_id) == client_id
    assert claims["sub"]
    assert len(claims["sub"]) <= 255
    assert now < claims["exp"] < now + 50 * YEAR
    assert abs(claims["iat"] - now) < 300
    assert now - YEAR < claims["auth_time"] <= now + 1
    assert claims["acr"]
    assert claims.get("nonce") == nonce
    assert set(claims) <= OF_THE_PROTOCOL


def _text(value: object) -> bool:
    return isinstance(value, str) and value.strip() not in ("", "null")


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _instant(value: object) -> bool:
    return type(value) is int and 0 < value < time.time() + YEAR


def _birthdate(value: object) -> bool:
    match = isinstance(value, str) and re.fullmatch(r"(\d{4})(-\d\d-\d\d)?", value)
    return bool(match) and (match[1] == "0000" or 1850 <= int(match[1]) <= time.gmtime().tm_year)


def _address(value: object) -> bool:
    members = {"formatted", "street_address", "locality", "region", "postal_code", "country"}
    return (
        isinstance(value, dict)
        and len(value) > 0
        and set(value) <= members
        and all(map(_text, value.values()))
    )


TYPES: dict[str, Callable[[object], bool]] = {
    "email_verified": _flag,
    "phone_number_verified": _flag,
    "updated_at": _instant,
    "birthdate": _birthdate,
    "address": _address,
}


def check_claims(claims: Mapping[str, Any]) -> None:
    """C22: each standard claim in its JSON type; what has no value is absent."""
    for name, value in claims.items():
        assert TYPES.get(name, _text)(value), f"{name}: {value!r}"


def check_userinfo(answer: Any, sub: str) -> dict[str, Any]:
    """C22, C24, C25."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] in JSON
    claims: dict[str, Any] = answer.json()
    assert claims["sub"] == sub
    check_claims(claims)
    return claims
