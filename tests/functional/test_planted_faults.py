"""Every misconfiguration that we could think of, planted one at a time in a service that is ready.

``idp doctor`` finds each by one line of its own, says what is wrong and what mends it, and finds
nothing else; where it is dangerous the service refuses to start with it.
"""

import base64
import os
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import redis
from aiosmtpd.smtp import LoginPassword
from sqlalchemy import delete

from idp import IdpError
from idp.app import create_app
from idp.audit import Event
from idp.cli import doctor_place
from idp.hops import FLUSH_EVERY
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.infra.key_files import KeyFiles
from idp.infra.tables import AuditRow
from idp.oidc.clients import Client
from idp.parts import Parts
from idp.parts import utc_now
from idp.settings import read_settings
from tests.instance import Clock
from tests.post_office import PostOffice
from tests.post_office import authenticator
from tests.post_office import certificate
from tests.post_office import served
from tests.post_office import server_tls
from tests.ready_service import draw_keys
from tests.ready_service import durable
from tests.ready_service import examined
from tests.ready_service import legal_settings
from tests.ready_service import make_service

ISSUER = "https://connexion.example.org"
LONG_AGO = timedelta(days=10)


@dataclass(frozen=True)
class Site:
    """A service that is ready, for somebody to spoil."""

    data: Path
    store: redis.Redis
    set: Callable[[str, str], None]
    unset: Callable[[str], None]
    monkeypatch: pytest.MonkeyPatch
    servers: ExitStack
    certificate: Callable[..., Path]

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    def secret(self, name: str) -> Path:
        return self.data / "secrets" / name

    def key(self, alg: str) -> Path:
        return next(self.keys.glob(f"*.{alg}.pem"))

    @contextmanager
    def parts(self, ago: timedelta = timedelta(0)) -> Iterator[Parts]:
        """The parts of a process of some time ago, in a transaction."""
        built = Parts(read_settings(), now=lambda: utc_now() - ago)
        with built.flask.app_context(), built.database.transaction():
            yield built
        built.database.engine.dispose()

    def receive(self, forwarded_for: str) -> None:
        """Serve twenty people whose requests came through proxies."""
        clock = Clock(utc_now())
        app = create_app(now=clock)
        clock.advance(FLUSH_EVERY)
        for _ in range(20):
            headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
            app.test_client().get("/connexion", headers=headers)
            clock.advance(FLUSH_EVERY)
        app.extensions["idp"].database.engine.dispose()

    def mail_server(self, **options: object) -> Path:
        """Have mails go to a server with a good certificate; give the certificate."""
        known = self.certificate("localhost")
        options = {"tls_context": server_tls(known), **options}
        port = self.servers.enter_context(served(PostOffice(), **options))
        self.set("IDP_SMTP_HOST", "localhost")
        self.set("IDP_SMTP_PORT", str(port))
        self.set("IDP_SMTP_SECURITY", "starttls")
        self.set("IDP_SMTP_CA_FILE", str(known))
        return known


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def secret_of(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value) + b"\n"


def move_keys(site: Site, alg: str, by: timedelta) -> None:
    """Have the key of an algorithm sign from another instant."""
    began = datetime.now(UTC) + by
    site.key(alg).rename(site.keys / f"{began:%Y-%m-%dT%H-%MZ}.{alg}.pem")


def promise(site: Site, channel: Channel, ago: timedelta, *, held: bool = False) -> None:
    with site.parts(ago) as built:
        built.outbox.add(Kind.TEMPORARY_PASSWORD, channel, account_id=None, held=held)


def bury(site: Site) -> None:
    with site.parts() as built:
        built.outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id="somebody")
        (promised,) = built.outbox.claim(Channel.MAIL)
        built.outbox.failed(promised, "recipient_refused", permanent=True)


def leave_unsealed(site: Site) -> None:
    with site.parts(timedelta(hours=2)) as built:
        built.database.execute(delete(AuditRow))
        built.audit.record(Event.BACKUP_MADE)


def lose_backup(site: Site) -> None:
    with site.parts() as built:
        built.database.execute(delete(AuditRow))


def register_trial(site: Site) -> None:
    with site.parts() as built:
        trial = Client(
            client_id="trial",
            client_name="Essai",
            redirect_uris=("http://127.0.0.1:9001/callback",),
            scope=frozenset({"openid"}),
        )
        built.clients.add(trial, "a secret of a trial that is long enough")


def let_clock_go_wrong(site: Site) -> None:
    class Late(datetime):
        """The clock of this machine, three seconds late."""

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(seconds=3)

    site.monkeypatch.setattr(doctor_place, "datetime", Late)


