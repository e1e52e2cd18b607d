"""One transaction at a time, and a PostgreSQL that says nothing is given up; an import waits."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text

from idp import StoreUnavailable
from idp.infra.clients import SqlClients
from idp.infra.migrations.upgrade import upgrade
from idp.infra.postgres import PATIENCE_SECONDS
from idp.infra.sql import SQL_TIMEOUT_SECONDS
from idp.infra.sql import Database
from idp.oidc.clients import Client
from tests.instance import Clock

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


def test_a_look_at_the_clients_finds_a_connection_while_every_thread_holds_one(
    postgres_url: str,
) -> None:
    upgrade(postgres_url)
    app = Flask("patience")
    with app.app_context():
        database = Database(app, postgres_url)
    clients = SqlClients(database, now=Clock())
    gate = threading.Barrier(8)

    def ask() -> Client | None:
        with app.app_context(), database.transaction():
            gate.wait(10)
            return clients.find("nobody")

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        assert [one.result(20) for one in asked] == [None] * 8
    database.engine.dispose()


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
