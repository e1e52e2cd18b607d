"""``idp audit verify``, ``export`` and ``head``, as an operator runs them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import update

from idp.cli import main
from idp.infra.tables import AuditHeadRow
from idp.infra.tables import AuditRow
from idp.infra.tables import AuditSealRow
from idp.worker import Worker
from tests.instance import Clock
from tests.instance import Instance

ACCOUNT = "a" * 22
PAGE = Path(__file__).parents[2] / "docs" / "operate" / "audit.md"


@pytest.fixture
def clock() -> Clock:
    """Two days ago: the command looks at the real clock."""
    return Clock(datetime.now(UTC).replace(hour=12) - timedelta(days=2))


@pytest.fixture
def idp(instance: Instance, tmp_path: Path, sqlite_url: str) -> Callable[..., Result]:
    env = {
        "IDP_ISSUER": instance.settings.issuer,
        "IDP_DATA_DIR": str(instance.settings.data_dir),
        "IDP_DATABASE_URL": instance.settings.sql_url,
        "IDP_REDIS_URL": instance.settings.redis_url,
    }

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--operator", "jeanne", "audit", *arguments], env=env)

    return run


def write(instance: Instance, count: int, **facts: object) -> None:
    row = {"event": "sign_in.succeeded", "account_id": None, "detail": {}, **facts}
    for _ in range(count):
        instance.clock.advance(timedelta(seconds=1))
        with instance.app.app_context(), instance.parts.database.transaction():
            instance.parts.database.execute(insert(AuditRow), {"at": instance.clock(), **row})


def tamper(instance: Instance, statement: object) -> None:
    with instance.parts.database.engine.begin() as connection:
        connection.execute(statement)  # type: ignore[call-overload] # any statement


@pytest.fixture
def history(instance: Instance) -> Instance:
    """Two days: three events, a seal and a head each."""
    for _ in range(2):
        write(instance, 2)
        write(instance, 1, account_id=ACCOUNT)
        Worker(instance.parts).run_once()
        instance.clock.advance(timedelta(days=1))
    Worker(instance.parts).run_once()
    return instance


def test_a_log_that_nobody_touched_is_told_so(
    idp: Callable[..., Result], history: Instance
) -> None:
    write(history, 1)

    done = idp("verify")

    assert (done.exit_code, done.output) == (
        0,
        "rows not sealed yet, of which nothing can be said: 1\n"
        "looked at 6 rows, 2 seals, 2 heads: nothing was changed, removed or inserted\n",
    )
    assert not recorded(history)

    idp("verify", "--record")

    assert recorded(history) == 1


def recorded(instance: Instance) -> int:
    return [row[0] for row in instance.audit()].count("audit.verified")


HANDS = {
    "changed: row 2, in seal 1 (rows 1 to 3, ": update(AuditRow)
    .where(AuditRow.id == 2)
    .values(operator="x"),
    "removed: row 3, in seal 1 (rows 1 to 3, ": delete(AuditRow).where(AuditRow.id == 3),
    "inserted: row -1, in seal 1 (rows 1 to 3, ": insert(AuditRow).values(
        id=-1, at=datetime(2026, 1, 1, tzinfo=UTC), event="key.added"
    ),
    "broken chain: seal 1 is missing": delete(AuditSealRow).where(AuditSealRow.number == 1),
    "bad signature: head 1: ": update(AuditHeadRow)
    .where(AuditHeadRow.number == 1)
    .values(jws="e30.e30.e30"),
    "head missing: seals were made on ": delete(AuditHeadRow),
}


@pytest.mark.parametrize("told", HANDS)
def test_what_somebody_did_to_the_log_is_told_in_plain_words(
    idp: Callable[..., Result], history: Instance, told: str
) -> None:
    tamper(history, HANDS[told])

    done = idp("verify", "--record")

    assert done.exit_code == 1
    assert not recorded(history)
    assert any(line.startswith(told) for line in done.output.splitlines()), done.output


def test_a_head_kept_elsewhere_finds_a_log_that_was_cut_off(
    idp: Callable[..., Result], history: Instance, tmp_path: Path
) -> None:
    kept = tmp_path / "heads"
    kept.write_text(idp("head", "--json").output, encoding="utf-8")
    good = idp("verify", "--kept", str(kept))
    tamper(history, delete(AuditHeadRow).where(AuditHeadRow.number == 2))
    tamper(history, delete(AuditSealRow).where(AuditSealRow.number == 2))
    tamper(history, delete(AuditRow).where(AuditRow.id > 3))

    assert good.exit_code == 0
    assert idp("verify").exit_code == 0
    found = idp("verify", "--kept", str(kept))
    assert found.exit_code == 1
    assert "broken chain: seal 2, which head 2 signed, is not there" in found.output


def test_the_newest_head_is_printed_for_paper(
    idp: Callable[..., Result], history: Instance
) -> None:
    done = idp("head")

    day = (history.clock() - timedelta(days=1)).date()
    assert done.output.startswith(f"head 2: the audit log up to seal 2, of {day}\nseal hash  ")
    assert re.search(r"^head hash  [0-9a-f]{64}$", done.output, re.MULTILINE)


def test_before_the_first_midnight_there_is_no_head(idp: Callable[..., Result]) -> None:
    done = idp("head")

    assert (done.exit_code, "no head was signed yet" in done.output) == (1, True)


@pytest.mark.parametrize("line", ["no json", "{}", "[]", '{"head":1,"day":"x"}'])
def test_a_kept_head_that_is_none_is_refused(
    idp: Callable[..., Result], history: Instance, tmp_path: Path, line: str
) -> None:
    kept = tmp_path / "heads"
    kept.write_text(line, encoding="utf-8")

    done = idp("verify", "--kept", str(kept))

    assert (done.exit_code, "--kept, line 1: not what" in done.output) == (1, True)


def test_a_walk_begins_behind_the_head_of_a_day(
    idp: Callable[..., Result], history: Instance
) -> None:
    first = (history.clock() - timedelta(days=2)).date()

    done = idp("verify", "--since", f"{first}")
    unknown = idp("verify", "--since", "2020-01-01")

    assert "looked at 3 rows, 1 seals, 2 heads" in done.output
    assert (unknown.exit_code, "no head was signed of 2020-01-01" in unknown.output) == (1, True)


def test_heads_of_a_key_that_was_erased_at_once_are_told_until_it_is_trusted(
    idp: Callable[..., Result], history: Instance
) -> None:
    ring = history.parts.key_files.ring()
    gone = ring.signing_key("ES256", now=history.clock())
    for key in ring:
        history.parts.key_files.path_of(key).unlink()
    history.parts.key_files.add("ES256", history.clock() - timedelta(hours=1))

    strange, trusted = idp("verify"), idp("verify", "--trust", gone.kid)

    assert (strange.exit_code, trusted.exit_code) == (1, 0)
    assert "bad signature: head 1: its key is none of ours" in strange.output


def test_an_export_of_one_account_gives_its_events_and_digests_of_others(
    idp: Callable[..., Result], history: Instance
) -> None:
    done = idp("export", "--account", ACCOUNT)

    lines = [json.loads(line) for line in done.output.splitlines()]
    assert [line["type"] for line in lines] == [
        *["seal", "digest", "digest", "event", "head"] * 2,
        "event",
    ]
    assert history.audit()[-1][:2] == ("audit.exported", ACCOUNT)
    assert ACCOUNT not in json.dumps([line for line in lines if line["type"] == "digest"])


def test_an_export_of_some_days_is_audited_with_them(
    idp: Callable[..., Result], history: Instance
) -> None:
    day = (history.clock() - timedelta(days=1)).date()

    done = idp("export", "--from", f"{day}", "--to", f"{day + timedelta(days=1)}")

    lines = [json.loads(line) for line in done.output.splitlines()]
    assert [line["type"] for line in lines] == ["seal", "event", "event", "event", "head"]
    event, _, detail = history.audit()[-1]
    assert (event, sorted(detail)) == ("audit.exported", ["from", "to"])


def program(page: str) -> str:
    """The program of the page, for a third party."""
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("asked", [(), ("--account", ACCOUNT)])
def test_a_third_party_checks_an_export_with_the_program_of_the_page(
    idp: Callable[..., Result], history: Instance, asked: tuple[str, ...], tmp_path: Path
) -> None:
    check = tmp_path / "check.py"
    check.write_text(program(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    exported = idp("export", *asked).output

    def run(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, check], input=text, capture_output=True, text=True, check=False
        )

    good = run(exported)
    changed = run(exported.replace('"account_id":"aaa', '"account_id":"baa', 1))
    removed = run("".join(exported.splitlines(keepends=True)[1:]))

    assert (good.returncode, good.stdout) == (0, "2 seals, 2 heads: as they were sealed\n")
    assert changed.returncode == removed.returncode == 1
