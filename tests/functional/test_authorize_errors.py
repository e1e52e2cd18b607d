"""What is wrong with an authorization request, told to the person or to the service."""

import re
import secrets
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.instance import CALLBACK
from tests.instance import Instance
from tests.instance import Service
from tests.instance import answer_of
from tests.instance import text_of

RFC_6749_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")


def refused_by_redirect(answer: TestResponse, service: Service, issuer: str) -> dict[str, str]:
    """C14, C15, C16: an error that a service can rely on."""
    received = answer_of(answer)
    assert answer.headers["Location"].startswith(service.client.redirect_uris[0])
    assert set(received) <= {"error", "error_description", "state", "iss"}
    assert received["iss"] == issuer
    assert RFC_6749_TEXT.fullmatch(received["error_description"])
    return received


def refused_on_page(answer: TestResponse) -> str:
    """A French page for who came, with the code for who integrates; nobody is sent anywhere."""
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<html lang="fr">' in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    return text_of(answer)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"response_type": None}, "invalid_request", "response_type"),
        ({"response_type": ""}, "invalid_request", "response_type"),
        ({"response_type": "codes"}, "unsupported_response_type", "code"),
        ({"response_type": "code code"}, "unsupported_response_type", "code"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
        ({"scope": None}, "invalid_scope", "openid"),
        ({"scope": "profile"}, "invalid_scope", "openid"),
        ({"scope": 'openid "'}, "invalid_scope", "scope"),
        ({"prompt": "none login"}, "invalid_request", "prompt"),
        ({"prompt": "sing"}, "invalid_request", "prompt"),
        ({"max_age": "soon"}, "invalid_request", "max_age"),
        ({"max_age": "-1"}, "invalid_request", "max_age"),
        ({"max_age": "9" * 30}, "invalid_request", "max_age"),
        ({"nonce": "a\nb"}, "invalid_request", "nonce"),
        ({"nonce": "n" * 1025}, "invalid_request", "nonce"),
        ({"code_challenge": None}, "invalid_request", "code_challenge"),
        ({"code_challenge_method": "plain"}, "invalid_request", "S256"),
        ({"request": "e30.e30."}, "request_not_supported", "parameters"),
        ({"request_uri": "https://x.example/r#1"}, "request_uri_not_supported", "parameters"),
        ({"registration": "{}"}, "registration_not_supported", "registered"),
        ({"prompt": "none"}, "login_required", "session"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_b2_b18_b33_b34_a_fault_of_the_request_is_told_to_the_service_with_state(
    instance: Instance, changes: dict[str, str | None], error: str, told: str
) -> None:
    service = instance.add_service()

    answer = instance.visitor().get("/authorize", service.request(**changes))

    received = refused_by_redirect(answer, service, instance.settings.issuer)
    assert received["error"] == error
    assert received["state"] == service.state
    assert told in received["error_description"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("response_type", ["token", "id_token", "code id_token", "code token"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_c14_who_asks_for_a_token_here_is_refused_in_the_fragment(
    instance: Instance, method: str, response_type: str
) -> None:
    service, visitor = instance.add_service(), instance.visitor()
    asked = service.request(response_type=response_type)

    answer = (
        visitor.get("/authorize", asked) if method == "get" else visitor.post("/authorize", asked)
    )

    where, _, fragment = answer.headers["Location"].partition("#")
    told = {name: value for name, (value,) in parse_qs(fragment).items()}
    assert where == service.client.redirect_uris[0]
    assert told["error"] == "unsupported_response_type"
    assert told["state"] == service.state
    assert told["iss"] == instance.settings.issuer
    assert set(told) == {"error", "error_description", "state", "iss"}


@pytest.mark.parametrize("method", ["get", "post"])
def test_authlib_trap_08_iss_is_in_every_authorization_error(
    instance: Instance, method: str
) -> None:
    service = instance.add_service()
    visitor = instance.visitor()

    for changes in (
        {"response_type": None},
        {"scope": "profile"},
        {"response_mode": "fragment"},
        {"code_challenge": None},
    ):
        asked = service.request(**changes)
        answer = (
            visitor.get("/authorize", asked)
            if method == "get"
            else visitor.post("/authorize", asked)
        )
        assert answer_of(answer)["iss"] == instance.settings.issuer
        assert answer_of(answer)["state"] == service.state


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_id": None}, "client_id is missing"),
        ({"client_id": ""}, "client_id is missing"),
        ({"client_id": "nobody"}, "client_id is not registered"),
        ({"client_id": "COTISATIONS"}, "client_id is not registered"),
        ({"client_id": "é\x00"}, "client_id is not registered"),
        ({"redirect_uri": None}, "redirect_uri is missing"),
        ({"redirect_uri": "é\"'<>"}, "redirect_uri is not registered"),
    ],
)
def test_authlib_trap_18_what_may_not_be_redirected_is_a_french_page(
    instance: Instance, changes: dict[str, str | None], told: str
) -> None:
    service = instance.add_service()
    visitor = instance.visitor()

    for answer in (
        visitor.get("/authorize", service.request(**changes)),
        visitor.post("/authorize", service.request(**changes)),
    ):
        assert told in refused_on_page(answer)


@pytest.mark.parametrize(
    "attempt",
    [
        f"{CALLBACK}/",
        f"{CALLBACK}/../admin",
        f"{CALLBACK}?next=x",
        f"{CALLBACK}#x",
        f"{CALLBACK}/f3a9",
        f"{CALLBACK}%20",
        f" {CALLBACK}",
        f"{CALLBACK}\t",
        f"{CALLBACK}\r\nSet-Cookie: a=b",
        CALLBACK.replace("http://", "HTTP://"),
        CALLBACK.replace("127.0.0.1", "127.0.0.1.evil.example"),
        CALLBACK.replace("127.0.0.1", "127.0.0.1@evil.example"),
        CALLBACK.replace("127.0.0.1", "localhost"),
        CALLBACK.replace(":9001", ":9002"),
        CALLBACK.replace("/callback", "\\callback"),
        CALLBACK.replace("/callback", "/%63allback"),
        "//evil.example/callback",
        "https://evil.example/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "\u202ehttp://127.0.0.1:9001/callback",
    ],
)
def test_b30_open_redirect_only_a_registered_address_character_by_character(
    instance: Instance, attempt: str
) -> None:
    service = instance.add_service()

    answer = instance.visitor().get("/authorize", service.request(redirect_uri=attempt))

    assert "redirect_uri is not registered" in refused_on_page(answer)
    assert "evil.example" not in answer.text


def test_open_redirect_another_clients_address_is_not_this_clients(instance: Instance) -> None:
    service = instance.add_service()
    instance.add_service("other", redirect_uris=("https://other.example/back",))

    answer = instance.visitor().get(
        "/authorize", service.request(redirect_uri="https://other.example/back")
    )

    refused_on_page(answer)


def test_open_redirect_an_error_never_goes_to_an_unregistered_address(instance: Instance) -> None:
    service = instance.add_service()

    for changes in ({"response_type": "token"}, {"prompt": "none"}, {"scope": "x"}):
        answer = instance.visitor().get(
            "/authorize", service.request(redirect_uri="https://evil.example/", **changes)
        )
        refused_on_page(answer)


def test_b35_a_request_object_does_not_excuse_a_wrong_redirect_uri(instance: Instance) -> None:
    service = instance.add_service()

    answer = instance.visitor().get(
        "/authorize", service.request(request="e30.e30.", redirect_uri="https://evil.example/")
    )

    assert "redirect_uri" in refused_on_page(answer)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_authlib_trap_19_a_client_or_address_sent_twice_is_not_guessed_at(
    instance: Instance, name: str
) -> None:
    service = instance.add_service()
    asked = service.request()
    query = urlencode([*asked.items(), (name, asked[name])])

    answer = instance.visitor().get(f"/authorize?{query}")

    assert f"{name} was sent more than once" in refused_on_page(answer)


@pytest.mark.parametrize(
    "name", ["nonce", "state", "prompt", "max_age", "scope", "response_type", "code_challenge"]
)
def test_authlib_trap_19_a_parameter_sent_twice_is_refused(instance: Instance, name: str) -> None:
    service = instance.add_service()
    asked = service.request(prompt="login", max_age="60")
    query = urlencode([*asked.items(), (name, asked[name])])

    answer = instance.visitor().get(f"/authorize?{query}")

    received = refused_by_redirect(answer, service, instance.settings.issuer)
    assert received["error"] == "invalid_request"
    assert name in received["error_description"]
    assert ("state" in received) == (name != "state")  # of two, none is the right one


def test_a_flooding_state_is_refused_and_not_echoed(instance: Instance) -> None:
    service = instance.add_service()

    answer = instance.visitor().get("/authorize", service.request(state="s" * 1025))

    received = refused_by_redirect(answer, service, instance.settings.issuer)
    assert received["error"] == "invalid_request"
    assert "state" not in received


def test_an_unknown_parameter_sent_twice_is_ignored_like_any_other(instance: Instance) -> None:
    service = instance.add_service()
    query = urlencode([*service.request().items(), ("utm", "1"), ("utm", "2")])

    answer = instance.visitor().get(f"/authorize?{query}")

    assert "/connexion?demande=" in answer.headers["Location"]


@pytest.mark.parametrize("name", ["redirect_uri", "response_type", "scope", "state", "client_id"])
@pytest.mark.parametrize("value", ['"', "é", "\ud83d\ude00", "\x00", "%", "a\\b", "'"])
def test_authlib_trap_05_no_character_of_a_request_is_a_fault_of_ours(
    instance: Instance, name: str, value: str
) -> None:
    service = instance.add_service()
    query = urlencode({**service.request(), name: value}, errors="surrogatepass")

    answer = instance.visitor().get(f"/authorize?{query}")

    assert answer.status_code in (303, 400)
    if "error_description" in answer.headers.get("Location", ""):
        refused_by_redirect(answer, service, instance.settings.issuer)


def test_authlib_trap_05_bytes_that_are_not_utf8_are_no_fault_of_ours(instance: Instance) -> None:
    service = instance.add_service()
    query = urlencode(service.request(state=None))

    for name in ("state", "client_id", "scope", "nonce"):
        answer = instance.visitor().get(f"/authorize?{query}&{name}=%ff%fe")
        assert answer.status_code in (303, 400)


def test_authlib_trap_20_a_request_uri_is_never_fetched(instance: Instance) -> None:
    service = instance.add_service()

    for target in ("http://169.254.169.254/latest", "file:///etc/passwd", "urn:x"):
        answer = instance.visitor().get("/authorize", service.request(request_uri=target))
        assert answer_of(answer)["error"] == "request_uri_not_supported"


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["id_token_hint", "login_hint", "claims_locales", "utm"])
def test_a_request_too_long_for_an_address_is_told_on_a_page_unless_nobody_needs_its_length(
    instance: Instance, method: str, name: str
) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    asked = service.request(**{name: secrets.token_hex(5000)})

    answer = (
        visitor.get("/authorize", asked) if method == "get" else visitor.post("/authorize", asked)
    )

    if name == "utm":
        assert len(answer.headers["Location"]) < 4500
    else:
        assert "too long" in refused_on_page(answer)


def test_more_than_a_hundred_parameters_are_refused_on_a_page(instance: Instance) -> None:
    service = instance.add_service()
    padding = {f"p{n}": "1" for n in range(100)}

    answer = instance.visitor().get("/authorize", {**service.request(), **padding})

    refused_on_page(answer)


def test_a_service_removed_while_its_person_signs_in_gets_nothing(instance: Instance) -> None:
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)

    instance.remove_service(service)
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert "client_id is not registered" in refused_on_page(answer)


def test_what_comes_back_from_a_form_stays_short_enough_for_a_server(instance: Instance) -> None:
    """POST /authorize leads to GET: whatever was posted must fit into a request line."""
    service = instance.add_service()
    asked: dict[str, Any] = {**service.request(), **{f"utm_{n}": "x" * 900 for n in range(60)}}

    answer = instance.visitor().post("/authorize", asked)

    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert len(location) < 8000
    assert parse_qs(urlsplit(location).query)["state"] == [service.state]
