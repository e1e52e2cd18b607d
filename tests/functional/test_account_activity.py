"""``/compte/activite``: the audit log as its member reads it."""

from datetime import timedelta

import pytest

from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import text_of

PAGE = "/compte/activite"


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person(email="anne@example.fr")


@pytest.fixture
def visitor(instance: Instance, person: Person) -> Visitor:
    visitor = instance.visitor()
    visitor.sign_in(person)
    return visitor


def test_failures_of_a_day_are_one_line_and_nothing_tells_a_cause_or_a_number(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    wrong = Person(person.account_id, person.qualite, person.numero, "les mimosas du moulin")
    for _ in range(3):
        instance.visitor("198.51.100.7").sign_in(wrong)

    told = text_of(visitor.get(PAGE))

    assert "3 essais manqués" in told
    assert "Connexion depuis un appareil ou un navigateur nouveau" in told
    assert "(réseau 192.0.2.…)" in told
    assert "198.51.100" not in told
    assert person.numero not in told
    assert "wrong_password" not in told


def test_a_day_begins_with_a_capital_and_english_months_keep_theirs(visitor: Visitor) -> None:
    french, english = visitor.get(PAGE), visitor.get(f"{PAGE}?langue=en")

    assert "Mardi 24 novembre 2026" in text_of(french)
    assert "Tuesday 24 November 2026" in text_of(english)


def test_what_is_older_than_ninety_days_is_not_told(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    instance.clock.advance(timedelta(days=91))
    again = instance.visitor()
    again.sign_in(person)

    assert text_of(again.get(PAGE)).count("Connexion depuis") == 1


def test_more_is_told_a_portion_at_a_time_and_no_address_asks_for_all(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    for _ in range(50):
        visitor = instance.visitor()
        visitor.sign_in(person)

    first, all_of_it = visitor.get(PAGE), visitor.get(f"{PAGE}?voir=100")
    odd = visitor.get(f"{PAGE}?voir=1000000")

    assert "Voir plus" in text_of(first)
    assert "voir=100" in first.text
    assert "Voir plus" not in text_of(all_of_it)
    told = [text_of(page).count("Connexion depuis") for page in (first, odd, all_of_it)]
    assert told[0] == told[1] < told[2] == 51
    assert "/compte/ce-n-etait-pas-moi" in first.text


def test_attack_somebody_elses_activity_is_nobody_elses_to_read(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    other = instance.add_person(numero="2345678")
    instance.visitor("203.0.113.9").sign_in(other)

    assert "203.0.113" not in text_of(visitor.get(PAGE))
    assert instance.visitor().get(PAGE).headers["Location"] == "/connexion"
