"""The headers of every kind of answer, as the values table has them."""

import json
import logging
import re
from collections.abc import Callable

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp import logs
from tests.instance import Instance
from tests.instance import answer_of
from tests.instance import form_action

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
MakeInstance = Callable[..., Instance]


def everything(instance: Instance) -> dict[str, TestResponse]:
    """One answer of every kind there is."""
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)
    css = lxml_html.fromstring(page.text).xpath("//link[@rel='stylesheet']/@href")[0]
    answers = {
        "authorize": visitor.get("/authorize", service.request()),
        "sign-in page": page,
        "refusal": visitor.submit_sign_in(page, "affilie", person.numero, "pas le bon"),
        "csrf": visitor.post(form_action(page), {}),
        "error redirect": visitor.get("/authorize", service.request(scope="x")),
        "error page": visitor.get("/authorize"),
        "expired": visitor.get("/connexion?demande=x"),
        "unknown page": visitor.get("/nowhere"),
        "wrong method": visitor.http.delete("/connexion"),
        "too large": visitor.post("/connexion", {"x": "a" * 70_000}),
        "static": visitor.get(css),
        "unknown static": visitor.get("/static/nowhere.css"),
        "discovery": visitor.get("/.well-known/openid-configuration"),
        "jwks": visitor.get("/jwks"),
        "healthz": visitor.get("/healthz"),
        "readyz": visitor.get("/readyz"),
        "token error": visitor.post("/token"),
        "userinfo error": visitor.get("/userinfo"),
        "logged out": visitor.get("/logout"),
        "signed in": visitor.sign_in(person),
        "account": visitor.get("/compte"),
        "question": visitor.get("/logout"),
    }
    tokens = visitor.redeem(service, instance.visitor().code(person, service))
    answers["tokens"] = tokens
    answers["userinfo"] = visitor.userinfo(tokens.get_json()["access_token"])
    return answers


@pytest.fixture
def answers(instance: Instance) -> dict[str, TestResponse]:
    return everything(instance)


def is_page(answer: TestResponse) -> bool:
    return answer.headers.get("Content-Type", "").startswith("text/html")


def test_every_answer_is_safe_to_receive(answers: dict[str, TestResponse]) -> None:
    for name, answer in answers.items():
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["Referrer-Policy"] == "no-referrer", name
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; "), name
        assert "frame-ancestors 'none'" in policy, name
        assert "unsafe" not in policy, name
        assert "Strict-Transport-Security" not in headers, name  # http on loopback


def test_pages_have_the_policy_to_the_letter(answers: dict[str, TestResponse]) -> None:
    pages = {name: answer for name, answer in answers.items() if is_page(answer)}

    assert set(pages) >= {"sign-in page", "refusal", "error page", "unknown page", "account"}
    for name, page in pages.items():
        policy = page.headers["Content-Security-Policy"]
        origin = " http://127.0.0.1:9001" if name in ("sign-in page", "refusal", "csrf") else ""
        assert policy == PAGE_POLICY + origin, name
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in page.headers["Permissions-Policy"]
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_pages_hold_nothing_inline_and_load_nothing_from_elsewhere(
    answers: dict[str, TestResponse],
) -> None:
    for name, page in answers.items():
        if not is_page(page):
            continue
        document = lxml_html.fromstring(page.text)
        assert not document.xpath("//style | //@style | //script[not(@src)]"), name
        assert not [a for a in document.xpath("//@*") if a.attrname.startswith("on")], name
        for loaded in document.xpath("//script/@src | //link/@href | //img/@src | //@srcset"):
            assert loaded.startswith("/static/"), name


def test_nothing_but_static_files_and_published_documents_may_be_stored(
    answers: dict[str, TestResponse],
) -> None:
    published = {"discovery", "jwks", "static"}
    for name, answer in answers.items():
        if name in published:
            assert "public" in answer.headers["Cache-Control"], name
        else:
            assert answer.headers["Cache-Control"] == "no-store", name


