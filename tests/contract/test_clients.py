import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy import text

from idp import StoreUnavailable
from idp.infra.clients import ClientExists
from idp.infra.clients import ClientHasNoSecret
from idp.infra.clients import SqlClients
from idp.infra.clients import UnknownClient
from idp.infra.clients import new_client_secret
from idp.infra.sql import Database
from idp.infra.tables import ClientRow
from idp.infra.tables import ClientSecretRow
from idp.oidc.clients import Client
from tests.schema import migrate

pytestmark = pytest.mark.stores

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
DEMO = Client(
    client_id="demo",
    client_name="Démo",
    redirect_uris=("https://demo.example/callback",),
    scope=frozenset({"openid", "dossier"}),
    form_action_origins=("https://other.example",),
    default_max_age=0,
)


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


class Process:
    """What one process holds: its connections, its memory of the clients, its clock."""

    def __init__(self, url):
        self.app = Flask("process")
        self.database = Database(self.app, url)
        self.clock = Clock()
        self.clients = SqlClients(self.database, now=lambda: NOON, monotonic=self.clock)
        self.statements = []
        event.listen(self.database.engine, "before_cursor_execute", self._note)

    def _note(self, connection, cursor, statement, *rest):
        self.statements.append(statement)

    @contextmanager
    def transaction(self):
        with self.app.app_context(), self.database.transaction():
            yield self.clients

    def add(self, client=DEMO, secret=None):
        with self.transaction() as clients:
            clients.add(client, secret)

    def find_after(self, seconds, client_id="demo"):
        self.clock.seconds += seconds
        return self.clients.find(client_id)

    def scalar(self, statement):
        with self.database.engine.connect() as connection:
            return connection.scalar(text(statement))


@pytest.fixture
def started():
    return []


@pytest.fixture
def start(sql_url, started):
    migrate(sql_url)

    def start_process():
        started.append(Process(sql_url))
        return started[-1]

    yield start_process
    for process in started:
        process.database.engine.dispose()


@pytest.fixture
def process(start):
    return start()


@pytest.fixture
def away(sql_url, request, started):
    """A context in which the store refuses connections; it comes back with all it held."""

    @contextmanager
    def postgres():
        cluster = request.getfixturevalue("postgres_cluster")
        name = sql_url.partition("@/")[2].partition("?")[0]
        cluster._administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cluster._administer(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - the name is the fixture's
        )
        try:
            yield
        finally:
            cluster._administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    @contextmanager
    def sqlite():
        for process in started:
            process.database.engine.dispose()
        file = Path(sql_url.removeprefix("sqlite:///"))
        aside = file.rename(file.with_suffix(".aside"))
        file.mkdir()
        try:
            yield
        finally:
            file.rmdir()
            aside.rename(file)

    return sqlite if sql_url.startswith("sqlite") else postgres


def in_threads(number, act):
    failures = []

    def run(n):
        try:
            act(n)
        except (ClientExists, StoreUnavailable) as failure:
            failures.append(type(failure))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_a_service_is_found_as_it_was_registered(process):
    process.add()

    assert process.clients.find("demo") == DEMO
    assert process.clients.list() == [DEMO]


@pytest.mark.parametrize("client_id", ["", "nobody", "demo\x00", "DEMO", "é" * 500])
def test_a_service_that_is_not_registered_is_not_found(process, client_id):
    process.add()

    assert process.clients.find(client_id) is None


def test_a_service_is_found_inside_a_transaction_too(process):
    process.add()

    with process.transaction() as clients:
        process.database.execute(text("SELECT 1"))
        assert clients.find("demo") == DEMO


def test_a_secret_is_known_by_its_hash_and_stored_nowhere_in_clear(process):
    secret = new_client_secret()
    process.add(DEMO, secret)

    client = process.clients.find("demo")

    assert client.has_secret(secret)
    assert not client.has_secret(secret + "x")
    assert not client.has_secret("")
    assert secret not in str(client)
    with process.database.engine.connect() as connection:
        for table in (ClientRow.__table__, ClientSecretRow.__table__):
            rows = connection.execute(table.select()).all()
            assert rows
            assert secret not in str(rows)


