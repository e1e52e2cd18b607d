"""Signing in: what stops an attacker, each by name."""

import re
from datetime import UTC
from datetime import datetime
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

import bcrypt
import pytest
from werkzeug.test import TestResponse

from idp.identity.password import parse_imported
from tests.functional.test_login import SESSION
from tests.functional.test_login import session_of
from tests.functional.test_login import set_cookie
from tests.instance import PASSWORD
from tests.instance import Instance
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.instance import value_of


def _uniform(page: TestResponse) -> str:
    """A page without what differs from one request to the next."""
    text = page.text.replace(csrf_of(page), "CSRF")
    text = text.replace(page.headers["X-Request-Id"], "REQUEST")
    sealed = parse_qs(urlsplit(form_action(page)).query)["demande"][0]
    return text.replace(sealed, "SEALED")


def test_one_refusal_to_the_byte_whatever_failed(instance: Instance) -> None:
    service = instance.add_service()
    before = datetime(2021, 2, 28, tzinfo=UTC)
    instance.add_person(numero="1000001")
    instance.add_person(numero="1000002", status="closed")
    instance.add_person(numero="1000003", status="deceased")
    instance.add_person(numero="1000004", password=None)
    instance.add_person(numero="1000005", last_sign_in_at=before)
    bcrypted = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    instance.add_person(numero="1000006", stored=parse_imported(bcrypted))
    tried = {
        "wrong password": ("1000001", "pas le bon"),
        "closed": ("1000002", PASSWORD),
        "deceased": ("1000003", PASSWORD),
        "no password": ("1000004", PASSWORD),
        "not used since the redesign": ("1000005", PASSWORD),
        "imported without a last sign-in": ("1000006", PASSWORD),
        "unknown": ("9999999", PASSWORD),
    }

    pages = {}
    for place, (cause, (numero, password)) in enumerate(tried.items()):
        visitor = instance.visitor(f"192.0.2.{place + 1}")
        page = visitor.submit_sign_in(visitor.open_sign_in(service), "affilie", numero, password)
        own = {"X-Request-Id", "Set-Cookie", "Content-Length"}  # a sealed request's length varies
        kept = {name: value for name, value in page.headers if name not in own}
        pages[cause] = (
            page.status_code,
            kept,
            _uniform(page).replace(numero, "NUMERO"),
        )

    expected = pages["wrong password"]
    assert expected[0] == 403
    assert {cause for cause, page in pages.items() if page != expected} == set()
    causes = [detail.get("cause") for _, _, detail in instance.audit()]
    assert len(set(causes)) == 5  # the audit log knows what the page does not tell


def test_an_altered_request_is_refused_on_a_page_and_signs_nobody_in(instance: Instance) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    page = visitor.open_sign_in(instance.add_service())
    sealed = parse_qs(urlsplit(form_action(page)).query)["demande"][0]
    flipped = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]

    for altered in (flipped, sealed[:-4], sealed[4:], "x", "é", "A" * 5000, "=" * 9):
        where = f"/connexion?{urlencode({'demande': altered})}"
        typed = {"qualite": person.qualite, "numero": person.numero, "password": person.password}
        for answer in (visitor.get(where), visitor.post(where, {"csrf": csrf_of(page), **typed})):
            assert answer.status_code == 400
            assert "<!doctype html>" in answer.text
            assert session_of(answer) == ""


def test_login_csrf_a_request_sealed_for_the_attackers_browser_answers_nobody_else(
    instance: Instance,
) -> None:
    person = instance.add_person()
    service = instance.add_service()
    attackers_page = instance.visitor("198.51.100.7").open_sign_in(service)
    member = instance.visitor()
    own_page = member.open_sign_in()

    opened = member.get(form_action(attackers_page))
    sent = member.post(
        form_action(attackers_page),
        {
            "csrf": csrf_of(own_page),
            "qualite": person.qualite,
            "numero": person.numero,
            "password": person.password,
        },
    )

    # The request is asked again under the member's own name: no code, no session.
    assert opened.status_code == 303
    assert opened.headers["Location"].startswith(f"{instance.settings.issuer}/authorize?")
    assert sent.status_code == 403
    assert form_action(sent) != form_action(attackers_page)
    for answer in (opened, sent):
        assert session_of(answer) == ""


def test_login_csrf_an_attacker_cannot_sign_a_member_in_as_himself(instance: Instance) -> None:
    attacker = instance.add_person()
    attackers = instance.visitor("198.51.100.7")
    form = attackers.open_sign_in()
    member = instance.visitor()
    member.open_sign_in()

    answer = member.submit_sign_in(form, attacker.qualite, attacker.numero, attacker.password)

    assert answer.status_code == 403
    assert session_of(answer) == ""
    assert instance.audit() == []


