"""Revocation over HTTP: what a service gives back is dead at once, on every worker."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.functional.test_refresh import OFFLINE
from tests.functional.test_refresh import SCOPE
from tests.functional.test_refresh import Offline
from tests.functional.test_refresh import refresh
from tests.functional.test_refresh import refused
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.running import Running


def revoke(visitor: Visitor, service: Service, token: str, **changes: str) -> TestResponse:
    form = {"token": token, **changes}
    if service.secret is None:
        form["client_id"] = service.client.client_id
    return visitor.post("/revoke", form, headers=service.basic)


@pytest.fixture
def offline(instance: Instance) -> Offline:
    return Offline(instance)


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "id_token", "é"])
def test_a_refresh_token_is_revoked_with_its_access_tokens_whatever_the_hint(
    offline: Offline, hint: str
) -> None:
    token = offline.tokens["refresh_token"]

    answer = revoke(offline.visitor, offline.service, token, token_type_hint=hint)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    refused(offline.refresh())
    assert offline.visitor.userinfo(offline.tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("hint", ["refresh_token", "access_token"])
def test_authlib_trap_15_an_access_token_is_revoked_alone_whatever_the_hint(
    offline: Offline, hint: str
) -> None:
    token = offline.tokens["access_token"]

    assert revoke(offline.visitor, offline.service, token, token_type_hint=hint).status_code == 200

    assert offline.visitor.userinfo(token).status_code == 401
    second = offline.refresh()
    assert second.status_code == 200
    assert offline.visitor.userinfo(token).status_code == 401
    assert offline.visitor.userinfo(second.get_json()["access_token"]).status_code == 200


def test_no_service_revokes_the_tokens_of_another(instance: Instance, offline: Offline) -> None:
    other = instance.add_service("autre", **OFFLINE)
    made_up = revoke(offline.visitor, other, "made up")

    for name in ("access_token", "refresh_token"):
        answer = revoke(offline.visitor, other, offline.tokens[name])
        assert (answer.status_code, answer.data) == (made_up.status_code, made_up.data)

    assert offline.visitor.userinfo(offline.tokens["access_token"]).status_code == 200
    assert offline.refresh().status_code == 200


def test_a_public_service_gives_its_own_back(instance: Instance) -> None:
    offline = Offline(instance, token_endpoint_auth_method="none")

    revoke(offline.visitor, offline.service, offline.tokens["refresh_token"])

    refused(offline.refresh())


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"token": ""}, 400, "invalid_request"),
        ({"token": "x", "client_id": "nobody"}, 400, "invalid_request"),
        ({"token": "x", "client_secret": "x"}, 400, "invalid_request"),
    ],
)
@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
def test_a_request_that_is_none_is_told_so(
    offline: Offline, path: str, form: dict[str, Any], status: int, error: str
) -> None:
    answer = offline.visitor.post(path, form, headers=offline.service.basic)

    assert (answer.status_code, answer.get_json()["error"]) == (status, error)


@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
def test_who_is_not_authenticated_changes_nothing_and_learns_nothing(
    offline: Offline, path: str
) -> None:
    form = {"token": offline.tokens["refresh_token"]}

    answers = [
        offline.visitor.post(path, form),
        offline.visitor.post(path, {**form, "client_id": offline.service.client.client_id}),
        offline.visitor.post(path, form, headers={"Authorization": "Basic eDp5"}),
    ]

    for answer in answers:
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    in_query = offline.visitor.http.post(path, query_string=form, headers=offline.service.basic)
    assert in_query.status_code == 400
    assert offline.visitor.get(path).status_code == 405
    assert offline.refresh().status_code == 200


def test_what_one_worker_revokes_is_dead_on_the_other_at_once(running: Running) -> None:
    person = running.instance.add_person(numero="3000001")
    service = running.add_service("deux-ouvriers", **OFFLINE)
    visitor = running.visitor()
    one, two = running.workers()

    def introspected(token: str) -> bool:
        answer = visitor.post("/introspect", {"token": token}, headers=service.basic)
        active: bool = answer.get_json()["active"]
        return active

    for name in ("access_token", "refresh_token"):
        tokens = visitor.tokens(person, service, scope=SCOPE, prompt="login")
        with running.only(two):
            assert introspected(tokens[name])
            assert visitor.userinfo(tokens["access_token"]).status_code == 200
        with running.only(one):
            assert revoke(visitor, service, tokens[name]).status_code == 200
        with running.only(two):
            assert not introspected(tokens["access_token"])
            assert not introspected(tokens[name])
            assert visitor.userinfo(tokens["access_token"]).status_code == 401
    with running.only(two):
        refused(refresh(visitor, service, tokens["refresh_token"]))
