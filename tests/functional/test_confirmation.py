"""The password again before what is sensitive under ``/compte``, and back to the page asked for."""

from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.instance import value_of

SENSITIVE = "/compte/mes-donnees"
ASKED = "Confirmez que c’est vous"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person()


@pytest.fixture
def visitor(instance: Instance, person: Person) -> Visitor:
    """A browser whose sign-in is no longer recent."""
    visitor = instance.visitor()
    visitor.sign_in(person)
    instance.clock.advance(16 * MINUTE)
    return visitor


def confirm(visitor: Visitor, shown: TestResponse, password: str, **more: str) -> TestResponse:
    form = {name: value_of(shown, name) for name in ("csrf", "page")}
    return visitor.post(form_action(shown), form | {"password": password} | more)


def test_a_sign_in_is_recent_for_a_quarter_of_an_hour(
    instance: Instance, person: Person, clock: Clock
) -> None:
    visitor = instance.visitor()
    visitor.sign_in(person)

    clock.advance(15 * MINUTE)
    assert ASKED not in text_of(visitor.get(SENSITIVE))
    clock.advance(timedelta(seconds=1))
    assert ASKED in text_of(visitor.get(SENSITIVE))


def test_the_password_opens_the_page_that_was_asked_for_under_a_new_session(
    visitor: Visitor, person: Person
) -> None:
    asked = visitor.get(SENSITIVE)
    former = visitor.http.get_cookie("__Host-session")

    answer = confirm(visitor, asked, person.password)

    assert (answer.status_code, answer.headers["Location"]) == (303, SENSITIVE)
    assert ASKED not in text_of(visitor.get(SENSITIVE))
    # Fixation: who knew the former session has nothing of the one that proved itself.
    assert former is not None
    visitor.http.set_cookie("__Host-session", former.value, secure=True, httponly=True)
    assert visitor.get("/compte").headers["Location"] == "/connexion"


def test_the_page_tells_whose_password_and_never_the_whole_number(
    visitor: Visitor, person: Person
) -> None:
    page = visitor.get(SENSITIVE)

    assert "se terminant par 67" in text_of(page)
    assert person.numero not in page.text


def test_attack_a_browser_left_open_guesses_no_more_than_at_the_sign_in_page(
    visitor: Visitor, person: Person
) -> None:
    page = visitor.get(SENSITIVE)

    answers = [confirm(visitor, page, "les mimosas du moulin").status_code for _ in range(6)]
    held = confirm(visitor, page, person.password)

    assert answers == [403] * 5 + [429]
    assert held.status_code == 429
    assert int(held.headers["Retry-After"]) > 0
    assert ASKED in text_of(visitor.get(SENSITIVE))


def test_a_refusal_is_told_beside_the_field_and_in_the_audit_log(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    answer = confirm(visitor, visitor.get(SENSITIVE), "les mimosas du moulin")

    assert "Ce n’est pas votre mot de passe." in text_of(answer)
    told = [row for row in instance.audit() if row[0] == "sign_in.refused"]
    assert [row[1] for row in told] == [person.account_id]


@pytest.mark.parametrize("password", ["", "x" * 1000])
def test_what_cannot_be_a_password_costs_no_try(visitor: Visitor, password: str) -> None:
    page = visitor.get(SENSITIVE)

    assert [confirm(visitor, page, password).status_code for _ in range(7)] == [400] * 7


@pytest.mark.parametrize(
    "page", ["https://evil.example/", "//evil.example", "/authorize", "/compte", ""]
)
def test_attack_another_page_than_the_one_asked_for_leads_nowhere(
    visitor: Visitor, person: Person, page: str
) -> None:
    """Open redirect: the page stands under the token of the form."""
    answer = confirm(visitor, visitor.get(SENSITIVE), person.password, page=page)

    assert answer.status_code == 403
    assert value_of(answer, "page") == "/compte"
    assert ASKED in text_of(visitor.get(SENSITIVE))


def test_attack_a_form_of_another_site_proves_nothing(visitor: Visitor, person: Person) -> None:
    page = visitor.get(SENSITIVE)
    form = {name: value_of(page, name) for name in ("csrf", "page")}

    crossed = visitor.post(
        form_action(page),
        form | {"password": person.password},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    forged = confirm(visitor, page, person.password, csrf=csrf_of(visitor.get("/compte")))

    assert (crossed.status_code, forged.status_code) == (403, 403)
    assert ASKED in text_of(visitor.get(SENSITIVE))


def test_attack_another_member_who_signs_in_meanwhile_does_not_come_to_the_formers_page(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    page = visitor.get(SENSITIVE)
    other = instance.add_person("ayant_droit", "7654321", "quatre chevaux sous la pluie")

    # The other one's own password does not open the page of the first …
    assert confirm(visitor, page, other.password).status_code == 403
    # … and once signed in here, the form of the first is worth nothing, whatever is typed.
    visitor.restart()
    visitor.sign_in(other)
    assert confirm(visitor, page, person.password).status_code == 403


def test_a_form_sent_late_is_asked_too_and_its_own_address_leads_to_the_overview(
    visitor: Visitor,
) -> None:
    assert visitor.post(SENSITIVE).status_code == 403
    assert visitor.get("/compte/confirmation").headers["Location"] == "/compte"


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(instance: Instance) -> None:
    stranger = instance.visitor()

    assert stranger.get(SENSITIVE).headers["Location"] == "/connexion"
    assert stranger.post("/compte/confirmation").headers["Location"] == "/connexion"
