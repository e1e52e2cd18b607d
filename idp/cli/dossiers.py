"""``idp dossiers``: take in the business system's export, look at one dossier."""

import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from idp.audit import Actor
from idp.audit import Event
from idp.cli import migrated_parts
from idp.identity.directory import Fault
from idp.identity.dossier import InvalidNumeroDossier
from idp.identity.dossier import KnownDossier
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.infra.directory import DirectoryImport
from idp.infra.directory import ImportSummary
from idp.infra.directory_read import read
from idp.infra.known_dossiers import find_dossier
from idp.parts import Parts
from idp.wiring.members import numero_patterns
from idp.wiring.protocol import build_farewell

_ERASE_LINE = "\r\033[K"

_COUNTS = {
    "new": "new",
    "changed": "changed",
    "unchanged": "unchanged",
    "refused": "refused",
    "closed": "closed or deceased since the last import",
    "qualite_changed": "qualité changed: the former dossier is not in the file any more",
    "emails_kept": "e-mail confirmed here differs from the file's, and is kept",
    "sessions_ended": "sessions ended",
}


@click.group()
def dossiers() -> None:
    """Take in the business system's directory, look at one dossier."""


@dossiers.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Find and count everything, write nothing.")
@click.option("--keep-going", is_flag=True, help="Import the good rows of a file with bad ones.")
@click.pass_obj
def import_(operator: str, file: Path, dry_run: bool, keep_going: bool) -> None:
    """Bring the directory to what FILE says; all of it or nothing.

    FILE is CSV with a header, "," or ";", UTF-8. Faults go to standard error, one a line. Exit
    status 1 when a row was refused or the file has none.
    """
    with _current_parts() as built, _progress(file) as on_bytes:
        erase = _ERASE_LINE if on_bytes is not None else ""

        def tell(line: int, fault: Fault) -> None:
            click.echo(f"{erase}line {line}: {fault}", err=True)

        directory = DirectoryImport(
            database=built.database,
            sessions=build_farewell(built),
            audit=built.audit,
            patterns=numero_patterns(built),
            now=built.now,
        )
        summary = directory.run(
            read(file, on_bytes),
            on_fault=tell,
            actor=Actor(operator=operator),
            keep_going=keep_going,
            dry_run=dry_run,
        )
    _print_summary(summary, dry_run=dry_run)
    if summary.refused or not summary.rows:
        sys.exit(1)


@dossiers.command("show")
@click.argument("qualite", type=click.Choice([str(q) for q in Qualite]))
@click.argument("numero")
@click.pass_obj
def show(operator: str, qualite: str, numero: str) -> None:
    """Show one dossier and the state of its account, as in: idp dossiers show affilie 1234567."""
    with _current_parts() as built, built.database.transaction():
        try:
            wanted = NumeroDossier.parse(numero, Qualite(qualite), numero_patterns(built))
        except InvalidNumeroDossier:
            raise click.ClickException(f"not a dossier number of the qualité {qualite}") from None
        known = find_dossier(built.database, Qualite(qualite), wanted)
        if known is None:
            raise click.ClickException("no such dossier")
        built.audit.record(
            Event.DOSSIER_SHOWN, account_id=known.account_id, actor=Actor(operator=operator)
        )
    for label, value in _lines(known):
        print(f"{label:<18} {value or '-'}")


@contextmanager
def _current_parts() -> Iterator[Parts]:
    built = migrated_parts()
    with built.flask.app_context():
        try:
            yield built
        finally:
            built.database.engine.dispose()


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None] | None]:
    size = file.stat().st_size if file.is_file() else 0
    if not size or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=size, label="Reading", file=sys.stderr) as bar:
        yield bar.update


def _print_summary(summary: ImportSummary, *, dry_run: bool) -> None:
    if summary.written and summary.refused == summary.rows:
        print(f"nothing to import: none of {summary.rows} rows is good:")
    elif summary.written:
        print(f"imported, from {summary.rows} rows:")
    elif dry_run:
        print(f"dry run, nothing was written; {summary.rows} rows:")
    else:
        print(f"refused, nothing was written; {summary.rows} rows (--keep-going takes the good):")
    for name, label in _COUNTS.items():
        print(f"{getattr(summary, name):>9}  {label}")


def _lines(known: KnownDossier) -> Iterator[tuple[str, str]]:
    dossier = known.dossier
    yield "qualite", str(dossier.qualite)
    yield "numero_dossier", dossier.numero.value
    yield "status", str(dossier.status)
    yield "situations", ", ".join(dossier.situations)
    yield "profession", dossier.profession
    yield "family_name", dossier.family_name
    yield "usage_name", dossier.usage_name
    yield "given_names", dossier.given_names
    yield "gender", dossier.gender
    yield "birthdate", dossier.birthdate
    yield "birthplace", dossier.birthplace
    yield "birthcountry", dossier.birthcountry
    yield "phone", dossier.phone
    for n, line in enumerate(dossier.address, 1):
        yield f"address_{n}", line
    yield "email", dossier.email
    yield "confirmed email", known.confirmed_email or ""
    yield "password", known.password_scheme or "none"
    last = known.last_sign_in_at
    yield "last sign-in", last.isoformat(timespec="seconds") if last else "never, or unknown"
    yield "last changed", known.updated_at.isoformat(timespec="seconds")
    yield "account", known.account_id
