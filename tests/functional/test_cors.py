"""CORS: scripts of other origins read what they need, and nothing else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from werkzeug.test import TestResponse

from idp.web.cors import METHODS
from idp.web.published import JWKS_PATH
from idp.web.published import METADATA_PATHS
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor

APP = "https://app.example"
OTHER_APP = "https://autre.example:8443"
EVIL = "https://evil.example"
STRANGERS = [
    EVIL, "null", "http://app.example", f"{APP}:443", f"{APP}.evil.example", f"{APP}/",
    "https://APP.example", f"{EVIL}, {APP}", "https://app.example.", "*",
]  # fmt: skip
PUBLISHED = [*METADATA_PATHS, JWKS_PATH]
TO_SEND = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


class Browsers:
    """Two browser applications, and a person for whom the first one asks."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.visitor = instance.visitor()
        self.person: Person = instance.add_person()
        self.app = self._add("app", f"{APP}/callback", web_origins=(APP,))
        self.other = self._add("autre", f"{OTHER_APP}/callback", web_origins=(OTHER_APP,))

    def _add(self, name: str, callback: str, **metadata: object) -> Service:
        return self.instance.add_service(
            name,
            redirect_uris=(callback,),
            token_endpoint_auth_method="none",
            grant_types=("authorization_code", "refresh_token"),
            scope=frozenset({"openid", "offline_access"}),
            **metadata,
        )

    def code(self) -> str:
        """Sign in to the first application."""
        return self.instance.visitor().code(self.person, self.app, scope="openid offline_access")

    def redeem(self, origin: str, code: str = "A" * 43) -> TestResponse:
        """Redeem a code as the first application, by a script of ``origin``."""
        form = self.app.redemption(code)
        return self.visitor.post("/token", form, headers={"Origin": origin})


@pytest.fixture
def browsers(instance: Instance) -> Browsers:
    return Browsers(instance)


def preflight(
    visitor: Visitor, path: str, origin: str | None = APP, method: str = "POST"
) -> TestResponse:
    headers = {**TO_SEND, "Access-Control-Request-Method": method}
    if origin is not None:
        headers["Origin"] = origin
    return visitor.http.options(path, headers=headers)


def cors_of(answer: TestResponse) -> dict[str, str]:
    return {
        name.removeprefix("Access-Control-"): value
        for name, value in answer.headers
        if name.startswith("Access-Control-")
    }


def assert_readable(answer: TestResponse, origin: str = APP) -> None:
    assert cors_of(answer) == {
        "Allow-Origin": origin,
        "Expose-Headers": "WWW-Authenticate, Retry-After, X-Request-Id",
    }
    assert answer.vary.as_set() == {"origin"}


def assert_closed(answer: TestResponse) -> None:
    assert cors_of(answer) == {}
    assert answer.vary.as_set() == {"origin"}


def test_a_browser_application_redeems_refreshes_reads_userinfo_and_revokes(
    browsers: Browsers,
) -> None:
    visitor, here = browsers.visitor, {"Origin": APP}
    mine = {"client_id": "app"}

    tokens = browsers.redeem(APP, browsers.code())
    refresh_token = tokens.get_json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | mine
    refreshed = visitor.post("/token", form, headers=here)
    bearer = here | {"Authorization": f"Bearer {refreshed.get_json()['access_token']}"}
    told = visitor.get("/userinfo", headers=bearer)
    told_by_post = visitor.post("/userinfo", headers=bearer)
    form = {"token": refreshed.get_json()["refresh_token"]} | mine
    revoked = visitor.post("/revoke", form, headers=here)

    for answer in (tokens, refreshed, told, told_by_post, revoked):
        assert answer.status_code == 200, answer.text
        assert_readable(answer)
    assert visitor.get("/userinfo", headers=bearer).status_code == 401


@pytest.mark.parametrize("path", list(METHODS))
def test_a_preflight_is_answered_to_the_letter(browsers: Browsers, path: str) -> None:
    for origin in (APP, OTHER_APP):
        answer = preflight(browsers.visitor, path, origin)

        assert answer.status_code == 204
        assert answer.data == b""
        assert cors_of(answer) == {
            "Allow-Origin": origin,
            "Allow-Methods": "GET, POST" if path == "/userinfo" else "POST",
            "Allow-Headers": "authorization, content-type",
            "Max-Age": "7200",
            "Expose-Headers": "WWW-Authenticate, Retry-After, X-Request-Id",
        }
        assert answer.vary.as_set() == {"origin"}


