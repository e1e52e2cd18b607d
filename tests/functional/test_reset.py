"""Forgotten password and first connection, by mail: pages and promises."""

import re
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from tests.instance import PASSWORD
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.reset_steps import CHOSEN
from tests.reset_steps import ask
from tests.reset_steps import begin
from tests.reset_steps import channels
from tests.reset_steps import choose
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new

EMAIL = "anne.lefevre@exemple.example"
MASK = "a***re@e*****.example"

MakeInstance = Callable[..., Instance]


@pytest.fixture
def instance(make_instance: MakeInstance, mailbox: Mailbox) -> Instance:
    """A provider that sends mail, and whose anti-robot a test can answer."""
    return make_instance(signing_algs=("ES256",), **mailbox.settings)


@pytest.fixture
def person(instance: Instance) -> Person:
    """Somebody with a password and an address."""
    return instance.add_person(email=EMAIL, address_4="12 RUE DES LILAS", address_6="75010 PARIS")


def test_a_forgotten_password_is_replaced_by_mail_and_the_service_that_waits_gets_its_answer(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    sign_in = visitor.open_sign_in(service)
    link = lxml_html.fromstring(sign_in.text).xpath("//a[@id='reset-link']/@href")[0]
    led = begin(visitor, visitor.get(link), "123 45 67")
    offered = visitor.get(led.headers["Location"])
    confirmed = visitor.get(choose(visitor, offered, "mail").headers["Location"])
    deliver(instance)
    back = lxml_html.fromstring(confirmed.text).xpath("//a[contains(@href,'/connexion')]/@href")[0]
    typed = mailbox.newest_secret().replace("-", " ").lower()

    page = visitor.submit_sign_in(visitor.get(back), "affilie", "1234567", typed)
    choice = visitor.get(page.headers["Location"])
    done = submit_new(visitor, choice)

    assert MASK in text_of(offered)
    assert mailbox.recipients == [EMAIL]
    code = answer_of(done)["code"]
    assert visitor.redeem(service, code).status_code == 200
    assert answer_of(visitor.get("/authorize", service.request()))["code"]
    renewed = Person(person.account_id, "affilie", "1234567", CHOSEN)
    assert instance.visitor().sign_in(renewed).headers["Location"] == "/compte"
    assert instance.visitor().sign_in(person).status_code == 403


def first_page(visitor: Visitor, sign_in: TestResponse) -> TestResponse:
    return visitor.get(lxml_html.fromstring(sign_in.text).xpath("//a[@id='reset-link']/@href")[0])


def test_the_first_page_names_the_service_that_waits(instance: Instance) -> None:
    service = instance.add_service(client_name="Mes attestations")
    visitor = instance.visitor()

    page = first_page(visitor, visitor.open_sign_in(service))

    assert "continuer vers « Mes attestations »" in text_of(page)
    assert "continuer vers" not in text_of(visitor.get("/mot-de-passe-oublie"))


def test_an_address_made_in_another_browser_names_no_service_and_still_opens_the_page(
    instance: Instance,
) -> None:
    sign_in = instance.visitor().open_sign_in(instance.add_service())
    reader = instance.visitor()
    reader.get("/mot-de-passe-oublie")

    copied = first_page(reader, sign_in)
    broken = reader.get("/mot-de-passe-oublie?demande=broken")

    for page in (copied, broken):
        assert page.status_code == 200
        assert "continuer vers" not in text_of(page)


def test_a_service_whose_request_has_ended_is_not_named(instance: Instance, clock: Clock) -> None:
    visitor = instance.visitor()
    sign_in = visitor.open_sign_in(instance.add_service())

    clock.advance(timedelta(hours=24, seconds=1))

    assert "continuer vers" not in text_of(first_page(visitor, sign_in))


def test_the_current_password_works_until_a_new_one_is_chosen(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    before = instance.visitor().sign_in(person)
    open_choice(instance.visitor(), person, mailbox.newest_secret())

    after = instance.visitor().sign_in(person)

    assert (before.status_code, after.status_code) == (303, 303)


def test_a_temporary_password_opens_no_session_no_code_and_no_other_page(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)

    open_choice(visitor, person, mailbox.newest_secret(), service)

    assert visitor.get("/compte").headers["Location"] == "/connexion"
    asked = visitor.get("/authorize", service.request())
    assert urlsplit(asked.headers["Location"]).path == "/connexion"
    assert visitor.get("/adresse-electronique").headers["Location"] == "/connexion"


def test_a_temporary_password_is_used_once(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    submit_new(visitor, open_choice(visitor, person, secret))

    page = instance.visitor()
    again = page.submit_sign_in(page.open_sign_in(), "affilie", person.numero, secret)

    assert again.status_code == 403


def test_typed_in_another_browser_the_lease_moves_there(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    phone, computer = instance.visitor(), instance.visitor("198.51.100.7")
    ask(phone, person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    left = open_choice(phone, person, secret)

    taken = open_choice(computer, person, secret)

    assert submit_new(phone, left).status_code == 400
    assert submit_new(computer, taken).status_code == 303


def test_a_lease_ends_after_fifteen_minutes_and_the_secret_opens_again(
    instance: Instance, person: Person, mailbox: Mailbox, clock: Clock
) -> None:
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    page = open_choice(visitor, person, secret)
    clock.advance(timedelta(minutes=15))

    late = submit_new(visitor, page)

    assert late.status_code == 400
    assert submit_new(visitor, open_choice(visitor, person, secret)).status_code == 303


def test_a_mail_s_secret_is_valid_for_a_day(
    instance: Instance, person: Person, mailbox: Mailbox, clock: Clock
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    clock.advance(timedelta(hours=24))

    visitor = instance.visitor()
    late = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", person.numero, secret)

    assert late.status_code == 403


def test_a_newer_mail_kills_the_secret_of_the_older_one(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    older = mailbox.newest_secret()
    ask(instance.visitor(), person.numero)
    deliver(instance)

    visitor = instance.visitor()
    refused = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", person.numero, older)

    assert refused.status_code == 403
    open_choice(instance.visitor(), person, mailbox.newest_secret())


def test_the_same_choice_sent_twice_promises_one_mail(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    page = channels(visitor, person.numero)

    first = choose(visitor, page, "mail")
    second = choose(visitor, page, "mail")
    other = choose(visitor, page, "letter")

    assert len(deliver(instance)) == 1
    shown = {text_of(visitor.get(answer.headers["Location"])) for answer in (first, second, other)}
    assert len({re.sub(r"Référence.*", "", one) for one in shown}) == 1


def test_while_a_choice_is_under_way_the_same_form_confirms_nothing(
    instance: Instance, person: Person
) -> None:
    # A double click: the first may yet be refused by a quota, or its process killed.
    visitor = instance.visitor()
    page = channels(visitor, person.numero)
    database = Path(instance.parts.settings.sql_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(database)) as writer, ThreadPoolExecutor(1) as thread:
        writer.execute("BEGIN IMMEDIATE")
        first = thread.submit(choose, visitor, page, "mail")
        while not [*instance.parts.redis.client.scan_iter("once:{reset-journey:*")]:
            time.sleep(0.01)
        second = choose(visitor, page, "mail")
        writer.rollback()

        assert first.result().status_code == 303
    again = choose(visitor, page, "mail")

    assert second.status_code == 409
    assert second.headers["Retry-After"]
    assert "validez de nouveau" in text_of(second)
    assert urlsplit(again.headers["Location"]).path == "/mot-de-passe-oublie/confirmation"
    assert len(deliver(instance)) == 1


def test_the_confirmation_shown_again_sends_nothing_again(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    location = choose(visitor, channels(visitor, person.numero), "mail").headers["Location"]

    for _ in range(3):
        assert visitor.get(location).status_code == 200

    assert len(deliver(instance)) == 1


def test_a_number_of_the_other_category_offers_the_switch(instance: Instance) -> None:
    visitor = instance.visitor()

    page = begin(visitor, visitor.get("/mot-de-passe-oublie"), "123456789")

    assert page.status_code == 400
    assert "ayant droit" in text_of(page)
    assert lxml_html.fromstring(page.text).xpath("//button[@name='switch']")


def test_weak_passwords_are_refused_with_a_sentence_and_the_lease_goes_on(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    page = open_choice(visitor, person, secret)

    refused = {
        clear: submit_new(visitor, page, clear)
        for clear in ("zut", "motdepasse1234", "lefevre anne 2026", PASSWORD, secret, "")
    }

    for clear, answer in refused.items():
        assert answer.status_code == 400, clear
        assert "Erreur" in answer.text
        assert not clear or clear not in answer.text
    assert submit_new(visitor, page).status_code == 303


def test_a_new_password_ends_every_session_and_tells_by_mail(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    elsewhere = instance.visitor()
    elsewhere.sign_in(person)
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)

    submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret()))
    deliver(instance)

    assert elsewhere.get("/compte").status_code == 303
    assert visitor.get("/compte").status_code == 200
    assert "mot de passe" in str(mailbox.mails[-1]["Subject"])
    assert CHOSEN not in mailbox.newest_text()


def test_an_access_token_dies_with_the_password(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    service = instance.add_service()
    tokens = instance.visitor().tokens(person, service)
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)

    submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret()))

    assert visitor.userinfo(tokens["access_token"]).status_code == 401


def test_a_waiting_account_gets_out_by_a_reset_and_not_by_asking_for_one(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    attacker = instance.visitor("198.51.100.7")
    page = attacker.open_sign_in()
    for _ in range(5):
        attacker.submit_sign_in(page, "affilie", person.numero, "faux")
        instance.clock.advance(timedelta(minutes=11))
        page = attacker.open_sign_in()
    for _ in range(4):
        attacker.submit_sign_in(page, "affilie", person.numero, "faux")
        instance.clock.advance(timedelta(minutes=11))
    attacker.submit_sign_in(attacker.open_sign_in(), "affilie", person.numero, "faux")
    member = instance.visitor()
    ask(member, person.numero)
    deliver(instance)
    held = member.sign_in(person)

    done = submit_new(member, open_choice(member, person, mailbox.newest_secret()))

    assert held.status_code == 429
    assert done.status_code == 303
    renewed = Person(person.account_id, "affilie", person.numero, CHOSEN)
    assert instance.visitor().sign_in(renewed).status_code == 303


def test_a_first_connection_offers_to_record_an_address_and_confirms_it_by_a_code(
    instance: Instance, mailbox: Mailbox
) -> None:
    person = instance.add_person(password=None, email=EMAIL)
    service = instance.add_service()
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    led = submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret(), service))
    assert urlsplit(led.headers["Location"]).path == "/adresse-electronique"
    page = visitor.get(led.headers["Location"])
    led = visitor.post(
        form_action(page), {"csrf": csrf_of(page), "email": " Anne@Exemple.EXAMPLE "}
    )
    asked = visitor.get(led.headers["Location"])
    deliver(instance)
    found = re.search(r"\b(\d{3}) (\d{3})\b", mailbox.newest_text())
    assert found

    led = visitor.post(form_action(asked), {"csrf": csrf_of(asked), "code": found.group()})
    service_answer = visitor.get(led.headers["Location"])
    deliver(instance)

    assert mailbox.recipients[-2:] == ["Anne@exemple.example", EMAIL]
    assert answer_of(service_answer)["code"]
    tokens = instance.visitor()
    renewed = Person(person.account_id, "affilie", person.numero, CHOSEN)
    claims = tokens.userinfo(
        tokens.tokens(renewed, service, scope="openid email")["access_token"]
    ).get_json()
    assert (claims["email"], claims["email_verified"]) == ("Anne@exemple.example", True)
