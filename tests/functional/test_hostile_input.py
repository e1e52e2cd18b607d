"""Whatever is sent, to whatever endpoint: an answer of ours, never a 5xx, never a trace."""

import base64
import importlib
import os
import pkgutil
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import quote
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from idp import web
from idp.web.errors import MACHINE_ENDPOINTS
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import value_of

PUBLISHED = (
    "/jwks",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)
"""Answered in front of Flask's dispatch."""


def served() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every address of the application: those of machines, and the pages. None is forgotten."""
    app = Flask("addresses")
    for module in pkgutil.iter_modules(web.__path__, "idp.web."):
        blueprint = getattr(importlib.import_module(module.name), "bp", None)
        if blueprint is not None:
            app.register_blueprint(blueprint)
    paths = {rule.rule for rule in app.url_map.iter_rules() if "<" not in rule.rule}
    machines = MACHINE_ENDPOINTS | set(PUBLISHED)
    return tuple(sorted(machines)), (*sorted(paths - machines), "/logos/nobody", "/nowhere")


MACHINES, PAGES = served()
NAMES = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
    "code_challenge", "code_challenge_method", "prompt", "max_age", "login_hint", "ui_locales",
    "display", "acr_values", "id_token_hint", "claims", "request", "request_uri", "registration",
    "grant_type", "code", "code_verifier", "client_secret", "client_assertion",
    "client_assertion_type", "access_token", "demande", "csrf", "qualite", "numero", "password",
    "switch", "post_logout_redirect_uri", "token", "token_type_hint", "refresh_token", "resource",
    "claims_locales", "etape", "code_postal", "email", "canal", "iss", "error", "pour", "page",
    "choisi", "franceconnect", "dossier", "cancel",
)  # fmt: skip
FRANCECONNECT = "http://127.0.0.1:9/api/v2"
"""Where nobody answers: its pages are there, and lead nowhere."""
TOKENS = {"access_token", "id_token", "refresh_token"}
TRACES = ("Traceback", 'File "', "werkzeug", "sqlalchemy", "site-packages", "IntegrityError")
FUZZ = settings(
    max_examples=int(os.environ.get("IDP_FUZZ_EXAMPLES", "60")),
    deadline=None,
    database=None,
    derandomize="IDP_FUZZ_EXAMPLES"
    not in os.environ,  # a run that fails here fails everywhere, and again
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

words = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["", "é", '"', "'", "\\", "\x00", "\r\n", "%", "%00", "%ff", "a" * 5000, "\u202e", "٣",
         "{}", "[]", "null", "-1", "9" * 40, "code", "openid", "S256", "none", "login", "affilie",
         "authorization_code", "cotisations", "http://127.0.0.1:9001/callback", "1234567",
         FRANCECONNECT, "confirm", "link", "//mallory.example", "rattache",
         "eyJhbGciOiJub25lIn0.e30.", "\U0001f511", "\ud800"]
    ),
)  # fmt: skip
pairs = st.lists(
    st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), words), max_size=12
)
raw = st.one_of(
    st.binary(max_size=200),
    pairs.map(lambda some: encoded(some).encode()),
    st.sampled_from(
        [
            b"%",
            b"%%%",
            b"=&=&=",
            b"&" * 500,
            b"a" * 70_000,
            b'{"a":1}',
            b"\xff\xfe\x00",
            b"a=%ff&a=%c0",
        ]
    ),
)
content_types = st.sampled_from(
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=no-such",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        'multipart/form-data; boundary="\xff"',
        "application/json",
        "text/plain",
        "",
        ";",
        "\xff",
        "a/b; c",
    ]
)
header_values = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60),
    st.sampled_from(["", "*/*", ";", "=", '"', "Basic", "Bearer", "Basic " + "A" * 3000, ","]),
)  # fmt: skip
header_names = st.sampled_from(
    ["Accept", "Accept-Language", "Accept-Charset", "Accept-Encoding", "Authorization", "Cookie",
     "Host", "Origin", "Referer", "If-None-Match", "If-Match", "If-Modified-Since", "If-Range",
     "Range", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User", "Date",
     "Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Transfer-Encoding",
     "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
     "X-Forwarded-Prefix", "X-Real-IP", "Forwarded", "User-Agent", "Cache-Control", "Expect",
     "X-HTTP-Method-Override", "Access-Control-Request-Method", "Access-Control-Request-Headers",
     "DPoP", "Upgrade", "X-Request-Id"]
)  # fmt: skip
headers = st.dictionaries(header_names, header_values, max_size=6)


def encoded(some: list[tuple[str, str]]) -> str:
    return urlencode(some, errors="surrogatepass", encoding="utf-8")


def check(answer: TestResponse, path: str) -> None:
    """An answer that says what is wrong, to its reader, nothing about us, and opens nothing."""
    assert answer.status_code < 500, (path, answer.status_code, answer.text[:400])
    assert not [trace for trace in TRACES if trace in answer.text]
    assert not TOKENS & set(answer.get_json(silent=True) or ())
    assert "code" not in parse_qs(urlsplit(answer.headers.get("Location", "")).query)
    assert not re.search(r"__Host-session=[^;]", "".join(answer.headers.getlist("Set-Cookie")))
    if answer.status_code >= 400:
        if path in MACHINES:
            body = answer.get_json()
            assert isinstance(body, dict)
        else:
            assert '<html lang="fr">' in answer.text
    if answer.status_code in (301, 302, 303, 307, 308):
        location = answer.headers["Location"]
        assert location.isascii()
        assert location.startswith(("/", "http://localhost:8000/", "http://127.0.0.1:9001/"))
        assert not location.startswith("//")


class Target:
    """A provider with a person, a service, and what a journey yields."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.person: Person = instance.add_person()
        self.service: Service = instance.add_service(require_pkce=False)
        self.visitor: Visitor = instance.visitor()
        self.page = self.visitor.open_sign_in(self.service)
        tokens = instance.visitor().tokens(self.person, self.service)
        self.access_token: str = tokens["access_token"]
        self.id_token: str = tokens["id_token"]

    def send(self, method: str, path: str, **kwargs: Any) -> TestResponse:
        # A network of its own each time: limits are not what is tried here.
        self.count = getattr(self, "count", 0) + 1
        network = f"10.{self.count >> 16 & 255}.{self.count >> 8 & 255}.{self.count & 255}"
        return self.visitor.http.open(
            path, method=method, environ_overrides={"REMOTE_ADDR": network}, buffered=True, **kwargs
        )


