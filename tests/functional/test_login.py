"""Sign-in by dossier number, as a person and a service see it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from urllib.parse import quote

import argon2
import bcrypt
import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.identity.password import parse_imported
from tests.instance import CALLBACK
from tests.instance import ISSUER
from tests.instance import NOON
from tests.instance import PASSWORD
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.instance import value_of

SESSION = "__Host-session"
MakeInstance = Callable[..., Instance]


def errors_of(page: TestResponse) -> dict[str, str]:
    """The sentence beside each field that has one, as assistive technology finds it."""
    document = lxml_html.fromstring(page.text)
    found = {}
    for invalid in document.xpath("//*[@aria-invalid='true']"):
        for described in invalid.get("aria-describedby", "").split():
            for text in document.xpath(f"//*[@id='{described}']"):
                if "error" in described:
                    found[invalid.get("name") or "qualite"] = text.text_content().strip()
    return found


def session_of(answer: TestResponse) -> str:
    """The session that an answer gives, or ""."""
    given = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(f"{SESSION}=")]
    return given[0].partition(";")[0].partition("=")[2] if given else ""


def set_cookie(visitor: Visitor, name: str, value: str) -> None:
    visitor.http.set_cookie(name, value, secure=True, httponly=True)


def test_a_person_signs_in_and_the_service_reads_the_qualite_in_signed_tokens(
    instance: Instance,
) -> None:
    person = instance.add_person("ayant_droit", "100001701")
    service = instance.add_service()
    visitor = instance.visitor()

    answer = answer_of(visitor.sign_in(person, service))
    tokens = visitor.redeem(service, answer["code"]).get_json()
    claims = visitor.userinfo(tokens["access_token"]).get_json()

    assert answer["state"] == service.state
    assert answer["iss"] == instance.settings.issuer
    assert claims["qualite"] == "ayant_droit"
    assert claims["numero_dossier"] == "100001701"


@pytest.mark.parametrize(
    ("qualite", "numero"),
    [("affilie", "0012345"), ("ayant_droit", "7654321"), ("ayant_droit", "100001701")],
)
def test_both_qualites_sign_in_with_each_of_their_patterns(
    instance: Instance, qualite: str, numero: str
) -> None:
    person = instance.add_person(qualite, numero)
    service = instance.add_service()

    tokens = instance.visitor().tokens(person, service)

    _, claims = instance.visitor().read_token(tokens["id_token"])
    assert claims["qualite"] == qualite


def test_one_person_with_two_dossiers_has_two_accounts_that_no_service_can_join(
    instance: Instance,
) -> None:
    own = instance.add_person("affilie", "1234567")
    survivor = instance.add_person("ayant_droit", "1234567", "un autre mot de passe 42")
    service = instance.add_service()

    def sub(person: Person) -> str:
        tokens = instance.visitor().tokens(person, service)
        return str(instance.visitor().read_token(tokens["id_token"])[1]["sub"])

    assert sub(own) != sub(survivor)


@pytest.mark.parametrize(
    "typed",
    [
        "1 234 567",
        " 1234567 ",
        "1\u00a0234\u00a0567",
        "1\u202f234\u202f567",
        "1\u2009234\u2003567\u3000",
        "1\t234567",
        "1.234.567",
        "12-34-567",
        "12\u201334\u2011567",
        "12\u221234\uff0d567",
        "\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
        "1\uff12 3.4-\uff15\uff0e67",
    ],
    ids=[
        "spaces", "around", "no-break", "narrow no-break", "typographic", "tab", "dots", "dashes",
        "other dashes", "minus signs", "full-width digits", "all of it",
    ],
)  # fmt: skip
def test_a_number_is_understood_however_it_is_grouped(instance: Instance, typed: str) -> None:
    person = instance.add_person()
    visitor = instance.visitor()

    answer = visitor.submit_sign_in(visitor.open_sign_in(), person.qualite, typed, person.password)

    assert answer.status_code == 303, errors_of(answer)


@pytest.mark.parametrize(
    "hidden",
    ["\u200b", "\u202e", "\u200f", "\u2066", "\ufeff", "\u00ad", "\u2060", "\x00", "\ue000"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_invisible_and_bidirectional_characters_are_refused_with_a_sentence_of_their_own(
    instance: Instance, hidden: str
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()

    answer = visitor.submit_sign_in(
        visitor.open_sign_in(), person.qualite, f"123{hidden}4567", person.password
    )

    assert answer.status_code == 400
    assert "invisible" in errors_of(answer)["numero"]
    assert instance.audit() == []  # nothing was tried, so nothing counts against the account


@pytest.mark.parametrize("typed", ["12345", "12345678", "1234567890", "ABCDEFG", "१२३४५६७"])
def test_what_is_no_number_is_told_beside_the_field_and_counts_as_no_try(
    instance: Instance, typed: str
) -> None:
    visitor = instance.visitor()

    answer = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", typed, PASSWORD)

    assert answer.status_code == 400
    assert "7\u00a0chiffres" in errors_of(answer)["numero"]
    assert value_of(answer, "numero") == typed
    assert instance.audit() == []


@pytest.mark.parametrize("exists", [True, False])
def test_a_number_of_the_other_category_is_told_by_its_pattern_alone(
    instance: Instance, exists: bool
) -> None:
    if exists:
        instance.add_person("ayant_droit", "100001701")
    visitor = instance.visitor()

    answer = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", "100001701", PASSWORD)

    assert answer.status_code == 400
    assert "ayant droit" in errors_of(answer)["numero"]
    assert value_of(answer, "qualite") == "affilie"
    assert instance.audit() == []


def test_one_click_switches_the_radio_keeps_the_number_and_leads_where_it_should(
    instance: Instance,
) -> None:
    person = instance.add_person("ayant_droit", "100001701")
    service = instance.add_service()
    visitor = instance.visitor()
    hinted = visitor.submit_sign_in(
        visitor.open_sign_in(service), "affilie", "100 001 701", person.password
    )
    button = lxml_html.fromstring(hinted.text).xpath("//button[@name='switch']")[0]

    switched = visitor.submit_sign_in(
        hinted, "affilie", "100 001 701", person.password, switch=button.get("value")
    )
    answer = visitor.submit_sign_in(
        switched, value_of(switched, "qualite"), value_of(switched, "numero"), person.password
    )

    assert switched.status_code == 200
    assert value_of(switched, "qualite") == "ayant_droit"
    assert value_of(switched, "numero") == "100 001 701"
    assert person.password not in switched.text
    assert "code" in answer_of(answer)


def test_a_number_that_both_categories_may_have_brings_no_hint(instance: Instance) -> None:
    instance.add_person("ayant_droit", "7654321")
    visitor = instance.visitor()

    answer = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", "7654321", PASSWORD)

    assert answer.status_code == 403
    assert 'name="switch"' not in answer.text


def test_a_refusal_keeps_radio_and_number_reminds_of_march_2021_and_forgets_the_password(
    instance: Instance,
) -> None:
    instance.add_person()
    visitor = instance.visitor()

    page = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", "1 234 567", "pas le bon")

    assert value_of(page, "qualite") == "affilie"
    assert value_of(page, "numero") == "1 234 567"
    assert value_of(page, "password") == ""
    assert "pas le bon" not in page.text
    assert "mars 2021" in text_of(page)
    assert '<html lang="fr">' in page.text


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"numero": "1234567", "password": PASSWORD}, "qualite"),
        ({"qualite": "agent", "numero": "1234567", "password": PASSWORD}, "qualite"),
        ({"qualite": "affilie", "password": PASSWORD}, "numero"),
        ({"qualite": "affilie", "numero": "  ", "password": PASSWORD}, "numero"),
        ({"qualite": "affilie", "numero": "1234567"}, "password"),
        ({"qualite": "affilie", "numero": "1234567", "password": "é" * 257}, "password"),
    ],
)
def test_what_is_missing_or_too_long_is_told_beside_its_field_and_never_hashed(
    instance: Instance, form: dict[str, str], field: str
) -> None:
    instance.add_person()
    visitor = instance.visitor()
    page = visitor.open_sign_in()

    answer = visitor.post(form_action(page), {"csrf": csrf_of(page), **form})

    assert answer.status_code == 400
    assert list(errors_of(answer)) == [field]
    assert instance.audit() == []


def test_an_account_not_used_since_the_redesign_must_reset_and_the_setting_says_since_when(
    make_instance: MakeInstance,
) -> None:
    instance = make_instance(redesign_at=datetime(2024, 6, 1, tzinfo=UTC))
    late = instance.add_person(
        numero="1000001", last_sign_in_at=datetime(2024, 5, 31, 23, 59, tzinfo=UTC)
    )
    in_time = instance.add_person(
        numero="1000002", last_sign_in_at=datetime(2024, 6, 1, tzinfo=UTC)
    )

    assert instance.visitor().sign_in(late).status_code == 403
    assert instance.visitor().sign_in(in_time).status_code == 303


@pytest.mark.parametrize("scheme", ["argon2id", "bcrypt"])
def test_a_password_of_the_old_system_signs_in_as_before_and_again(
    instance: Instance, scheme: str
) -> None:
    if scheme == "bcrypt":
        phc = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    else:
        phc = argon2.PasswordHasher(memory_cost=8192, time_cost=1).hash(PASSWORD)
    person = instance.add_person(
        stored=parse_imported(phc), password=PASSWORD, last_sign_in_at=NOON - timedelta(days=9)
    )

    assert instance.visitor().sign_in(person).status_code == 303
    assert instance.visitor().sign_in(person).status_code == 303
    wrong = replace(person, password="pas le bon")
    assert instance.visitor().sign_in(wrong).status_code == 403


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("affilie:1234567", ("affilie", "1234567")),
        ("ayant_droit:100 001 701", ("ayant_droit", "100001701")),
        ("affilie:100001701", ("", "")),
        ("buffy@localhost", ("", "")),
        ('affilie:"><script>', ("", "")),
    ],
)
def test_b24_login_hint_fills_the_form_and_an_unknown_one_changes_nothing(
    instance: Instance, hint: str, expected: tuple[str, str]
) -> None:
    service = instance.add_service()

    page = instance.visitor().open_sign_in(service, login_hint=hint)

    assert page.status_code == 200
    assert (value_of(page, "qualite"), value_of(page, "numero")) == expected
    assert "<script>" not in page.text


def test_the_page_names_the_service_that_waits_and_escapes_its_name(instance: Instance) -> None:
    service = instance.add_service(client_name='Mes <b onclick="x">droits</b>')

    page = instance.visitor().open_sign_in(service)

    assert 'Mes <b onclick="x">droits</b>' in text_of(page)
    assert "<b onclick" not in page.text


def test_a_password_manager_finds_what_it_looks_for(instance: Instance) -> None:
    page = lxml_html.fromstring(instance.visitor().open_sign_in().text)

    number = page.xpath("//input[@name='numero']")[0]
    password = page.xpath("//input[@name='password']")[0]

    assert number.get("autocomplete") == "username"
    assert number.get("inputmode") == "numeric"
    assert password.get("type") == "password"
    assert password.get("autocomplete") == "current-password"
    assert password.get("onpaste") is None


def test_several_tabs_each_lead_to_their_own_service(instance: Instance) -> None:
    person = instance.add_person()
    services = [
        instance.add_service(f"service-{n}", redirect_uris=(f"http://127.0.0.1:900{n}/back",))
        for n in range(3)
    ]
    visitor = instance.visitor()
    pages = [visitor.open_sign_in(service) for service in services]

    answers = [
        visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
        for page in reversed(pages)
    ]

    for service, answer in zip(reversed(services), answers, strict=True):
        assert answer.headers["Location"].startswith(service.client.redirect_uris[0])
        assert answer_of(answer)["state"] == service.state


def test_a_page_left_overnight_still_leads_to_its_service(instance: Instance, clock: Clock) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)

    clock.advance(timedelta(hours=20))
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert visitor.redeem(service, answer_of(answer)["code"]).status_code == 200


def test_a_page_older_than_a_day_says_so_leads_back_to_its_service_and_signs_nobody_in(
    instance: Instance, clock: Clock
) -> None:
    person = instance.add_person()
    service = instance.add_service(client_uri="http://127.0.0.1:9001/")
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)

    clock.advance(timedelta(hours=24))
    at_the_limit = visitor.get(form_action(page))
    clock.advance(timedelta(seconds=1))
    opened = visitor.get(form_action(page))
    sent = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert at_the_limit.status_code == 200
    for answer in (opened, sent):
        assert answer.status_code == 400
        assert 'href="http://127.0.0.1:9001/"' in answer.text
        assert session_of(answer) == ""


def test_opened_directly_it_leads_to_the_account_where_no_default_service_is_set(
    instance: Instance,
) -> None:
    person = instance.add_person()
    visitor = instance.visitor()

    root = visitor.get("/")
    answer = visitor.sign_in(person)
    account = visitor.get(answer.headers["Location"])

    assert root.headers["Location"] == "/connexion"
    assert answer.headers["Location"] == "/compte"
    assert account.status_code == 200
    assert "67" in text_of(account)
    assert person.numero not in account.text


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            {"initiate_login_uri": "http://127.0.0.1:9001/login"},
            f"http://127.0.0.1:9001/login?iss={quote(ISSUER, safe='')}",
        ),
        ({"client_uri": "http://127.0.0.1:9001/"}, "http://127.0.0.1:9001/"),
        ({}, "/compte"),
    ],
)
def test_opened_directly_it_leads_to_the_default_service(
    make_instance: MakeInstance, metadata: dict[str, str], expected: str
) -> None:
    instance = make_instance(default_client_id="cotisations")
    instance.add_service("cotisations", **metadata)
    person = instance.add_person()

    answer = instance.visitor().sign_in(person)

    assert answer.status_code == 303
    assert answer.headers["Location"] == expected


def test_a_default_service_that_is_not_registered_any_more_strands_nobody(
    make_instance: MakeInstance,
) -> None:
    instance = make_instance(default_client_id="gone")
    person = instance.add_person()

    assert instance.visitor().sign_in(person).headers["Location"] == "/compte"


def test_who_is_signed_in_already_is_not_shown_the_form(instance: Instance) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()
    waiting = visitor.open_sign_in(service)
    visitor.sign_in(person)

    assert visitor.get("/connexion").headers["Location"] == "/compte"
    # A tab whose page waited is answered when it is loaded again.
    assert "code" in answer_of(visitor.get(form_action(waiting)))


def test_the_password_journey_takes_five_requests(instance: Instance) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()

    asked = visitor.get("/authorize", service.request())
    page = visitor.get(asked.headers["Location"])
    back = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    tokens = visitor.redeem(service, answer_of(back)["code"])
    claims = visitor.userinfo(tokens.get_json()["access_token"])

    assert [r.status_code for r in (asked, page, back, tokens, claims)] == [303, 200, 303, 200, 200]
    assert back.headers["Location"].startswith(CALLBACK)


@pytest.mark.parametrize("status", ["closed", "deceased"])
def test_who_is_closed_or_deceased_after_the_sign_in_loses_page_code_and_token(
    instance: Instance, status: str
) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()
    tokens = visitor.tokens(person, service)
    code = answer_of(visitor.get("/authorize", service.request()))["code"]

    instance.change_dossier(person, status=status)

    assert visitor.userinfo(tokens["access_token"]).status_code == 401
    refused = visitor.redeem(service, code)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    account = visitor.get("/compte")
    assert account.headers["Location"] == "/connexion"
    # The session ended with it: the next service is not answered by it.
    asked = visitor.get("/authorize", service.request(prompt="none"))
    assert answer_of(asked)["error"] == "login_required"


def test_a_new_password_elsewhere_ends_what_the_former_one_opened(instance: Instance) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()
    tokens = visitor.tokens(person, service)
    code = answer_of(visitor.get("/authorize", service.request()))["code"]

    instance.change_account(person, credential_version=2)

    assert visitor.userinfo(tokens["access_token"]).status_code == 401
    assert visitor.redeem(service, code).get_json()["error"] == "invalid_grant"
    assert visitor.get("/compte").headers["Location"] == "/connexion"


def test_a_form_sent_after_the_cookies_were_cleared_comes_back_filled_and_then_works(
    instance: Instance,
) -> None:
    person = instance.add_person()
    service = instance.add_service()
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)
    visitor.http = type(visitor.http)(instance.app)

    first = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    second = visitor.submit_sign_in(first, person.qualite, person.numero, person.password)

    assert first.status_code == 403
    assert value_of(first, "numero") == person.numero
    assert answer_of(second)["state"] == service.state


@pytest.mark.parametrize(
    ("metadata", "home"),
    [
        (
            {"initiate_login_uri": "http://127.0.0.1:9001/login?de=idp"},
            f"http://127.0.0.1:9001/login?de=idp&iss={quote(ISSUER, safe='')}",
        ),
        ({"client_uri": "http://127.0.0.1:9001/"}, "http://127.0.0.1:9001/"),
        ({}, "/compte"),
    ],
)
def test_the_back_button_leads_to_the_service_anew_and_never_answers_a_request_twice(
    instance: Instance, metadata: dict[str, str], home: str
) -> None:
    person = instance.add_person()
    service = instance.add_service(**metadata)
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)
    visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    back = visitor.get(form_action(page))
    sent_again = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert (back.status_code, back.headers["Location"]) == (303, home)
    assert (sent_again.status_code, sent_again.headers["Location"]) == (303, home)
