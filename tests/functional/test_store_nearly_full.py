"""What a stranger may still leave behind in a Redis that is nearly full."""

import time
from collections.abc import Callable
from collections.abc import Iterator

import pytest
import redis

from idp.infra.redis_store import MEMORY_LOOK_SECONDS
from tests.instance import ISSUER
from tests.instance import PASSWORD
from tests.instance import Instance
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.reset_steps import ask
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new
from tests.service_signer import ServiceSigner


@pytest.fixture
def nearly_full(instance: Instance, valkey_url: str) -> Iterator[Instance]:
    with redis.Redis.from_url(valkey_url) as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", int(used * 1.15))
        yield instance
        client.config_set("maxmemory", 0)


def test_who_holds_a_temporary_password_is_told_what_is_wrong_with_the_new_one(
    make_instance: Callable[..., Instance],
    mailbox: Mailbox,
    valkey_url: str,
    request: pytest.FixtureRequest,
) -> None:
    instance = make_instance(signing_algs=("ES256",), **mailbox.settings)
    person = instance.add_person(email="anne@exemple.example")
    member = instance.visitor()
    ask(member, person.numero)
    deliver(instance)
    page = open_choice(member, person, mailbox.newest_secret())
    time.sleep(MEMORY_LOOK_SECONDS)

    request.getfixturevalue("nearly_full")
    weak = submit_new(member, page, "motdepasse")
    chosen = submit_new(member, page)

    assert weak.status_code == 400
    assert chosen.status_code == 303


def test_a_stranger_is_put_off_and_a_known_browser_still_signs_in(
    instance: Instance, valkey_url: str, request: pytest.FixtureRequest
) -> None:
    person = instance.add_person()
    service, signer = instance.add_service(), ServiceSigner("signing")
    by_key = instance.add_service(
        "signing", token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks()
    )
    known = instance.visitor()
    known.sign_in(person)
    time.sleep(MEMORY_LOOK_SECONDS)

    request.getfixturevalue("nearly_full")
    stranger = instance.visitor()
    page = stranger.open_sign_in()
    put_off = stranger.submit_sign_in(page, "affilie", "7654321", PASSWORD)
    again = known.sign_in(person, service, prompt="login")

    assert put_off.status_code == 503
    assert put_off.headers["Retry-After"]
    assert again.status_code == 303
    # A service that proves itself is no stranger: the members it waits for come in.
    redemption = by_key.redemption(known.code(person, by_key, prompt="login"))
    signed = signer.form(instance.clock(), ISSUER)
    assert known.post("/token", redemption | signed).status_code == 200
