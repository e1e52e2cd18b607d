"""Two nodes behind the proxy of production, restarted one after the other under load."""

import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from demo.children import Child
from idp.infra.tables import AuditRow
from tests.certificates import write_certificate
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.real_stores import find_program
from tests.running import ROOT
from tests.running import Running
from tests.running import Wire
from tests.running import ask
from tests.running import at_once
from tests.running import eventually


class Node:
    """One server of several over the same stores; its port closes with it."""

    def __init__(self, name: str, running: Running, folder: Path) -> None:
        self._environment = running.environment
        self._log = folder / f"{name}.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.child = self.launch()

    def launch(self) -> Child:
        return Child(
            "gunicorn",
            [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py",
             "idp.app:create_app()"],
            log=self._log,
            env={
                **self._environment,
                "IDP_BIND": f"127.0.0.1:{self.port}",
                "IDP_WORKERS": "1",
                "IDP_DRAIN_SECONDS": "3",
            },
            cwd=ROOT,
        )  # fmt: skip

    def wait(self) -> None:
        eventually(self._is_ready, told=self.child.said, seconds=90)

    def restart(self) -> None:
        """As ``docker compose up`` or ``systemctl restart`` do: SIGTERM, the end, another one."""
        self.child.end(patience=20)
        assert self.child.exit_status == 0
        self.child = self.launch()
        self.wait()

    def _is_ready(self) -> bool:
        try:
            return ask(self.port, "GET", "/readyz").status == 200
        except OSError:
            return False


class Proxy:
    """HAProxy with the file that production runs it with."""

    def __init__(self, folder: Path, nodes: list[Node]) -> None:
        certificate = folder / "proxy.pem"
        write_certificate(certificate, "localhost", "127.0.0.1")
        self.tls = ssl.create_default_context(cafile=str(certificate))
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.https, self.http = (one.getsockname()[1] for one in self._sockets)
        program = find_program("haproxy", "haproxy")
        self._admin = folder / "haproxy.sock"
        self._child = Child(
            "HAProxy",
            [str(program), "-db", "-f", str(ROOT / "deploy" / "haproxy.cfg")],
            log=folder / "haproxy.log",
            env={
                **os.environ,
                "PROXY_HTTPS": f"fd@{self._sockets[0].fileno()}",
                "PROXY_HTTP": f"fd@{self._sockets[1].fileno()}",
                "PROXY_CERTIFICATE": str(certificate),
                "PROXY_ADMIN": str(self._admin),
                "IDP_WEB_1": f"127.0.0.1:{nodes[0].port}",
                "IDP_WEB_2": f"127.0.0.1:{nodes[1].port}",
            },
            stop=signal.SIGUSR1,
            keep=[one.fileno() for one in self._sockets],
        )

    def visitor(self) -> Visitor:
        # The type: a visitor needs no more of an application than to call it.
        return Visitor(Wire(self.https, tls=self.tls))  # type: ignore[arg-type]

    def wait_for(self, *states: str) -> None:
        """Wait until it takes the nodes for UP or DOWN."""
        eventually(lambda: self._states() == list(states), told=self._child.said)

    def close(self) -> None:
        self._child.end(patience=2)
        for one in self._sockets:
            one.close()

    def _states(self) -> list[str]:
        try:
            with socket.socket(socket.AF_UNIX) as operator:
                operator.connect(str(self._admin))
                operator.sendall(b"show stat\n")
                with operator.makefile() as told:
                    rows = [line.split(",") for line in told]
        except OSError:
            return []
        return [row[17].split()[0] for row in rows if row[0] == "nodes" and row[1] != "BACKEND"]


class Load:
    """People who sign in without a pause, and their service, which asks who they are."""

    def __init__(self, proxy: Proxy, people: list[Person], service: Service) -> None:
        self.done = 0
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._go_on, args=(proxy, person, service)) for person in people
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, proxy: Proxy, person: Person, service: Service) -> None:
        while not self._ended.is_set():
            try:
                visitor = proxy.visitor()
                tokens = visitor.tokens(person, service)
                asked = visitor.userinfo(tokens["access_token"])
                assert asked.status_code == 200, asked.text
                assert asked.get_json()["qualite"] == person.qualite
            except Exception as fault:  # noqa: BLE001 - whatever it is, somebody was not served
                self.failures.append(f"{type(fault).__name__}: {fault}"[:300])
            self.done += 1
            time.sleep(0.2)


@pytest.fixture
def site(
    make_running: Callable[..., Running], tmp_path: Path
) -> Iterator[tuple[list[Node], Proxy, Running]]:
    """Two nodes over the same stores, and the proxy."""
    running = make_running(trusted_proxies=1)
    nodes = [Node(name, running, tmp_path) for name in ("one", "two")]
    proxy = Proxy(tmp_path, nodes)
    at_once([node.wait for node in nodes])
    proxy.wait_for("UP", "UP")
    yield nodes, proxy, running
    proxy.close()
    at_once([node.child.end for node in nodes])


def test_nodes_restarted_one_after_the_other_under_load_fail_no_request(
    site: tuple[list[Node], Proxy, Running],
) -> None:
    nodes, proxy, running = site
    service = running.instance.add_service("rolling")
    people = [running.instance.add_person(numero=f"100000{n}") for n in range(2)]
    pids = {node.child.pid for node in nodes}

    with Load(proxy, people, service) as load:
        eventually(lambda: load.done > 3, seconds=90)
        for node in nodes:
            before = load.done
            node.restart()
            proxy.wait_for("UP", "UP")
            assert load.done > before
        after = load.done
        eventually(lambda: load.done > after + 6, seconds=90)

    assert load.failures == []
    assert not pids & {node.child.pid for node in nodes}
    visitor = proxy.visitor()
    page = visitor.open_sign_in()
    typed = {"qualite": "affilie", "numero": "9999999", "password": "x"}
    claimed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    visitor.post(form_action(page), {"csrf": csrf_of(page), **typed}, headers=claimed)
    with running.instance.parts.database.engine.connect() as connection:
        networks = set(connection.scalars(select(AuditRow.network)))
    assert networks == {"127.0.0.0/24"}  # what the proxy saw, and no client claims another
    plain = ask(proxy.http, "GET", "/connexion?x=1")
    assert plain.status == 301
    assert str(plain.getheader("Location")).startswith("https://")