@pytest.mark.parametrize("path", list(METHODS))
@pytest.mark.parametrize("origin", [*STRANGERS, None, ""])
def test_a_preflight_of_an_origin_that_nobody_registered_gives_no_leave(
    browsers: Browsers, path: str, origin: str | None
) -> None:
    answer = preflight(browsers.visitor, path, origin)

    assert answer.status_code == 204
    assert_closed(answer)


def test_a_preflight_costs_no_sql(browsers: Browsers) -> None:
    statements: list[str] = []
    preflight(browsers.visitor, "/token")

    @event.listens_for(browsers.instance.parts.database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    began = time.monotonic()
    answers = [preflight(browsers.visitor, "/token") for _ in range(50)]

    assert all(cors_of(answer) for answer in answers)
    assert len(statements) <= 1 + int(time.monotonic() - began)  # one look a second


def test_an_options_request_that_is_no_preflight_says_what_is_served(browsers: Browsers) -> None:
    answer = browsers.visitor.http.options("/token", headers={"Origin": EVIL})

    assert answer.status_code == 200
    assert answer.allow.as_set() == {"post", "options"}
    assert_closed(answer)


@pytest.mark.parametrize("origin", STRANGERS)
def test_scripts_of_strangers_read_nothing_of_a_good_answer(
    browsers: Browsers, origin: str
) -> None:
    tokens = browsers.redeem(origin, browsers.code())
    bearer = {"Authorization": f"Bearer {tokens.get_json()['access_token']}", "Origin": origin}
    told = browsers.visitor.get("/userinfo", headers=bearer)
    refused = browsers.redeem(origin)

    assert [tokens.status_code, told.status_code, refused.status_code] == [200, 200, 400]
    for answer in (tokens, told, refused):
        assert_closed(answer)


def test_attack_a_registered_application_cannot_read_what_is_for_another(
    browsers: Browsers,
) -> None:
    visitor = browsers.visitor
    tokens = browsers.redeem(OTHER_APP, browsers.code())
    access_token = tokens.get_json()["access_token"]
    bearer = {"Authorization": f"Bearer {access_token}", "Origin": OTHER_APP}

    told = visitor.get("/userinfo", headers=bearer)
    refused = browsers.redeem(OTHER_APP)
    form = {"token": access_token, "client_id": "app"}
    revoked = visitor.post("/revoke", form, headers={"Origin": OTHER_APP})

    for answer in (tokens, told, refused, revoked):
        assert_closed(answer)


def test_a_service_with_a_secret_is_never_called_by_a_script(browsers: Browsers) -> None:
    service = browsers.instance.add_service(web_origins=("https://cotisations.example",))
    visitor = browsers.visitor
    code = browsers.instance.visitor().code(browsers.person, service)

    for origin in (APP, "https://cotisations.example"):
        answer = visitor.post(
            "/token", service.redemption(code), headers={**service.basic, "Origin": origin}
        )
        assert_closed(answer)
        assert_closed(preflight(visitor, "/token", "https://cotisations.example"))


def test_every_refusal_can_be_read_by_the_application_that_it_concerns(
    browsers: Browsers,
) -> None:
    visitor, here = browsers.visitor, {"Origin": APP}
    basic = here | {"Authorization": "Basic YTpi"}
    answers = {
        "a code that is unknown": (browsers.redeem(APP), 400),
        "nothing in the form": (visitor.post("/token", {}, headers=here), 400),
        "nobody": (visitor.post("/token", {"grant_type": "x"}, headers=here), 401),
        "a wrong secret": (visitor.post("/token", {"grant_type": "x"}, headers=basic), 401),
        "by GET": (visitor.get("/token", headers=here), 405),
        "too long": (visitor.post("/token", {"x": "a" * 70_000}, headers=here), 413),
        "no token": (visitor.get("/userinfo", headers=here), 401),
        "a wrong token": (
            visitor.get("/userinfo", headers=here | {"Authorization": "Bearer x"}),
            401,
        ),
        "by PUT": (visitor.http.put("/userinfo", headers=here), 405),
        "no token to revoke": (visitor.post("/revoke", {"client_id": "app"}, headers=here), 400),
    }

    for name, (answer, status) in answers.items():
        assert answer.status_code == status, name
        assert_readable(answer)


def test_a_network_that_must_wait_can_read_for_how_long(browsers: Browsers) -> None:
    visitor = browsers.visitor
    wrong = {"Origin": APP, "Authorization": "Basic YTpi"}
    form = {"grant_type": "authorization_code"}
    for _ in range(browsers.instance.settings.client_secret_limit):
        visitor.post("/token", form, headers=wrong)

    held = visitor.post("/token", form, headers=wrong)

    assert held.status_code == 429
    assert int(held.headers["Retry-After"]) > 0
    assert_readable(held)


def test_a_store_that_is_away_can_be_told_from_a_network_that_is(
    tmp_path: Path, sqlite_url: str, clock: Clock
) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    browsers = Browsers(Instance(tmp_path, sql_url=sqlite_url, redis_url=nowhere, clock=clock))

    away = browsers.redeem(APP)

    assert away.status_code == 503
    assert away.headers["Retry-After"]
    assert_readable(away)


def test_an_origin_is_known_and_unknown_within_a_second_of_its_registration(
    browsers: Browsers,
) -> None:
    def waited() -> Iterator[TestResponse]:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            yield preflight(browsers.visitor, "/token", OTHER_APP)
            time.sleep(0.05)

    assert cors_of(preflight(browsers.visitor, "/token", OTHER_APP))
    browsers.instance.remove_service(browsers.other)

    assert any(not cors_of(answer) for answer in waited())


@pytest.mark.parametrize("path", PUBLISHED)
@pytest.mark.parametrize("origin", [APP, EVIL, "null", None])
def test_discovery_and_jwks_are_for_every_script_without_credentials(
    instance: Instance, path: str, origin: str | None
) -> None:
    visitor = instance.visitor()
    headers = {"Origin": origin} if origin else {}

    answer = visitor.get(path, headers=headers)
    asked = preflight(visitor, path, origin, "GET")
    refused = visitor.post(path, headers=headers)

    assert answer.status_code == 200
    assert cors_of(answer) == {"Allow-Origin": "*"}
    assert asked.status_code == 204
    assert cors_of(asked) == {
        "Allow-Origin": "*",
        "Allow-Methods": "GET, HEAD",
        "Allow-Headers": "authorization, content-type",
        "Max-Age": "7200",
    }
    assert refused.status_code == 405
    for each in (answer, asked):
        assert not each.vary  # one answer for all, that caches keep once


@pytest.mark.parametrize("origin", [APP, EVIL, "null", "http://localhost:8000"])
def test_no_other_route_of_the_application_has_a_word_of_cors(
    browsers: Browsers, origin: str
) -> None:
    visitor = browsers.instance.visitor()
    visitor.sign_in(browsers.person)  # with the cookies that would make an answer personal
    rules = list(browsers.instance.app.url_map.iter_rules())
    others = sorted({rule.rule for rule in rules} - set(METHODS) - set(PUBLISHED))
    paths = [path.replace("<path:filename>", "pages.css") for path in others]

    assert {"/authorize", "/logout", "/introspect", "/connexion", "/compte"} < set(paths)
    for path in [*paths, "/nowhere", "/token/", "/userinfo/x", "//token", "/Token", "/jwks/"]:
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            answer = visitor.http.open(
                path, method=method, headers={"Origin": origin, **TO_SEND}, buffered=True
            )
            assert cors_of(answer) == {}, (method, path)
            assert "origin" not in answer.vary.as_set(), (method, path)


def test_cookies_never_count_where_scripts_read(browsers: Browsers) -> None:
    visitor = browsers.instance.visitor()
    visitor.sign_in(browsers.person)

    for path in METHODS:
        for answer in (
            visitor.post(path, headers={"Origin": APP}),
            preflight(visitor, path),
        ):
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Set-Cookie" not in answer.headers
