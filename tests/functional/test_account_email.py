"""``/compte/adresse-mail``: the address changed and confirmed, and what its thief meets."""

import re
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.reset_steps import ask

PAGE = "/compte/adresse-mail"
CODE_PAGE = "/compte/adresse-mail/code"
OLD, NEW = "anne@example.fr", "anne.lefevre@nouvelle.example"


@pytest.fixture
def instance(make_instance, mailbox: Mailbox) -> Instance:
    made: Instance = make_instance(signing_algs=("ES256",), **mailbox.settings)
    return made


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person(email=OLD)


@pytest.fixture
def visitor(instance: Instance, person: Person) -> Visitor:
    visitor = instance.visitor()
    visitor.sign_in(person)
    return visitor


def propose(visitor: Visitor, address: str = NEW) -> TestResponse:
    return visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE)), "email": address})


def type_code(visitor: Visitor, code: str) -> TestResponse:
    return visitor.post(CODE_PAGE, {"csrf": csrf_of(visitor.get(CODE_PAGE)), "code": code})


def code_of(mailbox: Mailbox) -> str:
    found = re.search(r"\b\d{3}[ \u00a0]\d{3}\b", mailbox.newest_text())
    assert found is not None
    return found[0]


def test_a_change_is_confirmed_by_a_code_told_to_the_old_one_and_waits_three_days(
    instance: Instance, visitor: Visitor, person: Person, mailbox: Mailbox
) -> None:
    first = text_of(visitor.get(PAGE))
    assert "C’est l’adresse de votre dossier" in first
    assert "de votre comptable ou d’un tiers déclarant" in first

    assert propose(visitor).headers["Location"] == CODE_PAGE
    assert "il est valable une demi-heure" in text_of(visitor.get(PAGE))
    deliver(instance)
    assert mailbox.mails[-1]["To"] == NEW
    done = type_code(visitor, code_of(mailbox))

    assert "Votre adresse est enregistrée" in text_of(done)
    assert "pourra recevoir un mot de passe provisoire à partir du" in text_of(done)
    deliver(instance)
    assert mailbox.mails[-1]["To"] == OLD
    instance.clock.advance(timedelta(hours=72))
    later = instance.visitor()
    later.sign_in(person)
    assert "Vous avez confirmé cette adresse ici" in text_of(later.get(PAGE))


def test_attack_a_stolen_session_changes_the_address_and_resets_by_mail(
    instance: Instance, visitor: Visitor, person: Person, mailbox: Mailbox
) -> None:
    propose(visitor, "thief@voleur.example")
    deliver(instance)
    type_code(visitor, code_of(mailbox))
    deliver(instance)
    assert mailbox.mails[-1]["To"] == OLD  # told at once
    instance.clock.advance(timedelta(hours=71))

    ask(instance.visitor(), person.numero)
    deliver(instance)

    assert mailbox.mails[-1]["To"] == OLD
    owner = instance.visitor()
    owner.sign_in(person)
    deliver(instance)  # the notice of a browser that is new beside the thief's
    freeze = "/compte/ce-n-etait-pas-moi"
    owner.post(freeze, {"csrf": csrf_of(owner.get(freeze))})
    sent = len(mailbox.mails)
    instance.clock.advance(timedelta(hours=72))
    ask(instance.visitor(), person.numero)
    deliver(instance)
    assert [mail["To"] for mail in mailbox.mails[sent:]] == [OLD]  # of the freeze, and no reset


def test_attack_a_code_is_guessed_five_times_and_then_dead(
    instance: Instance, visitor: Visitor, mailbox: Mailbox
) -> None:
    propose(visitor)
    deliver(instance)
    right = code_of(mailbox)
    wrong = "000 000" if right != "000 000" else "000 001"
    csrf = csrf_of(visitor.get(CODE_PAGE))

    answers = [visitor.post(CODE_PAGE, {"csrf": csrf, "code": wrong}) for _ in range(5)]
    late = visitor.post(CODE_PAGE, {"csrf": csrf, "code": right})

    assert [answer.status_code for answer in answers] == [400] * 5
    assert "Ce code n’est plus valable" in text_of(answers[-1])
    assert "Ce code n’est plus valable" in text_of(late)


def test_attack_codes_asked_for_without_end_bomb_nobody(visitor: Visitor) -> None:
    answers = [propose(visitor) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_attack_a_code_confirms_nothing_in_another_browser_or_account(
    instance: Instance, visitor: Visitor, mailbox: Mailbox
) -> None:
    propose(visitor)
    deliver(instance)
    code, csrf = code_of(mailbox), csrf_of(visitor.get(CODE_PAGE))
    other = instance.visitor()
    other.sign_in(instance.add_person(numero="2345678"))

    nobody = instance.visitor().post(CODE_PAGE, {"csrf": csrf, "code": code})
    forged = other.post(CODE_PAGE, {"csrf": csrf, "code": code})
    own = other.post(CODE_PAGE, {"csrf": csrf_of(other.get(PAGE)), "code": code})

    assert nobody.headers["Location"] == "/connexion"
    assert {forged.status_code, own.status_code} <= {400, 403}
    assert "est enregistrée" not in text_of(forged) + text_of(own)


@pytest.mark.parametrize(
    "typed",
    [
        "anne@example.fr\r\nBcc: thief@voleur.example",
        "anne@example.fr,thief@voleur.example",
        '"anne thief"@example.fr',
        "anne@[192.0.2.1]",
        "anne@192.0.2.1",
        "anne@example.fr\x00",
        "a" * 65 + "@example.fr",
        "",
    ],
)
def test_attack_an_address_that_smuggles_a_header_is_no_address(
    instance: Instance, visitor: Visitor, mailbox: Mailbox, typed: str
) -> None:
    answer = propose(visitor, typed)

    assert answer.status_code == 400
    assert "Saisissez une adresse complète" in text_of(answer)
    deliver(instance)
    assert mailbox.mails == []


def test_attack_an_address_of_another_member_reads_like_any_other(
    instance: Instance, visitor: Visitor
) -> None:
    instance.add_person(numero="2345678", email="taken@example.org")

    taken, free = propose(visitor, "taken@example.org"), propose(visitor, "free@example.org")

    assert (taken.status_code, taken.headers["Location"]) == (
        free.status_code,
        free.headers["Location"],
    )


def test_an_old_sign_in_is_asked_for_the_password_first(
    instance: Instance, visitor: Visitor
) -> None:
    csrf = csrf_of(visitor.get(PAGE))
    instance.clock.advance(timedelta(minutes=16))

    asked = visitor.get(PAGE)
    forced = visitor.post(PAGE, {"csrf": csrf, "email": NEW})

    assert "Confirmez que c’est vous" in text_of(asked)
    assert "Confirmez que c’est vous" in text_of(forced)
