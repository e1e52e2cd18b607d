"""Forgotten password and first connection: what stops an attacker, each by name."""

import re
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.identity.delivery import Outcome
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import draw
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.post import Post
from tests.reset_steps import CHOSEN
from tests.reset_steps import ask
from tests.reset_steps import begin
from tests.reset_steps import channels
from tests.reset_steps import choose
from tests.reset_steps import field
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new
from tests.running import at_once

EMAIL = "anne.lefevre@exemple.example"

MakeInstance = Callable[..., Instance]


@pytest.fixture
def instance(make_instance: MakeInstance, mailbox: Mailbox) -> Instance:
    """A provider that sends mail, and whose anti-robot a test can answer."""
    return make_instance(signing_algs=("ES256",), **mailbox.settings)


@pytest.fixture
def person(instance: Instance) -> Person:
    """Somebody with a password and an address."""
    return instance.add_person(email=EMAIL, address_4="12 RUE DES LILAS", address_6="75010 PARIS")


def test_a_second_form_with_a_new_password_changes_nothing(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    page = open_choice(visitor, person, mailbox.newest_secret())

    first = submit_new(visitor, page)
    visitor.http.set_cookie("__Host-choice", cookie_of(first, "__Host-choice"))
    second = submit_new(visitor, page, "un tout autre choix de mots 84")

    assert first.status_code == 303
    assert second.headers["Location"] == "/connexion"  # signed in by the first, and led on
    assert visitor.get("/compte").status_code == 200
    assert (
        instance.visitor()
        .sign_in(Person(person.account_id, "affilie", person.numero, CHOSEN))
        .status_code
        == 303
    )


def test_two_forms_with_a_new_password_sent_at_one_instant_give_one_password_race(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor, other_tab = instance.visitor(), instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    page = open_choice(visitor, person, mailbox.newest_secret())
    for name in ("__Host-browser", "__Host-choice"):
        kept = visitor.http.get_cookie(name)
        assert kept is not None
        other_tab.http.set_cookie(name, kept.value)
    other = "un tout autre choix de mots 84"

    at_once(
        [lambda: submit_new(visitor, page), lambda: submit_new(other_tab, page, other)],
    )

    opened = [
        instance.visitor().sign_in(Person(person.account_id, "affilie", person.numero, clear))
        for clear in (CHOSEN, other)
    ]
    assert sorted(answer.status_code for answer in opened) == [303, 403]
    in_session = [tab for tab in (visitor, other_tab) if tab.get("/compte").status_code == 200]
    assert len(in_session) == 1


def cookie_of(response: TestResponse, name: str) -> str:
    for cookie in response.headers.getlist("Set-Cookie"):
        if cookie.startswith(f"{name}="):
            return cookie.partition(";")[0].partition("=")[2]
    return ""


def test_the_lease_of_another_browser_chooses_no_password(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    member, thief = instance.visitor(), instance.visitor("198.51.100.7")
    ask(member, person.numero)
    deliver(instance)
    open_choice(member, person, mailbox.newest_secret())

    stolen = thief.get("/nouveau-mot-de-passe")

    assert stolen.status_code == 400
    assert 'name="password"' not in stolen.text


def test_a_mere_request_kills_nothing_lock_out_by_reset_requests(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()

    ask(instance.visitor("198.51.100.7"), person.numero)

    open_choice(instance.visitor(), person, secret)


def test_a_step_cannot_be_skipped_nor_taken_by_another_browser(
    instance: Instance, person: Person, clock: Clock
) -> None:
    visitor, thief = instance.visitor(), instance.visitor()
    led = begin(visitor, visitor.get("/mot-de-passe-oublie"), person.numero)
    address = led.headers["Location"]
    thief.get("/mot-de-passe-oublie")

    skipped = visitor.get("/mot-de-passe-oublie/envoi")
    confirmed_too_soon = visitor.get(address.replace("/envoi", "/confirmation"))
    taken = thief.get(address)
    clock.advance(timedelta(minutes=30))
    late = visitor.get(address)

    for page in (skipped, confirmed_too_soon, taken, late):
        assert page.status_code == 400
        assert lxml_html.fromstring(page.text).xpath("//a[contains(@href,'/mot-de-passe-oublie')]")


def test_without_the_anti_robot_nothing_goes_on_and_nothing_typed_is_lost(
    instance: Instance, person: Person
) -> None:
    visitor = instance.visitor()

    page = begin(
        visitor, visitor.get("/mot-de-passe-oublie"), person.numero, anti_robot_answer="faux"
    )

    assert page.status_code == 400
    assert field(page, "numero") == person.numero
    assert "Erreur" in text_of(page)


def test_the_choice_of_a_channel_needs_the_form_s_token_csrf(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    page = channels(visitor, person.numero)

    visitor.post(form_action(page), {"canal": "mail"})
    visitor.post(
        form_action(page),
        {"canal": "mail", "csrf": csrf_of(page)},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert deliver(instance) == []


def test_a_slip_of_the_finger_is_told_to_everyone_and_costs_no_try(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    slip = secret[:-1] + ("A" if secret[-1] != "A" else "B")

    said = []
    for numero in (person.numero, "7654321"):
        visitor = instance.visitor()
        page = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", numero, slip)
        said.append(re.sub(r"Référence.*", "", text_of(page)))

    assert said[0] == said[1].replace("7654321", person.numero)
    assert "provisoire" in said[0]
    open_choice(instance.visitor(), person, secret)


def test_a_temporary_password_locks_after_five_wrong_tries_of_a_network_guessing(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    ask(instance.visitor(), person.numero)
    deliver(instance)
    secret = mailbox.newest_secret()
    thief = instance.visitor("198.51.100.7")
    for _ in range(5):
        page = thief.open_sign_in()
        thief.submit_sign_in(page, "affilie", person.numero, draw(Channel.MAIL))

    page = thief.open_sign_in()
    even_right = thief.submit_sign_in(page, "affilie", person.numero, secret)

    assert even_right.status_code == 403
    open_choice(instance.visitor(), person, secret)


def test_a_new_address_receives_a_reset_only_after_three_days_takeover_by_address(
    instance: Instance, person: Person, mailbox: Mailbox, clock: Clock
) -> None:
    with instance.app.app_context(), instance.parts.database.transaction():
        instance.parts.accounts.record_email(
            person.account_id, "voleur@ailleurs.example", at=clock()
        )

    ask(instance.visitor(), person.numero)
    deliver(instance)
    clock.advance(timedelta(hours=72))
    ask(instance.visitor(), person.numero)
    deliver(instance)

    assert mailbox.recipients == [EMAIL, "voleur@ailleurs.example"]


def test_wrong_codes_end_the_address_that_waits_guessing(
    instance: Instance, mailbox: Mailbox
) -> None:
    person = instance.add_person(password=None, email=EMAIL)
    visitor = instance.visitor()
    ask(visitor, person.numero)
    deliver(instance)
    led = submit_new(visitor, open_choice(visitor, person, mailbox.newest_secret()))
    page = visitor.get(led.headers["Location"])
    led = visitor.post(form_action(page), {"csrf": csrf_of(page), "email": "a@b.example"})
    asked = visitor.get(led.headers["Location"])
    deliver(instance)
    right = re.search(r"\b(\d{3}) (\d{3})\b", mailbox.newest_text())
    assert right
    wrong = "000000" if right.group() != "000 000" else "111111"

    answers = [
        visitor.post(form_action(asked), {"csrf": csrf_of(asked), "code": wrong}) for _ in range(5)
    ]
    late = visitor.post(form_action(asked), {"csrf": csrf_of(asked), "code": right.group()})

    assert [answer.status_code for answer in answers] == [400] * 5
    assert late.status_code == 400


def test_unknown_closed_and_known_numbers_are_answered_alike(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    instance.add_person(numero="2222222", email=EMAIL, status="deceased")
    seen = []
    for numero in (person.numero, "2222222", "3333333"):
        visitor = instance.visitor()
        led = begin(visitor, visitor.get("/mot-de-passe-oublie"), numero)
        offered = visitor.get(led.headers["Location"])
        chosen = choose(visitor, offered, "letter")
        confirmed = visitor.get(chosen.headers["Location"])
        seen.append(
            (
                led.status_code,
                len(led.headers["Location"]),
                offered.status_code,
                sorted(name for name, _ in offered.headers),
                chosen.status_code,
                len(chosen.headers["Location"]),
                confirmed.status_code,
                len(confirmed.data),
            )
        )

    assert seen[0] == seen[1] == seen[2]
    rows = [detail for event, _, detail in instance.audit() if event == "reset.requested"]
    assert len(rows) == 3


def test_an_unknown_number_gets_no_mail(instance: Instance, mailbox: Mailbox) -> None:
    instance.add_person(email=EMAIL)
    visitor = instance.visitor()
    page = channels(visitor, "3333333")
    if "canal-mail" in page.text:
        choose(visitor, page, "mail")

    outcomes = {one.outcome for one in deliver(instance)}

    assert outcomes <= {Outcome.DROPPED}
    assert mailbox.mails == []


def test_no_quota_lets_an_account_be_flooded_mail_bomb(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    for _ in range(3):
        ask(instance.visitor(), person.numero)
    visitor = instance.visitor()

    fourth = choose(visitor, channels(visitor, person.numero), "mail")
    letter = choose(visitor, visitor.get(form_action(fourth)), "letter")

    assert fourth.status_code == 429
    assert int(fourth.headers["Retry-After"]) > 0
    assert "Vous pourrez en demander un autre" in text_of(fourth)
    assert letter.status_code == 303
    assert len(deliver(instance)) == 4  # three mails, and the notice of the letter


def test_a_network_asks_twenty_times_an_hour(instance: Instance, person: Person) -> None:
    statuses = []
    for number in range(6):
        visitor = instance.visitor()
        page = visitor.get("/mot-de-passe-oublie")
        statuses.append(begin(visitor, page, f"{number + 1000000}").status_code)

    assert statuses == [303] * 5 + [429]  # by the question in words: a stricter quota


def test_the_pages_carry_no_number_in_an_address(instance: Instance, person: Person) -> None:
    visitor = instance.visitor()
    led = begin(visitor, visitor.get("/mot-de-passe-oublie"), person.numero)
    page = visitor.get(led.headers["Location"])
    done = choose(visitor, page, "mail")

    for address in (led.headers["Location"], done.headers["Location"], form_action(page)):
        assert person.numero not in address
        assert set(parse_qs(urlsplit(address).query)) <= {"etape", "demande"}


def test_a_lease_of_another_version_s_shape_ends_kindly(
    instance: Instance, person: Person, mailbox: Mailbox
) -> None:
    visitor = instance.visitor()
    visitor.http.set_cookie("__Host-choice", instance.services.choices.seal(b"null"))

    page = visitor.get("/nouveau-mot-de-passe")

    assert page.status_code == 400
    assert "/mot-de-passe-oublie" in page.text


WRONG_LETTERS = [draw(Channel.LETTER) for _ in range(50)]


@pytest.mark.parametrize("numero", ["1234567", "7654321"], ids=["known", "unknown"])
def test_fifty_wrong_letters_from_ten_networks_tell_nobody_who_exists_enumeration(
    instance: Instance, numero: str
) -> None:
    instance.clock.at = datetime.now(UTC)  # the command that prints has no other clock
    post = Post(instance)
    post.add_person(numero="1234567")
    ask(instance.visitor("203.0.113.1"), numero, "letter")
    assert post.idp("print").exit_code == 0
    soon = instance.visitor("203.0.113.2")
    held = choose(soon, channels(soon, numero), "letter")
    for number, wrong in enumerate(WRONG_LETTERS):
        thief = instance.visitor(f"198.51.100.{number // 5}")
        refused = thief.submit_sign_in(thief.open_sign_in(), "affilie", numero, wrong)
        assert refused.status_code == 403

    later = instance.visitor("203.0.113.3")
    asked = choose(later, channels(later, numero), "letter")

    assert (held.status_code, asked.status_code) == (429, 303)


@pytest.mark.parametrize("numero", ["1234567", "7654321"], ids=["known", "unknown"])
def test_a_letter_that_a_setting_locks_sooner_frees_its_days_as_soon_lock_out(
    make_instance: MakeInstance, numero: str
) -> None:
    # Else five wrong letters keep a member from the next one for ten days.
    instance = make_instance(signing_algs=("ES256",), temporary_tries=5)
    instance.clock.at = datetime.now(UTC)  # the command that prints has no other clock
    post = Post(instance)
    post.add_person(numero="1234567")
    ask(instance.visitor("203.0.113.1"), numero, "letter")
    assert post.idp("print").exit_code == 0
    thief = instance.visitor("198.51.100.7")
    for wrong in WRONG_LETTERS[:5]:
        thief.submit_sign_in(thief.open_sign_in(), "affilie", numero, wrong)

    member = instance.visitor("203.0.113.3")
    asked = choose(member, channels(member, numero), "letter")

    assert asked.status_code == 303


def test_one_solved_anti_robot_writes_few_audit_events_however_often_it_asks_audit_flood(
    instance: Instance, person: Person
) -> None:
    for number in range(3):
        ask(instance.visitor(f"198.51.100.{number}"), person.numero)
    visitor = instance.visitor()
    page = channels(visitor, person.numero)
    before = len(instance.audit())

    statuses = [choose(visitor, page, "mail").status_code for _ in range(15)]

    assert statuses == [429] * 10 + [400] * 5
    assert [event for event, _, _ in instance.audit()[before:]] == ["reset.held"]
    assert choose(visitor, page, "letter").status_code == 400


def test_a_journey_that_has_chosen_neither_chooses_again_nor_lasts_longer_mail_bomb(
    instance: Instance, person: Person, mailbox: Mailbox, clock: Clock
) -> None:
    visitor = instance.visitor()
    page = channels(visitor, person.numero)
    clock.advance(timedelta(minutes=29))
    confirmed = choose(visitor, page, "mail").headers["Location"]
    again = confirmed.replace("/confirmation", "/envoi")
    form = {"csrf": csrf_of(page), "canal": "letter"}

    shown = visitor.post(again, form)
    clock.advance(timedelta(minutes=1))
    late = [visitor.post(again, form), visitor.get(again), visitor.get(confirmed)]

    assert urlsplit(shown.headers["Location"]).path == urlsplit(confirmed).path
    assert [answer.status_code for answer in late] == [400] * 3
    assert len(deliver(instance)) == 1
