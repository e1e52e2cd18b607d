"""The token endpoint: who may redeem a code, once, and what is told to who may not."""

import base64
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import without_incident
from tests.running import at_once

MakeInstance = Callable[..., Instance]


def refused(answer: TestResponse, status: int, error: str) -> str:
    """C19: an error that a machine can read, and nobody may store."""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert (answer.status_code, body["error"]) == (status, error)
    assert set(body) <= {"error", "error_description"}
    assert '"' not in body.get("error_description", "")
    return without_incident(str(body.get("error_description", "")))


def basic(credentials: str | bytes) -> dict[str, str]:
    raw = credentials.encode() if isinstance(credentials, str) else credentials
    return {"Authorization": f"Basic {base64.b64encode(raw).decode()}"}


class Ready:
    """A service that has just received a code."""

    def __init__(self, instance: Instance, **metadata: Any) -> None:
        self.person = instance.add_person()
        self.service = instance.add_service(**metadata)
        self.visitor = instance.visitor()
        self.code = self.visitor.code(self.person, self.service)

    def redeem(self, **changes: str | None) -> TestResponse:
        return self.visitor.redeem(self.service, self.code, **changes)


@pytest.fixture
def ready(instance: Instance) -> Ready:
    return Ready(instance)


def test_one_answer_for_an_unknown_client_a_wrong_secret_and_another_method(
    instance: Instance, ready: Ready
) -> None:
    public = instance.add_service("application", token_endpoint_auth_method="none")
    form = ready.service.redemption(ready.code)
    client_id, secret = ready.service.client.client_id, ready.service.secret
    attempts: list[tuple[dict[str, str], dict[str, str]]] = [
        (basic(f"{client_id}:wrong"), form),
        (basic(f"{client_id}:"), form),
        (basic(f"nobody:{secret}"), form),
        (basic(f"{public.client.client_id}:{secret}"), form),
        ({}, {**form, "client_id": client_id}),
        ({}, {**form, "client_id": "nobody"}),
        ({}, form),
        ({}, {**form, "client_id": client_id, "client_secret": str(secret)}),
        ({}, {**form, "client_id": client_id, "client_assertion": "e30.e30."}),
    ]

    answers = [ready.visitor.post("/token", f, headers=h) for h, f in attempts]

    assert len({refused(answer, 401, "invalid_client") for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        'Basic realm="token", charset="UTF-8"'
    }
    assert ready.redeem().status_code == 200  # no stranger can spend the code


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Basic é",
        "Basic !!!",
        "Basic " + "A" * 9000,
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode("cotisations:é".encode("latin-1")).decode(),
        "Basic " + base64.b64encode("cotisations:é🔑".encode()).decode(),
        "Basic " + base64.b64encode(b"cotisations:\x00").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"%ff%fe:%ff").decode(),
        "Bearer x",
        "Negotiate x",
        "\x00",
        "é",
    ],
    ids=range(15),
)
def test_authlib_trap_05_no_authorization_header_is_a_fault_of_ours(
    ready: Ready, authorization: str
) -> None:
    answer = ready.visitor.post(
        "/token",
        ready.service.redemption(ready.code),
        headers={"Authorization": authorization.encode("utf-8").decode("latin-1")},
    )

    refused(answer, 401, "invalid_client")


def test_authlib_trap_05_a_secret_for_a_client_that_has_none_is_refused(
    instance: Instance,
) -> None:
    ready = Ready(instance, token_endpoint_auth_method="none")
    client_id = ready.service.client.client_id

    with_basic = ready.visitor.post(
        "/token",
        {k: v for k, v in ready.service.redemption(ready.code).items() if k != "client_id"},
        headers=basic(f"{client_id}:secret"),
    )
    with_post = ready.redeem(client_secret="secret")

    refused(with_basic, 401, "invalid_client")
    refused(with_post, 401, "invalid_client")
    assert ready.redeem().status_code == 200


def test_authlib_trap_09_two_methods_or_two_names_of_a_client_are_refused(ready: Ready) -> None:
    secret = str(ready.service.secret)

    for changes in (
        {"client_secret": secret},
        {"client_secret": "other", "client_id": "other"},
        {"client_assertion": "e30.e30.", "client_assertion_type": "x"},
        {"client_id": "other"},
    ):
        refused(ready.redeem(**changes), 400, "invalid_request")
    assert ready.redeem(client_id=ready.service.client.client_id).status_code == 200


