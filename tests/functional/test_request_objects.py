"""Request objects are not taken, and that is said: the suite's lines B33 to B36."""

import json
from base64 import urlsafe_b64encode

import pytest

from tests.instance import Instance
from tests.instance import answer_of


def unsigned(**claims: str) -> str:
    def part(content: object) -> str:
        return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


def test_b33_a_request_uri_is_refused_by_redirect_and_fetched_by_nobody(instance: Instance) -> None:
    service = instance.add_service()
    asked = service.request(request_uri="https://suite.example/request.jwt#a1b2")

    answer = answer_of(instance.visitor().get("/authorize", asked))

    assert answer["error"] == "request_uri_not_supported"
    assert answer["state"] == asked["state"]


def test_b34_a_request_object_is_refused_by_redirect_and_never_ignored(instance: Instance) -> None:
    service = instance.add_service()
    asked = service.request(request=unsigned(client_id="cotisations", scope="openid"))

    answer = answer_of(instance.visitor().get("/authorize", asked))

    assert answer["error"] == "request_not_supported"
    assert answer["state"] == asked["state"]


@pytest.mark.parametrize("redirect_uri", ["https://suite.example/bad", None])
def test_b35_a_bad_redirect_uri_beside_a_request_object_is_a_page(
    instance: Instance, redirect_uri: str | None
) -> None:
    service = instance.add_service()
    inner = unsigned(redirect_uri=service.client.redirect_uris[0])
    asked = service.request(request=inner, redirect_uri=redirect_uri)

    page = instance.visitor().get("/authorize", asked)

    assert page.status_code == 400
    assert page.mimetype == "text/html"
    assert "redirect_uri" in page.text
    assert "Location" not in page.headers


def test_b36_the_metadata_says_that_none_is_taken(instance: Instance) -> None:
    metadata = instance.visitor().get("/.well-known/openid-configuration").get_json()

    assert metadata["request_parameter_supported"] is False
    assert metadata["request_uri_parameter_supported"] is False
    # RFC 8414 §3.2: a list of nothing is left out.
    assert "request_object_signing_alg_values_supported" not in metadata