@pytest.fixture
def target(make_instance: Callable[..., Instance], tmp_path: Path) -> Target:
    secret = tmp_path / "franceconnect"
    secret.touch(0o600)
    secret.write_text("one-that-nobody-is-asked-for")
    return Target(
        make_instance(  # with every key: /readyz is red without one
            franceconnect_issuer=FRANCECONNECT,
            franceconnect_client_id="a-fund",
            franceconnect_client_secret_file=secret,
        )
    )


def test_no_address_of_the_application_is_left_out(instance: Instance) -> None:
    rules = {rule.rule for rule in instance.app.url_map.iter_rules()}

    assert rules - set(PAGES + MACHINES) == {"/static/<path:filename>", "/logos/<client_id>"}
    for path in MACHINES:
        assert instance.visitor().get(path).status_code in (200, 400, 401, 405, 503), path


@FUZZ
@given(path=st.sampled_from(PAGES + MACHINES), some=pairs)
def test_any_query(target: Target, path: str, some: list[tuple[str, str]]) -> None:
    check(target.send("GET", path, query_string=encoded(some)), path)


@FUZZ
@given(path=st.sampled_from(PAGES + MACHINES), query=st.binary(max_size=100))
def test_any_bytes_as_a_query(target: Target, path: str, query: bytes) -> None:
    environ = {"QUERY_STRING": query.decode("latin-1").replace("\n", "")}

    answer = target.visitor.http.open(path, environ_overrides=environ, buffered=True)

    check(answer, path)


