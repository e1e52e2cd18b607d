"""A machine is lost, and its backups bring the service back on another one."""

import json
import os
import stat
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from click.testing import Result
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from demo.valkey import ValkeyServer
from idp.cli import main
from idp.infra.redis_backup import read_redis
from tests.instance import PASSWORD
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Visitor
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.real_stores import PostgresCluster
from tests.real_stores import find_program
from tests.reset_steps import CHOSEN
from tests.reset_steps import ask
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new

RECOVERY = ECKey.generate_key("P-256")


@dataclass
class Machine:
    """Where a provider's files and stores are, and the operator's command there."""

    folder: Path
    sql_url: str
    redis_url: str
    mail: Mailbox
    serving: list[Instance] = field(default_factory=list)

    def idp(self, *words: object) -> Result:
        environment = {
            "IDP_ENV_FILE": None,
            "IDP_ISSUER": "http://localhost:8000",
            "IDP_DATA_DIR": str(self.folder),
            "IDP_DATABASE_URL": self.sql_url,
            "IDP_REDIS_URL": self.redis_url,
        }
        return CliRunner(env=environment).invoke(main, [str(word) for word in words])

    def done(self, *words: object) -> str:
        result = self.idp(*words)
        assert result.exit_code == 0, result.output
        return result.output

    def serve(self) -> Instance:
        instance = Instance(
            self.folder,
            sql_url=self.sql_url,
            redis_url=self.redis_url,
            clock=Clock(datetime.now(UTC)),
            signing_algs=("ES256",),
            **self.mail.settings,
        )
        self.serving.append(instance)
        return instance

    def stop(self) -> None:
        for instance in self.serving:
            instance.parts.database.engine.dispose()
            instance.parts.redis.client.close()


@pytest.fixture(scope="module")
def other_redis(servers_folder: Path) -> Iterator[ValkeyServer]:
    """The Redis of the other machine."""
    folder = servers_folder / "redis-restored"
    folder.mkdir(mode=0o700)
    server = ValkeyServer(folder, binary=find_program("redis-server", "redis-server"))
    server.start()
    server.wait()
    yield server
    server.stop()


