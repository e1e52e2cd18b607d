"""Discovery and JWKS: what is announced is what is served, from memory, with its ETag."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from werkzeug.test import Client

from idp import logs
from idp.infra.private_files import write_private_file
from idp.metrics.not_counted import NotCounted
from idp.oidc.discovery import PublishedKeys
from idp.oidc.keys import KeyRing
from idp.oidc.signer import generate
from idp.web.published import Published
from tests.instance import ISSUER
from tests.instance import Clock
from tests.instance import Instance

METADATA = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"
PUBLISHED = [METADATA, OAUTH_METADATA, "/jwks"]
REGISTERED = frozenset(
    {
        "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
        "end_session_endpoint", "revocation_endpoint", "introspection_endpoint",
        "scopes_supported", "response_types_supported", "response_modes_supported",
        "grant_types_supported", "acr_values_supported", "subject_types_supported",
        "id_token_signing_alg_values_supported", "display_values_supported",
        "claim_types_supported", "claims_supported", "claims_locales_supported",
        "ui_locales_supported", "claims_parameter_supported", "request_parameter_supported",
        "request_uri_parameter_supported", "require_request_uri_registration",
        "request_object_signing_alg_values_supported", "service_documentation",
        "op_policy_uri", "op_tos_uri", "code_challenge_methods_supported",
        "prompt_values_supported", "authorization_response_iss_parameter_supported",
        "backchannel_logout_supported", "backchannel_logout_session_supported",
        "frontchannel_logout_supported", "frontchannel_logout_session_supported",
        "token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
        "revocation_endpoint_auth_signing_alg_values_supported",
        "introspection_endpoint_auth_signing_alg_values_supported",
    }
)  # fmt: skip
"""OAuth Authorization Server Metadata at IANA, as far as this provider may come to use it."""

PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def metadata_of(instance: Instance) -> dict[str, Any]:
    answer = instance.visitor().get(METADATA)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    content: dict[str, Any] = answer.get_json()
    return content


def test_c1_c4_c5_g1_issuer_and_endpoints_are_those_of_the_settings(
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


def test_g2_a_response_type_is_known(instance: Instance) -> None:
    assert metadata_of(instance)["response_types_supported"] == ["code"]


def test_g3_subject_types_and_rs256_are_there_and_none_is_not(instance: Instance) -> None:
    metadata = metadata_of(instance)

    assert set(metadata["subject_types_supported"]) == {"pairwise", "public"}
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]


def test_g4_g7_userinfo_and_every_other_endpoint_are_reached_by_https(
    make_instance: Callable[..., Instance],
) -> None:
    metadata = metadata_of(make_instance(issuer="https://connexion.example.org"))

    assert metadata["userinfo_endpoint"].startswith("https://")
    assert "registration_endpoint" not in metadata  # operators register services
    for name, address in metadata.items():
        if name.endswith("_endpoint"):
            assert address.startswith("https://connexion.example.org/")


def test_g5_the_grant_types_are_those_of_the_token_endpoint(instance: Instance) -> None:
    assert metadata_of(instance)["grant_types_supported"] == [
        "authorization_code", "refresh_token", "client_credentials",
    ]  # fmt: skip


def test_g6_scopes_claims_and_locales_are_told_in_their_characters(instance: Instance) -> None:
    metadata = metadata_of(instance)

    assert {"openid", "profile", "email", "address", "phone", "dossier", "offline_access"} == set(
        metadata["scopes_supported"]
    )
    for scope in metadata["scopes_supported"]:
        assert re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope)
    assert "qualite" in metadata["claims_supported"]
    assert metadata["ui_locales_supported"] == ["fr", "en"]  # canonical casing: RFC 5646 §2.1.1


def test_g7_pkce_is_announced_as_a_list_without_plain(instance: Instance) -> None:
    assert metadata_of(instance)["code_challenge_methods_supported"] == ["S256"]


def test_g8_every_member_is_registered_and_of_its_type(
    make_instance: Callable[..., Instance],
) -> None:
    documentation = "https://www.example.org/services"
    metadata = metadata_of(make_instance(service_documentation_url=documentation))

    for name, value in metadata.items():
        assert name in REGISTERED, f"{name} is in no registry of RFC 8414 §7.1: a warning"
        if name.endswith(("_endpoint", "_uri")) or name in ("issuer", "service_documentation"):
            assert urlsplit(value).netloc
        elif isinstance(value, list):
            assert all(isinstance(one, str) and one for one in value)
            assert len(set(value)) == len(value) > 0
        else:
            assert isinstance(value, bool)
    # RFC 8414 §2: required beside private_key_jwt, and without none.
    for endpoint in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in metadata[f"{endpoint}_endpoint_auth_methods_supported"]
        algs = metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert set(algs) == {"ES256", "PS256", "RS256"}


def test_g9_b36_which_parameters_are_taken_is_told_and_not_left_to_a_default(
    instance: Instance,
) -> None:
    metadata = metadata_of(instance)

    for name in ("claims", "request", "request_uri"):
        assert isinstance(metadata[f"{name}_parameter_supported"], bool)
    assert metadata["request_uri_parameter_supported"] is False  # missing would mean true


def test_c6_every_way_of_authentication_is_announced_where_it_is_taken(instance: Instance) -> None:
    metadata = metadata_of(instance)

    assert metadata["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic", "client_secret_post", "private_key_jwt", "none",
    ]  # fmt: skip
    assert "none" in metadata["revocation_endpoint_auth_methods_supported"]
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]


@pytest.mark.parametrize("path", [METADATA, OAUTH_METADATA])
def test_rfc_8414_and_discovery_give_the_same_document(instance: Instance, path: str) -> None:
    visitor = instance.visitor()

    answer = visitor.get(path)

    assert answer.data == visitor.get(METADATA).data
    assert answer.headers["ETag"] == visitor.get(METADATA).headers["ETag"]
    assert answer.get_json()["issuer"] == ISSUER
    assert visitor.post(path).status_code == 405
    assert visitor.get(path + "/tenant").status_code == 404  # the issuer has no path


def test_c7_c8_every_key_is_public_named_once_and_good_for_one_algorithm(
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


@pytest.mark.parametrize("path", PUBLISHED)
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


@pytest.mark.parametrize("path", PUBLISHED)
def test_head_tells_the_length_and_sends_nothing(instance: Instance, path: str) -> None:
    visitor = instance.visitor()

    head = visitor.http.head(path)

    assert head.status_code == 200
    assert head.data == b""
    assert int(head.headers["Content-Length"]) == len(visitor.get(path).data)


def test_a_single_page_application_of_another_origin_may_read_both(instance: Instance) -> None:
    for path in PUBLISHED:
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
    clock.advance(timedelta(days=1, minutes=11))
    later = visitor.get("/jwks")

    assert len(after.get_json()["keys"]) == 2
    assert after.headers["ETag"] != before.headers["ETag"]
    assert len(later.get_json()["keys"]) == 1  # the former one's last token has expired


class BrokenRings:
    """Key rings that fail as nobody foresaw: no file on the disk is known to do it."""

    def ring(self) -> KeyRing:
        raise ZeroDivisionError


class Counted(NotCounted):
    """Keeps what was answered."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, int]] = []

    def answered(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        self.answers.append((endpoint, method, status))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_fault_that_nobody_foresaw_is_json_with_the_number_of_its_log_line_and_is_counted(
    instance: Instance, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = Counted()
    broken = PublishedKeys(BrokenRings(), max_age=timedelta(minutes=10), now=instance.clock)
    front = Published(instance.app, replace(instance.services, keys=broken, counts=counted))
    logs.configure("INFO")  # to the standard error of this test

    answer = Client(front).open("/jwks", method=method)

    assert answer.status_code == 500
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.mimetype == "application/json"
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "ZeroDivisionError" in line["exc_info"]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    if method == "GET":
        told = {"error": "server_error", "error_description": f"incident {line['request_id']}"}
        assert answer.get_json() == told
    assert counted.answers == [("jwks", method, 500)]
    assert Client(front).get(METADATA).status_code == 200
