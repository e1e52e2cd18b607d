"""APIs over HTTP: tokens that are for them, of members and of machines, and how they look at them.

Spec: RFC 6749 §4.4 (client_credentials), RFC 8707 (resource), RFC 7662 §4 (whom it is told).
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from tests.functional.test_introspection import introspect
from tests.functional.test_refresh import refresh
from tests.functional.test_token_endpoint import refused
from tests.instance import ISSUER
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.running import Running

API = "https://api.example/paiements"
RIGHTS = "urn:example:droits"
MACHINE: dict[str, Any] = {
    "redirect_uris": (),
    "response_types": (),
    "grant_types": ("client_credentials",),
    "scope": frozenset({"paiements:lire", "paiements:ecrire"}),
    "allowed_resources": (API,),
}
CALLER: dict[str, Any] = {
    "scope": frozenset({"openid", "dossier", "offline_access", "paiements:lire"}),
    "grant_types": ("authorization_code", "refresh_token"),
    "allowed_resources": (API, RIGHTS, ISSUER),
}
SCOPE = "openid dossier offline_access paiements:lire"


def ask_for_itself(visitor: Visitor, service: Service, **form: str) -> TestResponse:
    return visitor.post(
        "/token", {"grant_type": "client_credentials", **form}, headers=service.basic
    )


def add_api(instance: Instance, client_id: str = "paiements", *names: str) -> Service:
    return instance.add_service(
        client_id,
        redirect_uris=(),
        scope=frozenset(),
        response_types=(),
        grant_types=(),
        resource_identifiers=names or (API,),
    )


class Calling:
    """A member signed in at a service that calls APIs."""

    def __init__(self, instance: Instance, *resources: str) -> None:
        self.service = instance.add_service(**CALLER)
        self.visitor = instance.visitor()
        params = self.service.request(scope=SCOPE, prompt="consent")
        named = [("resource", resource) for resource in resources]
        asked = self.visitor.get(f"/authorize?{urlencode([*params.items(), *named])}")
        person = instance.add_person()
        page = self.visitor.get(asked.headers["Location"])
        answered = self.visitor.submit_sign_in(page, "affilie", person.numero, person.password)
        self.code = answer_of(answered)["code"]

    def redeem(self, *resources: str) -> TestResponse:
        """Send the code with these resources, each a parameter of its own."""
        form: dict[str, Any] = self.service.redemption(self.code)
        return self.visitor.post("/token", form | {"resource": list(resources)},
                                 headers=self.service.basic)  # fmt: skip

    def refresh(self, token: str, **form: str) -> dict[str, Any]:
        """Refresh and give the answer."""
        answer = refresh(self.visitor, self.service, token, **form)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.get_json()
        return body

    def aud(self, body: dict[str, Any]) -> object:
        """The audience of an answer's access token."""
        return self.visitor.read_token(body["access_token"])[1]["aud"]


def test_a_machine_is_given_a_token_that_its_api_verifies_and_looks_at(instance: Instance) -> None:
    api, batch = add_api(instance), instance.add_service("batch", **MACHINE)
    visitor = instance.visitor()

    answer = ask_for_itself(visitor, batch, scope="paiements:lire")

    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    header, claims = visitor.read_token(body["access_token"])
    assert header["typ"] == "at+jwt"
    assert (claims["sub"], claims["aud"]) == ("batch", API)
    assert claims["scope"] == body["scope"] == "paiements:lire"
    assert {"auth_time", "acr", "amr", "sid", "qualite"}.isdisjoint(claims)
    for service in (batch, api):
        assert introspect(visitor, service, body["access_token"]).get_json()["active"] is True
    assert introspect(visitor, instance.add_service(), body["access_token"]).get_json() == {
        "active": False
    }


def test_c19_what_a_machine_may_not_ask_is_told_in_json(instance: Instance) -> None:
    batch, visitor = instance.add_service("batch", **MACHINE), instance.visitor()
    members = instance.add_service()

    refused(ask_for_itself(visitor, batch, scope="openid"), 400, "invalid_scope")
    refused(ask_for_itself(visitor, batch, resource=RIGHTS), 400, "invalid_target")
    refused(ask_for_itself(visitor, members), 400, "unauthorized_client")
    batch.secret = "wrong"
    refused(ask_for_itself(visitor, batch), 401, "invalid_client")


def test_a_machine_signs_nobody_in(instance: Instance) -> None:
    instance.add_service("batch", **MACHINE)
    another = instance.add_service("cotisations")

    answer = instance.visitor().get("/authorize", another.request(client_id="batch"))

    assert answer.status_code == 400
    assert "redirect_uri is not registered" in answer.text


