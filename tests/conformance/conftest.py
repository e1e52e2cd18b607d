"""A provider under gunicorn behind TLS, registered and configured by ``deploy/conformance``."""

import json
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from argon2 import PasswordHasher

from idp.oidc.metadata_reader import decode
from idp.oidc.registration import parse
from tests.conformance.front import TlsFront
from tests.conformance.suite import QUERY
from tests.conformance.suite import Provider
from tests.conformance.suite import Suite
from tests.instance import Instance
from tests.running import ROOT
from tests.running import Running

SHIPPED = ROOT / "deploy" / "conformance"
CONFIGURATIONS = ("basic.json", "backchannel.json", "frontchannel.json")
OUR_ADDRESS = "https://connexion.example.org"
PASSWORD = "PASSWORD-OF-THE-MEMBER"


def shipped(name: str) -> dict[str, Any]:
    """Read a file that operators are given."""
    content: dict[str, Any] = json.loads((SHIPPED / name).read_text(encoding="utf-8"))
    return content


def register(instance: Instance) -> dict[str, str]:
    """Register every client as ``idp clients add`` does; give their secrets."""
    found = {}
    for file in sorted((SHIPPED / "clients").glob("*.json")):
        client = parse(decode(file.read_bytes()))
        found[client.client_id] = f"secret-of-the-test-{client.client_id}"
        with instance.app.app_context(), instance.parts.database.transaction():
            instance.parts.clients.add(client, found[client.client_id])
    return found


def import_member(running: Running, folder: Path) -> None:
    """Import the member that the suite signs in, as an operator does."""
    hashed = PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1).hash(PASSWORD)
    row = (SHIPPED / "member.csv").read_text(encoding="utf-8")
    export = folder / "member.csv"
    export.write_text(row.replace("HASH-OF-THE-PASSWORD", hashed), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "idp", "dossiers", "import", str(export)],
        env=running.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def configured(name: str, issuer: str, secrets: dict[str, str]) -> dict[str, Any]:
    """Fill in what an operator fills in."""
    text = (SHIPPED / name).read_text(encoding="utf-8").replace(OUR_ADDRESS, issuer)
    for client_id, secret in secrets.items():
        text = text.replace(f'"SECRET-OF-{client_id}"', json.dumps(secret))
    assert "SECRET-OF-" not in text
    content: dict[str, Any] = json.loads(text)
    return content


@pytest.fixture(scope="session")
def provider(
    tmp_path_factory: pytest.TempPathFactory, make_shared_running: Callable[..., Running]
) -> Iterator[Provider]:
    """The provider, behind its TLS proxy, and who the suite signs in."""
    folder = tmp_path_factory.mktemp("conformance")
    front = TlsFront(folder)
    running = make_shared_running(issuer=front.issuer, trusted_proxies=1)
    import_member(running, folder)
    secrets = register(running.instance)
    running.start()
    front.lead_to(running.port)
    redirect_uri = shipped("clients/suite-1.json")["redirect_uris"][0]
    parts = urlsplit(redirect_uri)
    yield Provider(
        front.issuer,
        front.ca_file,
        {name: configured(name, front.issuer, secrets) for name in CONFIGURATIONS},
        f"{parts.scheme}://{parts.netloc}",
    )
    running.stop()
    front.close()


@pytest.fixture
def module(provider: Provider) -> Iterator[Callable[..., Suite]]:
    """Begin a module of the suite, with an empty cookie jar."""
    begun: list[Suite] = []

    def begin(name: str, mode: str = QUERY, configured_by: str = "basic.json") -> Suite:
        begun.append(Suite(provider, name, mode, configured_by))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()
