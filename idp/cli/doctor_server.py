"""``idp doctor`` on what the server program is told: its numbers, and where ``/metrics`` is."""

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from idp import server
from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.parts import Parts
from idp.settings.formats import is_loopback

_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


def numbers(_built: Parts) -> Iterator[Finding]:
    """Whether gunicorn can read what ``deploy/gunicorn.conf.py`` takes from the environment."""
    for name in server.NUMBERS:
        try:
            server.number(name, os.environ)
        except server.NoSuchNumber as wrong:
            yield Finding(Level.FAIL, "server", f"{wrong}; the server does not start with it")


def metrics(built: Parts) -> Iterator[Finding]:
    """Whether numbers can be served, and to whom: they ask for no credential."""
    asked = {
        "IDP_METRICS_BIND": built.settings.metrics_bind,
        "IDP_WORKER_METRICS_BIND": built.settings.worker_metrics_bind,
    }
    for name, bind in asked.items():
        if not bind:
            continue
        if refused := _refused(bind):
            yield Finding(
                Level.FAIL,
                "metrics",
                f"{name}={bind} cannot be listened on ({refused}), and no numbers are served: set"
                " it to an address of this machine",
            )
        elif name == "IDP_METRICS_BIND" and _is_of_the_web(bind):
            yield Finding(
                Level.FAIL,
                "metrics",
                f"{name}={bind} is where the web listens (IDP_BIND), and no numbers are served:"
                " give it a port of its own",
            )
        elif not is_loopback(bind):
            yield Finding(
                Level.WARN,
                "metrics",
                f"{name} is no loopback address, and whoever reaches it reads numbers without a"
                " credential: let nobody but Prometheus; see docs/operate/metrics.md",
            )


def _refused(bind: str) -> str:
    """Say why this machine cannot listen on an address; its port may be in use, by the web."""
    host = urlsplit(f"//{bind}").hostname or ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            trial.bind((host, 0))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _is_of_the_web(bind: str) -> bool:
    host, port = _place(bind)
    for address in server.addresses(os.environ):
        if "://" in address or address.startswith("unix:"):
            continue
        of_web, port_of_web = _place(address)
        if port == port_of_web and (host == of_web or {host, of_web} & _ANY):
            return True
    return False


def _place(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return ("127.0.0.1" if host == "localhost" else host), port
