"""Old code runs on the new schema: migrations only add, and a release later take away.

The rules stand in ``idp/infra/migrations/README.md``.
"""

import ast
import re
from configparser import ConfigParser
from datetime import UTC
from datetime import date
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Column
from sqlalchemy import MetaData
from sqlalchemy import create_engine
from sqlalchemy import types

from idp.infra import migrations
from idp.infra.migrations.upgrade import upgrade
from tests.running import ROOT

FILES = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
TAKES_AWAY = {"drop_column", "drop_table", "rename_table", "drop_constraint"}
FORBIDS = {
    "create_unique_constraint",
    "create_check_constraint",
    "create_foreign_key",
    "create_exclude_constraint",
    "create_primary_key",
}
BY_HAND = re.compile(r"\b(DROP|RENAME|SET NOT NULL|ALTER TABLE|ADD CONSTRAINT)\b", re.IGNORECASE)


def given(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def is_set(call: ast.Call, name: str, value: object) -> bool:
    found = given(call, name)
    return isinstance(found, ast.Constant) and found.value is value


def faults_of(source: str) -> list[str]:
    """What old code would not survive, told by the call that does it."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = {c.args[0].value for c in calls if name_of(c) == "create_table"}  # type: ignore[attr-defined]
    faults = []
    for call in calls:
        name = name_of(call)
        if name in TAKES_AWAY | FORBIDS or (
            name == "alter_column"
            and (
                is_set(call, "nullable", False)
                or given(call, "new_column_name") is not None
                or given(call, "type_") is not None
            )
        ):
            faults.append(name)
        if name == "add_column":
            column = call.args[-1]
            assert isinstance(column, ast.Call)
            if is_set(column, "nullable", False) and given(column, "server_default") is None:
                faults.append("add_column: NOT NULL without server_default")
        if name == "create_index" and is_set(call, "unique", True):
            table, columns = (ast.literal_eval(argument) for argument in call.args[1:3])
            added = set(re.findall(rf'add_column\(\s*"{table}",\s*sa\.Column\("(\w+)"', source))
            if table not in made and not set(columns) <= added:
                faults.append("create_index: unique, on columns that old code fills")
        if name == "execute":
            text = ast.unparse(call)
            if BY_HAND.search(text):
                faults.append(f"execute: {text}")
    return faults


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def contract_after(source: str) -> str | None:
    found = re.search(r'^contract_after = "([0-9.]+)"$', source, re.MULTILINE)
    return found[1] if found else None


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_takes_nothing_from_code_that_may_still_run(file: Path) -> None:
    source = file.read_text()
    last = contract_after(source)
    if last is None:
        assert faults_of(source) == []
        return
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert numbers(last) < numbers(setup["metadata"]["version"])


@pytest.mark.parametrize(
    "planted",
    [
        'op.drop_column("accounts", "status")',
        'op.drop_table("consents")',
        'op.rename_table("consents", "agreements")',
        'op.alter_column("accounts", "status", nullable=False)',
        'op.alter_column("accounts", "status", new_column_name="state")',
        'op.alter_column("accounts", "status", type_=sa.String(length=4))',
        'op.add_column("accounts", sa.Column("colour", sa.Text(), nullable=False))',
        'op.create_unique_constraint("uq", "accounts", ["status"])',
        'op.create_check_constraint("ck", "accounts", "status <> 0")',
        'op.create_index("uq", "accounts", ["status"], unique=True)',
        'op.execute("ALTER TABLE accounts RENAME status TO state")',
        'op.execute("drop index ix_accounts")',
    ],
)
def test_what_old_code_would_not_survive_is_found(planted: str) -> None:
    assert len(faults_of(f"def upgrade():\n    {planted}\n")) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        'op.add_column("accounts", sa.Column("colour", sa.Text(), nullable=True))',
        'op.add_column("a", sa.Column("b", sa.Text(), nullable=False, server_default=""))',
        'op.create_index("ix", "accounts", ["status"])',
        'op.execute("CREATE FUNCTION f() RETURNS trigger")',
    ],
)
def test_what_old_code_does_not_notice_is_allowed(harmless: str) -> None:
    assert faults_of(f"def upgrade():\n    {harmless}\n") == []


def value_for(column: Column[object], number: int) -> object:
    """Something that fits into a column, another for each number."""
    kind = column.type
    if isinstance(kind, types.Boolean):
        return True
    if isinstance(kind, types.DateTime):
        return datetime.now(UTC)
    if isinstance(kind, types.Date):
        return date(2026, 1, 1)
    if isinstance(kind, types.JSON):
        return {}
    if isinstance(kind, types.LargeBinary):
        return b"x"
    if isinstance(kind, types.Numeric | types.Integer):
        return 1_000 + number
    return f"{number}"


def write_as_before(url: str, before: MetaData, number: int) -> int:
    """Insert a row into each table with the columns that there were before; give how many."""
    engine = create_engine(url)
    written = 0
    with engine.begin() as connection:
        for table in before.sorted_tables:
            if table.name == "alembic_version":
                continue
            row = {column.name: value_for(column, number) for column in table.columns}
            for key in table.foreign_keys:  # its parent was given the same number
                row[key.parent.name] = value_for(key.column, number)
            connection.execute(table.insert().values(**row))
            written += 1
    engine.dispose()
    return written


def tables_of(url: str) -> MetaData:
    engine = create_engine(url)
    found = MetaData()
    found.reflect(engine)
    engine.dispose()
    return found


@pytest.mark.stores
def test_rows_as_the_version_before_writes_them_fit_into_every_revision(sql_url: str) -> None:
    first, *later = migrations.revisions()
    upgrade(sql_url, first)
    written = []

    for number, revision in enumerate(later):
        before = tables_of(sql_url)
        upgrade(sql_url, revision)
        written.append(write_as_before(sql_url, before, number))

    assert written == sorted(written)
    assert written[0] > 5
