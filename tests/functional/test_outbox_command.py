"""``idp outbox``: what an operator sees of what was promised, and lets be tried again."""

import json
import re
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result
from sqlalchemy import select

from idp.cli import main
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.infra.logout_notices import SqlLogoutNotices
from idp.infra.outbox import SqlOutbox
from idp.infra.tables import AuditRow
from idp.promise import PromiseState
from tests.instance import Clock
from tests.instance import Instance

ACCOUNT = "a" * 22


class Rows:
    """Rows of an outbox, made with a clock of their own."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self.clock = clock
        self._outbox = SqlOutbox(instance.parts.database, clock)

    def waiting(self, account_id: str | None = ACCOUNT, *, held: bool = False) -> int:
        channel = Channel.LETTER if held else Channel.MAIL
        with self._instance.app.app_context(), self._instance.parts.database.transaction():
            return self._outbox.add(
                Kind.TEMPORARY_PASSWORD, channel, account_id=account_id, held=held
            )

    def ended(self, name: str, *words: str, **named: bool) -> int:
        made = self.waiting()
        with self._instance.app.app_context(), self._instance.parts.database.transaction():
            (claimed,) = self._outbox.claim(Channel.MAIL)
            assert claimed.id == made, "rows that end come before those that wait"
            getattr(self._outbox, name)(claimed, *words, **named)
        return made

    def dead(self) -> int:
        return self.ended("failed", "recipient_refused", permanent=True)

    def put_off(self) -> int:
        return self.ended("failed", "smtp_unreachable", permanent=False)

    def claimed(self) -> int:
        made = self.waiting()
        with self._instance.app.app_context(), self._instance.parts.database.transaction():
            self._outbox.claim(Channel.MAIL)
        return made

    def claim(self) -> list[int]:
        with self._instance.app.app_context(), self._instance.parts.database.transaction():
            return [row.id for row in self._outbox.claim(Channel.MAIL, limit=9)]


class Notices:
    """Sign-out notices of the same outbox."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._notices = SqlLogoutNotices(instance.parts.database, clock)
        self._last = 0

    def waiting(self, service: str = "cotisations") -> int:
        self._last += 1
        with self._instance.app.app_context(), self._instance.parts.database.transaction():
            self._notices.add(service, ACCOUNT, f"sid-{self._last}")
            return self._notices.rows(states=tuple(PromiseState), limit=1_000)[-1].id

    def ended(self, name: str, *words: str, service: str = "cotisations", **named: bool) -> int:
        made = self.waiting(service)
        with self._instance.app.app_context(), self._instance.parts.database.transaction():
            claimed = self._notices.claim(without=())
            assert claimed is not None
            assert claimed.id == made, "rows that end come before those that wait"
            getattr(self._notices, name)(claimed, *words, **named)
        return made

    def dead(self) -> int:
        return self.ended("failed", "answer_400", permanent=True)


@pytest.fixture
def notices(instance: Instance, clock: Clock) -> Notices:
    return Notices(instance, clock)


