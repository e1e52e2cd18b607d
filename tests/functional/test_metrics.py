"""Two gunicorn workers and ``idp worker``, real requests, and what Prometheus reads of them."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.children import Child
from tests.instance import PASSWORD
from tests.instance import Person
from tests.instance import Service
from tests.running import ROOT
from tests.running import Running
from tests.running import at_once
from tests.running import end_process
from tests.running import eventually

WRONG = "un mot de passe qui ne va pas"
INVENTED = "client-que-personne-ne-connait"

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def read(port: int, path: str = "/metrics") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def numbers_of(page: str) -> Numbers:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def total(numbers: Numbers, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (of, has), value in numbers.items() if of == name and wanted <= has)


class Scene:
    """A gunicorn of two workers whose numbers can be read, and what was sent to it."""

    def __init__(self, running: Running, port: int) -> None:
        self.running, self.port = running, port
        self.people = [
            running.instance.add_person(numero=f"12345{n:02}", email=f"anne{n}@example.org")
            for n in range(9)
        ]
        self.service = running.add_service("mesures")

    def page(self) -> str:
        status, page = read(self.port)
        assert status == 200
        return page

    def numbers(self) -> Numbers:
        return numbers_of(self.page())

    def journeys(self, how_many: int) -> None:
        """Have so many people sign in at once, each wrong at first; nobody waits for a limit."""
        at_once([partial(self._journey, self.people.pop()) for _ in range(how_many)])

    def _journey(self, person: Person) -> None:
        visitor = self.running.visitor()
        page = visitor.open_sign_in(self.service)
        visitor.submit_sign_in(page, person.qualite, person.numero, WRONG)
        code = visitor.code(person, self.service)
        tokens = visitor.redeem(self.service, code).get_json()
        assert visitor.userinfo(tokens["access_token"]).status_code == 200
        invented = Service(self.service.client, f"{self.service.secret}x")
        assert visitor.redeem(invented, code).status_code == 401
        assert visitor.get("/authorize", {"client_id": INVENTED}).status_code == 400
        assert self.running.ask("GET", "/jwks").status == 200
        assert self.running.ask("PROPFIND", "/nowhere/1234567").status in (404, 405)


@pytest.fixture(scope="module")
def scene(make_shared_running: Callable[..., Running]) -> Iterator[Scene]:
    port = free_port()
    running = make_shared_running(hash_pool_queue=32)
    running.change_settings(metrics_bind=f"127.0.0.1:{port}")  # of its processes, not of this one
    running.start()
    eventually(lambda: _answers(port), told=running.child.said)
    yield Scene(running, port)
    running.stop()


def _answers(port: int) -> bool:
    try:
        return read(port)[0] == 200
    except OSError:
        return False


def test_two_workers_count_together_what_was_sent_at_once_and_a_killed_one_takes_nothing_away(
    scene: Scene,
) -> None:
    before = scene.numbers()

    scene.journeys(4)

    def all_told(rounds: int) -> None:
        now = scene.numbers()

        def grown(name: str, **labels: str) -> float:
            return total(now, name, **labels) - total(before, name, **labels)

        assert grown("idp_sign_ins_total", outcome="succeeded") == rounds
        assert grown("idp_sign_ins_total", outcome="refused", stopped_by="wrong_password") == rounds
        assert grown("idp_sign_ins_total") == 2 * rounds
        assert grown("idp_authorizations_total", client_id="mesures") == rounds
        assert grown("idp_tokens_total", grant="authorization_code") == rounds
        assert grown("idp_requests_total", endpoint="login.submit", method="POST") == 2 * rounds
        assert grown("idp_requests_total", endpoint="oidc.token", status="200") == rounds
        assert grown("idp_requests_total", endpoint="oidc.token", status="401") == rounds
        assert grown("idp_requests_total", endpoint="oidc.userinfo", status="200") == rounds
        assert grown("idp_requests_total", endpoint="jwks", status="200") == rounds
        assert grown("idp_requests_total", endpoint="unknown", method="other") == rounds
        assert grown("idp_request_seconds_count", endpoint="oidc.token") == 2 * rounds
        assert grown("idp_client_refusals_total", client_id="other") == rounds
        assert grown("idp_client_refusals_total", client_id="mesures") == rounds
        assert grown("idp_hash_seconds_count") == 2 * rounds
        assert grown("idp_audit_events_total", event="client.refused") == rounds

    all_told(4)
    counted = scene.numbers()
    assert total(counted, "idp_hash_pool_in_use") == total(counted, "idp_hash_pool_waiting") == 0
    assert total(counted, "idp_store_seconds_count", store="redis") > 4
    assert total(counted, "idp_store_seconds_count", store="sql", what="commit") > 4
    assert total(counted, "idp_store_failures_total") == 0

    # Each of them in turn, so that the one whose thread answers Prometheus is among them.
    for killed in scene.running.workers():
        end_process(killed)
        eventually(
            lambda killed=killed: (
                killed not in scene.running.workers()  # type: ignore[misc]
                and len(scene.running.workers()) == 2
            )
        )
        eventually(lambda: _answers(scene.port))
        all_told(4)
    scene.running.wait_for_workers()

    scene.journeys(2)

    all_told(6)
    after = scene.numbers()
    for one, value in counted.items():
        if one[0].endswith(("_total", "_count", "_bucket", "_sum")):
            assert after[one] >= value, one


def test_how_the_node_and_its_keys_stand_is_told_beside_the_counts(scene: Scene) -> None:
    numbers = scene.numbers()

    assert total(numbers, "idp_ready") == len(scene.running.ready()[1])
    assert {dict(has)["alg"] for (of, has) in numbers if of == "idp_key_standby"} == {
        "RS256",
        "ES256",
    }
    assert total(numbers, "idp_key_age_seconds", alg="ES256", state="signs") > 0
    assert total(numbers, "idp_build_info") == 1
    assert total(numbers, "idp_look_failed") == 0


def test_nothing_that_was_typed_sent_or_drawn_becomes_a_label(scene: Scene) -> None:
    person = scene.people[-1]
    scene.journeys(1)
    page = scene.page()

    said = [person.numero, PASSWORD, WRONG, INVENTED, "PROPFIND", "nowhere", "@example"]
    secrets = [str(scene.service.secret), "127.0.0.1", person.account_id]
    assert [word for word in said + secrets if word in page] == []


def test_the_port_answers_nothing_else_and_the_public_one_no_numbers(scene: Scene) -> None:
    for path in ("/", "/metrics/", "/metrics?x=1", "/healthz", "/favicon.ico"):
        assert read(scene.port, path)[0] == 404
    assert scene.running.ask("GET", "/metrics").status == 404


def test_the_worker_tells_once_what_the_stores_hold_for_all(scene: Scene, tmp_path: Path) -> None:
    port = free_port()
    worker = Child(
        "worker",
        [sys.executable, "-m", "idp", "worker"],
        log=tmp_path / "worker.log",
        env={**scene.running.environment, "IDP_WORKER_METRICS_BIND": f"127.0.0.1:{port}"},
        cwd=ROOT,
    )
    try:
        eventually(lambda: _answers(port), told=worker.said)
        eventually(
            lambda: total(
                numbers_of(read(port)[1]), "idp_worker_round_timestamp_seconds", loop="hourly"
            ),
            told=worker.said,
        )
        numbers = numbers_of(read(port)[1])
    finally:
        worker.end()

    assert total(numbers, "idp_look_failed") == 0
    names = {name for name, _ in numbers}
    assert {
        "idp_redis_faults",
        "idp_audit_unsealed",
        "idp_key_services",
        "idp_key_rotation_due",
    } <= names
    assert total(numbers, "idp_backup_age_seconds") == 3 * 86400  # none was ever made
    assert total(numbers, "idp_audit_verified_age_seconds") == 3 * 86400
    assert total(numbers, "idp_key_services") > 0
    assert total(numbers, "idp_redis_memory_used_bytes") > 100_000
    assert total(numbers, "idp_redis_faults") == 0
    assert "idp_ready" not in names


def test_an_operators_command_opens_no_port(scene: Scene) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "idp", "worker", "--once"],
        env={**scene.running.environment, "IDP_WORKER_METRICS_BIND": f"127.0.0.1:{scene.port}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "numbers are served" not in done.stderr
