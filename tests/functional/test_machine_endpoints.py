"""What the token, revocation and introspection endpoints have in common.

Each takes every way of authentication (trap 10 of authlib.md: half of Authlib's take Basic alone),
reads no hint, and answers errors as C19 and C20 of the conformance suite want them.
"""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.oidc.clients import AUTH_METHODS
from tests.functional.metadata_world import Proof
from tests.functional.metadata_world import World
from tests.functional.metadata_world import authenticated
from tests.functional.test_apis import MACHINE
from tests.functional.test_refresh import OFFLINE
from tests.functional.test_refresh import SCOPE
from tests.instance import Instance
from tests.instance import Service
from tests.notified_service import NotifiedService

ENDPOINTS = ("/token", "/revoke", "/introspect")
HINTS = ("access_token", "refresh_token", "id_token", "nonsense", "é")
PROVED = tuple(method for method in AUTH_METHODS if method != "none")


class Proved:
    """A service of one method, with the tokens of a member that it keeps offline."""

    def __init__(self, instance: Instance, back: NotifiedService, method: str) -> None:
        self.world = World(instance, back)
        self.service: Service
        self.proof: Proof
        self.service, self.proof = authenticated(self.world, method, **OFFLINE)
        visitor = instance.visitor()
        code = visitor.code(self.world.person, self.service, scope=SCOPE, prompt="consent")
        answer = self.post("/token", self.service.redemption(code))
        assert answer.status_code == 200, answer.text
        self.tokens: dict[str, str] = answer.get_json()

    def post(self, path: str, form: dict[str, str]) -> TestResponse:
        """Send a form with a fresh proof of who sends it."""
        proved, headers = self.proof()
        return self.world.visitor.post(path, form | proved, headers=headers)

    def refresh(self, token: str) -> TestResponse:
        """Use a refresh token."""
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token})


@pytest.fixture(params=AUTH_METHODS)
def proved(instance: Instance, back: NotifiedService, request: pytest.FixtureRequest) -> Proved:
    return Proved(instance, back, request.param)


def test_authlib_trap_10_a_service_of_each_method_refreshes_revokes_and_asks(
    proved: Proved,
) -> None:
    second = proved.refresh(proved.tokens["refresh_token"])
    assert second.status_code == 200, second.text
    tokens = second.get_json()

    asked = proved.post("/introspect", {"token": tokens["access_token"]})
    revoked = proved.post("/revoke", {"token": tokens["access_token"]})

    if proved.service.client.is_public:
        assert (asked.status_code, asked.get_json()["error"]) == (401, "invalid_client")
    else:
        assert asked.get_json()["active"] is True
    assert revoked.status_code == 200
    assert proved.world.visitor.userinfo(tokens["access_token"]).status_code == 401
    assert proved.post("/revoke", {"token": tokens["refresh_token"]}).status_code == 200
    assert proved.refresh(tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("hint", HINTS)
def test_authlib_trap_15_no_hint_hides_a_token_from_its_service(proved: Proved, hint: str) -> None:
    if not proved.service.client.is_public:
        for name in ("access_token", "refresh_token"):
            form = {"token": proved.tokens[name], "token_type_hint": hint}
            assert proved.post("/introspect", form).get_json()["active"] is True

    form = {"token": proved.tokens["refresh_token"], "token_type_hint": hint}
    assert proved.post("/revoke", form).status_code == 200

    assert proved.refresh(proved.tokens["refresh_token"]).status_code == 400
    assert proved.world.visitor.userinfo(proved.tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("method", PROVED)
def test_a_machine_of_each_method_asks_for_itself(
    instance: Instance, back: NotifiedService, method: str
) -> None:
    world = World(instance, back)
    metadata: dict[str, Any] = {**MACHINE}
    service, proof = authenticated(world, method, **metadata)
    form, headers = proof()

    answer = world.visitor.post(
        "/token", form | {"grant_type": "client_credentials"}, headers=headers
    )

    assert answer.status_code == 200, answer.text
    sub = world.visitor.read_token(answer.get_json()["access_token"])[1]["sub"]
    assert sub == service.client.client_id


BAD: dict[str, Callable[[Service], tuple[dict[str, str], dict[str, str]]]] = {
    "nothing": lambda _: ({}, {}),
    "nobody": lambda _: ({"client_id": "nobody", "client_secret": "x"}, {}),
    "another method": lambda s: (
        {"client_id": s.client.client_id, "client_secret": str(s.secret)}, {},
    ),
    "two methods": lambda s: ({"client_id": "x", "client_secret": "x"}, s.basic),
    "no bytes of UTF-8": lambda _: ({}, {"Authorization": "Basic /////w=="}),
    "another scheme": lambda _: ({}, {"Authorization": "Bearer x"}),
    "a proof of nobody": lambda _: (
        {"client_assertion_type": "urn:x", "client_assertion": "a.b.c"}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("bad", BAD)
def test_c19_c20_a_service_that_is_not_proved_is_told_so_in_json_that_nobody_keeps(
    instance: Instance, path: str, bad: str
) -> None:
    service = instance.add_service()
    form, headers = BAD[bad](service)
    asked = {"grant_type": "client_credentials", "token": "x"}

    answer = instance.visitor().post(path, asked | form, headers=headers)

    error = answer.get_json()["error"]
    expected = (400, "invalid_request") if bad == "two methods" else (401, "invalid_client")
    assert (answer.status_code, error) == expected
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) is (answer.status_code == 401)


@pytest.mark.parametrize(
    ("path", "form", "error"),
    [
        ("/token", {}, "invalid_request"),
        ("/token", {"grant_type": ""}, "invalid_request"),
        ("/token", {"grant_type": "password"}, "unsupported_grant_type"),
        ("/token", {"grant_type": "client_credentials"}, "unauthorized_client"),
        ("/token", {"grant_type": "authorization_code"}, "invalid_request"),
        ("/token", {"grant_type": "authorization_code", "code": "x"}, "invalid_grant"),
        ("/token", {"grant_type": "refresh_token"}, "unauthorized_client"),
        ("/revoke", {}, "invalid_request"),
        ("/introspect", {}, "invalid_request"),
    ],
)
def test_c19_c20_what_a_proved_service_asks_wrongly_is_a_400_with_a_registered_error(
    instance: Instance, path: str, form: dict[str, str], error: str
) -> None:
    answer = instance.visitor().post(path, form, headers=instance.add_service().basic)

    assert (answer.status_code, answer.get_json()["error"]) == (400, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.get_json()) <= {"error", "error_description"}


def test_c20_no_answer_that_holds_a_token_or_speaks_of_one_is_kept(proved: Proved) -> None:
    answers = [
        proved.refresh(proved.tokens["refresh_token"]),
        proved.post("/introspect", {"token": proved.tokens["access_token"]}),
        proved.post("/revoke", {"token": proved.tokens["access_token"]}),
        proved.post("/revoke", {"token": "made up"}),
    ]

    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Pragma"] == "no-cache"
        assert answer.headers["Content-Type"] == "application/json"