@pytest.fixture
def clock() -> Clock:
    """The command looks at the real clock, and so do its rows."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def rows(instance: Instance, clock: Clock) -> Rows:
    return Rows(instance, clock)


@pytest.fixture
def idp(instance: Instance, tmp_path: Path, sqlite_url: str) -> Callable[..., Result]:
    env = {
        "IDP_ISSUER": "http://localhost:8000",
        "IDP_DATA_DIR": str(tmp_path / "data"),
        "IDP_DATABASE_URL": sqlite_url,
        "IDP_ENV_FILE": None,
    }
    return lambda *words: CliRunner(env=env).invoke(main, ["--operator", "jeanne", *words])


def test_an_outbox_where_all_is_done_says_so(idp, rows):
    rows.ended("done")

    result = idp("outbox", "list")

    assert (result.exit_code, result.stdout) == (0, "no row is waiting, held or dead\n")


def test_what_somebody_still_waits_for_is_listed_the_oldest_first_with_the_reason(idp, rows):
    promised = re.escape(f"promised {rows.clock():%Y-%m-%d %H:%M:%SZ}")
    rows.ended("drop", "superseded")
    dead, put_off = rows.dead(), rows.put_off()
    decoy, held = rows.waiting(account_id=None), rows.waiting(held=True)

    lines = idp("outbox", "list").stdout.splitlines()

    instant = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    expected = [
        rf"{dead}  dead  temporary_password by mail, {promised}, account {ACCOUNT}, 1 try, "
        rf"recipient_refused, ended {instant}",
        rf"{put_off}  waiting  temporary_password by mail, {promised}, account {ACCOUNT}, 1 try, "
        rf"smtp_unreachable, next try {instant}",
        rf"{decoy}  waiting  temporary_password by mail, {promised}, decoy",
        rf"{held}  held  temporary_password by letter, {promised}, account {ACCOUNT}",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_a_row_that_a_worker_holds_is_told_to_be_on_its_way(idp, rows):
    rows.claimed()

    assert "being sent, until" in idp("outbox", "list").stdout


def test_rows_of_one_state_alone_are_listed_for_a_program(idp, rows):
    dead = rows.dead()
    rows.waiting()

    result = idp("outbox", "list", "--state", "dead", "--json")

    (row,) = json.loads(result.stdout)
    assert (row["id"], row["state"], row["fault"]) == (dead, "dead", "recipient_refused")
    assert (row["kind"], row["channel"], row["tries"]) == ("temporary_password", "mail", 1)
    assert row["account_id"] == ACCOUNT
    assert datetime.fromisoformat(row["promised_at"]) == rows.clock()
    assert datetime.fromisoformat(row["ended_at"]) == rows.clock()
    assert idp("outbox", "list", "--state", "dropped").stdout == "no row is dropped\n"


def test_more_rows_than_asked_for_are_told(idp, rows):
    first = rows.waiting()
    rows.waiting()

    result = idp("outbox", "list", "--limit", "1")

    assert result.stdout.startswith(f"{first}  waiting")
    assert len(result.stdout.splitlines()) == 1
    assert "there are more: these are the 1 oldest" in result.stderr


def test_a_dead_row_retried_waits_again_and_the_audit_log_names_the_operator(idp, rows, instance):
    dead = rows.dead()

    result = idp("outbox", "retry", str(dead))

    assert result.stdout == f"row {dead} waits again: temporary_password by mail\n"
    rows.clock.advance(timedelta(minutes=1))
    assert rows.claim() == [dead]
    assert instance.audit() == [
        (
            "message.retried",
            ACCOUNT,
            {"promise": dead, "kind": "temporary_password", "channel": "mail"},
        )
    ]
    assert operators(instance) == ["jeanne"]


def test_every_dead_row_is_retried_at_once_and_each_is_audited(idp, rows, instance):
    dead = [rows.dead(), rows.dead()]
    rows.ended("done")

    result = idp("outbox", "retry", "--all")

    assert [line.split()[1] for line in result.stdout.splitlines()] == [str(n) for n in dead]
    rows.clock.advance(timedelta(minutes=1))
    assert rows.claim() == dead
    assert [detail["promise"] for _, _, detail in instance.audit()] == dead
    assert idp("outbox", "retry", "--all").stdout == "no row is dead\n"


@pytest.mark.parametrize("which", ["waiting", "too old", "nowhere"])
def test_a_row_that_cannot_be_retried_is_refused_with_what_can(idp, rows, instance, which):
    if which == "too old":
        rows.clock.advance(-timedelta(days=14, seconds=1))
    number = {"waiting": rows.waiting, "too old": rows.dead, "nowhere": lambda: 99}[which]()

    result = idp("outbox", "retry", str(number))

    assert result.exit_code == 1
    assert f"row {number}: only a dead one that was promised less than 14 days" in result.stderr
    assert instance.audit() == []


@pytest.mark.parametrize("words", [(), ("1", "--all")])
def test_one_row_or_all_must_be_named(idp, words):
    result = idp("outbox", "retry", *words)

    assert result.exit_code == 2
    assert "give one ID, or --all" in result.stderr


def operators(instance: Instance) -> list[str]:
    with instance.app.app_context(), instance.parts.database.transaction():
        return list(instance.parts.database.execute(select(AuditRow.operator)).scalars())


def test_notices_to_services_stand_in_the_same_list_in_order(idp, rows, notices):
    notices.ended("failed", "service_timeout", permanent=False)
    mail = rows.waiting()
    waiting = notices.waiting("attestations")

    told = idp("outbox", "list").output.splitlines()

    assert "waiting  logout to cotisations" in told[0]
    assert "1 try, service_timeout, next try" in told[0]
    assert told[1].startswith(f"{mail}  waiting  temporary_password by mail")
    assert told[2].startswith(f"{waiting}  waiting  logout to attestations")
    assert "sid-" not in "".join(told)


def test_one_service_s_notices_alone(idp, rows, notices):
    rows.waiting()
    dead = notices.dead()
    notices.waiting("attestations")

    told = idp("outbox", "list", "--service", "cotisations").output.splitlines()
    facts = json.loads(idp("outbox", "list", "--service", "attestations", "--json").output)

    assert len(told) == 1
    assert told[0].startswith(f"{dead}  dead  logout to cotisations")
    assert [(row["client_id"], row["kind"], row["channel"]) for row in facts] == [
        ("attestations", "logout", "service")
    ]


def test_a_dead_notice_is_retried_and_audited_with_its_service(idp, rows, notices, instance):
    dead, mail = notices.dead(), rows.dead()

    one = idp("outbox", "retry", str(dead))
    rest = idp("outbox", "retry", "--all")

    assert one.output == f"row {dead} waits again: logout to cotisations\n"
    assert rest.output == f"row {mail} waits again: temporary_password by mail\n"
    assert [event for event, *_ in instance.audit()] == ["logout.retried", "message.retried"]


def test_the_list_of_all_kinds_keeps_to_its_limit(idp, rows, notices):
    made = [notices.waiting(), rows.waiting(), notices.waiting()]

    result = idp("outbox", "list", "--limit", "2")

    assert [int(line.split()[0]) for line in result.stdout.splitlines()] == made[:2]
    assert "there are more" in result.stderr


def test_showing_a_service_tells_how_its_notices_fare(instance, clock, tmp_path, sqlite_url):
    env = {
        "IDP_ISSUER": "http://localhost:8000",
        "IDP_DATA_DIR": str(tmp_path / "data"),
        "IDP_DATABASE_URL": sqlite_url,
        "IDP_ENV_FILE": None,
    }
    instance.add_service(backchannel_logout_uri="https://cotisations.example/sortie")
    instance.add_service("sans")

    def told(service):
        return CliRunner(env=env).invoke(main, ["clients", "show", service]).stderr

    fresh = told("cotisations")
    notices = Notices(instance, clock)
    notices.ended("done")
    notices.dead()
    notices.waiting()
    notices.waiting("sans")

    assert "sign-out notices: none yet" in fresh
    assert "sign-out notices: 1 waiting, 1 done, 1 dead; idp outbox list --service" in told(
        "cotisations"
    )
    assert "notices" not in told("sans")
