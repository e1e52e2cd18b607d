"""Each refused request has an id, and ``idp audit why`` tells which check refused it."""

import json
import re
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result
from werkzeug.test import TestResponse

from idp.cli import main
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import text_of

INCIDENT = re.compile(r" \(incident ([0-9a-f]{16})\)$")
Why = Callable[..., Result]


@pytest.fixture
def clock() -> Clock:
    """The command looks at the real clock, and so do the refusals."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def why(instance: Instance) -> Why:
    settings = instance.settings
    env = {
        "IDP_ISSUER": settings.issuer,
        "IDP_DATA_DIR": str(settings.data_dir),
        "IDP_DATABASE_URL": settings.sql_url,
        "IDP_REDIS_URL": settings.redis_url,
        "IDP_ENV_FILE": None,
    }
    return lambda *words: CliRunner(env=env).invoke(main, ["audit", "why", *words])


@pytest.fixture
def visitor(instance: Instance) -> Visitor:
    return instance.visitor()


@pytest.fixture
def service(instance: Instance) -> Service:
    return instance.add_service()


def id_of(answer: TestResponse) -> str:
    """The id that the answer itself shows; its header says the same."""
    if answer.status_code == 303:
        said = answer_of(answer)["error_description"]
    else:
        said = answer.get_json()["error_description"]
    found = INCIDENT.search(said)
    assert found, said
    assert answer.headers["X-Request-Id"] == found[1]
    return found[1]


def facts(why: Why, refusal_id: str) -> dict[str, Any]:
    result = why(refusal_id, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.output)
    return told


def test_a_page_shows_the_incident_that_the_operator_asks_about(
    why: Why, visitor: Visitor, service: Service
) -> None:
    page = visitor.get(
        "/authorize", service.request(redirect_uri="http://127.0.0.1:9001/callback/")
    )
    refusal_id = page.headers["X-Request-Id"]

    result = why(refusal_id)

    assert refusal_id in text_of(page)
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert lines["request"].startswith("GET /authorize, 20")
    assert lines["service"] == "cotisations, as the request names itself: nothing is proved"
    assert lines["network"] == "192.0.2.0/24"
    assert lines["answer"].startswith("invalid_request: redirect_uri is not registered")
    assert lines["check"] == "redirect_uri"
    assert lines["expected"] == "http://127.0.0.1:9001/callback"
    assert lines["found"] == "redirect_uri=http://127.0.0.1:9001/callback/"


@pytest.mark.parametrize(
    ("changes", "check", "expected", "found"),
    [
        ({"client_id": "cotisation"}, "client_id", "a service", "client_id=cotisation"),
        ({"client_id": None}, "client_id", "once", "no client_id"),
        ({"redirect_uri": None}, "redirect_uri", "http://127.0.0.1:9001/callback", "no redirect"),
    ],
)
def test_what_is_refused_on_a_page(
    why: Why,
    visitor: Visitor,
    service: Service,
    changes: dict[str, str | None],
    check: str,
    expected: str,
    found: str,
) -> None:
    page = visitor.get("/authorize", service.request(**changes))

    told = facts(why, page.headers["X-Request-Id"])

    assert told["check"] == check
    assert expected in told["expected"]
    assert found in told["found"]


@pytest.mark.parametrize(
    ("changes", "check", "expected", "found"),
    [
        ({"response_type": "kode"}, "response_type", "must be code", "response_type=kode"),
        ({"scope": "profile"}, "scope", "must hold openid", "scope=profile"),
        ({"code_challenge": None}, "pkce_is_s256", "is required", "no code_challenge; code_ch"),
        ({"code_challenge": "court"}, "pkce_is_s256", "43", "code_challenge of 5 characters"),
        ({"code_challenge_method": "plain"}, "pkce_is_s256", "S256", "code_challenge_method=plain"),
        ({"prompt": "later"}, "prompt", "prompt takes", "prompt=later"),
        ({"max_age": "-1"}, "max_age", "seconds", "max_age=-1"),
        ({"state": "s" * 1025}, "values_are_writable", "state is longer", "state of 1025 char"),
        ({"resource": "https://api.example"}, "resource", "no resource", "resource=https://api"),
        ({"claims": "{"}, "claims", "JSON", "claims of 1 characters"),
        ({"request": "x.y.z"}, "no_request_object", "themselves", "request of 5 characters"),
        ({"prompt": "none"}, "session", "a session in this browser", "none"),
    ],
)
def test_what_is_refused_by_redirect(
    why: Why,
    visitor: Visitor,
    service: Service,
    changes: dict[str, str | None],
    check: str,
    expected: str,
    found: str,
) -> None:
    answer = visitor.get("/authorize", service.request(**changes))

    told = facts(why, id_of(answer))

    assert told["client_id"] == "cotisations"
    assert told["error"] == answer_of(answer)["error"]
    assert told["check"] == check
    assert expected in told["expected"]
    assert found in told["found"]


@pytest.mark.parametrize(
    ("changes", "check", "expected", "found"),
    [
        ({"code": "A" * 43}, "code", "a code of this client", "43 characters"),
        ({"redirect_uri": "https://x.example/"}, "redirect_uri", "http://127.0", "=https://x.ex"),
        ({"code_verifier": "v" * 43}, "code_verifier", "S256", "43 characters, of another"),
        ({"code_verifier": None}, "code_verifier", "the verifier", ""),
        ({"grant_type": "password"}, "grant_type", "authorization_code or", "=password"),
        ({"grant_type": None}, "grant_type", "grant_type", ""),
        ({"grant_type": "refresh_token"}, "grant_type", "as registered", "refresh_token"),
    ],
)
def test_what_is_refused_at_the_token_endpoint(
    why: Why,
    instance: Instance,
    service: Service,
    changes: dict[str, str | None],
    check: str,
    expected: str,
    found: str,
) -> None:
    visitor = instance.visitor()
    code = visitor.code(instance.add_person(), service)

    form = service.redemption(code, **changes)
    told = facts(why, id_of(visitor.post("/token", form, headers=service.basic)))

    assert told["check"] == check
    assert expected in told["expected"]
    assert found in told["found"]
    assert told["request"] == "POST /token"
    assert told["client_id"] == ("" if changes == {"grant_type": None} else "cotisations")


def test_wrong_credentials_are_told_apart_from_another_method_and_another_service(
    why: Why, visitor: Visitor, service: Service
) -> None:
    form = service.redemption("A" * 43)
    answers = {
        "client_secret: none of those that live": visitor.post(
            "/token", form, headers=Service(service.client, "faux").basic
        ),
        "method: client_secret_post, where client_secret_basic is registered": visitor.post(
            "/token", form | {"client_id": "cotisations", "client_secret": str(service.secret)}
        ),
        "client_id: not registered": visitor.post("/token", form | {"client_id": "personne"}),
    }

    for found, answer in answers.items():
        told = facts(why, id_of(answer))
        assert answer.status_code == 401
        assert (told["check"], told["found"]) == ("client authentication", found)
        assert told["standing"] == "named"
    assert told["client_id"] == ""


def test_who_proved_itself_is_told_apart_from_who_only_names_itself(
    why: Why, visitor: Visitor, service: Service
) -> None:
    refusal_id = id_of(visitor.redeem(service, "A" * 43))

    assert facts(why, refusal_id)["standing"] == "proved"
    assert "cotisations, which proved itself" in why(refusal_id).output


def test_what_is_refused_at_revocation_introspection_userinfo_and_logout(
    why: Why, instance: Instance, service: Service
) -> None:
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), service)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    named = {"client_id": "cotisations", "post_logout_redirect_uri": "https://x.example/"}
    by_header = {
        "revoke": visitor.post("/revoke", {}, headers=service.basic),
        "introspect": visitor.post("/introspect", {}, headers=service.basic),
        "userinfo without a token": visitor.get("/userinfo"),
        "logout": visitor.get("/logout", named),
        "token by GET": visitor.get("/token"),
    }
    instance.remove_service(service)
    wrong = visitor.get("/userinfo", headers={"Authorization": "Bearer x"})

    told = {name: facts(why, answer.headers["X-Request-Id"]) for name, answer in by_header.items()}

    assert told["revoke"]["check"] == told["introspect"]["check"] == "token"
    assert told["userinfo without a token"]["found"] == ""
    assert told["logout"]["expected"] == "http://127.0.0.1:9001/signed-out"
    assert told["logout"]["client_id"] == "cotisations"
    assert told["token by GET"]["found"] == "GET, answered 405 Method Not Allowed"
    assert facts(why, id_of(wrong))["check"] == "access_token"
    assert bearer["Authorization"] not in str(told)


def test_an_access_token_that_has_ended_still_names_its_service(
    why: Why, instance: Instance, service: Service
) -> None:
    visitor = instance.visitor()
    token = visitor.tokens(instance.add_person(), service)["access_token"]
    form = {"token": token}
    assert visitor.post("/revoke", form, headers=service.basic).status_code == 200

    told = facts(why, id_of(visitor.userinfo(token)))

    assert told["client_id"] == "cotisations"
    assert "revoked" in told["found"]


def test_no_secret_of_a_refused_request_is_kept(
    why: Why, instance: Instance, service: Service
) -> None:
    visitor = instance.visitor()
    person = instance.add_person()
    tokens = visitor.tokens(person, service)
    code = instance.visitor().code(person, service)
    secrets = [
        code, service.verifier, str(service.secret), tokens["access_token"], tokens["id_token"],
        person.numero,
    ]  # fmt: skip
    hint = f"affilie:{person.numero}"

    for secret in secrets:
        visitor.get("/authorize", service.request(state=secret, login_hint=hint, scope=secret))
        visitor.get("/authorize", service.request(redirect_uri=f"https://x.example/?j={secret}"))
        visitor.post("/token", {"grant_type": secret, secret: "1", "code": secret})
        visitor.redeem(service, code, code_verifier=secret, redirect_uri=secret)
        visitor.userinfo(secret)
        visitor.get("/logout", {"id_token_hint": secret, "client_id": secret})

    client = instance.parts.redis.client
    kept = str([client.zrange(name, 0, -1) for name in client.smembers("refusal-sets")])
    assert "redirect_uri" in kept
    for secret in secrets:
        assert secret not in kept


def test_an_id_that_is_none_and_one_that_is_unknown_are_told_apart(why: Why) -> None:
    malformed, unknown = why("12345"), why("0123456789abcdef")

    assert (malformed.exit_code, unknown.exit_code) == (1, 1)
    assert "is no id: it has 16 digits and letters" in malformed.output
    assert "nothing is kept under 0123456789abcdef: a refusal is kept for 7 days" in unknown.output


def test_what_came_cannot_write_to_the_operator_s_terminal(
    why: Why, visitor: Visitor, service: Service
) -> None:
    evil = "\x1b[2Jhttps://x.example/\u202e"

    page = visitor.get("/authorize", service.request(redirect_uri=evil))
    result = why(page.headers["X-Request-Id"])

    assert "\\x1b[2Jhttps://x.example/\\u202e" in result.output


def test_a_good_request_leaves_nothing(instance: Instance, service: Service) -> None:
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), service)
    visitor.userinfo(tokens["access_token"])

    assert instance.parts.redis.client.exists("refusal-sets") == 0


def test_a_store_that_is_away_changes_no_refusal(
    tmp_path: Path, sqlite_url: str, clock: Clock
) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    instance = Instance(tmp_path, sql_url=sqlite_url, redis_url=nowhere, clock=clock)
    service = instance.add_service()
    visitor = instance.visitor()

    on_page = visitor.get("/authorize", service.request(redirect_uri="https://x.example/"))
    by_redirect = visitor.get("/authorize", service.request(scope="profile"))
    without_token = visitor.get("/userinfo")
    by_logout = visitor.get("/logout", {"id_token_hint": "x"})

    assert on_page.status_code == 400
    assert on_page.headers["X-Request-Id"] in text_of(on_page)
    assert id_of(by_redirect)
    assert without_token.status_code == 401
    assert by_logout.status_code == 400
