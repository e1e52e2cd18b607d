"""``/compte/mot-de-passe``: the password changed by who knows the one in use."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import text_of

PAGE = "/compte/mot-de-passe"
NEW = "tilleul-brumeux-escalier-47"
WRONG = "les mimosas du moulin"


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person(email="anne@example.fr")


@pytest.fixture
def visitor(instance: Instance, person: Person) -> Visitor:
    visitor = instance.visitor()
    visitor.sign_in(person)
    return visitor


def change(
    visitor: Visitor, current: str, password: str = NEW, *, csrf: str = "", **more: Any
) -> TestResponse:
    token = csrf or csrf_of(visitor.get(PAGE))
    form = {"csrf": token, "current": current, "password": password}
    return visitor.post(PAGE, form, **more)


def test_the_new_password_is_in_force_and_this_browser_goes_on_under_a_new_session(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    former = visitor.http.get_cookie("__Host-session")

    answer = change(visitor, person.password)

    assert answer.status_code == 200
    assert "Votre mot de passe est changé" in text_of(answer)
    assert "Un mail vous confirme" in text_of(answer)
    assert visitor.get("/compte").status_code == 200
    now = visitor.http.get_cookie("__Host-session")
    assert former is not None
    assert now is not None
    assert former.value != now.value
    renewed = Person(person.account_id, person.qualite, person.numero, NEW)
    assert instance.visitor().sign_in(person).status_code == 403
    assert instance.visitor().sign_in(renewed).headers["Location"] == "/compte"


def test_every_other_session_and_every_token_ends_and_the_member_is_told(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    service: Service = instance.add_service()
    elsewhere = instance.visitor()
    tokens = elsewhere.tokens(person, service)
    assert elsewhere.userinfo(tokens["access_token"]).status_code == 200

    change(visitor, person.password)

    assert elsewhere.get("/compte").headers["Location"] == "/connexion"
    assert elsewhere.userinfo(tokens["access_token"]).status_code == 401
    told = [row[0] for row in instance.audit() if row[1] == person.account_id]
    assert told[-2:] == ["sign_in.succeeded", "password.changed"]


def test_attack_a_stolen_session_guesses_the_password_in_use_no_faster_than_anybody(
    visitor: Visitor, person: Person
) -> None:
    csrf = csrf_of(visitor.get(PAGE))

    answers = [change(visitor, WRONG, csrf=csrf).status_code for _ in range(6)]
    held = change(visitor, person.password, csrf=csrf)

    assert answers == [403] * 5 + [429]
    assert held.status_code == 429
    assert "Ce n’est pas votre mot de passe." not in text_of(held)


def test_what_is_not_good_enough_costs_no_try_and_is_told_beside_the_field(
    visitor: Visitor, person: Person
) -> None:
    answers = [change(visitor, WRONG, "1234").status_code for _ in range(7)]
    weak = change(visitor, person.password, "1234")
    same = change(visitor, person.password, person.password)

    assert answers == [400] * 7
    assert "trop court" in text_of(weak)
    assert same.status_code == 400
    assert "C’est votre mot de passe actuel." in text_of(same)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"current": ""}, "Saisissez votre mot de passe."),
        ({"password": ""}, "Saisissez le mot de passe que vous choisissez."),
        ({"confirm": "autre chose"}, "Les deux saisies ne sont pas identiques."),
        ({"password": "x" * 300}, "trop long"),
    ],
)
def test_a_slip_is_told_before_anything_is_verified(
    visitor: Visitor, person: Person, form: dict[str, str], said: str
) -> None:
    quiet = {"csrf": csrf_of(visitor.get(PAGE)), "current": person.password, "password": NEW}

    answer = visitor.post(PAGE, quiet | form)

    assert answer.status_code == 400
    assert said in text_of(answer)


def test_attack_a_form_of_another_site_or_of_another_page_changes_nothing(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    crossed = change(visitor, person.password, headers={"Sec-Fetch-Site": "cross-site"})
    forged = change(visitor, person.password, csrf=csrf_of(visitor.get("/compte")))

    assert (crossed.status_code, forged.status_code) == (403, 403)
    assert "Rien n’a été modifié." in text_of(forged)
    assert instance.visitor().sign_in(person).headers["Location"] == "/compte"


def test_attack_a_form_drawn_for_the_former_member_of_this_browser_changes_nothing(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    csrf = csrf_of(visitor.get(PAGE))
    other = instance.add_person("ayant_droit", "7654321", "quatre chevaux sous la pluie")
    visitor.restart()
    visitor.sign_in(other)

    assert change(visitor, other.password, csrf=csrf).status_code == 403
    assert instance.visitor().sign_in(other).headers["Location"] == "/compte"


def test_the_form_sent_twice_changes_once(visitor: Visitor, person: Person) -> None:
    csrf = csrf_of(visitor.get(PAGE))

    assert change(visitor, person.password, csrf=csrf).status_code == 200
    assert change(visitor, person.password, csrf=csrf).status_code == 403


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(instance: Instance) -> None:
    stranger = instance.visitor()

    assert stranger.get(PAGE).headers["Location"] == "/connexion"
    assert stranger.post(PAGE).headers["Location"] == "/connexion"
