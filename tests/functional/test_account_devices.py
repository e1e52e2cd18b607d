"""``/compte/appareils``: where a member is signed in; and the most sessions that an account has."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.session import session_key
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver

PAGE = "/compte/appareils"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"
MINUTE = timedelta(minutes=1)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person()


@pytest.fixture
def visitor(instance: Instance, person: Person) -> Visitor:
    visitor = instance.visitor()
    visitor.sign_in(person)
    return visitor


def elsewhere_of(instance: Instance, person: Person, network: str = "203.0.113.7") -> Visitor:
    other = instance.visitor(network)
    other.sign_in(person)
    return other


def keys_of(page: TestResponse) -> list[str]:
    keys: list[str] = lxml_html.fromstring(page.text).xpath("//input[@name='appareil']/@value")
    return keys


def end(visitor: Visitor, **form: str) -> TestResponse:
    return visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))} | form)


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/compte").status_code == 200


def test_each_device_is_told_with_what_it_is_when_and_from_where(
    instance: Instance, person: Person
) -> None:
    other = instance.visitor("203.0.113.7")
    page = other.open_sign_in()
    other.post(
        "/connexion",
        {
            "csrf": csrf_of(page),
            "qualite": person.qualite,
            "numero": person.numero,
            "password": person.password,
        },
        headers={"User-Agent": FIREFOX},
    )
    instance.clock.advance(20 * MINUTE)
    visitor = instance.visitor()
    visitor.sign_in(person)

    text = text_of(visitor.get(PAGE)).replace(NBSP, " ")

    assert "Firefox sur Windows" in text
    assert "Connexion : mardi 24 novembre 2026 à 13 h 00" in text
    assert "Réseau : un autre (203.0.113.…)" in text
    assert "Navigateur inconnu C’est cet appareil. Connexion : mardi 24 novembre" in text
    assert "203.0.113.7" not in text
    assert FIREFOX not in text


def test_one_device_is_ended_and_the_others_stay(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    first, second = elsewhere_of(instance, person), elsewhere_of(instance, person, "192.0.2.99")
    instance.clock.advance(MINUTE)
    page = visitor.get(PAGE)
    keys = keys_of(page)
    assert len(keys) == 2

    answer = end(visitor, appareil=keys[0])

    assert "L’appareil est déconnecté" in text_of(answer)
    assert sorted([is_signed_in(first), is_signed_in(second)]) == [False, True]
    assert is_signed_in(visitor)
    told = [row for row in instance.audit() if row[0] == "sessions.ended"]
    assert told == [("sessions.ended", person.account_id, {"cause": "device", "sessions": 1})]


@pytest.mark.parametrize("tous", [True, False], ids=["all the others", "one after the other"])
def test_attack_a_thief_signs_the_member_out_in_silence(
    make_instance: Callable[..., Instance], mailbox: Mailbox, tous: bool
) -> None:
    instance = make_instance(signing_algs=("ES256",), **mailbox.settings)
    person = instance.add_person(email="anne@example.fr")
    owner = elsewhere_of(instance, person)
    instance.clock.advance(MINUTE)
    thief = instance.visitor("203.0.113.7")
    thief.sign_in(person)
    (key,) = keys_of(thief.get(PAGE))

    end(thief, tous="1") if tous else end(thief, appareil=key)

    assert not is_signed_in(owner)
    deliver(instance)
    subjects = [str(mail["Subject"]) for mail in mailbox.mails]
    assert len([one for one in subjects if one.startswith("Des appareils sont déconnectés")]) == 1


def test_all_the_others_are_ended_their_tokens_too_and_their_browsers_are_strangers(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    service = instance.add_service()
    other = instance.visitor("203.0.113.7")
    theirs = other.tokens(person, service)
    code = visitor.get("/authorize", service.request())
    mine = visitor.redeem(service, code.headers["Location"].split("code=")[1].split("&")[0])

    answer = end(visitor, tous="1")

    assert "Vos autres appareils sont déconnectés" in text_of(answer)
    assert not is_signed_in(other)
    assert other.userinfo(theirs["access_token"]).status_code == 401
    assert visitor.userinfo(mine.get_json()["access_token"]).status_code == 200
    # Failures of a stranger hold the forgotten browser now, and not the one that stays known.
    stranger = instance.visitor("198.51.100.9")
    wrong = Person(person.account_id, person.qualite, person.numero, "les mimosas du moulin")
    for _ in range(5):
        stranger.sign_in(wrong)
    assert other.sign_in(person).status_code == 429
    visitor.restart()
    assert visitor.sign_in(person).status_code == 303


def test_what_this_browser_goes_on_with_after_signing_in_again_is_not_ended_with_the_others(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    service = instance.add_service()
    visitor.restart()
    tokens = visitor.tokens(person, service)
    instance.clock.advance(timedelta(seconds=1))
    visitor.sign_in(person, service, prompt="login")
    assert visitor.userinfo(tokens["access_token"]).status_code == 200

    end(visitor, tous="1")

    assert visitor.userinfo(tokens["access_token"]).status_code == 200


def test_services_are_told_of_a_device_that_was_ended(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    service = instance.add_service(backchannel_logout_uri="https://service.example/logout")
    instance.visitor().tokens(person, service)

    end(visitor, appareil=keys_of(visitor.get(PAGE))[0])

    with instance.app.app_context(), instance.parts.database.transaction():
        counts = instance.parts.logout_notices.counts(service.client.client_id)
    assert sum(counts.values()) == 1


def test_attack_the_session_of_another_member_is_not_ended_by_its_key(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    elsewhere_of(instance, person)
    other = instance.add_person("ayant_droit", "7654321", "quatre chevaux sous la pluie")
    theirs = elsewhere_of(instance, other)
    token = theirs.http.get_cookie("__Host-session")
    assert token is not None
    answer = end(visitor, appareil=session_key(token.value))

    assert answer.status_code == 200
    assert is_signed_in(theirs)
    assert not [row for row in instance.audit() if row[0] == "sessions.ended"]


@pytest.mark.parametrize("key", ["", "x" * 5000, "\x00", "é", "*"])
def test_a_key_that_nobody_has_ends_nothing(
    instance: Instance, person: Person, visitor: Visitor, key: str
) -> None:
    elsewhere_of(instance, person)

    assert end(visitor, appareil=key).status_code == 200
    assert is_signed_in(visitor)


def test_attack_a_form_of_another_site_or_page_ends_nothing(
    instance: Instance, person: Person, visitor: Visitor
) -> None:
    other = elsewhere_of(instance, person)
    form = {"csrf": csrf_of(visitor.get(PAGE)), "tous": "1"}

    crossed = visitor.post(PAGE, form, headers={"Sec-Fetch-Site": "cross-site"})
    forged = visitor.post(PAGE, form | {"csrf": csrf_of(visitor.get("/compte"))})

    assert (crossed.status_code, forged.status_code) == (403, 403)
    assert is_signed_in(other)


def test_who_is_signed_in_nowhere_else_is_offered_nothing_to_end(visitor: Visitor) -> None:
    page = visitor.get(PAGE)

    assert "nulle part ailleurs" in page.text
    assert "<form" not in page.text


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(instance: Instance) -> None:
    stranger = instance.visitor()

    assert stranger.get(PAGE).headers["Location"] == "/connexion"
    assert stranger.post(PAGE).headers["Location"] == "/connexion"


def test_a_sign_in_beyond_the_most_sessions_ends_the_oldest(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(signing_algs=("ES256",), sessions_of_account=2)
    person = instance.add_person()
    visitors = []
    for _ in range(3):
        visitors.append(elsewhere_of(instance, person))
        instance.clock.advance(MINUTE)

    assert [is_signed_in(visitor) for visitor in visitors] == [False, True, True]
    assert ("sessions.ended", person.account_id, {"cause": "too_many", "sessions": 1}) in (
        instance.audit()
    )
    # Who signs in again in the same browser takes no further place.
    visitors[2].sign_in(person, instance.add_service(), prompt="login")
    assert is_signed_in(visitors[2])
    assert is_signed_in(visitors[1])
