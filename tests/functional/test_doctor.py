"""What ``idp doctor`` finds, and what it says to do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from click.testing import Result
from sqlalchemy import delete

from idp.audit import Event
from idp.cli import doctor_place
from idp.cli.doctor_place import _apart
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.infra.key_files import KeyFiles
from idp.infra.redis_health import StoreFacts
from idp.infra.redis_health import faults_of
from idp.infra.tables import AuditRow
from idp.parts import Parts
from idp.settings import read_settings
from tests.ready_service import draw_keys
from tests.ready_service import durable
from tests.ready_service import examined
from tests.ready_service import make_service

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key for each algorithm; drawn once, for it takes a second."""
    return draw_keys(tmp_path_factory.mktemp("doctor") / "keys")


@pytest.fixture
def store(valkey_url: str) -> Iterator[redis.Redis]:
    """The Valkey of the service below."""
    with durable(valkey_url) as client:
        yield client


@pytest.fixture
def data(
    tmp_path: Path,
    keys: Path,
    sqlite_url: str,
    valkey_url: str,
    store: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The data folder of a service that is ready."""
    make_service(tmp_path / "data", keys, sqlite_url, valkey_url, monkeypatch)
    return tmp_path / "data"


def faults(result: Result) -> str:
    return "\n".join(line for line in result.output.splitlines() if line.startswith("FAIL"))


def test_a_service_that_is_ready_has_nothing_but_ok(
    tmp_path, keys, sql_url, redis_store_url, mailbox, monkeypatch
):
    make_service(tmp_path / "data", keys, sql_url, redis_store_url, monkeypatch)
    for name, value in mailbox.settings.items():
        monkeypatch.setenv(f"IDP_{name.upper()}", str(value))

    with durable(redis_store_url):
        result = examined()

    levels = [line.split()[0] for line in result.output.splitlines()]
    assert (set(levels), len(levels)) == ({"ok"}, 23), result.output
    assert result.exit_code == 0


def test_mail_that_goes_nowhere_is_warned_and_a_server_that_is_away_is_a_fault(
    data, mailbox, monkeypatch
):
    without = examined()
    for name, value in mailbox.settings.items():
        monkeypatch.setenv(f"IDP_{name.upper()}", str(value))
    mailbox.stop()

    away = examined()

    assert "warn  mail" in without.output
    assert without.exit_code == 0
    assert "mail" in faults(away)
    assert away.exit_code == 1


def test_messages_that_were_given_up_are_told(data, monkeypatch):
    built = Parts(read_settings())
    with built.flask.app_context(), built.database.transaction():
        built.outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id="somebody")
        (promise,) = built.outbox.claim(Channel.MAIL)
        built.outbox.failed(promise, "recipient_refused", permanent=True)
    built.database.engine.dispose()

    assert "given up: 1; idp outbox list --state dead says why" in examined().output


def test_a_log_whose_sealing_lags_behind_is_told(data):
    long_ago = datetime.now(UTC) - timedelta(days=3)
    at = [long_ago]
    built = Parts(read_settings(), now=lambda: at[0])
    with built.flask.app_context():
        with built.database.transaction():
            built.database.execute(delete(AuditRow))
        for _ in range(2):
            with built.database.transaction():
                built.audit.record(Event.KEY_ADDED)
            at[0] += timedelta(minutes=50)
            if built.audit_seals.last() is None:
                built.sealing.seal_next()
    built.database.engine.dispose()

    said = examined().output

    waiting = long_ago + timedelta(minutes=50)
    assert f"events since {waiting:%Y-%m-%d %H:%M} UTC are not sealed" in said
    assert "no head was signed of " in said


def test_a_spool_that_others_can_read_is_a_fault(data):
    (data / "spool").mkdir(mode=0o755)

    assert "chmod 700" in faults(examined())


def test_each_wrong_setting_is_named_and_nothing_else_is_looked_at(data, monkeypatch):
    monkeypatch.setenv("IDP_ISSUER", "http://connexion.example.org")
    monkeypatch.setenv("IDP_ARGON2_PASSES", "1")

    result = examined()

    assert result.exit_code == 1
    assert "IDP_ISSUER" in faults(result)
    assert "IDP_ARGON2_PASSES" in faults(result)
    assert len(result.output.splitlines()) == 2


def test_an_issuer_on_loopback_is_a_warning_and_no_fault(data, monkeypatch):
    monkeypatch.setenv("IDP_ISSUER", "http://localhost:8000")

    result = examined()

    assert "warn  issuer" in result.output
    assert result.exit_code == 0


def test_a_public_service_without_a_trusted_proxy_is_warned(data, monkeypatch):
    monkeypatch.setenv("IDP_TRUSTED_PROXIES", "0")

    assert "warn  proxies" in examined().output


def test_numbers_on_an_address_that_others_reach_are_warned_of(data, monkeypatch):
    monkeypatch.setenv("IDP_METRICS_BIND", "127.0.0.1:9464")
    monkeypatch.setenv("IDP_WORKER_METRICS_BIND", "[::]:9465")

    told = [line for line in examined().output.splitlines() if "metrics" in line]
    assert [line.split()[:3] for line in told] == [["warn", "metrics", "IDP_WORKER_METRICS_BIND"]]


@pytest.mark.parametrize(
    ("web", "numbers", "found"),
    [
        ("", "localhost:8000", True),
        ("[::1]:8001 127.0.0.1:8002", "127.0.0.1:8002", True),
        (":8001", "[::1]:8001", True),
        ("127.0.0.1:8001", "127.0.0.2:8001", False),
        ("unix:/run/idp:9464 fd://9464", "127.0.0.1:9464", False),
    ],
)
def test_numbers_where_the_web_listens_are_found(data, monkeypatch, web, numbers, found):
    if web:
        monkeypatch.setenv("IDP_BIND", web)
    monkeypatch.setenv("IDP_METRICS_BIND", numbers)

    assert ("FAIL  metrics" in examined().output) is found


@pytest.mark.parametrize(
    ("path", "mode", "right"),
    [
        (".", 0o770, "700"),
        (".", 0o707, "700"),
        ("secrets", 0o750, "700"),
        ("secrets/pepper", 0o640, "600"),
        ("secrets/pepper", 0o604, "600"),
        ("idp.sqlite", 0o644, "600"),
    ],
)
def test_what_others_can_touch_is_named_with_the_command_that_mends_it(data, path, mode, right):
    exposed = data / path
    exposed.touch()
    exposed.chmod(mode)

    result = examined()

    assert result.exit_code == 1
    assert f"chmod {right} {exposed}" in faults(result)


def test_a_data_folder_that_others_can_only_look_into_is_no_fault(data):
    data.chmod(0o755)

    assert examined().exit_code == 0


def test_a_key_that_others_can_read_is_a_fault(data):
    key = next((data / "keys").glob("*.pem"))
    key.chmod(0o640)

    result = examined()

    assert result.exit_code == 1
    assert key.name in faults(result)


def test_a_missing_secret_is_named_without_any_secret_in_the_output(data):
    pepper = (data / "secrets" / "decoy_key").read_text().strip()
    (data / "secrets" / "pepper").unlink()

    result = examined()

    assert "pepper is missing" in faults(result)
    assert pepper not in result.output


def test_an_algorithm_without_a_key_that_signs_now_is_a_fault(data):
    for key in (data / "keys").glob("*.ES256.pem"):
        key.unlink()
    KeyFiles(data / "keys").add("ES256", datetime.now(UTC) + timedelta(hours=1))

    result = examined()

    assert faults(result).count("\n") == 0
    assert "no ES256 key signs now; run idp keys rotate" in faults(result)


def test_an_empty_database_is_told_to_migrate(data, monkeypatch, tmp_path):
    monkeypatch.setenv("IDP_DATABASE_URL", f"sqlite:///{tmp_path / 'other.sqlite'}")

    result = examined()

    assert "run idp migrate" in faults(result)
    assert not (tmp_path / "other.sqlite").exists()


def test_sql_that_is_away_is_told_without_its_password(data, monkeypatch):
    monkeypatch.setenv("IDP_DATABASE_URL", "postgresql+psycopg://idp:hunter2@127.0.0.1:1/idp")

    result = examined()

    assert "FAIL  sql" in result.output
    assert "hunter2" not in result.output
    assert result.exit_code == 1


def test_a_store_that_is_away_is_a_fault(data, monkeypatch, tmp_path):
    monkeypatch.setenv("IDP_REDIS_URL", f"unix://{tmp_path / 'nobody.sock'}")

    result = examined()

    assert "FAIL  redis" in result.output
    assert "ok    sql" in result.output


def test_a_store_that_may_evict_is_a_fault(data, store):
    store.config_set("maxmemory-policy", "allkeys-lru")

    assert "set maxmemory-policy noeviction" in faults(examined())


def test_a_store_without_its_append_only_file_is_a_fault(data, store):
    store.config_set("appendonly", "no")

    assert "set appendonly yes" in faults(examined())


def test_a_store_without_a_memory_limit_is_a_warning_and_no_fault(data, store):
    store.config_set("maxmemory", "0")

    result = examined()

    assert "warn  redis           maxmemory is 0" in result.output
    assert result.exit_code == 0


def test_a_default_client_that_nobody_registered_is_a_fault(data, monkeypatch):
    monkeypatch.setenv("IDP_DEFAULT_CLIENT_ID", "nobody")

    assert "nobody is not registered" in faults(examined())


def test_a_clock_more_than_two_seconds_away_is_a_fault(data, monkeypatch):
    class Late(datetime):
        """This machine's clock, three seconds late."""

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(seconds=3)

    monkeypatch.setattr(doctor_place, "datetime", Late)

    result = examined()

    assert "Redis is 3 s away" in faults(result)


@pytest.mark.parametrize(
    ("clock", "apart"),
    [(NOON, 0), (NOON + timedelta(seconds=1), 0), (NOON + timedelta(seconds=4), 3),
     (NOON - timedelta(seconds=2), 2)],
)  # fmt: skip
def test_the_time_that_the_question_took_is_not_held_against_a_clock(clock, apart):
    after = NOON + timedelta(seconds=1)

    assert _apart(clock, NOON, after) == timedelta(seconds=apart)


def test_a_setting_written_wrong_is_named(data, monkeypatch):
    monkeypatch.setenv("IDP_SESION_IDLE", "60")

    said = examined().output

    assert "IDP_SESION_IDLE is no setting" in said


def test_a_folder_that_nothing_needs_may_be_missing_and_sqlite_needs_one(
    data, monkeypatch, tmp_path, postgres_url
):
    monkeypatch.setenv("IDP_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("IDP_KEYS_DIR", str(data / "keys"))
    monkeypatch.setenv("IDP_SECRETS_DIR", str(data / "secrets"))
    monkeypatch.setenv("IDP_DATABASE_URL", "")
    needed = examined()
    monkeypatch.setenv("IDP_DATABASE_URL", postgres_url)
    unneeded = examined()

    assert f"{tmp_path / 'none'} does not exist; run idp migrate" in faults(needed)
    assert "does not exist" not in faults(unneeded)
    assert "does not exist, and nothing needs it" in unneeded.output


FACTS = StoreFacts(
    product="Redis 7.0.0",
    compatible_with=(7, 0, 0),
    eviction_policy="noeviction",
    append_only=True,
    last_write_failed=False,
    memory_limit=256 * 1024 * 1024,
    memory_used=1024 * 1024,
    now=NOON,
)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"compatible_with": (6, 2, 14)}, "too old"),
        ({"eviction_policy": "volatile-ttl"}, "maxmemory-policy noeviction"),
        ({"eviction_policy": "unknown"}, "maxmemory-policy noeviction"),
        ({"append_only": False}, "appendonly yes"),
        ({"last_write_failed": True}, "the server's disk"),
        ({"memory_used": 210 * 1024 * 1024}, "82 % of maxmemory"),
    ],
)
def test_a_store_that_would_lose_a_promise_is_told_what_to_set(changed, told):
    assert faults_of(FACTS) == []

    (fault,) = faults_of(replace(FACTS, **changed))

    assert told in fault
