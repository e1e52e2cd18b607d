"""A service that has everything and serves nobody yet, for ``idp doctor`` to look at."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from click.testing import Result

from idp.audit import Event
from idp.cli import main
from idp.infra.key_files import KeyFiles
from idp.infra.key_passphrase import generate_missing_passphrase
from idp.infra.key_passphrase import rewrap
from idp.infra.secret_files import generate_missing_secrets
from idp.legal import Legal
from idp.oidc.clients import SIGNING_ALGS
from idp.parts import Parts
from idp.settings import read_settings
from tests.schema import migrate


def draw_keys(folder: Path) -> Path:
    """Draw a key for each algorithm."""
    for alg in SIGNING_ALGS:
        KeyFiles(folder).add(alg, datetime.now(UTC))
    return folder


def legal_settings() -> dict[str, str]:
    """What the legal pages want to say."""
    return dict.fromkeys(Legal().missing(), "filled in")


@contextmanager
def durable(url: str) -> Iterator[redis.Redis]:
    """A store with its append-only file on, as production has it."""
    with redis.Redis.from_url(url) as client:
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory", "256mb")
        try:
            yield client
        finally:
            client.config_set("appendonly", "no")
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")


def make_service(
    folder: Path, keys: Path, sql_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make a service that is ready, and the environment that its commands read."""
    folder.mkdir(mode=0o700)
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IDP_ISSUER", "https://connexion.example.org")
    monkeypatch.setenv("IDP_TRUSTED_PROXIES", "1")
    monkeypatch.setenv("IDP_DATA_DIR", str(folder))
    monkeypatch.setenv("IDP_LETTER_SENDER", "Caisse|1 rue|75001 PARIS")
    monkeypatch.setenv("IDP_DATABASE_URL", sql_url)
    monkeypatch.setenv("IDP_REDIS_URL", redis_url)
    for name, value in legal_settings().items():
        monkeypatch.setenv(name, value)
    generate_missing_secrets(folder / "secrets")
    shutil.copytree(keys, folder / "keys")
    passphrase = folder / "secrets" / "keys_passphrase"
    generate_missing_passphrase(passphrase)
    rewrap(KeyFiles(folder / "keys"), passphrase)
    migrate(sql_url)
    built = Parts(read_settings())
    with built.flask.app_context(), built.database.transaction():
        built.audit.record(Event.BACKUP_MADE)
    built.database.engine.dispose()


def examined() -> Result:
    return CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