def test_a_machines_token_opens_no_userinfo_whoever_it_is_for(instance: Instance) -> None:
    visitor = instance.visitor()
    for_api = ask_for_itself(visitor, instance.add_service("batch", **MACHINE)).get_json()
    plain = instance.add_service("simple", **MACHINE | {"allowed_resources": ()})
    for_nobody = ask_for_itself(visitor, plain).get_json()

    refusals = [visitor.userinfo(body["access_token"]) for body in (for_api, for_nobody)]

    # RFC 6750 §3.1: not for this place, and not enough for this place.
    assert [r.status_code for r in refusals] == [401, 403]
    assert 'error="invalid_token"' in refusals[0].headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in refusals[1].headers["WWW-Authenticate"]


def test_a_machines_token_dies_when_it_is_revoked_and_when_the_service_is_removed(
    instance: Instance,
) -> None:
    api, batch = add_api(instance), instance.add_service("batch", **MACHINE)
    visitor = instance.visitor()
    tokens = [ask_for_itself(visitor, batch).get_json()["access_token"] for _ in range(2)]

    def alive() -> list[bool]:
        return [introspect(visitor, api, token).get_json()["active"] for token in tokens]

    assert alive() == [True, True]
    for service, left in ((api, [True, True]), (batch, [False, True])):
        answer = visitor.post("/revoke", {"token": tokens[0]}, headers=service.basic)
        assert (answer.status_code, alive()) == (200, left)
    instance.remove_service(batch)
    assert alive() == [False, False]


def test_what_a_machine_gives_back_is_dead_on_the_other_worker_at_once(running: Running) -> None:
    batch = running.add_service("lot-de-nuit", **MACHINE)
    visitor = running.visitor()
    one, two = running.workers()
    with running.only(one):
        token = ask_for_itself(visitor, batch).get_json()["access_token"]
    with running.only(two):
        assert introspect(visitor, batch, token).get_json()["active"] is True
    with running.only(one):
        visitor.post("/revoke", {"token": token}, headers=batch.basic)
    with running.only(two):
        assert introspect(visitor, batch, token).get_json() == {"active": False}


def test_a_members_token_is_for_the_api_that_was_asked_for_and_not_for_userinfo(
    instance: Instance,
) -> None:
    api, calling = add_api(instance), Calling(instance, API)

    body = calling.redeem().get_json()

    token = body["access_token"]
    assert calling.aud(body) == API
    assert calling.visitor.userinfo(token).status_code == 401
    told = introspect(calling.visitor, api, token).get_json()
    _, id_claims = calling.visitor.read_token(body["id_token"])
    # The API reads the sub of the service that calls it: that is the token's own.
    assert (told["active"], told["sub"]) == (True, id_claims["sub"])
    stranger = add_api(instance, "droits", RIGHTS)
    assert introspect(calling.visitor, stranger, token).get_json() == {"active": False}
    refresh_token = body["refresh_token"]
    assert introspect(calling.visitor, api, refresh_token).get_json() == {"active": False}


def test_each_use_of_a_grant_for_several_apis_may_be_for_one_of_them(instance: Instance) -> None:
    calling = Calling(instance, API, RIGHTS, ISSUER)
    first = calling.redeem(RIGHTS).get_json()
    instance.clock.advance(timedelta(days=3))

    second = calling.refresh(first["refresh_token"], resource=ISSUER)
    third = calling.refresh(second["refresh_token"])

    assert calling.aud(first) == RIGHTS
    assert calling.aud(second) == ISSUER
    assert calling.visitor.userinfo(second["access_token"]).get_json()["qualite"] == "affilie"
    assert calling.aud(third) == [API, RIGHTS, ISSUER]
    assert calling.visitor.userinfo(third["access_token"]).status_code == 200


def test_no_use_of_a_grant_is_for_an_api_that_was_not_asked_for(instance: Instance) -> None:
    calling = Calling(instance, API)
    body = calling.redeem().get_json()

    answer = refresh(calling.visitor, calling.service, body["refresh_token"], resource=RIGHTS)

    refused(answer, 400, "invalid_target")
    assert calling.aud(calling.refresh(body["refresh_token"])) == API  # the refusal used nothing up


def test_a_code_without_resources_is_for_userinfo_whatever_is_asked_later(
    instance: Instance,
) -> None:
    refused(Calling(instance).redeem(API), 400, "invalid_target")


@pytest.mark.parametrize("resource", ["https://api.example/", "/paiements", API + "#x", "é"])
def test_an_unregistered_resource_is_told_by_redirect_before_anybody_signs_in(
    instance: Instance, resource: str
) -> None:
    service = instance.add_service(**CALLER)

    answer = answer_of(instance.visitor().get("/authorize", service.request(resource=resource)))

    assert (answer["error"], answer["state"]) == ("invalid_target", service.state)
    assert resource not in answer["error_description"]
