"""``idp settings``: an operator at night asks what is in force, and what it means."""

import pytest
from click.testing import CliRunner

from idp.cli import main


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Run ``idp settings`` with these variables, in a folder without others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDP_ISSUER", "https://connexion.example.org")

    def run(*arguments, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, ["settings", *arguments])

    return run


def test_only_what_differs_from_the_default_is_shown(ask):
    answer = ask(IDP_SESSION_IDLE="600", IDP_NETWORK_LIMIT="30")

    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        "IDP_ISSUER=https://connexion.example.org",
        "IDP_SESSION_IDLE=600",
    ]


def test_all_of_them_can_be_shown(ask):
    lines = ask("--all").output.splitlines()

    assert "IDP_SESSION_IDLE=1800" in lines
    assert "IDP_REDIS_URL=" in lines
    assert "IDP_REDESIGN_AT=2021-03-01" in lines


def test_one_is_explained_by_any_spelling_of_its_name(ask):
    answer = ask("session_idle")

    assert answer.output == (
        "IDP_SESSION_IDLE=1800\n"
        "  an SSO session that nobody used for so long has ended\n"
        "  unit: seconds; default: 1800\n"
        "  why: a shared computer left alone\n"
    )
    assert ask("IDP_SESSION_IDLE").output == answer.output
    assert "why" not in ask("fund_name").output


def test_the_password_in_the_address_of_a_store_is_not_shown(ask):
    answer = ask(
        "database_url",
        "redis_url",
        IDP_DATABASE_URL="postgresql+psycopg://idp:hunter2@sql:5432/idp",
        IDP_REDIS_URL="rediss://:hunter2@redis:6379/0",
    )

    assert "IDP_DATABASE_URL=postgresql+psycopg://…@sql:5432/idp" in answer.output
    assert "IDP_REDIS_URL=rediss://…@redis:6379/0" in answer.output
    assert "hunter2" not in answer.output


def test_a_setting_that_is_not_there_is_named(ask):
    answer = ask("session_idel")

    assert answer.exit_code == 1
    assert "no such setting: session_idel" in answer.output


def test_a_wrong_value_is_told_as_at_the_start(ask):
    answer = ask(IDP_SESSION_IDLE="soon")

    assert answer.exit_code == 1
    assert "IDP_SESSION_IDLE: a whole number of seconds" in answer.output
