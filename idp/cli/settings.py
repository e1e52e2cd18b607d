"""``idp settings``: what is in force, and what each setting means."""

from urllib.parse import urlsplit

import click

from idp.settings import Settings
from idp.settings import read_settings
from idp.settings.manual import Entry
from idp.settings.manual import manual
from idp.settings.manual import written


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Those that are as shipped, too.")
def settings(names: tuple[str, ...], *, everything: bool) -> None:
    """Show the settings in force that differ from the default, or explain those that are NAMEd."""
    in_force = read_settings()
    entries = {entry.name: entry for entry in manual()}
    if unknown := [name for name in names if _full(name) not in entries]:
        raise click.ClickException(f"no such setting: {', '.join(unknown)}; see idp settings --all")
    for name in names:
        _explain(entries[_full(name)], in_force)
    if names:
        return
    for entry in entries.values():
        value = _shown(entry, in_force)
        if everything or value != entry.default:
            print(f"{entry.name}={'' if value == 'empty' else value}")


def _explain(entry: Entry, in_force: Settings) -> None:
    print(f"{entry.name}={_shown(entry, in_force)}")
    print(f"  {entry.what}")
    print(f"  unit: {entry.unit}; default: {entry.default}")
    if entry.why:
        print(f"  why: {entry.why}")


def _full(name: str) -> str:
    name = name.upper()
    return name if name.startswith("IDP_") else f"IDP_{name}"


def _shown(entry: Entry, in_force: Settings) -> str:
    """Write a value without the password that an address of a store may hold."""
    value = written(getattr(in_force, entry.field)) or "empty"
    if entry.unit == "URL" and "@" in value:
        url = urlsplit(value)
        return url._replace(netloc=f"…@{url.netloc.rpartition('@')[2]}").geturl()
    return value
