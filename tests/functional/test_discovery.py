"""Discovery and JWKS: what is announced is what is served, from memory, with its ETag."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from idp.infra.private_files import write_private_file
from idp.oidc.keys import generate
from tests.instance import Clock
from tests.instance import Instance

METADATA = "/.well-known/openid-configuration"
PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def metadata_of(instance: Instance) -> dict[str, Any]:
    answer = instance.visitor().get(METADATA)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    content: dict[str, Any] = answer.get_json()
    return content


def test_c1_c4_c5_g1_g7_issuer_and_endpoints_are_those_of_the_settings(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(issuer="https://connexion.example.org", anti_robot_answer="")

    metadata = metadata_of(instance)

    assert metadata["issuer"] == "https://connexion.example.org"
    endpoints = {k: v for k, v in metadata.items() if k.endswith(("_endpoint", "_uri"))}
    assert set(endpoints) == {
        "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
        "end_session_endpoint", "revocation_endpoint", "introspection_endpoint",
    }  # fmt: skip
    for address in endpoints.values():
        assert address.startswith("https://connexion.example.org/")


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto"])
def test_no_header_of_a_request_changes_an_address_of_ours(instance: Instance, header: str) -> None:
    visitor = instance.visitor()
    evil = {header: "host=evil.example" if header == "Forwarded" else "evil.example"}
    service = instance.add_service()

    answers = [
        visitor.http.get(
            "/",
            query_string=query,
            headers=evil,
            environ_overrides={"PATH_INFO": path},
            buffered=True,
        )
        for path, query in (
            (METADATA, {}),
            ("/authorize", service.request()),
            ("/authorize", service.request(prompt="none")),
            ("/connexion", {}),
            ("//connexion", {}),
            ("/connexion/", {}),
            ("/connexion//", {}),
            ("/", {}),
            ("", {}),
            ("//", {}),
            ("/compte", {}),
            ("/logout", {}),
            ("/static//pages.css", {}),
        )
    ]

    for answer in answers:
        assert answer.status_code < 500
        assert "evil.example" not in answer.text
        assert "evil.example" not in answer.headers.get("Location", "")


def test_g2_g3_g5_g6_g8_the_lists_say_what_is_served(instance: Instance) -> None:
    metadata = metadata_of(instance)

    assert metadata["response_types_supported"] == ["code"]
    assert metadata["grant_types_supported"] == [
        "authorization_code", "refresh_token", "client_credentials",
    ]  # fmt: skip
    assert "none" in metadata["revocation_endpoint_auth_methods_supported"]
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]
    assert set(metadata["subject_types_supported"]) == {"pairwise", "public"}
    assert "RS256" in metadata["id_token_signing_alg_values_supported"]
    assert "none" not in json.dumps(metadata["id_token_signing_alg_values_supported"])
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic", "client_secret_post", "private_key_jwt", "none",
    ]  # fmt: skip
    for endpoint in ("token", "revocation", "introspection"):
        # RFC 8414 §2: required beside private_key_jwt.
        algs = metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert set(algs) == {"ES256", "PS256", "RS256"}
    assert {"openid", "profile", "email", "address", "phone", "dossier", "offline_access"} == set(
        metadata["scopes_supported"]
    )
    assert "qualite" in metadata["claims_supported"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is False
    assert metadata["request_parameter_supported"] is False
    for name, value in metadata.items():
        if name.endswith("_supported") and not isinstance(value, bool):
            assert isinstance(value, list)
            assert all(isinstance(one, str) for one in value)


def test_c6_c7_c8_every_key_is_public_named_once_and_good_for_one_algorithm(
    make_instance: Callable[..., Instance],
) -> None:
    answer = make_instance().visitor().get("/jwks")
    keys = answer.get_json()["keys"]

    assert answer.headers["Content-Type"] == "application/json"
    assert {(key["alg"], key["kty"]) for key in keys} == {("RS256", "RSA"), ("ES256", "EC")}
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert not PRIVATE_PARTS & set(key)
        assert key["kid"].strip()
        assert key["use"] == "sig"
    rsa = next(key for key in keys if key["kty"] == "RSA")
    assert len(rsa["n"]) >= 512  # 3072 bits in base64url


@pytest.mark.parametrize("path", [METADATA, "/jwks"])
def test_whoever_holds_the_current_document_gets_304(instance: Instance, path: str) -> None:
    visitor = instance.visitor()
    first = visitor.get(path)
    etag = first.headers["ETag"]

    for held in (etag, f'"other", {etag}', f"W/{etag}"):
        again = visitor.get(path, headers={"If-None-Match": held})
        assert again.status_code == 304
        assert again.data == b""
        assert again.headers["ETag"] == etag
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert visitor.get(path, headers={"If-None-Match": '"older"'}).status_code == 200
    assert first.headers["Cache-Control"] == "public, max-age=600"


@pytest.mark.parametrize("path", [METADATA, "/jwks"])
def test_head_tells_the_length_and_sends_nothing(instance: Instance, path: str) -> None:
    visitor = instance.visitor()

    head = visitor.http.head(path)

    assert head.status_code == 200
    assert head.data == b""
    assert int(head.headers["Content-Length"]) == len(visitor.get(path).data)


def test_a_single_page_application_of_another_origin_may_read_both(instance: Instance) -> None:
    for path in (METADATA, "/jwks"):
        answer = instance.visitor().get(path, headers={"Origin": "https://app.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Set-Cookie" not in answer.headers


def test_a_new_key_is_published_before_it_signs_and_changes_the_etag(
    instance: Instance, clock: Clock
) -> None:
    visitor = instance.visitor()
    before = visitor.get("/jwks")
    signs_from = clock.at + timedelta(days=1)
    name = f"{signs_from:%Y-%m-%dT%H-%MZ}.ES256.pem"
    write_private_file(instance.settings.keys_path / name, generate("ES256"))
    time.sleep(1.1)  # a process looks once a second

    after = visitor.get("/jwks")
    clock.advance(timedelta(days=1, minutes=10))
    later = visitor.get("/jwks")

    assert len(after.get_json()["keys"]) == 2
    assert after.headers["ETag"] != before.headers["ETag"]
    assert len(later.get_json()["keys"]) == 1  # the former one's last token has expired
