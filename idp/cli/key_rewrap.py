"""``idp keys rewrap``: encrypt the signing keys with the passphrase in force, or with another."""

import click

from idp.audit import Event
from idp.cli import parts
from idp.cli.key_calendar import audit
from idp.infra.key_passphrase import change_passphrase
from idp.infra.key_passphrase import rewrap as rewrapped


@click.command()
@click.option("--new", is_flag=True, help="Draw another passphrase first, and forget the former.")
@click.pass_obj
def rewrap(operator: str, new: bool) -> None:
    """Encrypt every key with the passphrase in force, while the service runs.

    Where hosts have a copy each of the passphrase, write the new one above the former one on all of
    them, run this once, then take the former one away.
    """
    built = parts()
    path = built.settings.keys_passphrase_path
    changed = (change_passphrase if new else rewrapped)(built.key_files, path)
    for file in changed:
        print(f"encrypted {file}")
    if new:
        print(f"drew another passphrase: {path}")
        print("Back it up apart from the keys. Backups of keys from before need the former one.")
    if not changed:
        print(f"nothing to do: every key is encrypted with the first line of {path}")
        return
    audit(built, Event.KEY_REWRAPPED, operator, {"keys": len(changed), "new": str(new).lower()})