@pytest.fixture
def lost(tmp_path: Path, postgres_url: str, redis_url: str, mailbox: Mailbox) -> Iterator[Machine]:
    """The machine that will be lost."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("repl-diskless-sync-delay", 0)  # 5 s, in case other replicas come
    machine = Machine(tmp_path / "lost", postgres_url, redis_url, mailbox)
    yield machine
    machine.stop()


@pytest.fixture
def other(
    tmp_path: Path, postgres_cluster: PostgresCluster, other_redis: ValkeyServer, mailbox: Mailbox
) -> Iterator[Machine]:
    """The other machine, with nothing on it."""
    name = postgres_cluster.new_database()
    with redis.Redis.from_url(other_redis.url) as client:
        client.flushall()
    machine = Machine(tmp_path / "other", postgres_cluster.url(name), other_redis.url, mailbox)
    yield machine
    machine.stop()
    postgres_cluster.drop_database(name)


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    """A folder with both halves of the recovery key; the private one under a password."""
    (tmp_path / "recovery.pub.pem").write_bytes(RECOVERY.as_pem(private=False))
    (tmp_path / "recovery.pem").write_bytes(RECOVERY.as_pem(private=True, password="saule"))
    (tmp_path / "password").write_text("saule\n")
    return tmp_path


def save(machine: Machine, safe: Path, *options: str) -> Path:
    machine.done("backup", "data", safe / "sets", *options)
    if not (safe / "secrets.jwe").exists():
        key = safe / "recovery.pub.pem"
        machine.done("backup", "secrets", safe / "secrets.jwe", "--recovery-key", key)
    return max((safe / "sets").iterdir())


def restore(machine: Machine, safe: Path, saved: Path, *options: str) -> Instance:
    machine.done(
        "restore", "secrets", safe / "secrets.jwe",
        "--recovery-key", safe / "recovery.pem", "--password-file", safe / "password",
    )  # fmt: skip
    machine.done("restore", "data", saved, *options)
    machine.done("migrate", "--check")
    return machine.serve()


def moved(visitor: Visitor, instance: Instance) -> Visitor:
    """The same browser, when its provider has another machine."""
    visitor.http.application = instance.app
    return visitor


def email_of(name: str) -> str:
    return f"{name}@exemple.example"


def temporary_password(instance: Instance, person: Person, mail: Mailbox) -> str:
    assert "est enregistrée" in text_of(ask(instance.visitor(), person.numero))
    deliver(instance)
    return mail.newest_secret()


def renewed(visitor: Visitor, person: Person, secret: str) -> TestResponse:
    return submit_new(visitor, open_choice(visitor, person, secret))


def test_a_service_moves_with_its_passwords_sessions_and_temporary_passwords(
    lost: Machine, other: Machine, safe: Path
) -> None:
    before = lost.serve()
    service = before.add_service()
    anne = before.add_person(numero="1000001", email=email_of("anne"))
    luc = before.add_person("ayant_droit", "123456789", email=email_of("luc"))
    visitor = before.visitor()
    tokens = visitor.tokens(anne, service)
    secret = temporary_password(before, anne, lost.mail)

    after = restore(other, safe, save(lost, safe))

    assert moved(visitor, after).get("/compte").status_code == 200
    assert visitor.userinfo(tokens["access_token"]).get_json()["sub"]
    assert visitor.read_token(tokens["id_token"])  # by a key that is published again
    for person in (anne, luc):
        assert after.visitor().sign_in(person).headers["Location"] == "/compte"
    assert after.visitor().tokens(luc, service)["id_token"]
    assert renewed(after.visitor(), anne, secret).status_code == 303
    chosen = Person(anne.account_id, anne.qualite, anne.numero, CHOSEN)
    assert after.visitor().sign_in(chosen).headers["Location"] == "/compte"
    assert visitor.get("/compte").status_code == 303  # a new password ends what came along


def test_without_redis_passwords_stay_and_what_ends_by_itself_has_ended(
    lost: Machine, other: Machine, safe: Path
) -> None:
    before = lost.serve()
    service = before.add_service(
        grant_types=("authorization_code", "refresh_token"),
        scope=frozenset({"openid", "offline_access"}),
    )
    anne = before.add_person(numero="1000001", email=email_of("anne"))
    visitor = before.visitor()
    tokens = visitor.tokens(anne, service, scope="openid offline_access")
    secret = temporary_password(before, anne, lost.mail)

    after = restore(other, safe, save(lost, safe), "--without-redis")

    assert moved(visitor, after).get("/compte").status_code == 303
    assert visitor.userinfo(tokens["access_token"]).status_code == 401
    page = after.visitor()
    refused = page.submit_sign_in(page.open_sign_in(), anne.qualite, anne.numero, secret)
    assert refused.status_code == 403
    refreshed = visitor.post(
        "/token",
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        headers=service.basic,
    )
    assert refreshed.status_code == 200  # families live in SQL
    assert after.visitor().sign_in(anne).headers["Location"] == "/compte"


def test_an_old_redis_beside_a_newer_database_brings_nothing_of_an_old_password_to_life(
    lost: Machine, other: Machine, safe: Path
) -> None:
    before = lost.serve()
    service = before.add_service()
    anne = before.add_person(numero="1000001", email=email_of("anne"))
    thief = before.visitor()
    tokens = thief.tokens(anne, service)
    mailed = temporary_password(before, anne, lost.mail)
    old = save(lost, safe)
    assert renewed(before.visitor(), anne, mailed).status_code == 303
    before.clock.at = datetime.now(UTC)
    new = lost.done("backup", "data", safe / "newer", "--without-redis")

    after = restore(other, safe, next((safe / "newer").iterdir()))
    with read_redis(other.redis_url, old / "redis.rdb") as bring:
        assert bring() > 0

    assert "Redis" not in new
    assert moved(thief, after).get("/compte").status_code == 303
    assert thief.userinfo(tokens["access_token"]).status_code == 401
    page = after.visitor()
    for typed in (mailed, PASSWORD):
        sent = page.submit_sign_in(page.open_sign_in(), anne.qualite, anne.numero, typed)
        assert sent.status_code == 403
    chosen = Person(anne.account_id, anne.qualite, anne.numero, CHOSEN)
    assert after.visitor().sign_in(chosen).headers["Location"] == "/compte"


def test_a_set_holds_no_secret_and_neither_copy_is_for_others(lost: Machine, safe: Path) -> None:
    before = lost.serve()
    lost.done("secrets")

    saved = save(lost, safe)

    told = json.loads((saved / "manifest.json").read_text())
    files = [path for path in safe.rglob("*") if path.name in {"manifest.json", "secrets.jwe"}]
    files += [saved / part["file"] for part in told["parts"]]
    assert [part["kind"] for part in told["parts"]] == ["redis", "postgresql"]
    assert len(files) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(saved.stat().st_mode) == stat.S_IMODE(saved.parent.stat().st_mode) == 0o700
    hidden = [path.read_bytes().strip() for path in before.settings.secrets_path.iterdir()]
    hidden += [b"PRIVATE KEY"]
    assert len(hidden) == 6
    for path in files:
        assert not any(secret in path.read_bytes() for secret in hidden), path


def test_the_oldest_sets_go_and_nothing_else_in_their_folder(lost: Machine, safe: Path) -> None:
    lost.serve()
    sets = safe / "sets"
    save(lost, safe, "--without-redis")
    oldest = sets / "2026-01-01T00-00-00Z"
    max(sets.iterdir()).rename(oldest)
    (sets / "notes").mkdir()
    killed, under_way = sets / ".killed.writing", sets / ".another.writing"
    for aside in (killed, under_way):
        aside.mkdir()
        (aside / "database.dump").touch()
    os.utime(killed, times=(0, 0))

    save(lost, safe, "--without-redis", "--keep", "1")

    assert not oldest.exists()
    assert not killed.exists()
    assert under_way.exists()
    assert len(list(sets.iterdir())) == 3
    assert (sets / "notes").is_dir()


def changed(saved: Path) -> None:
    with (saved / "database.dump").open("r+b") as file:
        file.write(b"?")


def of_a_newer_version(saved: Path) -> None:
    told = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps({**told, "revision": "9999"}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (changed, "not what was saved"),
        (of_a_newer_version, "a newer one saved it"),
        (lambda saved: (saved / "redis.rdb").unlink(), "redis.rdb: missing"),
        (lambda saved: (saved / "manifest.json").unlink(), "is it a set"),
        (lambda saved: (saved / "manifest.json").write_text("{}"), "cannot be read"),
    ],
)
def test_a_set_that_is_not_as_it_was_is_refused_before_a_store_is_touched(
    lost: Machine, other: Machine, safe: Path, spoil: Callable[[Path], None], told: str
) -> None:
    lost.serve()
    saved = save(lost, safe)
    spoil(saved)

    refused = other.idp("restore", "data", saved)

    assert refused.exit_code == 1
    assert told in refused.output
    assert other.idp("migrate", "--check").exit_code == 1


def test_nothing_is_restored_over_anything(lost: Machine, other: Machine, safe: Path) -> None:
    lost.serve()
    saved = save(lost, safe)
    secret = lost.folder / "secrets" / "pepper"
    before = secret.read_bytes()

    full = lost.idp("restore", "data", saved)
    with redis.Redis.from_url(other.redis_url) as client:
        client.set("session:of another time", "x")
    half = other.idp("restore", "data", saved, "--without-redis")
    there = lost.idp(
        "restore", "secrets", safe / "secrets.jwe",
        "--recovery-key", safe / "recovery.pem", "--password-file", safe / "password",
    )  # fmt: skip

    assert (full.exit_code, half.exit_code, there.exit_code) == (1, 1, 1)
    assert "the database holds" in full.output
    assert "the store holds 1 keys" in half.output
    assert other.idp("migrate", "--check").exit_code == 1
    assert "is there already" in there.output
    assert secret.read_bytes() == before


def test_the_sealed_copy_opens_with_its_recovery_key_alone(
    lost: Machine, other: Machine, safe: Path
) -> None:
    lost.serve()
    save(lost, safe, "--without-redis")
    (safe / "stranger.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))

    def opened(key: str, *more: object) -> Result:
        key_file = safe / key
        return other.idp(
            "restore", "secrets", safe / "secrets.jwe", "--recovery-key", key_file, *more
        )

    with_private = lost.idp(
        "backup", "secrets", safe / "again.jwe", "--recovery-key", safe / "stranger.pem"
    )
    over = lost.idp(
        "backup", "secrets", safe / "secrets.jwe", "--recovery-key", safe / "recovery.pub.pem"
    )

    assert "belongs into a safe" in with_private.output
    assert "is there already" in over.output
    assert "another recovery key" in opened("stranger.pem").output
    assert "no EC key" in opened("recovery.pem").output
    assert "no EC key" in opened("password").output
    assert not (other.folder / "secrets").exists()


def test_the_embedded_store_is_saved_while_it_serves(
    tmp_path: Path, valkey_url: str, mailbox: Mailbox, safe: Path
) -> None:
    before = Machine(tmp_path / "demo", "", valkey_url, mailbox)
    serving = before.serve()
    person = serving.add_person()

    saved = save(before, safe, "--without-redis")
    other = Machine(tmp_path / "moved", "", valkey_url, mailbox)
    after = restore(other, safe, saved)

    assert after.visitor().sign_in(person).headers["Location"] == "/compte"
    assert [event for event, _, _ in serving.audit()].count("backup.made") == 1
    before.stop()
    other.stop()


def test_a_store_that_asks_for_its_password_is_saved_and_brought_back_with_it(
    lost: Machine, other: Machine, other_redis: ValkeyServer, safe: Path
) -> None:
    lost.serve()
    with redis.Redis.from_url(lost.redis_url) as client:
        client.set("for a while", "x", px=600_000)
        client.set("for ever", "y")
    saved = save(lost, safe)
    other.redis_url = f"unix://:saule@{other_redis.socket_path}"
    with redis.Redis.from_url(other_redis.url) as client:
        client.config_set("repl-diskless-sync-delay", 0)
        client.config_set("requirepass", "saule")
    try:
        other.done("restore", "data", saved)
        other.done("backup", "data", safe / "again")
        with redis.Redis.from_url(other.redis_url) as client:
            held = {name: client.pttl(name) for name in client.scan_iter()}
        other.redis_url = f"unix://:chêne@{other_redis.socket_path}"
        refused = other.idp("backup", "data", safe / "refused")
    finally:
        with redis.Redis(unix_socket_path=str(other_redis.socket_path), password="saule") as client:
            client.config_set("requirepass", "")

    assert held.pop(b"for ever") == -1
    assert 0 < held.pop(b"for a while") <= 600_000
    assert refused.exit_code == 1
    assert "chêne" not in refused.output
    assert list((safe / "refused").iterdir()) == []


def test_a_program_that_is_not_there_is_told_and_leaves_no_half_set(
    lost: Machine, safe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = lost.serve()
    monkeypatch.setenv("PATH", "/nowhere")

    missing = lost.idp("backup", "data", safe / "sets")

    assert missing.exit_code == 1
    assert "redis-cli is not installed here: it is in the package redis-tools" in missing.output
    assert list((safe / "sets").iterdir()) == []
    assert serving.audit() == []


def test_a_redis_that_cannot_be_read_here_is_told_before_the_database_is_touched(
    lost: Machine, other: Machine, safe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost.serve()
    saved = save(lost, safe)
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        missing = other.idp("restore", "data", saved)

    assert missing.exit_code == 1
    assert "redis-server is not installed here" in missing.output
    other.done("restore", "data", saved)