def test_authlib_trap_09_nothing_of_the_query_is_read(ready: Ready) -> None:
    form = ready.service.redemption(ready.code)

    in_query = ready.visitor.http.post("/token", query_string=form, headers=ready.service.basic)
    split = {"grant_type": form.pop("grant_type")}
    half = ready.visitor.http.post(
        "/token", query_string=split, data=form, headers=ready.service.basic
    )

    refused(in_query, 400, "invalid_request")
    refused(half, 400, "invalid_request")


def test_id_and_secret_may_be_form_encoded_inside_the_header(instance: Instance) -> None:
    ready = Ready(instance, client_id="https://app.example/é")
    encoded = f"https%3A%2F%2Fapp.example%2F%C3%A9:{ready.service.secret}"

    answer = ready.visitor.post(
        "/token", ready.service.redemption(ready.code), headers=basic(encoded)
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_the_scheme_is_read_whatever_its_case(ready: Ready, scheme: str) -> None:
    header = ready.service.basic["Authorization"].replace("Basic", scheme)

    answer = ready.visitor.post(
        "/token", ready.service.redemption(ready.code), headers={"Authorization": header}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"grant_type": None}, "invalid_request", "grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type", "grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client", "client_credentials"),
        ({"grant_type": "refresh_token"}, "unauthorized_client", "refresh_token"),
        ({"grant_type": 'é"'}, "unsupported_grant_type", "grant_type"),
        ({"code": None}, "invalid_request", "code"),
        ({"code": ""}, "invalid_request", "code"),
        ({"code": "unknown"}, "invalid_grant", "code"),
        ({"code": "é" * 60}, "invalid_grant", "code"),
        ({"code": "A" * 60_000}, "invalid_grant", "code"),
        ({"redirect_uri": None}, "invalid_grant", "redirect_uri"),
        ({"redirect_uri": "http://127.0.0.1:9001/callback/"}, "invalid_grant", "redirect_uri"),
        ({"code_verifier": None}, "invalid_grant", "code_verifier"),
        ({"code_verifier": "A" * 43}, "invalid_grant", "code_verifier"),
        ({"code_verifier": "short"}, "invalid_grant", "code_verifier"),
        ({"code_verifier": "é" * 43}, "invalid_grant", "code_verifier"),
        ({"code_verifier": "A" * 129}, "invalid_grant", "code_verifier"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_c19_every_fault_of_a_request_has_its_error(
    ready: Ready, changes: dict[str, str | None], error: str, told: str
) -> None:
    assert told in refused(ready.redeem(**changes), 400, error)


def test_a_wrong_verifier_or_address_spends_the_code(ready: Ready) -> None:
    refused(ready.redeem(code_verifier="A" * 43), 400, "invalid_grant")

    refused(ready.redeem(), 400, "invalid_grant")


def test_pkce_downgrade_a_verifier_without_a_challenge_is_refused(instance: Instance) -> None:
    person, service = instance.add_person(), instance.add_service(require_pkce=False)
    visitor = instance.visitor()
    code = visitor.code(person, service, code_challenge=None, code_challenge_method=None)

    refused(visitor.redeem(service, code), 400, "invalid_grant")


def test_a_code_is_bound_to_its_client(instance: Instance, ready: Ready) -> None:
    other = instance.add_service("other")
    thief = Service(other.client, other.secret, verifier=ready.service.verifier)

    refused(ready.visitor.redeem(thief, ready.code), 400, "invalid_grant")


def test_a_parameter_sent_twice_is_refused(ready: Ready) -> None:
    form = ready.service.redemption(ready.code)

    for name in form:
        answer = ready.visitor.http.post(
            "/token", data={**form, name: [form[name], form[name]]}, headers=ready.service.basic
        )
        refused(answer, 400, "invalid_request")


@pytest.mark.parametrize("seconds", [0, 30])
def test_b28_b29_authlib_trap_03_a_replayed_code_is_refused_and_revokes_what_it_gave(
    instance: Instance, ready: Ready, seconds: int
) -> None:
    tokens = ready.redeem().get_json()
    instance.clock.advance(timedelta(seconds=seconds))
    assert ready.visitor.userinfo(tokens["access_token"]).status_code == 200

    refused(ready.redeem(), 400, "invalid_grant")

    assert ready.visitor.userinfo(tokens["access_token"]).status_code == 401
    refused(ready.redeem(), 400, "invalid_grant")
    events = [event for event, _, _ in instance.audit()]
    assert events.count("code.replayed") == 1


def test_authlib_trap_03_of_twenty_redemptions_at_once_exactly_one_succeeds(
    instance: Instance, ready: Ready
) -> None:
    visitors = [instance.visitor() for _ in range(20)]

    def act(visitor: Visitor) -> Callable[[], int]:
        return lambda: visitor.redeem(ready.service, ready.code).status_code

    statuses = at_once(act(visitor) for visitor in visitors)

    assert sorted(statuses) == [200] + [400] * 19


def test_a_code_lives_a_minute_at_most_and_the_setting_may_shorten_it(
    make_instance: MakeInstance,
) -> None:
    ready = Ready(make_instance(code_lifetime=timedelta(seconds=1)))

    time.sleep(1.1)

    refused(ready.redeem(), 400, "invalid_grant")


def test_signing_out_kills_a_code_on_its_way(ready: Ready, instance: Instance) -> None:
    tokens = ready.redeem().get_json()
    code = answer_of(ready.visitor.get("/authorize", ready.service.request()))["code"]

    ready.visitor.get("/logout", {"id_token_hint": tokens["id_token"]})

    refused(ready.visitor.redeem(ready.service, code), 400, "invalid_grant")
    assert ready.visitor.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "é"])
