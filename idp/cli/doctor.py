"""``idp doctor``: can people sign in on this machine? One line each, and how to mend it."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

import click

from idp import IdpError
from idp import StoreUnavailable
from idp.cli import doctor_files
from idp.cli import doctor_franceconnect
from idp.cli import doctor_pages
from idp.cli import doctor_place
from idp.cli import doctor_promises
from idp.cli import doctor_server
from idp.cli import doctor_stores
from idp.cli import parts
from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.cli.findings import Unusable
from idp.parts import Parts
from idp.settings import InvalidSettings
from idp.settings import misspelt_settings


@dataclass(frozen=True, slots=True)
class Check:
    """One look; it is not taken where what it needs was found unusable before, and was told."""

    name: str
    look: Callable[[Parts], Iterable[Finding]]
    needs: frozenset[str] = frozenset()


SQL, REDIS, KEYS = frozenset({"sql"}), frozenset({"redis"}), frozenset({"keys"})
THEME = frozenset({"theme"})  # mails are written with its templates
CHECKS = (
    Check("issuer", doctor_place.issuer),
    Check("data folder", doctor_files.data_folder),
    Check("secrets", doctor_files.secrets),
    Check("keys", doctor_files.keys),
    Check("sql", doctor_stores.sql),
    Check("redis", doctor_stores.redis),
    Check("proxies", doctor_place.proxies, REDIS),
    Check("server", doctor_server.numbers),
    Check("metrics", doctor_server.metrics),
    Check("next key", doctor_stores.next_key, SQL | REDIS | KEYS),
    Check("clock", doctor_place.clock, SQL | REDIS),
    Check("services", doctor_place.services, SQL),
    Check("default client", doctor_place.default_client, SQL),
    Check(doctor_franceconnect.NAME, doctor_franceconnect.franceconnect),
    Check("theme", doctor_pages.theme),
    Check("mail", doctor_promises.mail, THEME),
    Check("letters", doctor_files.letters),
    Check("outbox", doctor_promises.outbox, SQL),
    Check("audit log", doctor_promises.audit_log, SQL),
    Check("backup", doctor_promises.backup, SQL),
    Check("browser code", doctor_place.browser_code),
    Check("legal pages", doctor_pages.legal_pages),
    Check("maintenance", doctor_pages.maintenance),
)


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
    unusable: set[str] = set()
    for check in CHECKS:
        if check.needs & unusable:
            continue
        try:
            yield from check.look(built)
        except (StoreUnavailable, Unusable) as away:
            yield Finding(Level.FAIL, check.name, doctor_stores.mending(check.name, away))
            unusable.add(check.name)
        except (IdpError, OSError) as error:
            yield Finding(Level.FAIL, check.name, str(error))
    if "database" in vars(built):  # opened by a check
        built.database.engine.dispose()
