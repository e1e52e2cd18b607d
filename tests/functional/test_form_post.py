"""``response_mode=form_post``: the answer leaves as a form that the browser posts."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from lxml import html as lxml_html
from werkzeug.test import TestResponse

from tests.instance import CALLBACK
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor

BY_FORM = {"response_mode": "form_post"}


def posted(page: TestResponse) -> dict[str, str]:
    """What the page posts, and that it is the one thing it does."""
    assert page.status_code == 200, page.text
    (form,) = lxml_html.fromstring(page.text).forms
    assert form.method == "POST"
    assert form.get("action") == CALLBACK
    assert form.get("enctype", "application/x-www-form-urlencoded") == (
        "application/x-www-form-urlencoded"
    )
    return dict(form.fields.items())


def answered(visitor: Visitor, person: Person, service: Service, **asked: Any) -> TestResponse:
    """Sign in, follow the way on, and give the page that answers."""
    after = visitor.sign_in(person, service, **BY_FORM, **asked)
    assert after.status_code == 303
    assert after.headers["Location"].startswith("/connexion?demande=")
    return visitor.get(after.headers["Location"])


def test_p1_the_answer_is_posted_and_nothing_of_it_stands_in_an_address(instance: Instance) -> None:
    service = instance.add_service()

    page = answered(instance.visitor(), instance.add_person(), service, state="é ø&=?#+%\"'<>")

    fields = posted(page)
    assert set(fields) == {"code", "state", "iss"}
    assert fields["state"] == "é ø&=?#+%\"'<>"
    assert fields["iss"] == instance.settings.issuer
    assert "code=" not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_p1_a_posted_code_is_good_and_the_next_answer_comes_without_a_question(
    instance: Instance,
) -> None:
    service, visitor = instance.add_service(), instance.visitor()
    first = posted(answered(visitor, instance.add_person(), service))

    silent = visitor.get("/authorize", service.request(prompt="none", **BY_FORM))

    assert visitor.redeem(service, first["code"]).status_code == 200
    assert posted(silent)["code"] != first["code"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"scope": "dossier"}, "invalid_scope"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_p1_an_error_is_posted_too(
    instance: Instance, changes: dict[str, str | None], error: str, method: str
) -> None:
    service, visitor = instance.add_service(), instance.visitor()
    asked = service.request(**BY_FORM, **changes)

    if method == "GET":
        page = visitor.get("/authorize", asked)
    else:
        page = visitor.post("/authorize", asked)
        if page.status_code == 303:
            page = visitor.get(page.headers["Location"])

    fields = posted(page)
    assert fields["error"] == error
    assert fields["state"] == asked["state"]
    assert fields["iss"] == instance.settings.issuer
    assert "code" not in fields


def test_p2_the_page_runs_one_script_of_ours_and_may_post_to_the_service_alone(
    instance: Instance,
) -> None:
    service = instance.add_service(form_action_origins=("https://other.example",))

    page = instance.visitor().get("/authorize", service.request(prompt="none", **BY_FORM))

    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert policy.endswith("form-action 'self' http://127.0.0.1:9001 https://other.example")
    document = lxml_html.fromstring(page.text)
    scripts = document.xpath("//script")
    assert [script.get("src").partition("?")[0] for script in scripts] == ["/static/form-post.js"]
    assert [script.text for script in scripts] == [None]
    script = instance.visitor().get(scripts[0].get("src")).text
    assert not re.search(r"=>|\bconst\b|\blet\b|\bimport\b", script), "plain old JavaScript"


def test_p2_without_a_script_a_button_in_plain_words_goes_on(instance: Instance) -> None:
    service = instance.add_service()

    page = instance.visitor().get("/authorize", service.request(prompt="none", **BY_FORM))

    (button,) = lxml_html.fromstring(page.text).xpath("//button")
    assert button.text_content().strip() == "Continuer"
    assert button.get("id") == "form-post-continue"
    assert not button.get("name")


def test_the_back_button_leads_to_the_service_anew_and_posts_no_second_code(
    instance: Instance,
) -> None:
    service, visitor = instance.add_service(client_uri="http://127.0.0.1:9001/"), instance.visitor()
    after = visitor.sign_in(instance.add_person(), service, **BY_FORM)
    posted(visitor.get(after.headers["Location"]))

    again = visitor.get(after.headers["Location"])

    assert again.status_code == 303
    assert again.headers["Location"] == "http://127.0.0.1:9001/"


def test_a_page_of_another_browser_posts_nothing(instance: Instance) -> None:
    """The attack: the address of somebody's waiting request, opened where nobody is signed in."""
    service, visitor = instance.add_service(), instance.visitor()
    after = visitor.sign_in(instance.add_person(), service, **BY_FORM)

    elsewhere = instance.visitor().get(after.headers["Location"])

    assert "form-post" not in elsewhere.text
    assert "code" not in elsewhere.headers.get("Location", "")


def test_an_unregistered_address_is_a_page_and_no_form(instance: Instance) -> None:
    service = instance.add_service()
    asked = service.request(redirect_uri="https://evil.example/callback", **BY_FORM)

    page = instance.visitor().get(f"/authorize?{urlencode(asked)}")

    assert page.status_code == 400
    assert "evil.example" not in page.text
    assert not lxml_html.fromstring(page.text).forms