def test_errors_are_json_whatever_accept_says(ready: Ready, accept: str) -> None:
    headers = {"Accept": accept.encode().decode("latin-1")}

    refused(ready.visitor.post("/token", {}, headers=headers), 400, "invalid_request")
    got = ready.visitor.get("/token", headers=headers)
    refused(got, 405, "invalid_request")
    assert "POST" in got.headers["Allow"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type":"authorization_code"}'),
        ("text/plain", b"grant_type=authorization_code"),
        ("", b"grant_type=authorization_code"),
        ("multipart/form-data", b"grant_type=authorization_code"),
        ("multipart/form-data; boundary=x", b"--x\r\nno end"),
    ],
)
def test_a_body_that_is_no_form_is_an_invalid_request(
    ready: Ready, content_type: str, body: bytes
) -> None:
    answer = ready.visitor.http.post(
        "/token", data=body, content_type=content_type, headers=ready.service.basic
    )

    refused(answer, 400, "invalid_request")


def test_a_body_over_64_kb_is_413_and_a_hundred_and_one_fields_are_400(ready: Ready) -> None:
    refused(ready.redeem(x="a" * 65_536), 413, "invalid_request")
    refused(ready.redeem(**{f"p{n}": "1" for n in range(101)}), 400, "invalid_request")
    assert ready.redeem().status_code == 200


def test_sixty_wrong_secrets_close_the_endpoint_for_that_network_alone(
    instance: Instance, ready: Ready
) -> None:
    attacker = instance.visitor("198.51.100.7")
    form = ready.service.redemption(ready.code)
    wrong = basic(f"{ready.service.client.client_id}:wrong")

    statuses = {attacker.post("/token", form, headers=wrong).status_code for _ in range(60)}
    held = attacker.post("/token", form, headers=wrong)
    held_with_the_right_one = attacker.post("/token", form, headers=ready.service.basic)

    assert statuses == {401}
    for answer in (held, held_with_the_right_one):
        refused(answer, 429, "temporarily_unavailable")
        assert 0 < int(answer.headers["Retry-After"]) <= 600
    assert ready.redeem().status_code == 200  # the real client elsewhere is untouched


def test_two_secrets_live_side_by_side_and_a_third_ends_the_oldest(
    instance: Instance, ready: Ready
) -> None:
    first = ready.service
    second = instance.new_secret(first)

    def accepted(service: Service) -> bool:
        code = answer_of(ready.visitor.get("/authorize", service.request()))["code"]
        return ready.visitor.redeem(service, code).status_code == 200

    assert accepted(first)
    assert accepted(second)
    third = instance.new_secret(first)
    assert not accepted(first)
    assert accepted(second)
    assert accepted(third)


def test_a_removed_service_is_nobody_at_once(instance: Instance, ready: Ready) -> None:
    instance.remove_service(ready.service)

    refused(ready.redeem(), 401, "invalid_client")


@pytest.mark.parametrize("change", ["closed", "deceased", "new password"])
def test_a_code_dies_with_the_sign_in_behind_it(
    instance: Instance, ready: Ready, change: str
) -> None:
    if change == "new password":
        instance.change_account(ready.person, credential_version=2)
    else:
        instance.change_dossier(ready.person, status=change)

    refused(ready.redeem(), 400, "invalid_grant")


def test_authlib_trap_14_no_algorithm_that_is_not_ours_is_ever_used(instance: Instance) -> None:
    metadata = instance.visitor().get("/.well-known/openid-configuration").get_json()

    assert metadata["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
