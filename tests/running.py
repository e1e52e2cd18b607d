"""The real thing: gunicorn with two workers on a loopback port, over stores that may be stopped.

``Running.instance`` is the same provider in process, over the same stores: it puts people and
services into them and reads the audit log. What a test asks goes over the wire.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

import pytest

from demo.children import Child
from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from idp.infra.clients import LOOK_FOR_UNKNOWN_EVERY_SECONDS
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0

T = TypeVar("T")


class Wire:
    """A WSGI application that is another server: what it is asked, it asks over a socket."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Send one request on and give back what comes."""
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_HOST"
        }
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else None
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        target = environ["RAW_URI"].partition("?")[0]
        if environ["QUERY_STRING"]:
            target += f"?{environ['QUERY_STRING']}"
        answer = ask(self._port, environ["REQUEST_METHOD"], target, body, headers, tls=self._tls)
        start_response(f"{answer.status} {answer.reason}", answer.getheaders())
        return [answer.body]


class Answer(http.client.HTTPResponse):
    """An answer read to its end."""

    body: bytes


def ask(
    port: int,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request on a connection of its own."""
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        if tls is None
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=tls)
    )
    connection.response_class = Answer
    try:
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        assert isinstance(answer, Answer)
        answer.body = answer.read()
    finally:
        connection.close()
    return answer


class Running:
    """One provider under gunicorn. ``settings`` are those of ``Settings``, by their field names."""

    def __init__(
        self, folder: Path, *, sql_url: str, redis_url: str, workers: int = 2, **settings: object
    ) -> None:
        self._folder = folder
        self._workers = workers
        # Bound here and handed over: nobody can take the port in between.
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.issuer = f"http://localhost:{self.port}"
        self._settings = {
            "issuer": self.issuer,
            "data_dir": str(folder),
            "database_url": sql_url,
            "redis_url": redis_url,
            "hash_pool_size": "1",
            # One machine fails for every test of a run: the anti-robot has tests of its own.
            "anti_robot_from": "10000",
            **{name: str(value) for name, value in settings.items()},
        }
        self._child: Child | None = None
        self._instance: Instance | None = None

    @property
    def instance(self) -> Instance:
        """The same provider in this process; built at first need."""
        if self._instance is None:
            given: dict[str, Any] = {
                k: v for k, v in self._settings.items() if k not in ("database_url", "data_dir")
            }
            redis_url = given.pop("redis_url")
            self._instance = Instance(
                self._folder,
                sql_url=self._settings["database_url"],
                redis_url=redis_url,
                clock=Clock(datetime.now(UTC)),
                **given,
            )
        return self._instance

    def add_service(self, client_id: str = "cotisations", **metadata: Any) -> Service:
        """Register a service and wait until a worker that looked a moment ago would look again."""
        service = self.instance.add_service(client_id, **metadata)
        time.sleep(LOOK_FOR_UNKNOWN_EVERY_SECONDS)
        return service

    @property
    def log(self) -> Path:
        """All that its processes say."""
        return self._folder / "gunicorn.log"

    @property
    def child(self) -> Child:
        """The master process."""
        assert self._child is not None, "launch() comes first"
        return self._child

    @property
    def environment(self) -> dict[str, str]:
        """What its processes, and an operator's commands beside them, find in the environment."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("IDP_")}
        settings = {f"IDP_{name.upper()}": value for name, value in self._settings.items()}
        return {**inherited, **settings}

    def change_settings(self, **settings: object) -> None:
        """Change settings for the next start."""
        self._settings |= {name: str(value) for name, value in settings.items()}

    def launch(self) -> Child:
        """Start gunicorn without waiting for it."""
        self._child = Child(
            "gunicorn",
            [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py",
             "idp.app:create_app()"],
            log=self.log,
            env={
                **self.environment,
                "IDP_BIND": f"fd://{self._socket.fileno()}",
                "IDP_WORKERS": str(self._workers),
                "IDP_GRACEFUL_SECONDS": "2",
            },
            cwd=ROOT,
            keep=[self._socket.fileno()],
        )  # fmt: skip
        return self._child

    def start(self) -> None:
        """Start gunicorn and wait until every worker answers."""
        child = self.launch()
        eventually(self._answers, unless=lambda: child.exit_status is not None, told=child.said)
        eventually(lambda: len(self.workers()) == self._workers, told=child.said)
        self.wait_for_workers()

    def wait_for_workers(self) -> None:
        """Wait until every worker there is has answered."""
        for worker in self.workers():
            with self.only(worker):
                eventually(self._answers, told=self.child.said)

    @contextmanager
    def only(self, worker: int) -> Iterator[None]:
        """Let one worker answer everything: the others stand still meanwhile."""
        others = [pid for pid in self.workers() if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it; the port stays ours."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def close(self) -> None:
        """Stop it, and give back the port and what this process opened for it."""
        self.stop()
        self._socket.close()
        if self._instance is not None:
            self._instance.parts.database.engine.dispose()
            self._instance.parts.redis.client.close()

    def workers(self) -> list[int]:
        """The process ids of the workers, as the kernel lists them."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def visitor(self) -> Visitor:
        """A new browser, on the wire."""
        # The type: a visitor needs no more of an application than to call it.
        return Visitor(Wire(self.port))  # type: ignore[arg-type]

    def ask(self, method: str, target: str, **kwargs: Any) -> Answer:
        """Send one request without a browser."""
        return ask(self.port, method, target, **kwargs)

    def send_raw(self, request: bytes) -> bytes:
        """Send what no client library would, and read until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as received:
                return received.read()

    def ready(self) -> tuple[int, dict[str, str]]:
        """What ``/readyz`` says."""
        answer = self.ask("GET", "/readyz")
        said: dict[str, str] = json.loads(answer.body)
        return answer.status, said

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/healthz").status == 200
        except OSError:
            return False


def eventually(
    true: Callable[[], object],
    *,
    unless: Callable[[], bool] = lambda: False,
    told: Callable[[], str] = lambda: "",
    seconds: float = PATIENCE_SECONDS,
) -> None:
    """Wait until something is so; fail when it does not come, or cannot any more."""
    end = time.monotonic() + seconds
    while not true():
        if unless() or time.monotonic() > end:
            pytest.fail(f"it did not happen\n{told()}")
        time.sleep(0.05)


def at_once(acts: Iterable[Callable[[], T]]) -> list[T]:
    """Do several things at the same time, each in a thread of its own."""
    waiting = list(acts)
    with ThreadPoolExecutor(len(waiting)) as pool:
        return [done.result() for done in [pool.submit(act) for act in waiting]]


def end_process(pid: int) -> None:
    """``kill -9`` of one process that this run started."""
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def own_valkey(servers_folder: Path) -> Iterator[ValkeyServer]:
    """A Valkey that no other test empties; a test that stops it starts it again."""
    folder = servers_folder / "valkey-running"
    folder.mkdir(mode=0o700)
    server = ValkeyServer(folder, durability={**FORGETFUL, "appendonly": "yes"})
    server.start()
    server.wait()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def make_shared_running(
    tmp_path_factory: pytest.TempPathFactory, own_valkey: ValkeyServer
) -> Iterator[Callable[..., Running]]:
    """Make a gunicorn with settings of its own, for as long as the run lasts."""
    made: list[Running] = []

    def make(*, sql_url: str = "", redis_url: str = "", **settings: Any) -> Running:
        folder = tmp_path_factory.mktemp("running")
        running = Running(
            folder,
            sql_url=sql_url or f"sqlite:///{folder / 'idp.sqlite'}",
            redis_url=redis_url or own_valkey.url,
            **settings,
        )
        _ = running.instance  # its schema, its keys and its secrets
        made.append(running)
        return running

    yield make
    for running in made:
        running.close()


@pytest.fixture
def make_running(make_shared_running: Callable[..., Running]) -> Iterator[Callable[..., Running]]:
    """Make a gunicorn with settings of its own, for one test."""
    made: list[Running] = []

    def make(**settings: Any) -> Running:
        made.append(make_shared_running(**settings))
        return made[-1]

    yield make
    for running in made:
        running.close()


@pytest.fixture(scope="session")
def shared_running(make_shared_running: Callable[..., Running]) -> Running:
    """One gunicorn for every test that leaves it as it was."""
    running = make_shared_running()
    running.start()
    return running


@pytest.fixture
def running(shared_running: Running) -> Running:
    """gunicorn with two workers, on SQLite and a Valkey of its own. Leave it running."""
    return shared_running
