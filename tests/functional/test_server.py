"""The server process: when it refuses to start, what it trusts, how it stops."""

import json
import stat
import time
from collections.abc import Callable

import pytest
import redis
from sqlalchemy import select

from demo.valkey import ValkeyServer
from idp.infra.tables import AuditRow
from tests.instance import csrf_of
from tests.instance import form_action
from tests.running import Running
from tests.running import eventually

MakeRunning = Callable[..., Running]


def test_a_store_that_may_evict_refuses_the_start_and_names_the_setting(
    make_running: MakeRunning, own_valkey: ValkeyServer
) -> None:
    running = make_running()
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            child = running.launch()
            eventually(lambda: child.exit_status is not None, told=child.said)
        finally:
            client.config_set("maxmemory-policy", "noeviction")

    assert child.exit_status != 0
    assert "maxmemory-policy" in child.said()
    assert "noeviction" in child.said()
    assert "IDP_REDIS_URL" in child.said()


def test_a_store_that_begins_to_evict_turns_readiness_red(
    running: Running, own_valkey: ValkeyServer
) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("maxmemory-policy", "volatile-ttl")
        try:
            status, said = running.ready()
        finally:
            client.config_set("maxmemory-policy", "noeviction")

    assert status == 503
    assert "noeviction" in said["redis"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"issuer": "http://connexion.example.org"}, "IDP_ISSUER"),
        ({"code_lifetime": "3600"}, "IDP_CODE_LIFETIME"),
        ({"argon2_memory_kib": "64"}, "IDP_ARGON2_MEMORY_KIB"),
    ],
)
def test_a_dangerous_setting_refuses_the_start_and_is_named(
    make_running: MakeRunning, settings: dict[str, str], named: str
) -> None:
    running = make_running()
    running.change_settings(**settings)

    child = running.launch()
    eventually(lambda: child.exit_status is not None, told=child.said)

    assert child.exit_status != 0
    assert named in child.said()


def test_secrets_that_others_can_read_refuse_the_start(make_running: MakeRunning) -> None:
    running = make_running()
    secret = next(path for path in running.instance.settings.secrets_path.iterdir())
    secret.chmod(0o644)

    child = running.launch()
    eventually(lambda: child.exit_status is not None, told=child.said)

    assert stat.S_IMODE(secret.stat().st_mode) == 0o644
    assert secret.name in child.said()
    assert "chmod" in child.said()


def networks(running: Running) -> list[str]:
    with running.instance.parts.database.engine.connect() as connection:
        return list(connection.scalars(select(AuditRow.network).order_by(AuditRow.id)))


def test_forwarded_addresses_are_ignored_unless_proxies_are_trusted(running: Running) -> None:
    visitor = running.visitor()
    before = len(networks(running))

    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X_Forwarded_For", "Client-IP"):
        page = visitor.open_sign_in()
        visitor.post(
            form_action(page),
            {
                "csrf": csrf_of(page),
                "qualite": "affilie",
                "numero": "9999999",
                "password": "x",
            },
            headers={header: "203.0.113.9"},
        )

    assert set(networks(running)[before:]) == {"127.0.0.0/24"}


def test_exactly_so_many_hops_are_read_as_there_are_proxies(make_running: MakeRunning) -> None:
    running = make_running(trusted_proxies=2)
    running.start()
    visitor = running.visitor()

    for sent in (
        "203.0.113.9, 198.51.100.1",
        "6.6.6.6, 203.0.113.9, 198.51.100.1",  # what a visitor claims stands further left
        "2001:db8:1:2::9, 198.51.100.1",
        "198.51.100.1",  # one hop only: not by way of our proxies
        "garbage, 198.51.100.1",
    ):
        page = visitor.open_sign_in()
        visitor.post(
            form_action(page),
            {
                "csrf": csrf_of(page),
                "qualite": "affilie",
                "numero": "8888888",  # one that no other test of this file tries
                "password": "x",
            },
            headers={"X-Forwarded-For": sent},
        )

    assert networks(running) == [
        "203.0.113.0/24", "203.0.113.0/24", "2001:db8:1::/48", "127.0.0.0/24", "unknown",
    ]  # fmt: skip


def test_the_server_names_no_product_and_no_version(running: Running) -> None:
    answers = [
        running.ask("GET", "/connexion"),
        running.ask("GET", "/jwks"),
        running.ask("GET", "/nowhere"),
        running.ask("POST", "/token"),
    ]
    raw = running.send_raw(b"GET / HTTP/9.9\r\n\r\n") + running.send_raw(b"\x00\xff\r\n\r\n")

    assert {answer.getheader("Server") for answer in answers} == {"idp"}
    assert b"gunicorn" not in raw.lower()
    assert b"python" not in raw.lower()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(99)) + b"\r\n",
        b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\naa",
        b"GET /\xff\xfe?\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET //evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent_Length: 3\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"",
    ],
    ids=range(14),
)
def test_what_is_hardly_http_is_refused_and_leads_nowhere(
    running: Running, request_line: bytes
) -> None:
    answer = running.send_raw(request_line)

    assert not answer.startswith(b"HTTP/1.1 5")
    assert b"Traceback" not in answer
    assert b"Location: http://evil" not in answer
    assert b"Location: //evil" not in answer
    assert running.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize("path", ["/token", "/connexion", "/logout"])
@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n",
        b"-5\r\nabcde\r\n0\r\n\r\n",
        b"5\r\nabcdeXX0\r\n\r\n",
        b"5\r\nab",
        b"0\r\nx\r\n\r\n",
    ],
    ids=["no size", "negative", "no end of chunk", "cut", "bad trailer"],
)
def test_a_malformed_chunked_form_is_the_senders_fault(
    running: Running, path: str, body: bytes
) -> None:
    logged = running.log.stat().st_size
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )

    answer = running.send_raw(head.encode() + body)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert (b'"error":"invalid_request"' in answer) == (path == "/token")
    assert b"Traceback" not in running.log.read_bytes()[logged:]


def test_a_graceful_stop_ends_within_its_time_and_says_so_in_json(
    make_running: MakeRunning,
) -> None:
    running = make_running()
    running.start()
    child = running.child

    began = time.monotonic()
    running.stop()

    assert time.monotonic() - began < 10
    assert child.exit_status == 0
    assert all(json.loads(line) for line in child.said().splitlines())