@FUZZ
@given(path=st.sampled_from(PAGES + MACHINES), body=raw, content_type=content_types)
@example(path="/token", body=b"a=%ff", content_type="application/x-www-form-urlencoded")
def test_any_body_of_any_type(target: Target, path: str, body: bytes, content_type: str) -> None:
    check(target.send("POST", path, data=body, content_type=content_type), path)


@FUZZ
@given(path=st.sampled_from(PAGES + MACHINES), sent=headers)
def test_any_headers(target: Target, path: str, sent: dict[str, str]) -> None:
    for method in ("GET", "POST"):
        check(target.send(method, path, headers=list(sent.items())), path)


@FUZZ
@given(
    method=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
    path=st.sampled_from(PAGES + MACHINES),
)
def test_any_method(target: Target, method: str, path: str) -> None:
    answer = target.send(method, path)

    if method.upper() != "HEAD":
        check(answer, path)


@FUZZ
@given(path=st.text(max_size=40))
def test_any_path(target: Target, path: str) -> None:
    wsgi = "/" + path.encode("utf-8", "surrogatepass").decode("latin-1")

    answer = target.visitor.http.open("/", environ_overrides={"PATH_INFO": wsgi}, buffered=True)

    assert answer.status_code < 500
    assert not [trace for trace in TRACES if trace in answer.text]


@FUZZ
@given(path=st.text(max_size=40), sent=headers)
@example(path="../../etc/passwd", sent={})
@example(path="pages.css/..", sent={"Range": "bytes=0-,-1"})
@example(path="pages.css\x00", sent={"If-None-Match": '"'})
def test_any_file(target: Target, path: str, sent: dict[str, str]) -> None:
    wsgi = "/static/" + path.encode("utf-8", "surrogatepass").decode("latin-1")

    answer = target.visitor.http.open(
        "/", headers=list(sent.items()), environ_overrides={"PATH_INFO": wsgi}, buffered=True
    )

    assert answer.status_code < 500
    assert not [trace for trace in TRACES if trace in answer.text]


@FUZZ
@given(changes=pairs)
def test_an_authorization_request_with_anything_changed(
    target: Target, changes: list[tuple[str, str]]
) -> None:
    asked = [*(target.service.request() | dict(changes)).items()]

    for method, kwargs in (
        ("GET", {"query_string": encoded(asked)}),
        ("GET", {"query_string": encoded([*asked, *changes])}),
        ("POST", {"data": encoded(asked), "content_type": "application/x-www-form-urlencoded"}),
    ):
        answer = target.send(method, "/authorize", **kwargs)
        check(answer, "/authorize")
        location = answer.headers.get("Location", "")
        if location.startswith("http://localhost:8000/connexion"):
            check(target.send("GET", location), "/connexion")


