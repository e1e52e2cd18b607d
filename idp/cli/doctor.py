"""``idp doctor``: can people sign in on this machine? One line each, and how to mend it."""

import stat
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import click
from sqlalchemy import text

from idp import IdpError
from idp import StoreUnavailable
from idp.audit_walk import head_is_due
from idp.cli import parts
from idp.identity.working_days import day_in_france
from idp.infra import migrations
from idp.infra.key_passphrase import unencrypted
from idp.infra.redis_health import faults_of
from idp.infra.redis_health import read_facts
from idp.infra.secret_files import NAMES
from idp.infra.sql import sql_failures_told
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.keys import NoSigningKey
from idp.parts import PACKAGE
from idp.parts import Parts
from idp.promise import PromiseState
from idp.settings import InvalidSettings
from idp.settings import misspelt_settings
from idp.wiring import build_legal
from idp.wiring import build_mailer
from idp.wiring import unready_services

SEALING_LAG = timedelta(hours=1)
CLOCK_TOLERANCE = timedelta(seconds=2)
OLDEST_POSTGRES = 15
NAME_WIDTH = 15


class Level(StrEnum):
    """How bad it is; only ``FAIL`` makes the exit status 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    what: str

    def __str__(self) -> str:
        indented = self.what.replace("\n", "\n" + " " * (NAME_WIDTH + 7))
        return f"{self.level:<4}  {self.name:<{NAME_WIDTH}} {indented}"


@click.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check settings, stores, clock, keys and permissions; exit 1 when something must be mended."""
    findings = []
    for finding in examine(parts):
        print(finding)
        findings.append(finding)
    if any(finding.level is Level.FAIL for finding in findings):
        ctx.exit(1)


def examine(build: Callable[[], Parts]) -> Iterator[Finding]:
    """Look at everything; without settings there is nothing else to look at."""
    try:
        built = build()
    except InvalidSettings as error:
        for fault in str(error).splitlines():
            yield Finding(Level.FAIL, "settings", fault)
        return
    yield Finding(Level.OK, "settings", f"complete; issuer {built.settings.issuer}")
    for name in misspelt_settings():
        yield Finding(Level.WARN, "settings", f"{name} is no setting; see docs/settings.md")
    checks: tuple[tuple[str, Callable[[Parts], Iterable[Finding]]], ...] = (
        ("issuer", _issuer),
        ("proxies", _proxies),
        ("data folder", _data_folder),
        ("secrets", _secrets),
        ("keys", _keys),
        ("sql", _sql),
        ("redis", _redis),
        ("next key", _next_key),
        ("clock", _clock),
        ("default client", _default_client),
        ("mail", _mail),
        ("letters", _letters),
        ("outbox", _outbox),
        ("audit log", _audit_log),
        ("browser code", _browser_code),
        ("legal pages", _legal_pages),
        ("maintenance", _maintenance),
    )
    for name, check in checks:
        try:
            yield from check(built)
        except StoreUnavailable as away:
            yield Finding(Level.FAIL, name, f"does not answer ({away})")
        except (IdpError, OSError) as error:
            yield Finding(Level.FAIL, name, str(error))
    if "database" in vars(built):  # opened by a check
        built.database.engine.dispose()


def _issuer(built: Parts) -> Iterator[Finding]:
    issuer = urlsplit(built.settings.issuer)
    if issuer.scheme == "https":
        yield Finding(Level.OK, "issuer", "is served over TLS")
    else:
        yield Finding(
            Level.WARN,
            "issuer",
            f"{built.settings.issuer} is for this machine alone; "
            "in production set IDP_ISSUER to the public https address",
        )


def _proxies(built: Parts) -> Iterator[Finding]:
    count = built.settings.trusted_proxies
    if count or built.settings.is_loopback:
        yield Finding(Level.OK, "proxies", f"{count} trusted in front of this service")
    else:
        yield Finding(
            Level.WARN,
            "proxies",
            "none is trusted: behind a TLS proxy all people would share its address, and its "
            "limits; set IDP_TRUSTED_PROXIES to the number of proxies in front",
        )


def _data_folder(built: Parts) -> Iterator[Finding]:
    folder = built.settings.data_dir.absolute()
    if not folder.exists():
        used = built.settings.sql_url.startswith("sqlite")
        yield Finding(
            Level.FAIL if used else Level.OK,
            "data folder",
            f"{folder} does not exist"
            + ("; run idp migrate" if used else ", and nothing needs it"),
        )
        return
    faults = [
        finding for path in folder.glob("idp.sqlite*") for finding in _exposed("data folder", path)
    ]
    # What is in it is private by itself; but who may write to a folder may put other files there.
    faults += _exposed("data folder", folder, forbidden=0o022)
    yield from faults or [Finding(Level.OK, "data folder", f"{folder} is its owner's to change")]


