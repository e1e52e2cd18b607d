"""The services of ``examples/``, registered as docs/integrate.md says and started as it says.

What is registered is the file of the example, with two changes: a port that is free here, and what
a test wants to vary. The command that registers is the operator's own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor
from urllib.request import HTTPRedirectHandler
from urllib.request import Request
from urllib.request import build_opener

from lxml import html as lxml_html

from tests.browser.servers import ROOT
from tests.browser.servers import ServerMissing
from tests.browser.servers import free_port
from tests.browser.servers import served
from tests.running import Running

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Registered:
    """An example's registration as it was added, and what the operator was shown."""

    file: Path
    origin: str
    client_id: str
    secret: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(urlsplit(self.origin).port or 0)

    @property
    def environment(self) -> dict[str, str]:
        """What the example reads of it."""
        secret = {"CLIENT_SECRET": self.secret} if self.secret else {}
        return {"CLIENT_ID": self.client_id, **secret}


class PlainBrowser:
    """Cookies, redirects and forms, nothing else: what the protocol needs of a browser."""

    def __init__(self) -> None:
        # As browsers do on loopback: Secure cookies travel over plain http.
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))
        self._history = _History()
        self._opener = build_opener(HTTPCookieProcessor(CookieJar(policy)), self._history)
        self._opener.addheaders = [("Accept", "text/html")]  # mod_auth_openidc asks browsers alone
        self.url = ""
        self.text = ""

    def get(self, url: str) -> None:
        """Go somewhere, redirects followed."""
        self._send(Request(url))  # noqa: S310 - loopback, as in all of this file

    def submit(self, **typed: str) -> None:
        """Send the page's form with what it carries and what is typed."""
        form = lxml_html.fromstring(self.text).forms[0]
        carried = {one.name: one.value for one in form.xpath(".//input[@type='hidden']")}
        self._post(urljoin(self.url, form.action), {**carried, **typed})

    def press(self, button: str) -> None:
        """Press a button that says where its form goes."""
        (found,) = lxml_html.fromstring(self.text).xpath(f"//button[@id='{button}']")
        self._post(urljoin(self.url, found.get("formaction")), {})

    def sent_with(self, parameter: str) -> str:
        """Give the last value of a parameter that a redirect carried."""
        queries = [parse_qs(urlsplit(url).query) for url in self._history.went]
        return [value for query in queries for value in query.get(parameter, ())][-1]

    def _post(self, url: str, form: Mapping[str, str]) -> None:
        self._send(Request(url, data=urlencode(form).encode()))  # noqa: S310

    def _send(self, request: Request) -> None:
        with self._opener.open(request, timeout=20) as answer:
            self.url = answer.url
            self.text = answer.read().decode()


class _History(HTTPRedirectHandler):
    def __init__(self) -> None:
        self.went: list[str] = []

    def redirect_request(self, *args: Any) -> Request | None:
        self.went.append(args[-1])
        return super().redirect_request(*args)


def registration_of(name: str) -> dict[str, Any]:
    """Read a registration of an example, ``folder`` or ``folder/file.json``."""
    file = EXAMPLES / (name if name.endswith(".json") else f"{name}/registration.json")
    metadata: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return metadata


def moved(metadata: dict[str, Any], port: int) -> dict[str, Any]:
    """Give the registration on another port of this machine."""
    text = re.sub(r"http://127\.0\.0\.1:[0-9]+", f"http://127.0.0.1:{port}", json.dumps(metadata))
    changed: dict[str, Any] = json.loads(text)
    return changed


def write(folder: Path, metadata: dict[str, Any]) -> Path:
    """Write a registration as an integrator does."""
    folder.mkdir()
    file = folder / "registration.json"
    file.write_text(json.dumps(metadata), encoding="utf-8")
    return file


def add(running: Running, file: Path) -> Registered:
    """Run ``idp clients add FILE``, and read what it shows."""
    ran = subprocess.run(
        [sys.executable, "-m", "idp", "clients", "add", str(file)],
        env=running.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    shown = dict(re.findall(r"^(client_id|client_secret): (\S+)$", ran.stdout, re.MULTILINE))
    metadata = json.loads(file.read_text(encoding="utf-8"))
    addresses = [urlsplit(uri) for uri in metadata.get("redirect_uris", ())]
    origin = next((f"{uri.scheme}://{uri.netloc}" for uri in addresses), "")
    return Registered(file, origin, shown["client_id"], shown.get("client_secret", ""))


def register(running: Running, folder: Path, name: str, **changes: Any) -> Registered:
    """Register an example on a free port; None takes a member away."""
    metadata = {**moved(registration_of(name), free_port()), **changes}
    kept = {member: value for member, value in metadata.items() if value is not None}
    return add(running, write(folder, kept))


@contextmanager
def flask_authlib(running: Running, registered: Registered) -> Iterator[str]:
    """Serve the example in Python."""
    command = [sys.executable, str(EXAMPLES / "flask_authlib" / "app.py"), str(registered.file)]
    with _example(running, registered, command, {}):
        yield registered.origin


@contextmanager
def node_openid_client(
    running: Running, registered: Registered, key: Path | None = None
) -> Iterator[str]:
    """Serve the example in JavaScript; with a key in place of a secret, if it has one."""
    server = EXAMPLES / "node_openid_client" / "server.mjs"
    environment = {"CLIENT_KEY": str(key)} if key else {}
    with _example(running, registered, [*node(), str(server), str(registered.file)], environment):
        yield registered.origin


@contextmanager
def api(running: Running, registered: Registered, program: str, port: int) -> Iterator[None]:
    """Serve one of the two APIs."""
    interpreter = [sys.executable] if program.endswith(".py") else node()
    command = [*interpreter, str(EXAMPLES / "api" / program), str(registered.file), str(port)]
    with _example(running, registered, command, {}, f":{port}/healthz"):
        yield


def make_key(file: Path) -> Path:
    """Let a registration prove itself by a key, as the example in JavaScript does."""
    key = file.with_name("key.json")
    program = EXAMPLES / "node_openid_client" / "make_key.mjs"
    subprocess.run([*node(), str(program), str(file), str(key)], timeout=60, check=True)
    return key


def node() -> list[str]:
    """The program that runs JavaScript, once what the examples import is installed."""
    program = shutil.which("node")
    if program is None:
        message = "node is not installed: apt-get install nodejs npm"
        raise ServerMissing(message)
    if not (EXAMPLES / "node_modules" / "openid-client").is_dir():
        message = f"openid-client is not installed: npm ci --ignore-scripts in {EXAMPLES}"
        raise ServerMissing(message)
    return [program]


def _example(
    running: Running,
    registered: Registered,
    command: list[str],
    environment: dict[str, str],
    address: str = "",
) -> AbstractContextManager[None]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CLIENT_")}
    return served(
        registered.client_id,
        command,
        f"http://127.0.0.1{address or f':{registered.port}/'}",
        registered.file.with_name("log"),
        {**inherited, "ISSUER": running.issuer, **registered.environment, **environment},
    )
