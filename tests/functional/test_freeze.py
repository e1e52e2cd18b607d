"""``/compte/ce-n-etait-pas-moi``: one form freezes the account, a letter opens it again."""

import re
from datetime import UTC
from datetime import datetime
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
from tests.post import Post
from tests.reset_steps import ask
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new

PAGE = "/compte/ce-n-etait-pas-moi"
NEW = "tilleul-brumeux-escalier-47"


@pytest.fixture
def instance(make_instance, mailbox: Mailbox) -> Instance:
    made: Instance = make_instance(signing_algs=("ES256",), **mailbox.settings)
    return made


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person(
        email="anne@example.fr",
        address_1="MME ANNE LEFEVRE",
        address_4="12 RUE DES LILAS",
        address_6="75012 PARIS",
    )


def words(page: TestResponse) -> str:
    """What a page says, without the number that is another each time."""
    return re.sub(r"\b[0-9a-f]{16}\b", "", text_of(page))


@pytest.fixture
def post(instance: Instance) -> Post:
    instance.clock.at = datetime.now(UTC)  # the command has no other clock
    return Post(instance)


@pytest.fixture
def visitor(instance: Instance, person: Person) -> Visitor:
    visitor = instance.visitor()
    visitor.sign_in(person)
    return visitor


def freeze(visitor: Visitor) -> TestResponse:
    return visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))})


def events(instance: Instance, person: Person) -> list[str]:
    return [row[0] for row in instance.audit() if row[1] == person.account_id]


def test_one_form_freezes_and_both_pages_say_what_comes_next(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    before = text_of(visitor.get(PAGE))
    assert "Toutes les connexions sont fermées, sur tous les appareils" in before
    assert "Elle arrive au plus tard le" in before
    service = instance.add_service()
    elsewhere = instance.visitor()
    tokens = elsewhere.tokens(person, service)

    after = freeze(visitor)

    assert after.status_code == 200
    assert "Votre espace est bloqué" in text_of(after)
    assert "Attendez notre lettre" in text_of(after)
    assert visitor.http.get_cookie("__Host-session") is None
    assert visitor.http.get_cookie("__Host-device") is None
    for browser in (visitor, elsewhere):
        assert browser.get("/compte").headers["Location"] == "/connexion"
    assert elsewhere.userinfo(tokens["access_token"]).status_code == 401
    assert events(instance, person)[-1] == "account.frozen"


def test_attack_the_right_password_of_a_frozen_account_reads_as_a_wrong_one(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    freeze(visitor)
    wrong = Person(person.account_id, person.qualite, person.numero, "les mimosas du moulin")

    right_answer, wrong_answer = (instance.visitor().sign_in(who) for who in (person, wrong))

    assert right_answer.status_code == wrong_answer.status_code == 403
    assert words(right_answer) == words(wrong_answer)


def test_attack_another_site_freezes_nothing_by_a_form_of_its_own(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    csrf = csrf_of(visitor.get(PAGE))
    stranger = instance.visitor()

    forged = visitor.post(PAGE, {"csrf": "x" * 32})
    cross_site = visitor.post(PAGE, {"csrf": csrf}, headers={"Sec-Fetch-Site": "cross-site"})
    of_another_page = visitor.post(PAGE, {"csrf": csrf_of(visitor.get("/compte/mot-de-passe"))})
    nobody = stranger.post(PAGE, {"csrf": csrf})

    assert [a.status_code for a in (forged, cross_site, of_another_page)] == [403, 403, 403]
    assert nobody.headers["Location"] == "/connexion"
    assert visitor.get("/compte").status_code == 200
    assert "account.frozen" not in events(instance, person)


def test_attack_a_session_stolen_an_hour_ago_freezes_nothing_without_the_password(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    csrf = csrf_of(visitor.get(PAGE))
    instance.clock.advance(timedelta(minutes=16))

    asked, forced = visitor.get(PAGE), visitor.post(PAGE, {"csrf": csrf})

    assert "Confirmez que c’est vous" in text_of(asked)
    assert "Confirmez que c’est vous" in text_of(forced)
    assert "account.frozen" not in events(instance, person)


def test_attack_the_mail_of_a_frozen_account_receives_no_reset_and_no_page_tells(
    instance: Instance, visitor: Visitor, person: Person, mailbox: Mailbox
) -> None:
    other = instance.add_person(numero="2345678", email="anne@example.fr")
    ask(instance.visitor(), person.numero)
    deliver(instance)
    drawn_before = mailbox.newest_secret()
    freeze(visitor)
    deliver(instance)
    assert "est bloqué" in str(mailbox.mails[-1]["Subject"])
    sent = len(mailbox.mails)

    frozen, free = (ask(instance.visitor(), who.numero) for who in (person, other))

    assert words(frozen) == words(free)
    deliver(instance)
    assert len(mailbox.mails) == sent + 1  # the free one's
    dead = Person(person.account_id, person.qualite, person.numero, drawn_before)
    assert instance.visitor().sign_in(dead).status_code == 403


def test_the_letter_that_leaves_by_itself_opens_the_account_again(
    instance: Instance, visitor: Visitor, person: Person, post: Post
) -> None:
    visitor.sign_in(person)  # the clock has moved on
    freeze(visitor)

    assert post.idp("print").exit_code == 0
    (page,) = post.pages()
    assert "bloqué" in page.text
    (secret,) = page.secrets
    back = instance.visitor()
    submit_new(back, open_choice(back, person, secret), NEW)

    renewed = Person(person.account_id, person.qualite, person.numero, NEW)
    assert instance.visitor().sign_in(renewed).headers["Location"] == "/compte"
    assert instance.visitor().sign_in(person).status_code == 403


def test_attack_two_forms_at_once_promise_one_letter(
    instance: Instance, visitor: Visitor, person: Person
) -> None:
    csrf = csrf_of(visitor.get(PAGE))
    session = visitor.http.get_cookie("__Host-session")
    assert session is not None
    freeze(visitor)
    visitor.http.set_cookie("__Host-session", session.value, secure=True)

    again = visitor.post(PAGE, {"csrf": csrf})

    assert again.headers["Location"] == "/connexion"
    assert events(instance, person).count("account.frozen") == 1