def _secrets(built: Parts) -> Iterator[Finding]:
    folder = built.settings.secrets_path.absolute()
    _ = built.secrets
    faults = list(_exposed("secrets", folder))
    yield from faults or [
        Finding(Level.OK, "secrets", f"{', '.join(NAMES)} in {folder}, their owner's alone")
    ]


def _keys(built: Parts) -> Iterator[Finding]:
    folder = built.settings.keys_path.absolute()
    if trouble := built.key_files.trouble:
        yield Finding(Level.FAIL, "keys", trouble)
        return
    yield from _exposed("keys", folder)
    if oddity := built.key_files.oddity:
        yield Finding(Level.WARN, "keys", oddity)
    if open_keys := unencrypted(built.key_files):
        what = f"{len(open_keys)} of them lie in clear on this disk; run idp keys rewrap"
        yield Finding(Level.WARN, "keys", what)
    ring = built.key_files.ring()
    for alg in SIGNING_ALGS:
        try:
            key = ring.signing_key(alg, now=built.now())
        except NoSigningKey:
            yield Finding(Level.FAIL, "keys", f"no {alg} key signs now; run idp keys rotate")
        else:
            since = f"{key.signs_from:%Y-%m-%d %H:%M} UTC"
            yield Finding(Level.OK, "keys", f"{alg} signs with {key.kid} since {since}")


def _sql(built: Parts) -> Iterator[Finding]:
    url = built.settings.sql_url
    if built.settings.sql_url.startswith("sqlite"):
        # Opening would make the file: pending() does not.
        product = "SQLite"
    else:
        product = _postgres_version(built)
        if int(product.split()[1].partition(".")[0]) < OLDEST_POSTGRES:
            yield Finding(Level.FAIL, "sql", f"{product} is too old: {OLDEST_POSTGRES} at least")
    if migrations.pending(url):
        yield Finding(Level.FAIL, "sql", f"{product}: the schema is behind; run idp migrate")
    else:
        yield Finding(Level.OK, "sql", f"{product}, schema up to date")


def _postgres_version(built: Parts) -> str:
    with sql_failures_told(), built.database.engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
    return f"PostgreSQL {str(version).split()[0]}"


def _redis(built: Parts) -> Iterator[Finding]:
    facts = read_facts(built.redis.client)
    faults = faults_of(facts)
    for fault in faults:
        yield Finding(Level.FAIL, "redis", fault)
    if not facts.memory_limit:
        yield Finding(
            Level.WARN,
            "redis",
            "maxmemory is 0, no limit: set maxmemory so that strangers cannot fill it",
        )
    if not faults:
        yield Finding(
            Level.OK, "redis", f"{facts.product}, append-only file on, nothing is evicted"
        )


def _next_key(built: Parts) -> Iterator[Finding]:
    if migrations.pending(built.settings.sql_url):
        return  # told already
    unready = unready_services(built)
    for service in unready:
        yield Finding(Level.WARN, "next key", service)
    if not unready:
        yield Finding(Level.OK, "next key", "no service is without a key that signs soon")


def _clock(built: Parts) -> Iterator[Finding]:
    before = datetime.now(UTC)
    clocks = {"Redis": read_facts(built.redis.client).now}
    if not built.settings.sql_url.startswith("sqlite"):  # SQLite has the clock of this machine
        with sql_failures_told(), built.database.engine.connect() as connection:
            clocks["SQL"] = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    after = datetime.now(UTC)
    faults = [
        Finding(
            Level.FAIL,
            "clock",
            f"{name} is {_apart(clock, before, after).total_seconds():.0f} s away from this "
            "machine: tokens and limits would be wrong; have both follow the same time (NTP)",
        )
        for name, clock in clocks.items()
        if _apart(clock, before, after) > CLOCK_TOLERANCE
    ]
    names = " and ".join(clocks)
    within = f"{CLOCK_TOLERANCE.total_seconds():.0f} s"
    yield from faults or [
        Finding(Level.OK, "clock", f"this machine, {names} agree within {within}")
    ]


def _apart(clock: datetime, before: datetime, after: datetime) -> timedelta:
    """How far a clock is from ours, at least, when it was read between two looks at ours."""
    return max(before - clock, clock - after, timedelta(0))


