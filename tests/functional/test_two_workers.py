"""Real gunicorn, two workers: what they share, and what the death of one costs."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from idp.identity.directory import COLUMNS
from tests.instance import Visitor
from tests.instance import answer_of
from tests.running import ROOT
from tests.running import Running
from tests.running import at_once
from tests.running import end_process
from tests.running import eventually


def test_twenty_redemptions_at_once_of_one_code_give_exactly_one_success(
    running: Running,
) -> None:
    person = running.instance.add_person(numero="1000001")
    service = running.add_service("twenty")

    for _ in range(3):
        code = running.visitor().code(person, service)
        visitors = [running.visitor() for _ in range(20)]

        def act(visitor: Visitor, code: str = code) -> Callable[[], int]:
            return lambda: visitor.redeem(service, code).status_code

        statuses = at_once(act(visitor) for visitor in visitors)

        assert sorted(statuses) == [200] + [400] * 19


def test_each_step_of_a_journey_may_be_answered_by_another_worker(running: Running) -> None:
    person = running.instance.add_person(numero="1000002")
    service = running.add_service("steps")
    visitor = running.visitor()
    one, two = running.workers()

    with running.only(one):
        page = visitor.open_sign_in(service)
    with running.only(two):
        code = answer_of(
            visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
        )["code"]
    with running.only(one):
        tokens = visitor.redeem(service, code).get_json()
    with running.only(two):
        assert visitor.userinfo(tokens["access_token"]).get_json()["qualite"] == "affilie"
        assert "code" in answer_of(visitor.get("/authorize", service.request(prompt="none")))
    with running.only(one):
        visitor.get("/logout", {"id_token_hint": tokens["id_token"]})
    with running.only(two):
        assert visitor.get("/compte").status_code == 303
        assert visitor.userinfo(tokens["access_token"]).status_code == 401


def test_failures_are_counted_for_both_workers_together(running: Running) -> None:
    person = running.instance.add_person(numero="1000003")
    visitor = running.visitor()
    one, two = running.workers()

    def try_once(worker: int) -> int:
        with running.only(worker):
            page = visitor.open_sign_in()
            return visitor.submit_sign_in(page, "affilie", person.numero, "no").status_code

    assert [try_once(worker) for worker in (one, two, one, two, one)] == [403] * 5
    assert [try_once(worker) for worker in (two, one)] == [429, 429]


def test_a_service_added_or_given_a_secret_is_known_to_both_within_a_second(
    running: Running,
) -> None:
    person = running.instance.add_person(numero="1000004")
    first = running.add_service("changing")
    for worker in running.workers():
        with running.only(worker):
            assert running.visitor().tokens(person, first)
    second = running.instance.new_secret(first)
    time.sleep(1.1)

    for worker in running.workers():
        with running.only(worker):
            for service in (first, second):
                assert running.visitor().tokens(person, service)


def test_a_killed_worker_costs_a_reload_at_most(running: Running) -> None:
    person = running.instance.add_person(numero="1000005")
    service = running.add_service("survivor")
    visitor = running.visitor()
    page = visitor.open_sign_in(service)
    before = running.workers()

    end_process(before[0])
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    code = answer_of(answer)["code"]
    end_process(before[1])
    tokens = visitor.redeem(service, code)

    assert tokens.status_code == 200
    assert visitor.userinfo(tokens.get_json()["access_token"]).status_code == 200
    eventually(lambda: len(running.workers()) == 2 and not set(before) & set(running.workers()))
    running.wait_for_workers()
    assert visitor.get("/compte").status_code == 200  # both are new, and the session is there


def test_a_worker_killed_while_it_hashes_loses_one_answer_and_nothing_else(
    running: Running,
) -> None:
    person = running.instance.add_person(numero="1000006")
    visitor = running.visitor()
    page = visitor.open_sign_in()
    victim = running.workers()[0]

    def submit() -> int:
        try:
            sent = visitor.submit_sign_in(page, "affilie", person.numero, person.password)
        except OSError:
            return 0
        return sent.status_code

    def kill() -> int:
        time.sleep(0.02)
        end_process(victim)
        return -1

    with running.only(victim):
        first, _ = at_once([submit, kill])
    eventually(lambda: len(running.workers()) == 2)
    running.wait_for_workers()

    assert first in (0, 303)
    assert submit() == 303  # the reload


def test_an_import_that_closes_a_dossier_ends_its_sessions_in_every_worker(
    running: Running, tmp_path: Path
) -> None:
    person = running.instance.add_person(numero="1000008")
    service = running.add_service("closing")
    visitor = running.visitor()
    tokens = visitor.tokens(person, service)
    export = tmp_path / "export.csv"
    given = {
        "qualite": "affilie",
        "numero_dossier": person.numero,
        "family_name": "LEFEVRE",
        "given_names": "Anne",
        "situations": "cotisant",
        "status": "closed",
    }
    export.write_text(f"{','.join(COLUMNS)}\n{','.join(given.get(c, '') for c in COLUMNS)}\n")

    done = subprocess.run(
        [sys.executable, "-m", "idp", "dossiers", "import", str(export)],
        env=running.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for worker in running.workers():
        with running.only(worker):
            assert visitor.get("/compte").headers["Location"] == "/connexion"
            assert visitor.userinfo(tokens["access_token"]).status_code == 401
            refused = answer_of(visitor.get("/authorize", service.request(prompt="none")))
            assert refused["error"] == "login_required"
    assert visitor.sign_in(person).status_code == 403
