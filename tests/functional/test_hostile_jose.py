"""Whatever is signed, encrypted or made up in the shape of JOSE: no 5xx, no trace, no token.

Headers of every kind around payloads of every kind, under signatures of every kind: none, random,
by a key of the service, by a key of a stranger that the header itself brings, by our public key
taken for a secret (RFC 8725 §2.1, §2.6, §3.1).
"""

import hmac
import json
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp.oidc.assertions import ASSERTION_TYPE
from tests.functional.test_hostile_input import FUZZ
from tests.functional.test_hostile_input import Target
from tests.functional.test_hostile_input import check
from tests.functional.test_hostile_input import encoded
from tests.instance import Instance
from tests.instance import Service
from tests.service_signer import ServiceSigner

FORM = "application/x-www-form-urlencoded"
SIGNER = ServiceSigner("signataire")
STRANGER = ServiceSigner("signataire", number=7)
EVER = 4_000_000_000

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "none", "HS256", "ES256", "RS256", "PS256", "A256GCM", "signataire", "cotisations",
         "http://localhost:8000", "http://localhost:8000/token", "JWT", "at+jwt", "logout+jwt",
         "\u0000", "../../etc/passwd", "' OR 1=1 --", "http://169.254.169.254/latest"]
    ),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
header_changes = st.dictionaries(
    st.sampled_from(
        ["alg", "kid", "typ", "cty", "crit", "b64", "zip", "jku", "jwk", "x5u", "x5c", "x5t", "enc",
         "p2c", "p2s", "epk", "apu", "exp", "nonce", "iss"]
    ),
    values,
    max_size=5,
)  # fmt: skip
claim_changes = st.dictionaries(
    st.sampled_from(
        ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "nonce", "scope", "client_id",
         "azp", "acr", "amr", "auth_time", "events", "cnf", "crit"]
    ),
    values,
    max_size=6,
)  # fmt: skip
payloads = st.one_of(st.binary(max_size=60), values.map(lambda value: json.dumps(value).encode()))


@st.composite
def tokens(draw: st.DrawFn, claims: dict[str, object]) -> str:
    """A token in three parts, or in any number of them."""
    changed = {**claims, **draw(claim_changes)}
    payload = draw(st.one_of(st.just(json.dumps(changed).encode()), payloads))
    header: dict[str, Any] = {"alg": "ES256", "kid": "k1", "typ": "JWT", **draw(header_changes)}
    if draw(st.booleans()):
        header["jwk"] = STRANGER.jwk()
    how = draw(st.sampled_from(["service", "stranger", "none", "random", "confused"]))
    if how in ("service", "stranger"):
        signer = SIGNER if how == "service" else STRANGER
        members = {n: header[n] for n in ("typ", "kid") if isinstance(header.get(n), str)}
        if header.get("jwk") == STRANGER.jwk():  # what is no key, the signer would not write
            members["jwk"] = header["jwk"]
        return signer.sign(payload, **members)
    signed = f"{part(json.dumps(header).encode())}.{part(payload)}"
    if how == "confused":
        header["alg"] = "HS256"
        signed = f"{part(json.dumps(header).encode())}.{part(payload)}"
        secret = json.dumps(SIGNER.jwk()).encode()
        return f"{signed}.{part(hmac.digest(secret, signed.encode(), 'sha256'))}"
    if how == "none":
        return f"{signed}."
    rest = draw(st.sampled_from(["", ".x", "..", ".a.b.c", "=", "\n", "\u00e9"]))
    return f"{signed}.{part(draw(st.binary(max_size=80)))}{rest}"


