"""Introspection over HTTP: told to the service whose token it is, and to nobody else."""

import pytest
from werkzeug.test import TestResponse

from tests.functional.test_refresh import OFFLINE
from tests.functional.test_refresh import Offline
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor


def introspect(visitor: Visitor, service: Service, token: str, **changes: str) -> TestResponse:
    return visitor.post("/introspect", {"token": token, **changes}, headers=service.basic)


@pytest.fixture
def offline(instance: Instance) -> Offline:
    return Offline(instance)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_both_kinds_of_token_are_told_whatever_the_hint(offline: Offline, hint: str) -> None:
    visitor, service = offline.visitor, offline.service
    _, id_claims = visitor.read_token(offline.tokens["id_token"])

    answers = {
        name: introspect(visitor, service, offline.tokens[name], token_type_hint=hint)
        for name in ("access_token", "refresh_token")
    }

    for answer in answers.values():
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        told = answer.get_json()
        assert told["active"] is True
        assert told["sub"] == id_claims["sub"]
        assert told["client_id"] == service.client.client_id
        assert told["scope"] == offline.tokens["scope"]
    access = answers["access_token"].get_json()
    assert (access["token_type"], access["exp"] - access["iat"]) == ("Bearer", 300)
    assert (access["sid"], access["acr"]) == (id_claims["sid"], id_claims["acr"])
    assert "token_type" not in answers["refresh_token"].get_json()


def test_introspection_is_no_oracle_for_the_tokens_of_others(
    instance: Instance, offline: Offline
) -> None:
    other = instance.add_service("autre", **OFFLINE)
    made_up = introspect(offline.visitor, other, "made up")
    assert (made_up.status_code, made_up.get_json()) == (200, {"active": False})

    for token in ("access_token", "refresh_token", "id_token"):
        answer = introspect(offline.visitor, other, offline.tokens[token])
        assert (answer.status_code, answer.data) == (200, made_up.data)


def test_authlib_trap_15_what_is_no_token_of_ours_is_inactive_and_no_error(
    offline: Offline,
) -> None:
    for token in (offline.tokens["id_token"], "x", "a.b.c", "é", "x" * 9000, "\x00"):
        answer = introspect(offline.visitor, offline.service, token)
        assert (answer.status_code, answer.get_json()) == (200, {"active": False})


def test_a_public_service_proves_nothing_and_is_told_nothing(instance: Instance) -> None:
    offline = Offline(instance, token_endpoint_auth_method="none")
    form = {"token": offline.tokens["access_token"], "client_id": offline.service.client.client_id}

    answer = offline.visitor.post("/introspect", form)

    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


def test_a_token_of_a_session_that_ended_is_inactive_and_an_offline_one_is_not(
    instance: Instance, offline: Offline
) -> None:
    service = instance.add_service("en-ligne")
    visitor = instance.visitor()
    tokens = visitor.tokens(offline.person, service)
    assert introspect(visitor, service, tokens["access_token"]).get_json()["active"] is True

    visitor.get("/logout", {"id_token_hint": tokens["id_token"]})

    assert introspect(visitor, service, tokens["access_token"]).get_json() == {"active": False}
    assert offline.refresh().status_code == 200


def test_a_refresh_token_that_was_used_is_inactive_and_looking_at_it_ends_nothing(
    offline: Offline,
) -> None:
    second = offline.refresh().get_json()["refresh_token"]

    used = introspect(offline.visitor, offline.service, offline.tokens["refresh_token"])

    assert used.get_json() == {"active": False}
    assert offline.refresh(second).status_code == 200