def test_within_a_second_a_request_costs_no_sql_at_all(process):
    process.add()
    process.clients.find("demo")
    process.statements.clear()

    for _ in range(1000):
        assert process.find_after(0.0009) == DEMO

    assert process.statements == []


def test_after_a_second_one_look_tells_that_nothing_changed(process):
    process.add()
    first = process.clients.find("demo")
    process.statements.clear()

    assert process.find_after(1.0) is first

    (look,) = process.statements
    assert "registry_version" in look


def test_another_process_sees_a_change_within_a_second(process, start):
    other = start()
    process.add()
    assert other.clients.find("demo") == DEMO
    renamed = replace(DEMO, client_name="Autre nom")

    with process.transaction() as clients:
        clients.replace(renamed)

    assert other.find_after(0.9) == DEMO
    assert other.find_after(0.1) == renamed


def test_a_removed_service_is_unknown_everywhere_within_a_second_with_its_secrets(process, start):
    other = start()
    process.add(DEMO, "secret")
    other.clients.find("demo")

    with process.transaction() as clients:
        clients.remove("demo")

    assert other.find_after(1.0) is None
    assert process.clients.find("demo") is None
    assert process.scalar("SELECT count(*) FROM client_secrets") == 0


def test_a_service_added_just_now_is_found_without_waiting_a_second(process, start):
    other = start()
    assert other.clients.find("demo") is None

    process.add()

    assert other.find_after(0.05) is None
    assert other.find_after(0.06) == DEMO


def test_those_who_ask_for_a_new_service_while_a_first_one_looks_find_it_as_well(process, start):
    other = start()
    assert other.clients.find("demo") is None
    process.add()
    other.clock.seconds += 0.2
    is_looking, may_go_on = threading.Event(), threading.Event()

    def stand_still(*_):
        is_looking.set()
        may_go_on.wait(10)

    event.listen(other.database.engine, "before_cursor_execute", stand_still)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(other.clients.find, "demo")
        assert is_looking.wait(10)
        others = [pool.submit(other.clients.find, "demo") for _ in range(4)]
        time.sleep(0.1)
        may_go_on.set()
        assert [found.result(10) for found in (first, *others)] == [DEMO] * 5


def test_made_up_identifiers_cost_ten_looks_a_second(process):
    process.add()
    process.clients.find("demo")
    process.statements.clear()

    for n in range(1000):
        process.find_after(0.001, f"made-up-{n}")

    assert 8 <= len(process.statements) <= 11


def test_a_write_that_is_rolled_back_changes_nothing(process, start):
    other = start()
    process.add()
    version = process.scalar("SELECT version FROM registry_version")

    def fail_after_removal():
        with process.transaction() as clients:
            clients.remove("demo")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail_after_removal()

    assert process.scalar("SELECT version FROM registry_version") == version
    assert process.find_after(1.0) == DEMO
    assert other.clients.find("demo") == DEMO


def test_a_registry_restored_from_a_backup_is_read_again_although_its_number_is_lower(process):
    process.add()
    with process.transaction() as clients:
        clients.replace(replace(DEMO, client_name="x"))
    assert process.clients.find("demo").client_name == "x"

    with process.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM clients"))
        connection.execute(text("UPDATE registry_version SET version = 1"))

    assert process.find_after(1.0) is None


def test_an_identifier_is_given_once(process):
    process.add(DEMO, "secret")

    with pytest.raises(ClientExists):
        process.add(replace(DEMO, client_name="Autre"), "other")

    assert process.clients.list()[0].client_name == "Démo"
    assert len(process.clients.list()[0].secret_hashes) == 1


def test_of_services_added_at_once_under_one_identifier_one_stays(process):
    failures = in_threads(6, lambda n: process.add(replace(DEMO, client_name=f"n{n}")))

    assert failures == [ClientExists] * 5
    assert len(process.clients.list()) == 1


def test_what_is_not_registered_can_neither_change_nor_leave_nor_have_a_secret(process):
    def act(what):
        with process.transaction() as clients:
            what(clients)

    for what in (
        lambda clients: clients.replace(DEMO),
        lambda clients: clients.remove("demo"),
        lambda clients: clients.add_secret("demo"),
    ):
        with pytest.raises(UnknownClient):
            act(what)


