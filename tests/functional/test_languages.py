"""Two languages: what was said last counts, and a page speaks one alone (ADR 0033)."""

from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from tests.instance import Instance
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of

COOKIE = "__Host-language"


def kept(answer: TestResponse) -> str:
    """The language that an answer lets the browser keep, with its attributes, or ""."""
    given = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(f"{COOKIE}=")]
    return given[0].removeprefix(f"{COOKIE}=") if given else ""


def language_of(answer: TestResponse) -> str:
    spoken = str(lxml_html.fromstring(answer.text).get("lang"))
    assert answer.headers["Content-Language"] == spoken
    return spoken


def switched(visitor: Visitor, page: TestResponse, path: str) -> TestResponse:
    """Follow the switch of a page that was shown at ``path``."""
    [link] = lxml_html.fromstring(page.text).xpath("//a[@id = 'language']")
    assert link.get("lang") == link.get("hreflang")
    assert link.get("lang") != language_of(page)
    return visitor.get(path + link.get("href"))


def test_a_service_asks_for_english_and_the_member_signs_in_in_english(instance: Instance) -> None:
    person = instance.add_person("affilie", "1234567")
    service = instance.add_service()
    visitor = instance.visitor()

    page = visitor.open_sign_in(service, ui_locales="de en-GB fr")
    assert language_of(page) == "en"
    assert "Sign in to my account" in text_of(page)
    assert "To continue to “" in text_of(page)

    refused = visitor.submit_sign_in(page, "affilie", person.numero, "not that one")
    assert language_of(refused) == "en"
    assert "We cannot sign you in with these details." in text_of(refused)
    assert lxml_html.fromstring(refused.text).findtext(".//title").startswith("Error: ")

    answer = visitor.submit_sign_in(refused, "affilie", person.numero, person.password)
    assert parse_qs(urlsplit(answer.location).query)["code"]
    assert language_of(visitor.get("/compte")) == "en"
    assert language_of(visitor.get("/nowhere")) == "en"


def test_the_switch_brings_the_same_page_in_the_other_language_and_back(instance: Instance) -> None:
    visitor = instance.visitor()
    french = visitor.get("/mot-de-passe-oublie?demande=abc")
    assert language_of(french) == "fr"

    english = switched(visitor, french, "/mot-de-passe-oublie")
    assert language_of(english) == "en"
    assert "demande=abc" in form_action(english)
    assert kept(english).startswith("en;")
    assert all(part in kept(english) for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"))
    assert "Max-Age=15724800" in kept(english)

    empty = visitor.post(form_action(english), {"csrf": csrf_of(english)})
    assert empty.status_code == 400
    assert "Enter your file number." in text_of(empty)

    assert language_of(switched(visitor, empty, "/mot-de-passe-oublie")) == "fr"


def test_what_is_said_last_counts(instance: Instance) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    visitor.get("/connexion?langue=en")

    assert language_of(visitor.open_sign_in(service, ui_locales="fr-CA")) == "fr"
    assert language_of(visitor.get("/connexion")) == "fr"
    assert language_of(visitor.get("/connexion?langue=en")) == "en"
    assert language_of(visitor.open_sign_in(service)) == "en"
    assert language_of(visitor.open_sign_in(service, ui_locales="de se")) == "en"


def test_a_language_that_a_service_chose_ends_with_the_browser(instance: Instance) -> None:
    service = instance.add_service()

    answer = instance.visitor().get("/authorize", service.request(ui_locales="en"))

    assert kept(answer).startswith("en;")
    assert "Max-Age" not in kept(answer)
    assert "Expires" not in kept(answer)


@pytest.mark.parametrize("said", ["de", "", "EN", "en;x", "../en", "en\r\nX: y", "e" * 5000])
def test_no_other_word_is_kept_or_written_into_a_page(instance: Instance, said: str) -> None:
    visitor = instance.visitor()
    visitor.http.set_cookie(COOKIE, "<script>", secure=True)

    page = visitor.get("/connexion", {"langue": said})

    assert language_of(page) == "fr"
    assert kept(page) == ""
    assert "<script>" not in page.text.replace("<script src", "")


def test_the_browser_s_own_language_is_not_asked(instance: Instance) -> None:
    page = instance.visitor().get("/connexion", headers={"Accept-Language": "en-GB,en;q=0.9"})

    assert language_of(page) == "fr"


def test_a_sign_out_that_a_service_asks_for_speaks_its_language(instance: Instance) -> None:
    visitor = instance.visitor()

    for answer in (
        visitor.get("/logout", {"ui_locales": "en"}),
        visitor.post("/logout", {"ui_locales": "en"}),
    ):
        assert language_of(answer) == "en"


def test_what_a_service_sent_is_not_written_into_its_page_by_the_switch(
    instance: Instance,
) -> None:
    page = instance.visitor().get("/authorize", {"client_id": "evil", "state": "s3cret"})

    assert page.status_code == 400
    assert "s3cret" not in page.text
    assert not lxml_html.fromstring(page.text).xpath("//a[@id = 'language']")


def test_the_switch_is_kept_where_the_page_has_ended_and_leads_to_another(
    instance: Instance,
) -> None:
    visitor = instance.visitor()

    led = visitor.get("/compte?langue=en")

    assert kept(led).startswith("en;")
    assert language_of(visitor.get(led.headers["Location"])) == "en"


def test_a_machine_is_answered_in_one_language_and_keeps_none(instance: Instance) -> None:
    for path in ("/userinfo?langue=en", "/static/pages.css?langue=en"):
        answer = instance.visitor().get(path)

        assert kept(answer) == ""
        assert "Content-Language" not in answer.headers