def test_where_cookies_are_refused_a_page_says_so_and_nothing_goes_round_in_circles(
    instance: Instance,
) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()
    asked = visitor.get("/authorize", service.request())
    visitor.http = type(visitor.http)(instance.app, use_cookies=False)

    opened = visitor.get(asked.headers["Location"])
    sent = visitor.submit_sign_in(opened, person.qualite, person.numero, person.password)

    assert opened.status_code == 200
    assert "cookies" in text_of(opened)
    assert sent.status_code == 403
    assert "cookies" in text_of(sent)
    assert value_of(sent, "numero") == person.numero


@pytest.mark.parametrize("fault", ["missing", "empty", "of another browser", "altered"])
def test_csrf_a_form_that_is_not_this_browsers_is_refused_before_anything_is_tried(
    instance: Instance, fault: str
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    page = visitor.open_sign_in(instance.add_service())
    tokens = {
        "missing": None,
        "empty": "",
        "of another browser": csrf_of(instance.visitor().open_sign_in()),
        "altered": csrf_of(page)[:-1] + "é",
    }
    form = {"qualite": person.qualite, "numero": person.numero, "password": person.password}
    if (token := tokens[fault]) is not None:
        form["csrf"] = token

    answer = visitor.post(form_action(page), form)

    assert answer.status_code == 403
    assert session_of(answer) == ""
    assert instance.audit() == []
    assert value_of(answer, "numero") == person.numero  # nothing is lost but the password
    again = visitor.submit_sign_in(answer, person.qualite, person.numero, person.password)
    assert "code" in answer_of(again)


@pytest.mark.parametrize(
    ("site", "expected"),
    [("same-origin", 303), ("none", 303), ("cross-site", 403), ("same-site", 403), ("x", 403)],
)
def test_csrf_the_browsers_own_word_on_where_a_form_comes_from_is_heard(
    instance: Instance, site: str, expected: int
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    page = visitor.open_sign_in()

    answer = visitor.post(
        form_action(page),
        {
            "csrf": csrf_of(page),
            "qualite": person.qualite,
            "numero": person.numero,
            "password": person.password,
        },
        headers={"Sec-Fetch-Site": site},
    )

    assert answer.status_code == expected


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("waiting", [True, False])
def test_a_post_from_another_site_whose_cookies_stayed_behind_renames_no_browser(
    instance: Instance, site: str, waiting: bool
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    tab = visitor.open_sign_in(instance.add_service() if waiting else None)

    answer = instance.visitor().post(
        form_action(tab), {"numero": person.numero}, headers={"Sec-Fetch-Site": site}
    )
    led = visitor.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert answer.headers["Location"] == form_action(tab)
    assert "Set-Cookie" not in answer.headers
    assert led.status_code == 200
    signed_in = visitor.submit_sign_in(tab, person.qualite, person.numero, person.password)
    assert signed_in.status_code == 303
    assert session_of(signed_in)


def test_session_fixation_each_sign_in_gets_a_new_session_and_ends_the_former(
    instance: Instance,
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    page = visitor.open_sign_in()
    first = session_of(visitor.sign_in(person))

    second = session_of(
        visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    )
    thief = instance.visitor()
    set_cookie(thief, SESSION, first)

    assert first
    assert second
    assert first != second
    assert thief.get("/compte").headers["Location"] == "/connexion"
    assert visitor.get("/compte").status_code == 200


def test_session_fixation_a_session_that_somebody_planted_is_never_taken_over(
    instance: Instance,
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    planted = "A" * 43
    set_cookie(visitor, SESSION, planted)

    given = session_of(visitor.sign_in(person))
    thief = instance.visitor()
    set_cookie(thief, SESSION, planted)

    assert given not in ("", planted)
    assert thief.get("/compte").status_code == 303


def test_every_cookie_is_bound_to_this_host_to_https_and_hidden_from_scripts(
    instance: Instance,
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    asked = visitor.get("/authorize", instance.add_service().request())
    signed_in = visitor.submit_sign_in(
        visitor.get(asked.headers["Location"]), person.qualite, person.numero, person.password
    )

    cookies = [*asked.headers.getlist("Set-Cookie"), *signed_in.headers.getlist("Set-Cookie")]
    names = {cookie.partition("=")[0] for cookie in cookies}

    assert names == {"__Host-browser", "__Host-session", "__Host-device", "__Host-answered"}
    for cookie in cookies:
        attributes = {part.strip() for part in cookie.split(";")[1:]}
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= attributes
        assert not any(attribute.startswith("Domain") for attribute in attributes)
    session = next(cookie for cookie in cookies if cookie.startswith(SESSION))
    assert not re.search("expires|max-age", session, re.IGNORECASE)  # ends with the browser
    assert len(session_of(signed_in)) == 43  # 32 random bytes
