"""Refresh over HTTP: what a service keeps when the session has ended, and how it loses it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from idp.infra.sql import Database
from tests.entropy import passes_the_suite
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.running import Running
from tests.running import at_once

SCOPE = "openid dossier offline_access"
OFFLINE: dict[str, Any] = {
    "scope": frozenset(SCOPE.split()),
    "grant_types": ("authorization_code", "refresh_token"),
}


def refresh(visitor: Visitor, service: Service, token: str, **changes: str) -> TestResponse:
    form = {"grant_type": "refresh_token", "refresh_token": token, **changes}
    if service.secret is None:
        form["client_id"] = service.client.client_id
    return visitor.post("/token", form, headers=service.basic)


def refused(answer: TestResponse, error: str = "invalid_grant") -> None:
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json()["error"] == error


class Offline:
    """A member signed in at a service that asked for offline access."""

    def __init__(self, instance: Instance, **metadata: Any) -> None:
        self.instance = instance
        self.person: Person = instance.add_person()
        self.service = instance.add_service(**{**OFFLINE, **metadata})
        self.visitor = instance.visitor()
        self.tokens = self.visitor.tokens(self.person, self.service, scope=SCOPE, prompt="consent")

    def refresh(self, token: str = "", **changes: str) -> TestResponse:
        return refresh(self.visitor, self.service, token or self.tokens["refresh_token"], **changes)


@pytest.fixture
def offline(instance: Instance) -> Offline:
    return Offline(instance)


def test_b38_c17_c18_c20_a_refresh_keeps_the_sign_in_and_gives_new_tokens(
    instance: Instance, offline: Offline
) -> None:
    _, before = offline.visitor.read_token(offline.tokens["id_token"])
    instance.clock.advance(timedelta(days=2))

    answer = offline.refresh()

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, SCOPE)
    assert passes_the_suite(offline.tokens["refresh_token"])
    assert passes_the_suite(body["refresh_token"])
    assert passes_the_suite(body["refresh_token"].partition(".")[2])
    assert passes_the_suite(body["access_token"])
    _, after = offline.visitor.read_token(body["id_token"])
    for claim in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid", "qualite"):
        assert after[claim] == before[claim]
    assert before["nonce"] == offline.service.nonce
    assert "nonce" not in after
    assert after["iat"] > before["iat"]
    assert offline.visitor.userinfo(body["access_token"]).get_json()["qualite"] == "affilie"


def test_b38_a_refresh_token_of_another_client_is_refused_and_stays_good(
    instance: Instance, offline: Offline
) -> None:
    other = instance.add_service("autre", **OFFLINE)

    refused(refresh(offline.visitor, other, offline.tokens["refresh_token"]))

    assert offline.refresh().status_code == 200


def test_offline_access_is_given_to_services_registered_for_it_alone(instance: Instance) -> None:
    tokens = instance.visitor().tokens(instance.add_person(), instance.add_service(), scope=SCOPE)

    assert "refresh_token" not in tokens
    assert tokens["scope"] == "openid dossier"


def test_a_public_service_refreshes_by_its_name(instance: Instance) -> None:
    offline = Offline(instance, token_endpoint_auth_method="none")

    assert offline.refresh().status_code == 200


def test_signing_out_ends_what_hangs_on_the_session_and_a_family_goes_on(
    instance: Instance, offline: Offline
) -> None:
    visitor, online = offline.visitor, instance.add_service("en-ligne")
    silent = answer_of(visitor.get("/authorize", online.request(prompt="none")))
    online_tokens = visitor.redeem(online, silent["code"]).get_json()
    assert visitor.userinfo(online_tokens["access_token"]).status_code == 200

    visitor.get("/logout", {"id_token_hint": offline.tokens["id_token"]})

    assert visitor.get("/compte").status_code == 303
    assert visitor.userinfo(offline.tokens["access_token"]).status_code == 200
    assert offline.refresh().status_code == 200
    assert visitor.userinfo(online_tokens["access_token"]).status_code == 401


def test_a_stolen_refresh_token_used_after_the_members_ends_everything(
    instance: Instance, offline: Offline
) -> None:
    mine = offline.refresh().get_json()

    refused(offline.refresh())

    refused(offline.refresh(mine["refresh_token"]))
    for token in (mine["access_token"], offline.tokens["access_token"]):
        assert offline.visitor.userinfo(token).status_code == 401
    told = [account for event, account, _ in instance.audit() if event == "refresh.reused"]
    assert told == [offline.person.account_id]


def test_a_refresh_token_replayed_after_the_password_changed_is_refused(
    instance: Instance, offline: Offline
) -> None:
    database: Database = instance.parts.database
    with instance.app.app_context(), database.transaction():
        database.execute(text("UPDATE accounts SET credential_version = credential_version + 1"))

    refused(offline.refresh())
    assert offline.visitor.userinfo(offline.tokens["access_token"]).status_code == 401


def test_a_refresh_token_dies_with_the_dossier(instance: Instance, offline: Offline) -> None:
    instance.change_dossier(offline.person, status="deceased")

    refused(offline.refresh())


def test_a_family_does_not_outlive_the_registration_of_its_service(
    instance: Instance, offline: Offline
) -> None:
    instance.remove_service(offline.service)
    again = instance.add_service(**OFFLINE)

    refused(refresh(offline.visitor, again, offline.tokens["refresh_token"]))


def test_with_a_grace_a_retry_gets_the_same_successor_while_that_is_unused(
    instance: Instance,
) -> None:
    offline = Offline(instance, refresh_grace=60)
    first = offline.refresh().get_json()

    retry = offline.refresh().get_json()

    assert retry["refresh_token"] == first["refresh_token"]
    assert offline.refresh(first["refresh_token"]).status_code == 200
    refused(offline.refresh())
    refused(offline.refresh(first["refresh_token"]))


def test_a_scope_is_narrowed_and_never_widened(offline: Offline) -> None:
    refused(offline.refresh(scope="openid email"), "invalid_scope")

    narrow = offline.refresh(scope="openid").get_json()

    assert narrow["scope"] == "openid"
    assert set(offline.visitor.userinfo(narrow["access_token"]).get_json()) == {"sub"}
    without = offline.refresh(narrow["refresh_token"], scope="dossier").get_json()
    answer = offline.visitor.userinfo(without["access_token"])
    assert (answer.status_code, answer.get_json()["error"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_a_code_used_twice_ends_the_family_too(instance: Instance) -> None:
    service = instance.add_service(**OFFLINE)
    visitor = instance.visitor()
    code = visitor.code(instance.add_person(), service, scope=SCOPE)
    tokens = visitor.redeem(service, code).get_json()

    refused(visitor.redeem(service, code))

    refused(refresh(visitor, service, tokens["refresh_token"]))


def test_the_worker_forgets_families_that_expired(instance: Instance, offline: Offline) -> None:
    instance.clock.advance(timedelta(days=31))
    with instance.app.app_context(), instance.parts.database.transaction():
        assert instance.parts.refresh_families.forget(instance.clock()) == 1


@pytest.mark.parametrize("grace", [0, 60])
def test_a_race_of_twenty_gives_one_success_or_with_a_grace_one_successor(
    running: Running, grace: int
) -> None:
    person = running.instance.add_person(numero=f"28000{grace:02}")
    service = running.add_service(f"race-{grace}", **OFFLINE, refresh_grace=grace)
    visitor = running.visitor()
    token = visitor.tokens(person, service, scope=SCOPE)["refresh_token"]
    visitors = [running.visitor() for _ in range(20)]

    def act(each: Visitor) -> Callable[[], TestResponse]:
        return lambda: refresh(each, service, token)

    answers = at_once(act(each) for each in visitors)

    # On a busy machine a store may say that it is: who hears 503 tries again.
    with running.instance.app.app_context(), running.instance.parts.database.transaction():
        families = running.instance.parts.database.execute(
            text("SELECT count(*) FROM refresh_families WHERE client_id = :id"),
            {"id": service.client.client_id},
        ).scalar_one()
    assert families == (1 if grace else 0)
    successes = [answer for answer in answers if answer.status_code == 200]
    if not grace:
        assert len(successes) == 1
        assert 400 in {answer.status_code for answer in answers} <= {200, 400, 503}
        successor = successes[0].get_json()
        refused(refresh(visitor, service, successor["refresh_token"]))
        assert visitor.userinfo(successor["access_token"]).status_code == 401
        return
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert len(successes) > 1
    (successor_token,) = {answer.get_json()["refresh_token"] for answer in successes}
    used = refresh(visitor, service, successor_token)
    assert used.status_code == 200
    refused(refresh(visitor, service, token))  # its successor is in use: a thief's, or a loser's
    refused(refresh(visitor, service, used.get_json()["refresh_token"]))
    for answer in [*successes, used]:
        assert visitor.userinfo(answer.get_json()["access_token"]).status_code == 401
