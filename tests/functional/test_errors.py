"""Errors as their reader needs them: a French page for a person, JSON for a machine."""

from collections.abc import Callable

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]

from tests.instance import Instance
from tests.instance import text_of

PAGES = [
    "/",
    "/connexion",
    "/compte",
    "/authorize",
    "/logout",
    "/deconnexion",
    "/nowhere",
    "/static/x",
]
MACHINES = [
    "/token",
    "/userinfo",
    "/jwks",
    "/.well-known/openid-configuration",
    "/healthz",
    "/readyz",
]
METHODS = ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "X" * 30]


@pytest.mark.parametrize("path", PAGES)
def test_a_method_that_is_not_served_is_a_french_page(instance: Instance, path: str) -> None:
    for method in METHODS:
        answer = instance.visitor().http.open(path, method=method)

        assert answer.status_code in (404, 405), method
        assert '<html lang="fr">' in answer.text
        if answer.status_code == 405:
            assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", MACHINES)
def test_a_method_that_is_not_served_is_json_where_machines_ask(
    instance: Instance, path: str
) -> None:
    for method in METHODS:
        answer = instance.visitor().http.open(path, method=method, headers={"Accept": "text/html"})

        assert answer.status_code == 405, method
        assert answer.get_json()["error"] == "invalid_request"
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/connexion/x", "/static/../settings.py", "/%00", "/é", "/static/%2e%2e/app.py",
     "/.env", "/.git/config", "/tokens", "/.well-known"],
)  # fmt: skip
def test_an_unknown_address_is_a_page_with_a_way_out(instance: Instance, path: str) -> None:
    page = instance.visitor().get(path)

    assert page.status_code == 404
    links = lxml_html.fromstring(page.text).xpath("//main//a/@href")
    assert "/connexion" in links
    assert page.headers["X-Request-Id"] in text_of(page)
    assert page.headers["Cache-Control"] == "no-store"


def test_an_unknown_document_under_well_known_is_json(instance: Instance) -> None:
    answer = instance.visitor().get("/.well-known/oauth-authorization-servers")

    assert answer.status_code == 404
    assert answer.get_json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/connexion", "/authorize", "/logout"])
def test_a_form_over_64_kb_is_a_page_that_says_so(instance: Instance, path: str) -> None:
    page = instance.visitor().post(path, {"numero": "1" * 65_536})

    assert page.status_code == 413
    assert '<html lang="fr">' in page.text


@pytest.mark.parametrize("path", ["/connexion", "/authorize", "/logout"])
def test_a_form_of_more_than_a_hundred_fields_is_refused_on_a_page(
    instance: Instance, path: str
) -> None:
    page = instance.visitor().post(path, {f"p{n}": "1" for n in range(101)})

    assert page.status_code in (400, 413)
    assert '<html lang="fr">' in page.text


@pytest.mark.parametrize("path", ["/connexion", "/logout", "/userinfo"])
def test_an_address_of_more_than_a_hundred_parameters_is_refused(
    instance: Instance, path: str
) -> None:
    answer = instance.visitor().get(path, {f"p{n}": "1" for n in range(101)})

    assert answer.status_code in (400, 413)


def test_health_says_that_the_process_lives_and_readiness_names_each_part(
    make_instance: Callable[..., Instance],
) -> None:
    visitor = make_instance().visitor()

    assert visitor.get("/healthz").get_json() == {"status": "ok"}
    ready = visitor.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json() == dict.fromkeys(
        ("redis", "sql", "keys", "maintenance", "server"), "ok"
    )


def test_an_unforeseen_fault_is_a_page_with_an_incident_number_and_no_trace(
    instance: Instance,
) -> None:
    person = instance.add_person()
    instance.change_dossier(person, status="a state that no version of ours ever wrote")

    page = instance.visitor().sign_in(person)

    assert page.status_code == 500
    assert '<html lang="fr">' in page.text
    assert page.headers["X-Request-Id"] in text_of(page)
    assert "Traceback" not in page.text
    assert "no version of ours" not in page.text


def test_an_unforeseen_fault_is_json_where_machines_ask(instance: Instance) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    code = visitor.code(instance.add_person(), service)
    redis = instance.parts.redis.client
    (kept,) = redis.keys("code:*")
    session_key, client_id, _ = str(redis.get(kept)).split(" ", 2)
    redis.set(kept, f"{session_key} {client_id} what no version of ours ever wrote")

    answer = visitor.redeem(service, code)

    assert answer.status_code == 500
    assert answer.get_json()["error"] == "server_error"
    assert answer.headers["X-Request-Id"] in answer.get_json()["error_description"]
    assert answer.headers["Cache-Control"] == "no-store"
