"""The servers that a browser visits: the provider under gunicorn, and relying services beside it.

Each is a process of its own that ends with the run. The provider is on ``localhost`` and services
are on ``127.0.0.1``, so that they are cross-site as in production.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any

from demo.children import Child
from demo.configuration import DemoClient
from demo.configuration import DemoConfiguration
from demo.relying_service import SERVICES
from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from idp.notifier import Notifier
from idp.wiring.protocol import build_backchannel_logout
from tests.instance import Person
from tests.instance import Service
from tests.running import Running

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30


class ServerMissing(Exception):
    """A program is not installed, or a server did not start; the text says what to do."""


class Provider:
    """The product, and people and services to put into it."""

    def __init__(self, folder: Path, valkey: ValkeyServer, **settings: object) -> None:
        given: dict[str, object] = {
            "default_client_id": "demo-cotisations",
            "support_phone": "01 23 45 67 89",
            "network_limit": 10_000,  # every test comes from one address
            "services_private_networks": "127.0.0.0/8",  # services are told of sign-outs there
            **settings,
        }
        self.running = Running(
            folder,
            sql_url=f"sqlite:///{folder / 'idp.sqlite'}",
            redis_url=valkey.url,
            **given,  # type: ignore[arg-type]
        )
        self.url = self.running.issuer
        self.demo_port = free_port()
        self.demo_url = f"http://127.0.0.1:{self.demo_port}"
        self._numbers = count(2_000_001)

    def add_person(self, qualite: str = "affilie", **values: Any) -> Person:
        """Put somebody with a number of their own into the directory."""
        numero = str(next(self._numbers))
        if qualite == "ayant_droit":
            numero += "37"
        return self.running.instance.add_person(qualite, numero, **values)

    def tell_services(self) -> None:
        """Do what the worker does, once: services hear of sessions that have ended."""
        instance = self.running.instance
        instance.clock.at = datetime.now(UTC)
        Notifier(instance.parts, build_backchannel_logout(instance.parts)).deliver_all()

    def add_service(self, client_id: str, **metadata: Any) -> Service:
        """Register a relying service; both workers know it within a second."""
        added = self.running.instance.add_service(client_id, **metadata)
        time.sleep(1.1)
        return added


@contextmanager
def provider(folder: Path, **settings: object) -> Iterator[Provider]:
    """Start a store and a provider on it."""
    (folder / "valkey").mkdir()
    (folder / "data").mkdir()
    valkey = ValkeyServer(folder / "valkey", durability=FORGETFUL)
    valkey.start()
    try:
        valkey.wait()
        made = Provider(folder / "data", valkey, **settings)
        _add_demo_services(made, folder / "demo.json")
        try:
            made.running.start()
            yield made
        finally:
            made.running.close()
    finally:
        valkey.stop()


@contextmanager
def demo_services(provider: Provider, folder: Path, *, has_worker: bool = False) -> Iterator[str]:
    """Serve the two demo services, run the worker that tells them, and give their origin.

    ``has_worker``: the provider's worker runs already.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DEMO_CONFIGURATION": str(folder / "demo.json"),
        "IDP_WORKERS": "1",  # the demo keeps its visits in its process
        "IDP_BIND": f"127.0.0.1:{provider.demo_port}",
        "IDP_GRACEFUL_SECONDS": "1",
    }
    command = [
        *(sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy" / "gunicorn.conf.py")),
        "demo.relying_service:create_app()",
    ]
    with ExitStack() as ending:
        if not has_worker:
            worker = Child(
                "worker", [sys.executable, "-m", "idp", "worker"],
                log=folder / "demo.worker.log", env=provider.running.environment, cwd=ROOT,
            )  # fmt: skip
            ending.callback(worker.end)
        address = f"{provider.demo_url}/"
        ending.enter_context(served("demo", command, address, folder / "demo.log", environment))
        yield provider.demo_url


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _add_demo_services(provider: Provider, file: Path) -> None:
    clients = {}
    for name, service in SERVICES.items():
        origin = provider.demo_url
        added = provider.running.instance.add_service(
            f"demo-{name}",
            client_name=service.title,
            redirect_uris=(f"{origin}/{name}/retour",),
            post_logout_redirect_uris=(f"{origin}/{name}/au-revoir",),
            initiate_login_uri=f"{origin}/{name}/connexion",
            backchannel_logout_uri=f"{origin}/{name}/fin-de-session",
        )
        clients[name] = DemoClient(added.client.client_id, added.secret or "")
    DemoConfiguration(provider.url, provider.demo_url, clients).write(file)


@contextmanager
def served(
    name: str, command: Sequence[str], url: str, log: Path, environment: dict[str, str]
) -> Iterator[None]:
    """Run a server until the block ends; it begins when ``url`` is answered."""
    child = Child(name, command, log=log, env=environment, cwd=ROOT)
    try:
        _wait_until_ready(child, url)
        yield
    finally:
        child.end()


def _wait_until_ready(child: Child, url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback, ours
                return
        except (OSError, HTTPException):  # an answer that is not 200 is an OSError too
            if child.exit_status is not None or time.monotonic() > end:
                message = f"{child.name} did not start:\n{child.said()[-4000:]}"
                raise ServerMissing(message) from None
            time.sleep(0.05)