@FUZZ
@given(changes=pairs, authorization=st.one_of(st.none(), header_values, st.binary(max_size=60)))
def test_a_token_request_with_anything_changed(
    target: Target, changes: list[tuple[str, str]], authorization: str | bytes | None
) -> None:
    form = target.service.redemption("A" * 43) | dict(changes)
    sent = target.service.basic
    if isinstance(authorization, bytes):
        sent = {"Authorization": f"Basic {base64.b64encode(authorization).decode()}"}
    elif authorization is not None:
        sent = {"Authorization": authorization}

    answer = target.send(
        "POST", "/token", data=encoded([*form.items()]), headers=sent,
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip

    check(answer, "/token")
    assert answer.get_json()["error"]


@FUZZ
@given(qualite=words, numero=words, password=words.filter(lambda word: len(word) < 300), more=pairs)
def test_a_sign_in_form_with_anything_typed(
    target: Target, qualite: str, numero: str, password: str, more: list[tuple[str, str]]
) -> None:
    form = dict(more) | {
        "csrf": csrf_of(target.page),
        "qualite": qualite,
        "numero": numero,
        "password": password,
    }

    answer = target.send(
        "POST", form_action(target.page), data=encoded([*form.items()]),
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip

    check(answer, "/connexion")
    if answer.status_code in (400, 403, 429):
        assert value_of(answer, "password") == ""


@FUZZ
@given(token=st.one_of(words, st.text("eyJ.-_AZ09=", max_size=80)), cut=st.integers(0, 700))
def test_userinfo_and_logout_with_any_token(target: Target, token: str, cut: int) -> None:
    mixed = target.access_token[:cut] + token + target.access_token[cut + len(token) :]
    hint = target.id_token[:cut] + token + target.id_token[cut + len(token) :]

    for sent in (token, mixed):
        answer = target.send(
            "POST", "/userinfo", data=encoded([("access_token", sent)]),
            content_type="application/x-www-form-urlencoded",
        )  # fmt: skip
        check(answer, "/userinfo")
        written = sent.encode("utf-8", "surrogatepass").decode("latin-1")
        if "\n" not in written and "\r" not in written:
            bearer = {"Authorization": f"Bearer {written}"}
            check(target.send("GET", "/userinfo", headers=bearer), "/userinfo")
    for sent in (token, hint):
        query = encoded([("id_token_hint", sent), ("state", token)])
        check(target.send("GET", "/logout", query_string=query), "/logout")


@FUZZ
@given(
    cookies=st.dictionaries(
        st.sampled_from(["__Host-browser", "__Host-session", "__Host-device", "x"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300),
    )
)
def test_any_cookies(target: Target, cookies: dict[str, str]) -> None:
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    stranger = target.instance.visitor().http

    for path in ("/connexion", "/compte", "/logout", form_action(target.page)):
        answer = stranger.get(path, headers={"Cookie": sent.replace("\r", "").replace("\n", "")})
        check(answer, "/connexion")


@pytest.mark.parametrize(
    "body",
    [
        b"&".join(b"a%d=1" % n for n in range(9000)),
        b"a=" + b"%41" * 21_000,
        b"password=" + b"\xc3\xa9" * 30_000,
        b"scope=" + b"+".join([b"x"] * 30_000),
        b"max_age=" + b"9" * 60_000,
        b"prompt=" + b"login+" * 10_000,
        b"numero=" + b"1" * 60_000,
        b"id_token_hint=" + b"a." * 30_000,
        b"client_assertion=" + b"." * 60_000,
    ],
    ids=lambda body: body[:16].decode("latin-1"),
)
def test_the_largest_requests_are_answered_within_three_seconds(
    target: Target, body: bytes
) -> None:
    form = "application/x-www-form-urlencoded"
    for path in ("/token", "/revoke", "/introspect", *PAGES, "/userinfo"):
        asked = urlencode(
            {"client_id": "cotisations", "redirect_uri": "http://127.0.0.1:9001/callback"}
        )
        began = time.monotonic()
        answer = target.send("POST", path, data=asked.encode() + b"&" + body, content_type=form)
        took = time.monotonic() - began
        check(answer, path)
        assert took < 3


def test_a_compressed_request_that_unfolds_into_megabytes_cannot_be_sealed_by_anybody_else(
    instance: Instance,
) -> None:
    bomb = zlib.compress(b"[" * 50_000_000, 9)[:3000]
    sealed = base64.urlsafe_b64encode(b"\0" * 12 + bomb).decode()
    began = time.monotonic()

    answer = instance.visitor().get(f"/connexion?demande={quote(sealed)}")

    assert answer.status_code == 400
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "authorization",
    ["Basic Y290aXNhdGlvbnM6w6k=", "Basic /////w==", "Basic OjpAOg==", "Digest username=é"],
)
def test_authlib_trap_05_the_inputs_that_made_it_fail(target: Target, authorization: str) -> None:
    for path in ("/token", "/userinfo", "/authorize", "/connexion"):
        header = {"Authorization": authorization.encode().decode("latin-1")}
        check(target.send("POST", path, headers=header), path)


def test_a_hundred_strangers_leave_nothing_in_the_store(
    instance: Instance,
) -> None:
    service = instance.add_service()
    before = instance.parts.redis.client.dbsize()

    for n in range(100):
        stranger = instance.visitor(f"10.0.0.{n}")
        stranger.open_sign_in(service)
        stranger.get("/compte")
        stranger.get("/logout")

    assert instance.parts.redis.client.dbsize() == before
