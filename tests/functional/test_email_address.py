"""Recording an address after a first connection: what the page says, and when codes run out."""

from datetime import timedelta

import pytest

from idp.audit import Actor
from idp.cli.letters import print_letters
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.post import Post
from tests.reset_steps import ask
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new

EMAIL = "anne@exemple.example"
NBSP = "\u00a0"


@pytest.fixture
def instance(make_instance, mailbox):
    return make_instance(signing_algs=("ES256",), **mailbox.settings)


@pytest.fixture
def offered(instance: Instance, mailbox: Mailbox):
    """Somebody who chose a first password and is offered the page; and its visitor."""
    person = instance.add_person(password=None, email=EMAIL)
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    led = submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret()))
    return visitor, visitor.get(led.headers["Location"])


def propose(visitor: Visitor, page, address: str = "nouvelle@exemple.example"):
    return visitor.post(form_action(page), {"csrf": csrf_of(page), "email": address})


def print_all(instance: Instance) -> None:
    with instance.app.app_context():
        print_letters(instance.parts).run(limit=10, actor=Actor(operator="jeanne"))


def test_who_has_an_address_reads_that_the_new_one_waits_for_72_hours(offered) -> None:
    said = offered[1].get_data(as_text=True)

    assert f"dans 72{NBSP}heures" in said
    assert f"10{NBSP}jours" not in said


def test_who_has_no_address_reads_of_the_letter_and_its_longer_wait(
    instance: Instance,
) -> None:
    post = Post(instance)
    person = post.add_person(password=None)
    visitor = instance.visitor()
    ask(visitor, person.numero, "letter")
    print_all(instance)
    secret = post.pages()[-1].secrets[-1]
    led = submit_new(visitor, open_choice(visitor, person, secret))

    page = visitor.get(led.headers["Location"]).get_data(as_text=True)

    assert f"dans 10{NBSP}jours" in page
    assert "une lettre vous dira" in page
    assert f"72{NBSP}heures" not in page


def test_the_fourth_code_in_an_hour_is_refused_in_words_about_codes(
    offered,
) -> None:
    visitor, page = offered
    given = [propose(visitor, page) for _ in range(3)]

    held = propose(visitor, page)

    said = text_of(held)
    assert [answer.status_code for answer in given] == [303, 303, 303]
    assert held.status_code == 429
    assert held.headers["Retry-After"] == "3600"
    assert "codes ont déjà été demandés" in said
    assert "un autre dans 60 minutes" in said.replace(NBSP, " ")
    assert "provisoires ont déjà" not in said
    assert "courrier postal" not in said


def test_who_asks_for_a_fourth_code_later_reads_of_the_minutes_that_are_left(
    offered, clock: Clock
) -> None:
    visitor, page = offered
    for _ in range(3):
        propose(visitor, page)
    clock.advance(timedelta(minutes=10))

    held = propose(visitor, page)

    assert "un autre dans 50 minutes" in text_of(held).replace(NBSP, " ")


def test_attack_a_browser_left_open_records_no_address_without_the_password(
    instance: Instance, offered, clock: Clock
) -> None:
    visitor, page = offered
    clock.advance(timedelta(minutes=16))  # a recent sign-in is one of 15 minutes, here too

    shown, sent = visitor.get(form_action(page)), propose(visitor, page, "voleur@exemple.example")

    assert [shown.headers["Location"], sent.headers["Location"]] == ["/connexion"] * 2
    assert "address.requested" not in [event for event, _, _ in instance.audit()]


def test_a_code_that_took_its_time_is_still_taken(offered, clock: Clock) -> None:
    visitor, page = offered
    code_page = propose(visitor, page).headers["Location"]
    clock.advance(timedelta(minutes=29))

    assert visitor.get(code_page).status_code == 200


def test_attack_a_form_drawn_for_somebody_else_records_nothing_for_who_signed_in_since(
    instance: Instance, offered
) -> None:
    visitor, page = offered
    visitor.post("/deconnexion", {"csrf": csrf_of(page)})
    visitor.restart()
    visitor.sign_in(instance.add_person(numero="2345678"))

    answer = propose(visitor, page)

    assert answer.status_code == 403
    assert "address.requested" not in [event for event, _, _ in instance.audit()]
