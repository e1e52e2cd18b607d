"""``idp keys drill``: who has fetched the key that signs next, over HTTP."""

import logging
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import count

import pytest
from click.testing import CliRunner
from click.testing import Result

from idp.cli import main
from idp.oidc.key_watch import FLUSH_EVERY
from idp.wiring.protocol import unready_services
from idp.worker import Worker
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.post import Post

Idp = Callable[..., Result]
HOME, ELSEWHERE = "192.0.2.10", "198.51.100.10"
NUMEROS = count(1_000_000)


@pytest.fixture
def instance(make_instance: Callable[..., Instance]) -> Instance:
    """A provider at the real time: the command has no other clock."""
    made = make_instance(signing_algs=("ES256",))
    made.clock.at = datetime.now(UTC)
    return made


@pytest.fixture
def idp(instance: Instance) -> Idp:
    """The command, on the provider's stores."""

    def run(*words: str) -> Result:
        result = CliRunner(env=Post(instance).env).invoke(main, [*words])
        instance.clock.at += timedelta(seconds=1)
        instance.parts.key_files._look_again_at = 0.0
        return result

    return run


def sign_in(instance: Instance, *services: Service, network: str = HOME) -> None:
    """Let members sign in to services that call from one network."""
    for service in services:
        person = instance.add_person(numero=f"{next(NUMEROS)}")
        instance.clock.advance(FLUSH_EVERY)
        instance.visitor(network).tokens(person, service)


def fetch(instance: Instance, agent: str = "jose/5.2", network: str = HOME) -> None:
    headers = {"User-Agent": agent}
    assert instance.visitor(network).get("/jwks", headers=headers).status_code == 200


def announce(idp: Idp, wait: str = "+24h") -> None:
    assert idp("keys", "add", "--alg", "ES256", "--sign-from", wait).exit_code == 0


def test_a_service_has_the_next_key_once_it_fetched_from_where_it_calls(
    instance: Instance, idp: Idp
) -> None:
    service = instance.add_service()
    fetch(instance)
    sign_in(instance, service)
    announce(idp)

    before = idp("keys", "drill")
    fetch(instance, "jose/5.2 (build 7)")
    sign_in(instance, instance.add_service("autre"), network=ELSEWHERE)
    after = idp("keys", "drill")

    assert before.exit_code == after.exit_code == 1  # the other one has never fetched
    assert "cotisations: HAS NOT SEEN IT: it fetched last" in before.stdout
    assert "before this key was there" in before.stdout
    assert "cotisations: has it: fetched" in after.stdout
    assert "by jose/5.2 from 192.0.2.0/24" in after.stdout
    assert "autre: HAS NOT SEEN IT: it was never seen to fetch" in after.stdout
    assert "will sign from" in after.stdout


def test_where_every_service_has_it_the_drill_is_passed(instance: Instance, idp: Idp) -> None:
    service = instance.add_service()
    announce(idp)
    fetch(instance)
    sign_in(instance, service)

    assert idp("keys", "drill").exit_code == 0


def test_who_asks_whether_the_list_has_changed_has_it_too(instance: Instance, idp: Idp) -> None:
    service = instance.add_service()
    announce(idp)
    etag = instance.visitor().get("/jwks").headers["ETag"]
    unchanged = instance.visitor(HOME).get("/jwks", headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    sign_in(instance, service)

    assert "cotisations: has it" in idp("keys", "drill").stdout


def test_strangers_count_for_nobody(instance: Instance, idp: Idp) -> None:
    service = instance.add_service()
    announce(idp)
    fetch(instance, network=ELSEWHERE)
    sign_in(instance, service)

    said = idp("keys", "drill")

    assert said.exit_code == 1
    assert "cotisations: HAS NOT SEEN IT" in said.stdout
    assert "Others fetched too, from 1 places that belong to no service" in said.stdout


def test_what_nobody_can_know_is_said_and_does_not_fail_the_drill(
    instance: Instance, idp: Idp
) -> None:
    instance.add_service("navigateur", token_endpoint_auth_method="none")
    instance.add_service("jamais")
    announce(idp)

    said = idp("keys", "drill")

    assert said.exit_code == 0
    assert "navigateur: cannot be known: it runs in members' browsers" in said.stdout
    assert "jamais: cannot be known: it has called from nowhere yet" in said.stdout


def test_without_a_service_there_is_nobody_to_ask(idp: Idp) -> None:
    assert "no service verifies a key of ours yet" in idp("keys", "drill").stdout


def test_a_day_before_the_key_signs_the_worker_and_doctor_warn_of_who_has_not_seen_it(
    instance: Instance, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    service = instance.add_service()
    fetch(instance)
    sign_in(instance, service)
    announce(idp, "+30h")
    assert unready_services(instance.parts) == []

    instance.clock.advance(timedelta(hours=7))
    with caplog.at_level(logging.WARNING):
        Worker(instance.parts).run_once()

    (warning,) = [r.getMessage() for r in caplog.records if r.name == "idp.worker"]
    assert warning.startswith("a service has not fetched the next signing key: cotisations: key ")
    announce(idp, "+2h")
    assert "warn  next key        cotisations: key " in idp("doctor").stdout


def test_a_worker_that_cannot_tell_says_so_and_goes_on(
    instance: Instance, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    announce(idp, "+2h")
    (instance.parts.key_files.folder / "current.pem").touch(mode=0o600)
    del instance.parts.key_files

    with caplog.at_level(logging.WARNING):
        Worker(instance.parts).run_once()

    assert "nobody can tell who has the next signing key" in caplog.text


def test_a_public_client_or_a_refused_one_names_no_network(instance: Instance) -> None:
    """The attack: whoever asks for tokens under a service's name has its fetches counted as its."""
    service = instance.add_service()
    instance.clock.advance(FLUSH_EVERY)
    stranger: Visitor = instance.visitor(ELSEWHERE)
    form = {"grant_type": "authorization_code", "code": "x"}
    answer = stranger.post("/token", form | {"client_id": service.client.client_id})
    assert answer.status_code == 401

    assert not instance.parts.key_fetches.read().networks
