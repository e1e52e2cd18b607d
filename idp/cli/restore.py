"""``idp restore``: bring a service back from its copies, into places that are empty."""

from contextlib import ExitStack
from pathlib import Path

import click

from idp.cli import parts
from idp.cli.backup import places_of
from idp.infra import migrations
from idp.infra.backup_set import BrokenSet
from idp.infra.backup_set import read_set
from idp.infra.key_escrow import open_secrets
from idp.infra.redis_backup import REDIS
from idp.infra.redis_backup import check_redis_is_empty
from idp.infra.redis_backup import read_redis
from idp.infra.sql_backup import POSTGRESQL
from idp.infra.sql_backup import SQLITE
from idp.infra.sql_backup import check_sql_is_empty
from idp.infra.sql_backup import load_sql


@click.group()
def restore() -> None:
    """Bring a service back. Nothing that stands there is ever written over."""


@restore.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--without-redis", is_flag=True, help="Leave Redis empty, whatever was saved of it.")
def data(folder: Path, without_redis: bool) -> None:
    """Bring both stores back from the set FOLDER, into empty ones, while nothing serves."""
    settings = parts().settings
    manifest = read_set(folder)
    if manifest.revision not in migrations.revisions():
        raise BrokenSet(
            f"{folder}: its schema {manifest.revision} is unknown to this version: a newer one"
            " saved it; restore with that one"
        )
    sql, redis = manifest.part(POSTGRESQL, SQLITE), manifest.part(REDIS)
    if sql is None:
        raise BrokenSet(f"{folder}: holds no database")
    # Both are looked at before either is touched. Redis must be empty even where nothing is brought
    # into it: what it holds is newer than the database to come.
    check_sql_is_empty(settings.sql_url)
    check_redis_is_empty(settings.redis_url)
    with ExitStack() as opened:
        bring = None
        if redis is not None and not without_redis:
            bring = opened.enter_context(read_redis(settings.redis_url, folder / redis.file))
        load_sql(settings.sql_url, folder / sql.file, sql.kind)
        print(f"the database is as of {sql.taken_at}")
        if redis is None or bring is None:
            print("Redis stays empty: next, idp letters reissue")
        else:
            print(f"Redis is as of {redis.taken_at}: {bring()} keys that have not ended since")
    print("next: idp migrate, idp doctor; then start the service and its worker")


@restore.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--recovery-key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The private half, PEM, from the safe.",
)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What opens the recovery key, if it is encrypted.",
)
def secrets(file: Path, recovery_key: Path, password_file: Path | None) -> None:
    """Write signing keys and secrets back from the sealed FILE."""
    password = password_file.read_bytes().strip() if password_file else None
    try:
        written = open_secrets(
            file.read_bytes(), recovery_key.read_bytes(), password, places_of(parts().settings)
        )
    except FileExistsError as there:
        raise click.ClickException(
            f"{there.filename2 or there.filename} is there already, and stays as it is: move its"
            " folder away first"
        ) from None
    for path in written:
        print(f"written: {path}")