def test_two_secrets_live_so_that_a_service_changes_without_an_outage(process):
    process.add(DEMO, "first")

    def new_secret():
        with process.transaction() as clients:
            return clients.add_secret("demo")

    second = new_secret()
    client = process.clients.find("demo")
    assert client.has_secret("first")
    assert client.has_secret(second)

    third = new_secret()
    client = process.clients.find("demo")
    assert not client.has_secret("first")
    assert client.has_secret(second)
    assert client.has_secret(third)


def test_secrets_drawn_at_once_are_two_in_the_end(process):
    process.add(DEMO, "first")

    def new_secret(n):
        with process.transaction() as clients:
            clients.add_secret("demo")

    assert in_threads(6, new_secret) == []

    assert process.scalar("SELECT count(*) FROM client_secrets") == 2


def test_a_public_service_has_no_secret(process):
    public = replace(DEMO, token_endpoint_auth_method="none")
    process.add(public)

    def new_secret():
        with process.transaction() as clients:
            clients.add_secret("demo")

    with pytest.raises(ClientHasNoSecret):
        new_secret()


def test_a_service_that_becomes_public_loses_its_secrets_and_another_change_keeps_them(process):
    process.add(DEMO, "secret")

    with process.transaction() as clients:
        clients.replace(replace(DEMO, client_name="Autre"))
    assert process.clients.find("demo").has_secret("secret")

    with process.transaction() as clients:
        clients.replace(replace(DEMO, token_endpoint_auth_method="none"))
    assert process.clients.find("demo").secret_hashes == ()


def test_while_sql_is_away_memory_serves_a_minute_and_then_nothing_does(process, away):
    process.add()
    assert process.clients.find("demo") == DEMO

    with away():
        assert process.find_after(1.0) == DEMO
        assert process.find_after(0.0, "unknown") is None
        assert process.find_after(59.0) == DEMO
        with pytest.raises(StoreUnavailable):
            process.find_after(1.0)
        with pytest.raises(StoreUnavailable):
            process.find_after(0.0)

    assert process.find_after(1.0) == DEMO


def test_scripts_may_read_what_is_said_to_them_even_while_sql_is_away(process, away):
    scripts = replace(DEMO, client_id="app", token_endpoint_auth_method="none")
    process.add(replace(scripts, web_origins=("https://app.example", "http://localhost:5173")))
    process.add(replace(DEMO, web_origins=("https://demo.example",)))
    of_app = {"https://app.example", "http://localhost:5173"}

    with away():
        assert process.clients.readers() == set()
    process.clock.seconds += 1.0
    assert process.clients.readers() == of_app
    with away():
        process.clock.seconds += 3600.0
        assert process.clients.readers() == of_app
    with process.transaction() as clients:
        clients.remove("app")
    assert process.clients.readers() == set()


def test_a_process_that_starts_while_sql_is_away_serves_nobody_and_recovers(process, away):
    process.add()

    with away():
        process.clients = SqlClients(process.database, lambda: NOON, monotonic=process.clock)
        with pytest.raises(StoreUnavailable):
            process.clients.find("demo")

    assert process.find_after(1.0) == DEMO


def test_threads_that_find_while_services_change_see_each_whole(process, start):
    writer = start()
    process.clients = SqlClients(
        process.database, lambda: NOON, monotonic=iter(range(10**9)).__next__
    )
    writer.add(DEMO, "secret")
    done = threading.Event()
    seen = [Counter() for _ in range(4)]

    def read(n):
        while not done.is_set():
            client = process.clients.find("demo")
            seen[n][(client.client_name, len(client.redirect_uris))] += 1

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20):
        uris = tuple(f"https://demo.example/{i}" for i in range(n + 1))
        with writer.transaction() as clients:
            clients.replace(replace(DEMO, client_name=f"n{n}", redirect_uris=uris))
    done.set()
    for thread in threads:
        thread.join()

    states = {state for counter in seen for state in counter}
    assert states
    assert states <= {("Démo", 1)} | {(f"n{n}", n + 1) for n in range(20)}
