"""The examples of an API, in Python and JavaScript, and of a machine that calls it, on the wire."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.browser import examples
from tests.browser.examples import Registered
from tests.browser.servers import free_port
from tests.functional.test_apis import CALLER
from tests.instance import Service
from tests.running import Answer
from tests.running import Running
from tests.running import ask

API = examples.registration_of("api")["resource_identifiers"][0]
SCOPE = "openid dossier paiements:lire paiements:ecrire"


class Called:
    """An API that listens."""

    def __init__(self, running: Running, registered: Registered, port: int) -> None:
        self.running = running
        self.registered = registered
        self.port = port

    def call(self, token: str | None, method: str = "GET") -> Answer:
        """Call it with a token, or with none."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return ask(self.port, method, "/paiements", headers=headers)


@pytest.fixture(scope="module")
def registered(shared_running: Running, tmp_path_factory) -> Registered:
    return examples.register(shared_running, tmp_path_factory.mktemp("api") / "api", "api")


@pytest.fixture(scope="module", params=["api.py", "api.mjs"])
def api(request, shared_running: Running, registered: Registered) -> Iterator[Called]:
    port = free_port()
    with examples.api(shared_running, registered, request.param, port):
        yield Called(shared_running, registered, port)


@pytest.fixture(scope="module")
def service(shared_running: Running, registered: Registered) -> Service:
    """A service that calls the API for its members."""
    metadata = {
        **CALLER,
        "allowed_resources": (API,),
        "scope": frozenset({*SCOPE.split(), "offline_access"}),
    }
    return shared_running.add_service("example-caller", **metadata)


def tokens(running: Running, service: Service, **changes: str) -> dict[str, Any]:
    """Sign somebody in at the service, which then calls the API for them."""
    number = str(5_000_000 + len(running.instance.audit()))
    person = running.instance.add_person("affilie", number)
    asked = {"scope": SCOPE, "resource": API, **changes}
    return running.visitor().tokens(person, service, **asked)


def test_a_machine_calls_it_for_itself(api: Called, tmp_path: Path) -> None:
    machine = examples.register(api.running, tmp_path / "machine", "api/machine.registration.json")

    program = examples.EXAMPLES / "api" / "machine.mjs"
    ran = subprocess.run(
        [*examples.node(), str(program), str(machine.file),
         f"http://127.0.0.1:{api.port}/paiements"],
        env={"ISSUER": api.running.issuer, **machine.environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("200 ")
    assert machine.client_id in ran.stdout


def test_a_service_calls_it_for_a_member_whose_qualite_it_reads(
    api: Called, service: Service
) -> None:
    token = tokens(api.running, service)["access_token"]

    answer = api.call(token)

    assert answer.status == 200
    assert b'"affilie"' in answer.body
    assert api.call(token, "POST").status == 200


def test_a_token_that_is_not_for_it_is_refused(api: Called, service: Service) -> None:
    given = tokens(api.running, service)
    for_userinfo = tokens(api.running, service, resource="")["access_token"]
    head, body, signature = given["access_token"].split(".")
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"  # {"alg":"none","typ":"at+jwt"}

    for token in (
        given["id_token"],
        for_userinfo,
        f"{head}.{body}.{signature[::-1]}",
        f"{unsigned}.{body}.",
        "not-a-token",
    ):
        answer = api.call(token)
        assert answer.status == 401, token
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_that_is_over_is_refused(api: Called, service: Service) -> None:
    clock, now = api.running.instance.clock, api.running.instance.clock()
    clock.advance(-timedelta(hours=1))
    try:
        person = api.running.instance.add_person("affilie", f"6{api.port:06}")
        visitor = api.running.instance.visitor()
        old = visitor.tokens(person, service, scope=SCOPE, resource=API)["access_token"]
    finally:
        clock.at = now

    assert api.call(old).status == 401


def test_a_call_without_a_token_is_told_what_to_send(api: Called) -> None:
    answer = api.call(None)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_of_another_scope_is_not_enough(api: Called, service: Service) -> None:
    token = tokens(api.running, service, scope="openid paiements:lire")["access_token"]

    answer = api.call(token, "POST")

    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'


def test_a_revoked_token_moves_no_money_but_may_be_read_with_until_it_is_over(
    api: Called, service: Service
) -> None:
    token = tokens(api.running, service)["access_token"]

    revoked = api.running.visitor().post("/revoke", {"token": token}, headers=service.basic)

    assert revoked.status_code == 200
    assert api.call(token, "POST").status == 401
    assert api.call(token).status == 200