def test_static_files_are_kept_for_a_year_under_an_address_that_changes_with_them(
    instance: Instance,
) -> None:
    page = instance.visitor().open_sign_in()
    addresses = lxml_html.fromstring(page.text).xpath("//script/@src | //link/@href")

    assert addresses
    for address in addresses:
        assert re.search(r"\?v=[0-9a-f]{12}$", address)
        answer = instance.visitor().get(address)
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers


def test_every_answer_of_ours_can_be_found_in_the_logs(answers: dict[str, TestResponse]) -> None:
    cached = {"discovery", "jwks", "static"}

    seen = [answers[name].headers["X-Request-Id"] for name in answers if name not in cached]

    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in seen)
    assert len(set(seen)) == len(seen)


def test_behind_https_every_answer_asks_for_https_for_a_year(make_instance: MakeInstance) -> None:
    instance = make_instance(issuer="https://connexion.example.org")

    for name, answer in everything(instance).items():
        hsts = answer.headers["Strict-Transport-Security"]
        assert hsts == "max-age=31536000; includeSubDomains", name


def test_authlib_trap_17_plain_http_behind_the_tls_proxy_is_no_fault(
    make_instance: MakeInstance,
) -> None:
    instance = make_instance(issuer="https://connexion.example.org")
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()

    asked = visitor.get("/authorize", service.request())
    location = asked.headers["Location"].removeprefix("https://connexion.example.org")
    page = visitor.get(location)
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert asked.headers["Location"].startswith("https://connexion.example.org/connexion")
    assert visitor.redeem(service, answer_of(answer)["code"]).status_code == 200


def test_form_action_names_the_origin_of_the_waiting_service_and_those_it_redirects_on_to(
    instance: Instance,
) -> None:
    service = instance.add_service(
        redirect_uris=("https://app.example:8443/back",),
        form_action_origins=("https://portal.example", "https://other.example"),
    )

    page = instance.visitor().open_sign_in(service)

    assert page.headers["Content-Security-Policy"].endswith(
        "; form-action 'self' https://app.example:8443 https://portal.example https://other.example"
    )


def test_form_action_of_a_direct_sign_in_names_the_default_service_alone(
    make_instance: MakeInstance,
) -> None:
    instance = make_instance(default_client_id="cotisations")
    plain = instance.visitor().open_sign_in()
    instance.add_service("cotisations", initiate_login_uri="https://app.example/login")

    page = instance.visitor().open_sign_in()

    assert plain.headers["Content-Security-Policy"] == PAGE_POLICY
    assert page.headers["Content-Security-Policy"] == f"{PAGE_POLICY} https://app.example"


def test_nothing_of_a_request_reaches_a_header(instance: Instance) -> None:
    service = instance.add_service()

    for name in ("state", "login_hint", "nonce", "display", "ui_locales"):
        page = instance.visitor().open_sign_in(service, **{name: "x; script-src *"})
        assert "script-src *" not in str(page.headers)


@pytest.mark.parametrize("path", ["/connexion", "/compte", "/authorize", "/token", "/userinfo"])
def test_other_origins_may_read_nothing_that_is_personal(instance: Instance, path: str) -> None:
    answer = instance.visitor().get(path, headers={"Origin": "https://evil.example"})

    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("path", "status"), [("/connexion", 200), ("/nowhere", 404)])
def test_a_line_that_the_thread_logs_after_a_request_does_not_carry_its_id(
    capsys: pytest.CaptureFixture[str], instance: Instance, path: str, status: int
) -> None:
    logs.configure("INFO")  # to the standard error that this test reads

    answer = instance.visitor().get(path)
    logging.getLogger("idp").warning("later")

    *_, during, later = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert answer.status_code == status
    assert during["request_id"] == answer.headers["X-Request-Id"]
    assert later["message"] == "later"
    assert "request_id" not in later
