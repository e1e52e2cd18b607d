"""``idp backup``: what brings the service back on another machine, in two copies that lie apart."""

from pathlib import Path

import click

from idp.audit import Actor
from idp.audit import Event
from idp.cli import migrated_parts
from idp.cli import parts
from idp.infra import migrations
from idp.infra.backup_set import Manifest
from idp.infra.backup_set import describe
from idp.infra.backup_set import erase_older
from idp.infra.backup_set import new_set
from idp.infra.backup_set import sets_in
from idp.infra.backup_set import write_manifest
from idp.infra.key_escrow import Places
from idp.infra.key_escrow import seal_secrets
from idp.infra.private_files import write_private_file
from idp.infra.redis_backup import REDIS
from idp.infra.redis_backup import save_redis
from idp.infra.sql_backup import save_sql
from idp.settings import Settings


@click.group()
def backup() -> None:
    """Copies for the day when a machine is lost. Data and secrets never lie in one place."""


@backup.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--without-redis", is_flag=True, help="Only SQL: docs/operate/backup.md, what goes.")
@click.option("--keep", type=click.IntRange(1), help="Erase all sets but the last so many.")
@click.pass_obj
def data(operator: str, folder: Path, without_redis: bool, keep: int | None) -> None:
    """Save both stores into a new set in FOLDER, while the service runs. The spool is left out."""
    built = migrated_parts()
    settings, saved = built.settings, []
    with new_set(folder, built.now()) as aside:
        # Redis first: credential versions are compared with SQL, so SQL must be the newer of the
        # two, or a session of a password that SQL has not heard of would fit a later one.
        if not without_redis:
            at = built.now()
            saved.append(describe(save_redis(settings.redis_url, aside), REDIS, at))
        at = built.now()
        path, kind = save_sql(settings.sql_url, aside)
        saved.append(describe(path, kind, at))
        manifest = Manifest(settings.issuer, migrations.revisions()[-1], tuple(saved))
        write_manifest(aside, manifest)
    # After the set is whole: numbers and the doctor take it for the proof that there is one.
    with built.flask.app_context():
        try:
            with built.database.transaction():
                built.audit.record(Event.BACKUP_MADE, actor=Actor(operator=operator))
        finally:
            built.database.engine.dispose()
    print(f"saved: {sets_in(folder)[-1]}")
    for part in saved:
        print(f"  {part.file}, {part.bytes} bytes, as of {part.taken_at}")
    for old in erase_older(folder, keep) if keep else []:
        print(f"erased: {old}")


@backup.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--recovery-key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The public half, PEM; the private one lies in a safe.",
)
def secrets(file: Path, recovery_key: Path) -> None:
    """Seal signing keys and secrets into FILE, which only the recovery key opens."""
    sealed, names = seal_secrets(places_of(parts().settings), recovery_key.read_bytes())
    try:
        write_private_file(file, sealed)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already: give another name") from None
    print(f"sealed {len(names)} files into {file}; keep it apart from the data")


def places_of(settings: Settings) -> Places:
    """Tell where keys and secrets lie."""
    return Places(settings.keys_path, settings.secrets_path, settings.keys_passphrase_path)