def _default_client(built: Parts) -> Iterator[Finding]:
    client_id = built.settings.default_client_id
    if not client_id:
        what = "none: whoever opens /connexion directly is led to /compte"
        yield Finding(Level.OK, "default client", what)
    elif built.clients.find(client_id) is None:
        yield Finding(
            Level.FAIL,
            "default client",
            f"{client_id} is not registered; idp clients add it, or change IDP_DEFAULT_CLIENT_ID",
        )
    else:
        yield Finding(Level.OK, "default client", f"{client_id} is registered")


def _mail(built: Parts) -> Iterator[Finding]:
    mailer = build_mailer(built)
    if mailer is None:
        yield Finding(Level.WARN, "mail", "IDP_SMTP_HOST is not set: mails wait in the outbox")
        return
    with closing(mailer):
        yield Finding(Level.OK, "mail", mailer.check())


def _letters(built: Parts) -> Iterator[Finding]:
    spool = built.settings.spool_path
    if not spool.exists():
        what = f"{spool} is made by the first idp letters print"
        yield Finding(Level.OK, "letters", what)
    elif exposed := list(_exposed("letters", spool)):
        yield from exposed
    else:
        yield Finding(Level.OK, "letters", f"{spool} is private")


def _outbox(built: Parts) -> Iterator[Finding]:
    if migrations.pending(built.settings.sql_url):
        return  # told already
    with built.flask.app_context(), built.database.transaction():
        dead = len(built.outbox.rows(states=(PromiseState.DEAD,), limit=100))
        dead += len(built.logout_notices.rows(states=(PromiseState.DEAD,), limit=100))
    if dead:
        what = f"given up: {dead}; idp outbox list --state dead says why"
        yield Finding(Level.WARN, "outbox", what)
    else:
        yield Finding(Level.OK, "outbox", "nothing was given up")


def _audit_log(built: Parts) -> Iterator[Finding]:
    if migrations.pending(built.settings.sql_url):
        return  # told already
    now = built.now()
    with built.flask.app_context(), built.database.transaction():
        waiting = built.audit_seals.oldest_unsealed_at()
        head = built.audit_seals.newest_head()
        ended = built.audit_seals.last_of((now - timedelta(days=1)).date())
    faults = []
    if waiting is not None and now - waiting > SEALING_LAG:
        what = f"events since {waiting:%Y-%m-%d %H:%M} UTC are not sealed; is idp worker running?"
        faults.append(Finding(Level.WARN, "audit log", what))
    headed = ended is None or (head is not None and head.seal >= ended.number)
    if ended is not None and not headed and head_is_due(ended.day, now):
        what = f"no head was signed of {ended.day}; run idp audit verify, and look at idp worker"
        faults.append(Finding(Level.WARN, "audit log", what))
    yield from faults or [Finding(Level.OK, "audit log", "is sealed, and its head signed")]


def _browser_code(_built: Parts) -> Iterator[Finding]:
    folder = PACKAGE / "static" / "altcha"
    if (folder / "altcha.min.js").is_file():
        yield Finding(Level.OK, "browser code", "the anti-robot's widget is installed")
    else:
        what = "the anti-robot's widget is missing; run requirements/browser-code.sh"
        yield Finding(Level.FAIL, "browser code", what)


def _legal_pages(built: Parts) -> Iterator[Finding]:
    legal = build_legal(built)
    if missing := legal.missing():
        what = f"say « à compléter » until these are set: {', '.join(missing)}"
        yield Finding(Level.WARN, "legal pages", what)
    day = day_in_france(built.now())
    if legal.audit is not None and legal.audit_on(day) is None:
        what = f"the audit of {legal.audit.on} is too old to count; the pages say « non conforme »"
        yield Finding(Level.WARN, "legal pages", what)
    elif not missing:
        what = f"are complete; « Accessibilité : {legal.accessibility_on(day)} »"
        yield Finding(Level.OK, "legal pages", what)


def _maintenance(built: Parts) -> Iterator[Finding]:
    path = built.maintenance.path.absolute()
    closure = built.maintenance.closure()
    if closure is None:
        yield Finding(Level.OK, "maintenance", f"open; touch {path} to close")
        return
    until = f"{closure.until:%Y-%m-%d %H:%M %Z}" if closure.until else "nobody said when"
    what = f"closed by {path}, until: {until}; remove it to open"
    yield Finding(Level.WARN, "maintenance", what)


def _exposed(name: str, path: Path, *, forbidden: int = 0o077) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & forbidden:
        right = "700" if path.is_dir() else "600"
        yield Finding(
            Level.FAIL,
            name,
            f"{path} has mode {mode:04o}: others can touch it; run chmod {right} {path}",
        )
