"""Closed on purpose: everybody is told so, and what needs no store goes on."""

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import Instance
from tests.instance import text_of


@pytest.fixture
def closed(instance: Instance) -> Iterator[Path]:
    """The file of a service that is closed; it opens again when the test has ended."""
    path = instance.settings.maintenance_path
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def test_a_member_reads_that_the_service_is_closed_and_nothing_is_lost(
    instance: Instance, closed: Path
) -> None:
    closed.write_text("2026-11-24T20:30+01:00\n")  # the clock says 13:00 in Paris

    for path in ("/connexion", "/compte", "/mot-de-passe-oublie", "/authorize?client_id=x"):
        answer = instance.visitor().get(path)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == str(int(7.5 * 3600))
        told = text_of(answer).replace("\u00a0", " ")
        assert "Le service est en maintenance" in told
        assert "rouvre le mardi 24 novembre à 20 h 30" in told


@pytest.mark.parametrize(
    "written",
    ["", "demain", "2026-11-24T20:30", "2020-01-01T00:00+00:00", "x" * 9000, "\u00e9" * 9],
)
def test_whatever_stands_in_the_file_it_closes_and_promises_nothing_false(
    instance: Instance, closed: Path, written: str
) -> None:
    closed.write_text(written, encoding="latin-1")

    answer = instance.visitor().get("/connexion")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "600")
    assert "rouvre bientôt" in text_of(answer)


def test_a_closure_of_weeks_asks_programs_to_come_back_tomorrow(
    instance: Instance, closed: Path
) -> None:
    closed.write_text("2027-01-01T00:00+00:00")

    assert instance.visitor().get("/connexion").headers["Retry-After"] == str(24 * 3600)


def test_a_program_is_told_in_json(instance: Instance, closed: Path) -> None:
    visitor = instance.visitor()

    for path in ("/token", "/introspect", "/revoke", "/userinfo"):
        answer = visitor.post(path, {"grant_type": "authorization_code"})
        assert answer.status_code == 503
        assert answer.get_json()["error"] == "temporarily_unavailable"
        assert answer.headers["Retry-After"] == "600"


def test_keys_health_files_and_the_legal_pages_go_on(instance: Instance, closed: Path) -> None:
    visitor = instance.visitor()

    for path in (
        "/jwks", "/.well-known/openid-configuration", "/healthz", "/static/pages.css",
        "/accessibilite", "/mentions-legales", "/donnees-personnelles",
    ):  # fmt: skip
        assert visitor.get(path).status_code == 200, path


def test_a_proxy_keeps_sending_people_to_the_page_that_says_why(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance()
    instance.settings.maintenance_path.touch()

    ready = instance.visitor().get("/readyz")

    assert ready.status_code == 200
    assert ready.get_json()["maintenance"] == "warning: closed on purpose"


def test_removing_the_file_opens_at_once_and_a_session_has_lived_through(
    instance: Instance, closed: Path
) -> None:
    closed.unlink()
    visitor = instance.visitor()
    visitor.sign_in(instance.add_person(), instance.add_service())
    closed.touch()
    assert visitor.get("/compte").status_code == 503
    closed.unlink()

    assert visitor.get("/compte").status_code == 200
