"""``idp secrets``: draw the long-lived secrets that are missing, check those that are there."""

import click

from idp.cli import parts
from idp.infra.key_passphrase import generate_missing_passphrase
from idp.infra.key_passphrase import read_passphrases
from idp.infra.secret_files import NAMES
from idp.infra.secret_files import generate_missing_secrets
from idp.infra.secret_files import read_secrets


@click.command()
def secrets() -> None:
    """Draw the secrets that are missing; check all of them. Never shows what they hold."""
    settings = parts().settings
    folder = settings.secrets_path
    before = [name for name in NAMES if (folder / name).exists()]
    drawn = generate_missing_secrets(folder)
    if generate_missing_passphrase(settings.keys_passphrase_path):
        drawn.append(settings.keys_passphrase_path)
    for path in drawn:
        print(f"drawn: {path}")
    if before and drawn:
        # A lost pepper makes every password wrong, and this command would hide why.
        click.echo(
            "Other secrets were there already. If this service has accounts, restore these files"
            " from the backup instead: passwords and subject identifiers depend on them.",
            err=True,
        )
    read_secrets(folder)
    read_passphrases(settings.keys_passphrase_path)
    print(
        f"{len(NAMES) + 1} secrets are in order in {folder}; keep a backup apart from the database"
    )
