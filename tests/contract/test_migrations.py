"""The schema that migrations make, on both stores."""

import socket
import stat
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy.engine import make_url

from idp import StoreUnavailable
from idp.cli import main
from idp.infra import migrations
from idp.infra.migrations.upgrade import MigrationFailed
from idp.infra.migrations.upgrade import upgrade
from idp.infra.tables import Base

pytestmark = pytest.mark.stores


def differences(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return found


def scalar(url, statement):
    engine = create_engine(url)
    with engine.begin() as connection:
        value = connection.execute(text(statement)).scalar_one()
    engine.dispose()
    return value


def execute(url, statement):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_an_empty_store_becomes_the_schema_of_the_tables(sql_url):
    upgrade(sql_url)

    assert differences(sql_url) == []


def test_the_comparison_sees_a_column_that_is_missing(sql_url):
    upgrade(sql_url)

    execute(sql_url, "ALTER TABLE audit_events DROP COLUMN operator")

    assert differences(sql_url) != []


@pytest.mark.parametrize("revision", migrations.revisions())
def test_every_earlier_revision_comes_up_to_the_head(sql_url, revision):
    upgrade(sql_url, revision)

    upgrade(sql_url)

    assert differences(sql_url) == []
    assert not migrations.pending(sql_url)


def test_the_registry_starts_at_version_1_so_that_a_change_of_clients_can_raise_it(sql_url):
    upgrade(sql_url)

    assert scalar(sql_url, "SELECT version FROM registry_version WHERE id = 1") == 1


def test_a_second_upgrade_changes_nothing(sql_url):
    upgrade(sql_url)
    execute(sql_url, "UPDATE registry_version SET version = 7")

    upgrade(sql_url)

    assert scalar(sql_url, "SELECT version FROM registry_version") == 7


def test_the_schema_is_pending_until_it_is_upgraded(sql_url):
    before = migrations.pending(sql_url)

    upgrade(sql_url)

    assert (before, migrations.pending(sql_url)) == (True, False)


def test_asking_whether_a_schema_is_pending_makes_no_database_file(sqlite_url, tmp_path):
    assert migrations.pending(sqlite_url)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told_by_each_way_to_the_schema(tmp_path):
    (tmp_path / "notes").write_bytes(b"notes of the fund, not a database " * 40)
    url = f"sqlite:///{tmp_path / 'notes'}"

    for ask in (migrations.pending, upgrade):
        with pytest.raises(StoreUnavailable, match="no SQLite database"):
            ask(url)


def test_a_role_that_may_not_read_the_schema_is_told_so(postgres_url):
    upgrade(postgres_url)
    execute(postgres_url, "CREATE ROLE without_select LOGIN")
    poor = make_url(postgres_url).set(username="without_select")

    try:
        with pytest.raises(StoreUnavailable, match="role may not use our tables"):
            migrations.pending(poor.render_as_string(hide_password=False))
    finally:
        execute(postgres_url, "DROP ROLE without_select")


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up_soon(servers_folder):
    folder = servers_folder / "mute"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(folder / ".s.PGSQL.5432"))
        mute.listen()
        began = time.monotonic()

        with pytest.raises(StoreUnavailable):
            migrations.pending(f"postgresql+psycopg://idp@/idp?host={folder}")

    assert time.monotonic() - began < 3.5


def test_whoever_asks_often_makes_one_look_a_second(sqlite_url):
    at = [0.0]
    pending = migrations.Pending(sqlite_url, monotonic=lambda: at[0])
    before = pending()
    upgrade(sqlite_url)

    at[0] = 0.9
    assert (before, pending()) == (True, True)
    at[0] = 1.0
    assert not pending()


def test_what_a_look_failed_of_is_told_to_all_who_ask_until_the_next(tmp_path):
    file = tmp_path / "notes"
    file.write_bytes(b"notes of the fund, not a database " * 40)
    at = [0.0]
    pending = migrations.Pending(f"sqlite:///{file}", monotonic=lambda: at[0])

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="no SQLite database"):
            pending()
        file.unlink(missing_ok=True)
    at[0] = 1.0
    assert pending()


def test_processes_that_migrate_at_once_take_turns(sql_url):
    failures = []

    def migrate():
        try:
            upgrade(sql_url)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert differences(sql_url) == []
    assert scalar(sql_url, "SELECT count(*) FROM registry_version") == 1


def test_a_database_of_a_newer_version_is_refused_and_told(sql_url):
    upgrade(sql_url)
    execute(sql_url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(migrations.UnknownSchema, match="revision 9999"):
        upgrade(sql_url)
    with pytest.raises(migrations.UnknownSchema, match="a newer version migrated it"):
        migrations.pending(sql_url)


def test_an_upgrade_that_fails_leaves_nothing_behind(sql_url):
    execute(sql_url, "CREATE TABLE client_secrets (id INTEGER PRIMARY KEY)")

    with pytest.raises(MigrationFailed, match="client_secrets"):
        upgrade(sql_url)

    execute(sql_url, "DROP TABLE client_secrets")
    upgrade(sql_url)
    assert differences(sql_url) == []


def test_a_new_sqlite_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "idp.sqlite"

    upgrade(f"sqlite:///{path}")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_server_that_is_away_is_told_as_such():
    with pytest.raises(StoreUnavailable):
        upgrade("postgresql+psycopg://idp@/idp?host=/nowhere")


def test_the_command_checks_then_migrates_then_finds_nothing_to_do(sql_url, tmp_path):
    environment = {"IDP_ISSUER": "http://localhost:8000", "IDP_DATABASE_URL": sql_url}

    def run(*arguments):
        return CliRunner().invoke(main, ["migrate", *arguments], env=environment)

    behind, first, checked, second = run("--check"), run(), run("--check"), run()

    assert (behind.exit_code, "run idp migrate" in behind.output) == (1, True)
    assert (first.exit_code, first.output) == (0, "the SQL schema is now up to date\n")
    assert (checked.exit_code, checked.output) == (0, "the SQL schema is up to date\n")
    assert (second.exit_code, second.output) == (0, "the SQL schema was up to date already\n")


def test_migrations_are_carried_as_package_files():
    folder = Path(migrations.__file__).parent

    assert (folder / "env.py").is_file()
    assert (folder / "script.py.mako").is_file()
    assert (folder / "versions" / "__init__.py").is_file()
