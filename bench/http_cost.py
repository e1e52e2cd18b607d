"""What a request costs: CPU time of the server's processes, user and system, per request.

CPU time and not elapsed time: machines are shared, and what a neighbour does must not count. Both
servers run under the same gunicorn (two gthread workers, keep-alive), over Valkey and SQLite in a
temporary folder; clients are one connection each, in this process, whose time does not count.

    .venv/bin/python -m bench.http_cost [--rounds 7] [--requests 300] [--sql URL]

Prints the median of the rounds and their spread, beside an empty Flask view in the same run.
"""

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

from demo.start import ALLOCATOR
from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from idp.parts import utc_now
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action

ROOT = Path(__file__).parents[1]
EMPTY = "bench.empty_view:create_app()"
PROVIDER = "idp.app:create_app()"
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A gunicorn of two workers whose CPU time can be read."""

    def __init__(self, application: str, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py"),
             "--bind", f"127.0.0.1:{self.port}", application],
            env={**os.environ, **ALLOCATOR, **environment}, cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait()

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection that is kept alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def cpu_seconds(self) -> float:
        """User and system time of the workers so far, finer than a clock tick."""
        nanoseconds = 0
        for pid in self.workers():
            for task in Path(f"/proc/{pid}/task").iterdir():
                nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def cpu_by_thread(self) -> dict[tuple[int, str], float]:
        """Milliseconds of each thread of each worker so far."""
        return {
            (pid, task.name): int((task / "schedstat").read_text().split()[0]) / 1e6
            for pid in self.workers()
            for task in Path(f"/proc/{pid}/task").iterdir()
        }

    def resident_mib(self, which: str = "VmRSS") -> list[float]:
        """Memory of each worker, its own and what it shares: now, or at its highest (VmHWM)."""
        found = []
        for pid in self.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            found.append(int(status.partition(f"{which}:")[2].split()[0]) / 1024)
        return found

    def workers(self) -> list[int]:
        """Their process ids."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> None:
        """Stop it, all of it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    if len(self.workers()) == 2:
                        time.sleep(0.7)
                        return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not start")


Call = Callable[[http.client.HTTPConnection], object]


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None = None,
    expected: int = 200,
    **headers: str,
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send one request and read the whole answer, which must have the ``expected`` status."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    content = response.read()
    if response.status != expected:
        raise SystemExit(f"{method} {path.partition('?')[0]}: {response.status}, not {expected}")
    return response, content


def measure(server: Server, call: Call, requests: int, rounds: int) -> list[float]:
    """CPU milliseconds of the server per call, round by round."""
    connection = server.connect()
    for _ in range(20):
        call(connection)
    costs = []
    for _ in range(rounds):
        before = server.cpu_seconds()
        for _ in range(requests):
            call(connection)
        costs.append((server.cpu_seconds() - before) / requests * 1000)
    return costs


def journey(service: Service, session: str) -> Call:
    """An SSO journey: authorize with a session, code exchange, userinfo."""
    query = urlencode(service.request())
    basic = service.basic["Authorization"]

    def run(connection: http.client.HTTPConnection) -> None:
        response, _ = ask(connection, "GET", f"/authorize?{query}", expected=303, Cookie=session)
        code = parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]
        form = urlencode(service.redemption(code))
        _, body = ask(connection, "POST", "/token", form, Authorization=basic)
        token = body.split(b'"access_token":"')[1].split(b'"')[0].decode()
        ask(connection, "GET", "/userinfo", Authorization=f"Bearer {token}")

    return run


@contextmanager
def provider(sql_url: str) -> Iterator[tuple[Instance, dict[str, str]]]:
    """A provider with one person and one service, and the environment of its servers."""
    with tempfile.TemporaryDirectory(prefix="idp-bench-") as name:
        folder = Path(name)
        (folder / "valkey").mkdir()
        valkey = ValkeyServer(folder / "valkey", durability=FORGETFUL)
        valkey.start()
        valkey.wait()
        data = folder / "data"
        data.mkdir()
        url = sql_url or f"sqlite:///{folder / 'idp.sqlite'}"
        instance = Instance(data, sql_url=url, redis_url=valkey.url, clock=Clock(utc_now()))
        instance.clock.at = utc_now()
        environment = {
            "IDP_ISSUER": instance.settings.issuer,
            "IDP_DATA_DIR": str(data),
            "IDP_DATABASE_URL": url,
            "IDP_REDIS_URL": valkey.url,
        }
        try:
            yield instance, environment
        finally:
            valkey.stop()


def signed_in(
    instance: Instance, service: Service, numero: str = "1234567"
) -> tuple[str, str, str]:
    """Sign in once: the session cookie, and the address and body of a form to send again."""
    person = instance.add_person(numero=numero)
    visitor: Visitor = instance.visitor("127.0.0.1")
    page = visitor.open_sign_in(service)
    form = urlencode(
        {
            "csrf": csrf_of(page),
            "qualite": person.qualite,
            "numero": person.numero,
            "password": person.password,
        }
    )
    address = form_action(page)
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    cookies = [*page.headers.getlist("Set-Cookie"), *answer.headers.getlist("Set-Cookie")]
    kept = [cookie.partition(";")[0] for cookie in cookies if "__Host-answered" not in cookie]
    return "; ".join(kept), address, form


def flood(server: Server, address: str, form: str, session: str) -> None:
    """Send sign-ins all at once: the moment at which a worker holds the most."""

    def one(_: int) -> None:
        connection = server.connect()
        connection.request(
            "POST",
            address,
            form,
            {"Content-Type": "application/x-www-form-urlencoded", "Cookie": session},
        )
        connection.getresponse().read()

    with ThreadPoolExecutor(28) as clients:
        for _ in range(4):
            list(clients.map(one, range(28)))


def sign_in_costs(
    server: Server, call: Call, requests: int, rounds: int
) -> tuple[list[float], list[float]]:
    """CPU milliseconds of a sign-in, round by round: of its hash, and of everything else.

    Only the pool's threads hash, and they do nothing else: on one connection, which stays with one
    worker, the busiest thread is the hash.
    """
    connection = server.connect()
    for _ in range(20):
        call(connection)
    hashes, others = [], []
    for _ in range(rounds):
        before = server.cpu_by_thread()
        for _ in range(requests):
            call(connection)
        after = server.cpu_by_thread()
        spent = sorted(after[thread] - before.get(thread, 0.0) for thread in after)
        hashes.append(spent[-1] / requests)
        others.append(sum(spent[:-1]) / requests)
    return hashes, others


def line(name: str, costs: list[float], note: str = "") -> float:
    """Print one row; gives its median."""
    median = statistics.median(costs)
    print(f"{name:<44}{median:8.2f} ms  ({min(costs):.2f} to {max(costs):.2f})  {note}")
    return median


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--sql", default="", help="an empty database; default: SQLite")
    options = parser.parse_args()
    requests, rounds = options.requests, options.rounds
    with provider(options.sql) as (instance, environment):
        service = instance.add_service()
        session, address, form = signed_in(instance, service)
        empty, server = Server(EMPTY, {}), Server(PROVIDER, environment)
        try:
            print(f"CPU of the server's workers, median of {rounds} rounds of {requests}\n")
            one = line(
                "empty Flask view", measure(empty, lambda c: ask(c, "GET", "/"), requests, rounds)
            )
            for name, path in (
                ("discovery", "/.well-known/openid-configuration"),
                ("JWKS", "/jwks"),
            ):
                costs = measure(server, partial(ask, method="GET", path=path), requests, rounds)
                line(name, costs, f"{statistics.median(costs) / one:.2f} x empty view")
            line("healthz", measure(server, lambda c: ask(c, "GET", "/healthz"), requests, rounds))
            line(
                "SSO journey, three requests, ES256",
                measure(server, journey(service, session), requests // 3, rounds),
                "at most 7 ms",
            )
            line("sign-in page", measure(
                server, lambda c: ask(c, "GET", address, Cookie=session.partition(";")[0]),
                requests // 3, rounds))  # fmt: skip
            hashes, others = sign_in_costs(
                server,
                lambda c: ask(c, "POST", address, form, expected=303, Cookie=session),
                max(20, requests // 5),
                rounds,
            )
            line("sign-in POST: its Argon2id verification", hashes)
            line("sign-in POST: beyond it", others, "at most 3 ms")
            flood(server, address, form, session)
            held, most = (
                ", ".join(f"{mib:.0f} MiB" for mib in server.resident_mib(which))
                for which in ("VmRSS", "VmHWM")
            )
            print(f"resident after a flood, each worker: {held}; at its highest: {most}")
        finally:
            empty.stop()
            server.stop()


if __name__ == "__main__":
    main()
