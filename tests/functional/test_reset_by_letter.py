"""Forgotten password and first connection, by post: promised, printed, typed."""

import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.instance import Instance
from tests.instance import Person
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.post import Post
from tests.reset_steps import CHOSEN
from tests.reset_steps import ask
from tests.reset_steps import channels
from tests.reset_steps import choose
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new


@pytest.fixture
def instance(make_instance, mailbox):
    return make_instance(signing_algs=("ES256",), **mailbox.settings)


@pytest.fixture
def post(instance):
    instance.clock.at = datetime.now(UTC)  # the command has no other clock
    return Post(instance)


def printed(post: Post) -> str:
    """Print what waits and read the newest secret."""
    assert post.idp("print").exit_code == 0
    return post.pages()[-1].secrets[-1]


def test_a_letter_opens_the_choice_and_the_service_gets_its_answer(
    instance: Instance, post: Post
) -> None:
    person = post.add_person()
    service = instance.add_service()
    ask(instance.visitor(), person.numero, "letter")
    visitor = instance.visitor("198.51.100.9")

    done = submit_new(visitor, open_choice(visitor, person, printed(post), service))

    assert urlsplit(done.headers["Location"]).path == "/adresse-electronique"
    later = visitor.get("/connexion?" + urlsplit(done.headers["Location"]).query)
    assert answer_of(later)["code"]


def test_a_first_connection_without_any_address_records_one(
    instance: Instance, post: Post, mailbox: Mailbox
) -> None:
    person = post.add_person(password=None)
    ask(instance.visitor(), person.numero, "letter")
    visitor = instance.visitor()
    led = submit_new(visitor, open_choice(visitor, person, printed(post)))
    page = visitor.get(led.headers["Location"])
    led = visitor.post(form_action(page), {"csrf": csrf_of(page), "email": "anne@exemple.example"})
    asked = visitor.get(led.headers["Location"])
    deliver(instance)
    code = re.search(r"\b\d{3} \d{3}\b", mailbox.newest_text())
    assert code

    led = visitor.post(form_action(asked), {"csrf": csrf_of(asked), "code": code.group()})
    deliver(instance)
    post.idp("print")

    assert led.status_code == 303
    assert mailbox.recipients == ["anne@exemple.example"]  # the notice goes by post, to the dossier
    notices = [page.text for page in post.pages() if not page.secrets]
    assert any("mot de passe" in text for text in notices)
    assert any("adresse" in text for text in notices)


def test_mail_and_letter_live_side_by_side_until_one_is_used(
    instance: Instance, post: Post, mailbox: Mailbox
) -> None:
    person = post.add_person(email="anne@exemple.example")
    ask(instance.visitor(), person.numero, "letter")
    ask(instance.visitor(), person.numero, "mail")
    deliver(instance)
    by_post, by_mail = printed(post), mailbox.newest_secret()
    open_choice(instance.visitor(), person, by_post)
    visitor = instance.visitor()

    submit_new(visitor, open_choice(visitor, person, by_mail))

    late = instance.visitor()
    refused = late.submit_sign_in(late.open_sign_in(), "affilie", person.numero, by_post)
    assert refused.status_code == 403
    assert (
        instance.visitor()
        .sign_in(Person(person.account_id, "affilie", person.numero, CHOSEN))
        .status_code
        == 303
    )


def test_a_second_letter_within_ten_days_is_refused_with_its_day_letter_cannon(
    instance: Instance, post: Post
) -> None:
    person = post.add_person()
    ask(instance.visitor(), person.numero, "letter")
    visitor = instance.visitor()

    refused = choose(visitor, channels(visitor, person.numero), "letter")

    assert refused.status_code == 429
    assert "dans 10 jours" in text_of(refused)
    assert int(refused.headers["Retry-After"]) > 9 * 86_400
    assert post.idp("print").output.count("printed") == 1


def test_after_redis_was_emptied_promises_are_kept_and_letters_reissued(
    instance: Instance, post: Post, mailbox: Mailbox
) -> None:
    person = post.add_person(email="anne@exemple.example")
    ask(instance.visitor(), person.numero, "letter")
    lost = printed(post)
    ask(instance.visitor(), person.numero, "mail")

    instance.parts.redis.client.flushall()
    deliver(instance)
    open_choice(instance.visitor(), person, mailbox.newest_secret())
    visitor = instance.visitor()
    dead = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", person.numero, lost)
    assert post.idp("reissue").exit_code == 0
    again = printed(post)

    assert dead.status_code == 403
    assert again != lost
    visitor = instance.visitor()
    assert submit_new(visitor, open_choice(visitor, person, again)).status_code == 303


def test_a_letter_is_valid_to_the_end_of_the_thirtieth_day(instance: Instance, post: Post) -> None:
    person = post.add_person()
    ask(instance.visitor(), person.numero, "letter")
    secret = printed(post)
    instance.clock.advance(timedelta(days=29))
    open_choice(instance.visitor(), person, secret)
    instance.clock.advance(timedelta(days=2))

    visitor = instance.visitor()
    late = visitor.submit_sign_in(visitor.open_sign_in(), "affilie", person.numero, secret)

    assert late.status_code == 403