def guard_redis(site: Site) -> None:
    site.store.config_set("requirepass", "right")
    site.servers.callback(site.store.config_set, "requirepass", "")


def wrong_mail_password(site: Site) -> None:
    site.mail_server(
        auth_required=True, authenticator=authenticator(LoginPassword(b"idp", b"right"))
    )
    password = site.secret("smtp_password")
    write(password, b"wrong")
    site.set("IDP_SMTP_USER", "idp")
    site.set("IDP_SMTP_PASSWORD_FILE", str(password))


def unbelieved_mail_server(site: Site) -> None:
    site.mail_server()
    site.set("IDP_SMTP_CA_FILE", str(site.certificate("localhost", days=3)))


@dataclass(frozen=True)
class Fault:
    """What is planted, and the one line that tells.

    Attributes:
        line: level and name.
        wrong: how it says what is wrong.
        mend: how it says what mends it.
        refuses: the service does not start with it.
    """

    what: str
    plant: Callable[[Site], object]
    line: str
    wrong: str
    mend: str
    refuses: bool = False


def fails(what, plant, name, wrong, mend):
    return Fault(what, plant, f"FAIL  {name}", wrong, mend)


def warns(what, plant, name, wrong, mend):
    return Fault(what, plant, f"warn  {name}", wrong, mend)


def refuses(what, plant, name, wrong, mend):
    return Fault(what, plant, f"FAIL  {name}", wrong, mend, refuses=True)


def theme(line: str) -> Callable[[Site], None]:
    """Give the service a theme with one colour."""

    def plant(site: Site) -> None:
        folder = site.data.parent / "theme"
        folder.mkdir()
        (folder / "colours.toml").write_text(f"[light]\n{line}\n")
        site.set("IDP_THEME_FOLDER", str(folder))

    return plant


def setting(name: str, value: str) -> Callable[[Site], None]:
    return lambda site: site.set(name, value)


def offer_franceconnect(site: Site, **settings: str) -> Path:
    """Have the service offer a FranceConnect that is away; give the file of its secret."""
    secret = site.secret("franceconnect")
    write(secret, b"a secret of FranceConnect\n".replace(b" ", b"-"))
    for name, value in {
        "ISSUER": "https://franceconnect.invalid/api/v2",
        "CLIENT_ID": "a-fund",
        "CLIENT_SECRET_FILE": str(secret),
        **settings,
    }.items():
        site.set(f"IDP_FRANCECONNECT_{name}", value)
    return secret


