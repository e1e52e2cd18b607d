"""One transaction at a time, and a PostgreSQL that says nothing is given up; an import waits."""

import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from idp import StoreUnavailable
from idp.infra.sql import PATIENCE_SECONDS
from idp.infra.sql import SQL_TIMEOUT_SECONDS
from idp.infra.sql import Database

LONGER = PATIENCE_SECONDS + 0.5


@pytest.fixture
def database(sql_url: str) -> Iterator[Database]:
    yield from _database(sql_url)


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    yield from _database(postgres_url)


def _database(url: str) -> Iterator[Database]:
    app = Flask("patience")
    with app.app_context():
        database = Database(app, url)
        yield database
        database.engine.dispose()


def backend(database: Database) -> int:
    return int(database.execute(text("SELECT pg_backend_pid()")).scalar_one())


def sleep_past_the_servers_own_time_out(postgres: Database, seconds: float) -> None:
    with postgres.transaction():
        # Switched off: a server that is stopped has none either.
        postgres.execute(text("SET LOCAL statement_timeout = 0"))
        postgres.execute(text(f"SELECT pg_sleep({seconds})"))


def test_a_transaction_inside_a_transaction_is_refused_and_the_outer_one_stands(
    database: Database,
) -> None:
    with database.transaction():
        database.execute(text("CREATE TABLE kept (n INTEGER)"))
        with pytest.raises(RuntimeError, match="inside"), database.transaction():
            pytest.fail("it began")
        database.execute(text("INSERT INTO kept VALUES (1)"))

    with database.transaction():
        assert database.execute(text("SELECT count(*) FROM kept")).scalar() == 1


def test_a_statement_that_says_nothing_for_too_long_is_given_up(postgres: Database) -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        sleep_past_the_servers_own_time_out(postgres, LONGER + 5)

    assert time.monotonic() - began < LONGER
    with postgres.transaction():
        assert postgres.execute(text("SELECT 1")).scalar() == 1


def test_an_import_is_not_cut_by_the_patience_of_a_page(postgres: Database) -> None:
    with postgres.transaction(unhurried=True):
        postgres.execute(text("SET LOCAL statement_timeout = 0"))
        postgres.execute(text(f"SELECT pg_sleep({LONGER})"))
        process = backend(postgres)

    # The same connection serves a page next, and is in a hurry again.
    with postgres.transaction():
        assert backend(postgres) == process
    with pytest.raises(StoreUnavailable):
        sleep_past_the_servers_own_time_out(postgres, LONGER + 5)


def test_a_lock_that_an_import_holds_is_told_before_the_patience_ends(postgres: Database) -> None:
    with postgres.transaction():
        postgres.execute(text("CREATE TABLE held (n INTEGER)"))
    holding, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with postgres.engine.begin() as connection:
            connection.execute(text("LOCK TABLE held"))
            holding.set()
            go_on.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(10)
    began = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable), postgres.transaction():
            postgres.execute(text("SELECT * FROM held"))
    finally:
        go_on.set()
        thread.join()

    assert SQL_TIMEOUT_SECONDS - 0.1 < time.monotonic() - began < LONGER