def part(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture
def target(make_instance: Callable[..., Instance]) -> Target:
    target = Target(make_instance())
    target.instance.add_service(
        "signataire", token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks()
    )
    return target


ASSERTED: dict[str, object] = {
    "iss": "signataire",
    "sub": "signataire",
    "aud": "http://localhost:8000",
    "exp": EVER,
    "iat": 0,
    "jti": "j",
}


@FUZZ
@given(assertion=tokens(ASSERTED), of_type=st.sampled_from([ASSERTION_TYPE, "", "x"]))
def test_a_client_assertion_of_any_shape_opens_no_endpoint(
    target: Target, assertion: str, of_type: str
) -> None:
    asked = [("client_assertion", assertion), ("client_assertion_type", of_type)]
    for path, more in (
        ("/token", [("grant_type", "authorization_code"), ("code", "A" * 43)]),
        ("/revoke", [("token", target.access_token)]),
        ("/introspect", [("token", target.access_token)]),
    ):
        body = encoded([*asked, *more])

        answer = target.send("POST", path, data=body, content_type=FORM)

        check(answer, path)
        assert "access_token" not in answer.get_json()
        assert not answer.get_json().get("active")


@FUZZ
@given(token=tokens({"iss": "http://localhost:8000", "sub": "x", "exp": EVER, "aud": "x"}))
def test_a_token_of_any_shape_is_none_of_ours(target: Target, token: str) -> None:
    service: Service = target.service
    for path in ("/introspect", "/revoke"):
        for name in ("access_token", "refresh_token", "id_token", "\u00e9"):
            body = encoded([("token", token), ("token_type_hint", name)])

            answer = target.send("POST", path, data=body, headers=service.basic, content_type=FORM)

            check(answer, path)
            assert answer.status_code == 200
            assert not answer.get_json().get("active")
    body = encoded([("access_token", token)])
    answer = target.send("POST", "/userinfo", data=body, content_type=FORM)
    check(answer, "/userinfo")
    assert answer.status_code == 401


@FUZZ
@given(hint=tokens({"iss": "http://localhost:8000", "sub": "x", "aud": "cotisations", "sid": "x"}))
def test_a_hint_of_any_shape_signs_nobody_in_or_out(target: Target, hint: str) -> None:
    query = encoded([*(target.service.request() | {"id_token_hint": hint}).items()])

    check(target.send("GET", "/authorize", query_string=query), "/authorize")
    answer = target.send("GET", "/logout", query_string=encoded([("id_token_hint", hint)]))

    check(answer, "/logout")
    assert answer.status_code == 400


@FUZZ
@given(
    request=tokens({"iss": "cotisations", "aud": "http://localhost:8000", "response_type": "code"}),
    name=st.sampled_from(["request", "request_uri"]),
    method=st.sampled_from(["GET", "POST"]),
)
def test_a_request_object_of_any_shape_is_refused_unread(
    target: Target, request: str, name: str, method: str
) -> None:
    asked = encoded([*(target.service.request() | {name: request}).items()])

    if method == "GET":
        answer = target.send("GET", "/authorize", query_string=asked)
    else:
        answer = target.send("POST", "/authorize", data=asked, content_type=FORM)

    check(answer, "/authorize")
    assert f"error={name}_not_supported&" in answer.headers["Location"]


@FUZZ
@given(token=tokens({"iss": "http://localhost:8000", "sub": "x", "exp": EVER}))
def test_a_grant_of_any_shape_gives_nothing(target: Target, token: str) -> None:
    for grant_type, name in (
        ("refresh_token", "refresh_token"),
        ("authorization_code", "code"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion"),
        ("urn:ietf:params:oauth:grant-type:token-exchange", "subject_token"),
    ):
        body = encoded([*(target.service.redemption("x") | {
            "grant_type": grant_type, name: token}).items()])  # fmt: skip

        answer = target.send(
            "POST", "/token", data=body, headers=target.service.basic, content_type=FORM
        )

        check(answer, "/token")
        assert answer.status_code == 400


@pytest.mark.parametrize("of", ["access_token", "id_token"])
@FUZZ
@given(changes=header_changes, claims=claim_changes)
def test_a_token_of_ours_with_another_header_or_claim_opens_nothing(
    target: Target, of: str, changes: dict[str, object], claims: dict[str, object]
) -> None:
    header, payload, signature = getattr(target, of).split(".")
    written = {name: json.loads(unpacked(text)) for name, text in (("h", header), ("p", payload))}
    changed = {"h": {**written["h"], **changes}, "p": {**written["p"], **claims}}
    if changed == written:
        return
    token = ".".join([*(part(json.dumps(changed[name]).encode()) for name in "hp"), signature])
    bearer = {"Authorization": f"Bearer {token}"}

    answer = target.send("GET", "/userinfo", headers=bearer)

    check(answer, "/userinfo")
    assert answer.status_code == 401


def unpacked(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("alg", ["HS256", "HS512"])
@pytest.mark.parametrize("of", ["access_token", "id_token"])
def test_a_public_key_of_ours_is_no_secret_to_sign_with(target: Target, of: str, alg: str) -> None:
    """The attack: RS256 becomes HS256, keyed with what the JWKS publishes (RFC 8725 §2.1)."""
    header, payload, _ = getattr(target, of).split(".")
    kid = json.loads(unpacked(header))["kid"]
    (jwk,) = [key for key in target.visitor.get("/jwks").get_json()["keys"] if key["kid"] == kid]
    key = (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(jwk)
    for secret in (key.as_pem(private=False), json.dumps(jwk).encode(), key.as_der(private=False)):
        written = json.dumps({"alg": alg, "kid": kid, "typ": json.loads(unpacked(header))["typ"]})
        signed = f"{part(written.encode())}.{payload}"
        digest = hmac.digest(secret, signed.encode(), alg.replace("HS", "sha"))
        token = f"{signed}.{part(digest)}"

        answer = target.visitor.userinfo(token)
        hinted = target.visitor.get("/logout", {"id_token_hint": token})

        assert answer.status_code == 401
        assert hinted.status_code == 400
