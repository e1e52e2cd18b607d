"""Redis or SQL away: nobody signs in, everybody is told, and all is well when it is back."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from werkzeug.test import TestResponse

from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.real_stores import PostgresCluster
from tests.running import Running
from tests.running import at_once
from tests.running import eventually

MakeRunning = Callable[..., Running]


class Stores:
    """A gunicorn whose Valkey a test may stop and start."""

    def __init__(self, make: MakeRunning, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.valkey = ValkeyServer(folder, durability={**FORGETFUL, "appendonly": "yes"})
        self.back()
        self.running = make(redis_url=self.valkey.url)
        self.running.start()
        self.person = self.running.instance.add_person()
        self.service = self.running.add_service()

    def away(self) -> None:
        self.valkey.stop()

    def back(self) -> None:
        self.valkey.start()
        self.valkey.wait()


@pytest.fixture
def stores(make_running: MakeRunning, servers_folder: Path) -> Iterator[Stores]:
    stores = Stores(make_running, servers_folder / "valkey-away")
    yield stores
    stores.away()


def assert_pages_say_try_again(*answers: TestResponse) -> None:
    """What a person sees while a store is away."""
    for answer in answers:
        assert answer.status_code == 503
        assert '<html lang="fr">' in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert "indisponible" in text_of(answer)
        assert "Traceback" not in answer.text


def test_redis_away_nobody_signs_in_pages_say_so_and_all_is_well_when_it_is_back(
    stores: Stores,
) -> None:
    running, person, service = stores.running, stores.person, stores.service
    visitor = running.visitor()
    tokens = visitor.tokens(person, service)
    other = running.visitor()
    page = other.open_sign_in(service)
    form = {
        "csrf": csrf_of(page),
        "qualite": person.qualite,
        "numero": person.numero,
        "password": person.password,
    }

    stores.away()
    try:
        sent = other.post(form_action(page), form)
        assert_pages_say_try_again(sent, visitor.get("/compte"))
        assert_pages_say_try_again(visitor.get("/authorize", service.request()))
        token = visitor.redeem(service, "A" * 43)
        userinfo = visitor.userinfo(tokens["access_token"])
        status, said = running.ready()

        for answer in (token, userinfo):
            assert answer.status_code == 503
            assert answer.get_json()["error"] == "temporarily_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
        assert status == 503
        assert said["redis"] != "ok"
        assert said["sql"] == said["keys"] == "ok"
        # What needs no store is served on.
        assert running.ask("GET", "/healthz").status == 200
        assert running.ask("GET", "/jwks").status == 200
        assert running.visitor().open_sign_in(service).status_code == 200
    finally:
        stores.back()

    status, said = running.ready()
    assert (status, set(said.values())) == (200, {"ok"})
    for worker in running.workers():
        with running.only(worker):
            # The session outlived the store's restart: it writes what it holds to disk.
            assert visitor.get("/compte").status_code == 200
            assert running.visitor().tokens(person, service)
    assert other.post(form_action(page), form).status_code == 303


def test_redis_away_at_the_start_is_waited_for(stores: Stores) -> None:
    stores.running.stop()
    stores.away()

    stores.running.start()
    before, said = stores.running.ready()
    stores.back()

    assert before == 503
    assert said["redis"] != "ok"
    assert stores.running.ready()[0] == 200
    assert stores.running.visitor().tokens(stores.person, stores.service)


def test_a_redis_that_hangs_costs_seconds_not_minutes(stores: Stores) -> None:
    visitor = stores.running.visitor()
    page = visitor.open_sign_in(stores.service)
    child = stores.valkey.child
    assert child is not None

    os.kill(child.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = visitor.submit_sign_in(page, "affilie", stores.person.numero, "x")
        took = time.monotonic() - began
    finally:
        os.kill(child.pid, signal.SIGCONT)

    assert answer.status_code == 503
    assert took < 5
    assert stores.running.visitor().tokens(stores.person, stores.service)


def lack_a_replica(store: redis.Redis, _folder: Path) -> Callable[[], None]:
    store.config_set("min-replicas-to-write", 1)
    return lambda: store.config_set("min-replicas-to-write", 0)


def have_a_full_disk(store: redis.Redis, folder: Path) -> Callable[[], None]:
    # What it cannot write to, it refuses to change, as with a disk that is full.
    (folder / "dump.rdb").mkdir()
    store.config_set("save", "1 1")
    store.bgsave()
    eventually(lambda: store.info("persistence")["rdb_last_bgsave_status"] == "err", seconds=10)

    def mend() -> None:
        (folder / "dump.rdb").rmdir()
        store.bgsave()
        eventually(lambda: store.info("persistence")["rdb_last_bgsave_status"] == "ok", seconds=10)

    return mend


@pytest.mark.parametrize("spoil", [lack_a_replica, have_a_full_disk])
def test_a_redis_that_answers_but_does_not_write_is_a_redis_that_is_away(
    stores: Stores,
    servers_folder: Path,
    spoil: Callable[[redis.Redis, Path], Callable[[], None]],
) -> None:
    running, person, service = stores.running, stores.person, stores.service
    code = running.visitor().code(person, service)
    page = running.visitor()
    form = page.open_sign_in(service)

    with redis.Redis.from_url(stores.valkey.url) as store:
        mend = spoil(store, servers_folder / "valkey-away")
        sent = page.submit_sign_in(form, person.qualite, person.numero, person.password)
        token = running.visitor().redeem(service, code)
        status, said = running.ready()
        mend()

    assert_pages_say_try_again(sent)
    assert token.status_code == 503
    assert token.get_json()["error"] == "temporarily_unavailable"
    assert status == 503
    assert said["redis"].startswith("Redis: it refuses, ")
    status, said = running.ready()
    assert (status, set(said.values())) == (200, {"ok"})
    assert running.visitor().redeem(service, code).status_code == 200
    assert page.submit_sign_in(
        form, person.qualite, person.numero, person.password
    ).status_code == 303  # fmt: skip


@pytest.fixture
def own_postgres(servers_folder: Path) -> Iterator[PostgresCluster]:
    folder = Path(tempfile.mkdtemp(prefix="pg-away-", dir=servers_folder))
    cluster = PostgresCluster(folder)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


def test_sql_away_nobody_signs_in_pages_say_so_and_all_is_well_when_it_is_back(
    make_running: MakeRunning, own_postgres: PostgresCluster
) -> None:
    running = make_running(sql_url=own_postgres.url(own_postgres.new_database()))
    running.start()
    person, service = running.instance.add_person(), running.add_service()
    visitor = running.visitor()
    tokens = visitor.tokens(person, service)
    code = answer_of(visitor.get("/authorize", service.request()))["code"]
    other = running.visitor()
    page = other.open_sign_in(service)
    form = {
        "csrf": csrf_of(page),
        "qualite": person.qualite,
        "numero": person.numero,
        "password": person.password,
    }

    own_postgres.stop()
    try:
        for _ in range(6):  # more than failures would be waited for
            sent = other.post(form_action(page), form)
            assert_pages_say_try_again(sent, visitor.get("/compte"))
        redeemed = visitor.redeem(service, code)
        userinfo = visitor.userinfo(tokens["access_token"])
        status, said = running.ready()

        for answer in (redeemed, userinfo):
            assert answer.status_code == 503
            assert answer.get_json()["error"] == "temporarily_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
        assert status == 503
        assert said["sql"] != "ok"
        assert said["redis"] == "ok"
        assert person.numero not in json.dumps(said)
    finally:
        own_postgres.start()

    eventually(lambda: running.ready()[0] == 200, seconds=10)
    for worker in running.workers():
        with running.only(worker):
            assert visitor.get("/compte").status_code == 200
            assert running.visitor().tokens(person, service)
    # The tries that nobody could judge did not count.
    assert other.post(form_action(page), form).status_code == 303


def test_a_postgresql_that_hangs_costs_seconds_and_is_well_again_when_it_goes_on(
    make_running: MakeRunning, own_postgres: PostgresCluster
) -> None:
    running = make_running(sql_url=own_postgres.url(own_postgres.new_database()))
    running.start()
    person, service = running.instance.add_person(), running.add_service()
    visitor = running.visitor()
    tokens = visitor.tokens(person, service)
    page = running.visitor()
    form = page.open_sign_in(service)
    took: list[float] = []

    def timed(ask: Callable[[], TestResponse]) -> TestResponse:
        began = time.monotonic()
        answer = ask()
        took.append(time.monotonic() - began)
        return answer

    with own_postgres.standing_still():
        sent = timed(
            lambda: page.submit_sign_in(form, person.qualite, person.numero, person.password)
        )
        userinfo = timed(lambda: visitor.userinfo(tokens["access_token"]))
        again = timed(
            lambda: page.submit_sign_in(form, person.qualite, person.numero, person.password)
        )
        began = time.monotonic()
        status, said = running.ready()
        took.append(time.monotonic() - began)

    assert_pages_say_try_again(sent, again)
    assert userinfo.status_code == 503
    assert (status, said["redis"]) == (503, "ok")
    assert said["sql"] != "ok"
    # Two waits at the most: for a connection that says nothing, and for a new one.
    assert max(took) < 8, took
    eventually(lambda: running.ready()[0] == 200, seconds=10)
    for worker in running.workers():
        with running.only(worker):
            assert running.visitor().tokens(person, service)
    assert page.submit_sign_in(
        form, person.qualite, person.numero, person.password
    ).status_code == 303  # fmt: skip


def test_eight_services_that_redeem_at_once_on_a_process_just_started_are_all_answered(
    tmp_path: Path, postgres_url: str, valkey_url: str
) -> None:
    # Each holds a connection while the first look at the clients needs one of its own.
    stores = {"sql_url": postgres_url, "redis_url": valkey_url, "clock": Clock()}
    before = Instance(tmp_path, **stores)
    person, service = before.add_person(), before.add_service()
    visitor = before.visitor()
    codes = [visitor.code(person, service)]
    codes += [answer_of(visitor.get("/authorize", service.request()))["code"] for _ in range(7)]
    started = Instance(tmp_path, **stores)

    answers = at_once([partial(started.visitor().redeem, service, code) for code in codes])

    for instance in (before, started):
        instance.parts.database.engine.dispose()
        instance.parts.redis.client.close()
    assert [answer.status_code for answer in answers] == [200] * 8


def test_a_code_that_meets_a_slow_redis_is_not_told_as_stolen(stores: Stores) -> None:
    running, service = stores.running, stores.service
    visitor = running.visitor()
    code = visitor.code(stores.person, service)
    server = stores.valkey.child
    assert server is not None

    os.kill(server.pid, signal.SIGSTOP)
    try:
        answer = visitor.redeem(service, code)
    finally:
        os.kill(server.pid, signal.SIGCONT)

    assert answer.status_code == 503
    eventually(running.ready)
    assert "code.replayed" not in [event for event, _, _ in running.instance.audit()]