PLANTED = [
    # Settings.
    refuses("public issuer over http", setting("IDP_ISSUER", "http://connexion.example.org"),
            "settings", "IDP_ISSUER", "https (http is for a loopback address only)"),
    refuses("issuer with a final slash", setting("IDP_ISSUER", f"{ISSUER}/"),
            "settings", "IDP_ISSUER", "without anything after"),
    refuses("issuer with a path", setting("IDP_ISSUER", f"{ISSUER}/sso"),
            "settings", "IDP_ISSUER", "without anything after"),
    refuses("no issuer", lambda site: site.unset("IDP_ISSUER"),
            "settings", "IDP_ISSUER", "required"),
    refuses("the answer of tests to the anti-robot", setting("IDP_ANTI_ROBOT_ANSWER", "essai"),
            "settings", "IDP_ANTI_ROBOT_ANSWER", "on a loopback issuer only"),
    refuses("an anti-robot that asks nobody", setting("IDP_ANTI_ROBOT_FROM", "10000"),
            "settings", "IDP_ANTI_ROBOT_FROM", "IDP_NETWORK_LIMIT at most"),
    refuses("hashes that are too cheap", setting("IDP_ARGON2_MEMORY_KIB", "64"),
            "settings", "IDP_ARGON2_MEMORY_KIB", "19456 or more"),
    refuses("keys announced for less than caches keep", setting("IDP_JWKS_MAX_AGE", "80000"),
            "settings", "IDP_KEY_ANNOUNCED", "twice IDP_JWKS_MAX_AGE"),
    refuses("a Redis option that we set ourselves",
            setting("IDP_REDIS_URL", "redis://redis:6379/0?socket_timeout=60"),
            "settings", "IDP_REDIS_URL", "options: db"),
    refuses("PostgreSQL without its driver",
            setting("IDP_DATABASE_URL", "postgresql://idp@sql/idp"),
            "settings", "IDP_DATABASE_URL", "write postgresql+psycopg"),
    warns("a setting written wrong", setting("IDP_SESION_IDLE", "60"),
          "settings", "IDP_SESION_IDLE is no setting", "docs/settings.md"),
    # Secrets.
    refuses("a missing secret", lambda site: site.secret("pepper").unlink(),
            "secrets", "pepper is missing", "restore it from the backup"),
    refuses("a short secret", lambda site: write(site.secret("pepper"), secret_of(os.urandom(16))),
            "secrets", "16 bytes: expected 32", "restore it from the backup"),
    refuses("a secret that somebody typed",
            lambda site: write(site.secret("pepper"), secret_of(b"azertyui" * 4)),
            "secrets", "pepper is not random", "draw another one"),
    refuses("one secret twice",
            lambda site: write(site.secret("pepper"), site.secret("decoy_key").read_bytes()),
            "secrets", "the same secret", "draw another one"),
    refuses("a secret that others can read", lambda site: site.secret("pepper").chmod(0o644),
            "secrets", "mode 0644", "chmod 600"),
    fails("a folder of secrets that others can list", lambda site: site.secret("").chmod(0o755),
          "secrets", "mode 0755", "chmod 700"),
    # Keys.
    refuses("a key that is none", lambda site: write(site.key("ES256"), b"-----BEGIN NOTHING"),
            "keys", "not a PEM private key", "docs/operate/keys.md"),
    refuses("a key that others can read", lambda site: site.key("ES256").chmod(0o640),
            "keys", "mode 0640", "chmod 600"),
    refuses("another passphrase",
            lambda site: write(site.secret("keys_passphrase"), b"a passphrase of somebody else\n"),
            "keys", "encrypted with another passphrase", "docs/operate/keys.md"),
    refuses("no passphrase", lambda site: site.secret("keys_passphrase").unlink(),
            "keys", "none to open it", "docs/operate/keys.md"),
    fails("a folder of keys that others can write to", lambda site: site.keys.chmod(0o777),
          "keys", "mode 0777", "chmod 700"),
    fails("no key of an algorithm signs now",
          lambda site: move_keys(site, "ES256", timedelta(hours=30)),
          "keys", "no ES256 key signs now", "run idp keys rotate"),
    warns("nobody rotates", lambda site: move_keys(site, "ES256", -LONG_AGO),
          "keys", "no ES256 key follows", "run idp keys rotate"),
    warns("keys in clear",
          lambda site: (site.key("ES256").unlink(),
                        KeyFiles(site.keys).add("ES256", datetime.now(UTC))),
          "keys", "lie in clear", "run idp keys rewrap"),
    warns("the clock of the file share",
          lambda site: os.utime(site.key("ES256"), times=(utc_now().timestamp() + 90,) * 2),
          "keys", "from now", "the clocks of two"),
    # Stores.
    refuses("a Redis that evicts",
            lambda site: site.store.config_set("maxmemory-policy", "allkeys-lru"),
            "redis", "maxmemory-policy is allkeys-lru", "set maxmemory-policy noeviction"),
    fails("a Redis that forgets", lambda site: site.store.config_set("appendonly", "no"),
          "redis", "the append-only file is off", "set appendonly yes"),
    fails("a Redis that is nearly full",
          lambda site: site.store.config_set(
              "maxmemory", int(site.store.info("memory")["used_memory"] * 1.1)),
          "redis", "of maxmemory is used", "raise maxmemory"),
    warns("a Redis without a limit", lambda site: site.store.config_set("maxmemory", 0),
          "redis", "maxmemory is 0", "set maxmemory"),
    fails("no Redis", lambda site: site.set("IDP_REDIS_URL", f"unix://{site.data}/nobody.sock"),
          "redis", "does not answer", "IDP_REDIS_URL"),
    fails("a password of Redis that we were not told", guard_redis,
          "redis", "refuses us", "password into IDP_REDIS_URL"),
    fails("no SQL",
          setting("IDP_DATABASE_URL", "postgresql+psycopg://idp:hunter2@127.0.0.1:1/idp"),
          "sql", "does not answer", "IDP_DATABASE_URL"),
    fails("a migration that was not run",
          lambda site: site.set("IDP_DATABASE_URL", f"sqlite:///{site.data}/other.sqlite"),
          "sql", "the schema is behind", "run idp migrate"),
    fails("the clock of a store", let_clock_go_wrong,
          "clock", "Redis is 3 s away", "NTP"),
    # The way in.
    warns("no proxy trusted", setting("IDP_TRUSTED_PROXIES", "0"),
          "proxies", "share its address", "set IDP_TRUSTED_PROXIES"),
    fails("a proxy more than is trusted", lambda site: site.receive("192.0.2.1, 10.0.0.1"),
          "proxies", "20 requests of the last hours came through fewer than 2",
          "IDP_TRUSTED_PROXIES=2"),
    fails("a proxy less than is trusted", lambda site: site.receive(""),
          "proxies", "came through 0", "IDP_TRUSTED_PROXIES=0"),
    # The server program.
    fails("workers that are no number", setting("IDP_WORKERS", "abc"),
          "server", "the server does not start", "IDP_WORKERS: a whole number, 1 or more"),
    fails("no thread", setting("IDP_THREADS", "0"),
          "server", "the server does not start", "IDP_THREADS: a whole number, 1 or more"),
    fails("seconds of a drain with their unit", setting("IDP_DRAIN_SECONDS", "5s"),
          "server", "the server does not start", "IDP_DRAIN_SECONDS: a whole number, 0 or more"),
    fails("numbers on an address of another machine",
          setting("IDP_METRICS_BIND", "192.0.2.1:9464"),
          "metrics", "cannot be listened on", "an address of this machine"),
    fails("numbers on the port of the web",
          lambda site: (site.set("IDP_BIND", "0.0.0.0:8080"),
                        site.set("IDP_METRICS_BIND", "127.0.0.9:8080")),
          "metrics", "is where the web listens (IDP_BIND)", "a port of its own"),
    # Messages.
    fails("a mail server that is away",
          lambda site: (site.mail_server(), site.set("IDP_SMTP_PORT", "1")),
          "mail", "smtp_unreachable", "see docs/operate/mail-down.md"),
    fails("a mail server with a certificate of nobody", unbelieved_mail_server,
          "mail", "smtp_certificate", "see docs/operate/mail-down.md"),
    fails("another password of the mail server", wrong_mail_password,
          "mail", "smtp_authentication", "see docs/operate/mail-down.md"),
    fails("no sender of mails", lambda site: site.unset("IDP_MAIL_FROM"),
          "mail", "'' is no mail address", "IDP_MAIL_FROM"),
    fails("mails without TLS over a network",
          lambda site: (site.set("IDP_SMTP_HOST", "mail.example"),
                        site.set("IDP_SMTP_SECURITY", "none")),
          "mail", "without TLS", "only a server on loopback will do"),
    warns("no mail server", lambda site: site.unset("IDP_SMTP_HOST"),
          "mail", "mails wait in the outbox", "IDP_SMTP_HOST is not set"),
    warns("no sender of letters", lambda site: site.unset("IDP_LETTER_SENDER"),
          "letters", "without the fund's address", "IDP_LETTER_SENDER is not set"),
    fails("letters that others can read", lambda site: (site.data / "spool").mkdir(mode=0o755),
          "letters", "mode 0755", "chmod 700"),
    fails("letters in a backup",
          lambda site: site.set("IDP_SPOOL_DIR", str(site.secret("spool"))),
          "letters", "backed up", "set IDP_SPOOL_DIR"),
    fails("letters where no folder is", lambda site: write(site.data / "spool", b""),
          "letters", "no folder that we may write to", "set IDP_SPOOL_DIR"),
    fails("letters where no folder can be made",
          lambda site: site.set("IDP_SPOOL_DIR", str(site.data / "idp.sqlite" / "spool")),
          "letters", "cannot be made where it is", "set IDP_SPOOL_DIR"),
    warns("no worker", lambda site: promise(site, Channel.MAIL, timedelta(hours=1)),
          "outbox", "nobody sends them", "is idp worker running"),
    warns("no timer of the print", lambda site: promise(site, Channel.LETTER, LONG_AGO),
          "outbox", "letters wait for days", "run idp letters print"),
    warns("letters held",
          lambda site: promise(site, Channel.LETTER, timedelta(0), held=True),
          "outbox", "held by the breaker: 1", "letters-stuck.md"),
    warns("mails given up", bury,
          "outbox", "given up: 1", "idp outbox list --state dead"),
    warns("a log that is not sealed", leave_unsealed,
          "audit log", "are not sealed", "is idp worker running"),
    warns("no backup of the night", lose_backup,
          "backup", "no data was saved for 36 hours", "idp backup data"),
    # FranceConnect.
    refuses("half of what FranceConnect needs",
            setting("IDP_FRANCECONNECT_ISSUER", "https://franceconnect.invalid/api/v2"),
            "settings", "IDP_FRANCECONNECT_CLIENT_ID", "FranceConnect knows us by it"),
    refuses("two proofs for FranceConnect",
            lambda site: offer_franceconnect(site, PRIVATE_KEY_FILE=str(site.key("ES256"))),
            "settings", "IDP_FRANCECONNECT_PRIVATE_KEY_FILE", "set one of them"),
    refuses("a simulator of FranceConnect in production",
            lambda site: offer_franceconnect(site, ISSUER="http://127.0.0.1:9000/api/v2"),
            "settings", "a simulator", "a loopback issuer only"),
    refuses("no secret for FranceConnect", lambda site: offer_franceconnect(site).unlink(),
            "franceconnect", "secrets/franceconnect: No such file", "docs/franceconnect.md"),
    refuses("a secret of FranceConnect that others can read",
            lambda site: offer_franceconnect(site).chmod(0o644),
            "franceconnect", "mode 0644", "chmod 600"),
    refuses("an empty secret of FranceConnect",
            lambda site: write(offer_franceconnect(site), b"\n"),
            "franceconnect", "holds no secret", "as FranceConnect gave it"),
    warns("a FranceConnect that is away", offer_franceconnect,
          "franceconnect", "does not answer (unknown)", "docs/operate/franceconnect-away.md"),
    # Services, pages, files.
    fails("a default service that is not there", setting("IDP_DEFAULT_CLIENT_ID", "nobody"),
          "default client", "nobody is not registered", "idp clients add"),
    warns("a service of a trial", register_trial,
          "services", "without TLS", "idp clients update or remove"),
    fails("a data folder that others can write to", lambda site: site.data.chmod(0o777),
          "data folder", "mode 0777", "chmod 700"),
    fails("a database file that others can read",
          lambda site: (site.data / "idp.sqlite").chmod(0o644),
          "data folder", "mode 0644", "chmod 600"),
    fails("a colour too pale to be read", theme('wait = "#9c6a00"'),
          "theme", "light: wait on wait-tint has 4.", "change its colours.toml"),
    refuses("a colour that no page has", theme('brnad = "#0e4b4f"'),
            "theme", "colours.toml: brnad", "expected one of action"),
    warns("a text that the law asks for", lambda site: site.unset("IDP_HOSTING_PROVIDER"),
          "legal pages", "« à compléter »", "IDP_HOSTING_PROVIDER"),
    warns("a service left closed", lambda site: (site.data / "maintenance").touch(),
          "maintenance", "closed by", "remove it to open"),
]  # fmt: skip


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service that is made once, to be copied for each fault."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        sql_url = f"sqlite:///{folder / 'data' / 'idp.sqlite'}"
        make_service(folder / "data", draw_keys(folder / "keys"), sql_url, "unix:///no", patch)
    return folder / "data"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a certificate for a name."""
    return partial(certificate, tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def site(
    tmp_path: Path,
    ready: Path,
    mail_port: int,
    valkey_url: str,
    certificates: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """The copy of one fault."""
    data = tmp_path / "data"
    shutil.copytree(ready, data)
    settings = {
        "IDP_ISSUER": ISSUER,
        "IDP_TRUSTED_PROXIES": "1",
        "IDP_DATA_DIR": str(data),
        "IDP_REDIS_URL": valkey_url,
        "IDP_LETTER_SENDER": "Caisse|1 rue|75001 PARIS",
        "IDP_SMTP_HOST": "localhost",
        "IDP_SMTP_PORT": str(mail_port),
        "IDP_SMTP_SECURITY": "none",
        "IDP_MAIL_FROM": "ne-pas-repondre@caisse.example",
        **legal_settings(),
    }
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with durable(valkey_url) as store, ExitStack() as servers:
        yield Site(
            data, store, monkeypatch.setenv, monkeypatch.delenv, monkeypatch, servers, certificates
        )


@pytest.fixture(scope="module")
def mail_port() -> Iterator[int]:
    """A mail server for all who spoil something else."""
    with served(PostOffice()) as port:
        yield port


def starts() -> bool:
    """Start the service, as gunicorn does."""
    try:
        app = create_app()
    except IdpError:
        return False
    app.extensions["idp"].database.engine.dispose()
    return True


def findings() -> list[str]:
    """What the doctor says that is not well, a line each."""
    return [line for line in examined().output.splitlines() if not line.startswith("ok ")]


def test_a_service_that_is_ready_has_none_of_them_and_starts(site):
    assert findings() == []
    assert starts()


def test_a_service_that_people_use_has_none_of_them(site):
    site.receive("192.0.2.1")

    assert findings() == []
    assert "1 trusted, as 20 requests of the last hours came" in examined().output


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.what)
def test_each_is_found_and_nothing_else_with_what_mends_it_and_danger_refuses_the_start(
    site, fault
):
    fault.plant(site)

    found = findings()

    assert len(found) == 1, found
    assert found[0].startswith(f"{fault.line} "), found
    assert fault.wrong in found[0]
    assert fault.mend in found[0]
    assert starts() is not fault.refuses
