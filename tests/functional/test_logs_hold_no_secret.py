"""Two gunicorn workers at DEBUG, a whole journey, and everything that they say read through."""

import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs
from urllib.parse import quote
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from idp.spoken_of import word_of
from tests.instance import PASSWORD
from tests.instance import Service
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.running import Running

WRONG = "un mot de passe qui ne va pas"


class Journey:
    """What happened, what was secret in it, and what the processes said."""

    def __init__(self, running: Running) -> None:
        self.secrets: dict[str, str] = {}
        self.request_ids: list[str] = []
        instance = running.instance
        person = instance.add_person("ayant_droit", "735192468", email="anne@example.org")
        service = running.add_service()
        visitor = running.visitor()

        page = self._keep(visitor.open_sign_in(service, login_hint=f"ayant_droit:{person.numero}"))
        sealed = parse_qs(urlsplit(form_action(page)).query)["demande"][0]
        visitor.submit_sign_in(page, person.qualite, "735 192 468", WRONG)
        visitor.submit_sign_in(page, "affilie", person.numero, WRONG)
        answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
        self._keep(answer)
        code = answer_of(answer)["code"]
        redeemed = self._keep(visitor.redeem(service, code))
        tokens = redeemed.get_json()
        self._keep(visitor.userinfo(tokens["access_token"]))
        visitor.get("/userinfo", {"access_token": tokens["access_token"]})
        visitor.redeem(service, code)
        visitor.redeem(Service(service.client, f"{service.secret}x"), code)
        visitor.get("/authorize", service.request(request_uri=f"https://x.example/{code}"))
        visitor.get(f"/nowhere/{person.numero}/{tokens['access_token']}")
        visitor.post("/token", {"password": PASSWORD, "client_secret": str(service.secret)})
        # An unforeseen fault, traceback and all.
        instance.change_dossier(person, status="unforeseen")
        other = running.visitor()
        broken = other.open_sign_in(service)
        crashed = other.submit_sign_in(broken, person.qualite, person.numero, person.password)
        assert crashed.status_code == 500
        self._keep(crashed)
        cookies = {
            name: visitor.http.get_cookie(name)
            for name in ("__Host-session", "__Host-browser", "__Host-device")
        }
        visitor.get("/logout", {"id_token_hint": tokens["id_token"]})
        # Not even HTTP: what the server itself says of a request it cannot read.
        for line in (
            f"GET /connexion?numero={person.numero}&password={quote(PASSWORD)} HTTP/9.9\r\n\r\n",
            f"GET /userinfo?access_token={tokens['access_token']}\r\n\r\n",
            f"{tokens['access_token']}\r\n\r\n",
            f"GET / HTTP/1.1\r\nAuthorization {tokens['access_token']}\r\n\r\n",
        ):
            running.send_raw(line.encode())

        self.secrets = {
            "password": PASSWORD,
            "password, escaped": quote(PASSWORD),
            "password, as a form": PASSWORD.replace(" ", "+"),
            "wrong password": WRONG,
            "number": person.numero,
            "account": person.account_id,
            "number as typed": "735 192 468",
            "e-mail": "anne@example.org",
            "name": "LEFÈVRE",
            "sealed request": sealed,
            "code": code,
            "access token": tokens["access_token"],
            "ID token": tokens["id_token"],
            "a token's signature": tokens["access_token"].rpartition(".")[2],
            "client secret": str(service.secret),
            "client secret in Basic": service.basic["Authorization"].partition(" ")[2],
            "verifier": service.verifier,
            "nonce": service.nonce,
            "state": service.state,
            "csrf": csrf_of(page),
            **{name: cookie.value for name, cookie in cookies.items() if cookie},
        }
        assert len(self.secrets) == 23
        self.word = word_of(instance.parts.secrets.decoy_key, person.account_id)
        running.stop()
        self.said = running.log.read_text()

    def _keep(self, answer: TestResponse) -> TestResponse:
        self.request_ids.append(answer.headers["X-Request-Id"])
        return answer


@pytest.fixture(scope="module")
def journey(
    tmp_path_factory: pytest.TempPathFactory, make_shared_running: Callable[..., Running]
) -> Journey:
    running = make_shared_running(log_level="DEBUG")
    running.start()
    return Journey(running)


def test_authlib_trap_12_nothing_secret_is_in_what_the_processes_say(journey: Journey) -> None:
    leaked = [name for name, secret in journey.secrets.items() if secret in journey.said]

    assert leaked == []


def test_every_line_is_json_with_its_time_level_and_logger(journey: Journey) -> None:
    lines = [json.loads(line) for line in journey.said.splitlines()]

    assert len(lines) > 20
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(line)
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["time"])


def test_every_request_is_one_line_with_its_id_method_path_and_status(journey: Journey) -> None:
    lines = [json.loads(line) for line in journey.said.splitlines()]
    requests = {line["request_id"]: line for line in lines if line["logger"] == "idp.request"}

    assert set(journey.request_ids) <= set(requests)
    for line in requests.values():
        assert re.fullmatch(r"[A-Z]+ (/[a-z/._-]*|\(unknown\)) \d{3}", line["message"])
        assert line["ms"] >= 0


def test_the_lines_of_one_member_bear_one_word_which_is_none_of_the_account(
    journey: Journey,
) -> None:
    lines = [json.loads(line) for line in journey.said.splitlines()]
    requests = [line for line in lines if line["logger"] == "idp.request"]

    assert {line["account"] for line in lines if "account" in line} == {journey.word}
    told = [line["message"].rpartition(" ")[0] for line in requests if "account" in line]
    assert told.count("POST /connexion") >= 2  # refused and right
    assert {"POST /token", "GET /userinfo"} <= set(told)
    unknown = [line["message"] for line in requests if "account" not in line]
    assert any(one.startswith("POST /connexion") for one in unknown)  # there is no such affilié


def test_an_unforeseen_fault_is_found_by_the_number_that_the_person_was_given(
    journey: Journey,
) -> None:
    lines = [json.loads(line) for line in journey.said.splitlines()]
    faults = [line for line in lines if line["level"] == "ERROR"]

    assert [fault["request_id"] for fault in faults] == [journey.request_ids[-1]]
    assert "Traceback" in faults[0]["exc_info"]
    assert "idp/" in faults[0]["exc_info"]
