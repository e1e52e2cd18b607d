"""``idp migrate``: bring the SQL schema up to date, or tell whether it is."""

import click

from idp.cli import parts
from idp.infra import migrations
from idp.infra.migrations.upgrade import upgrade


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when the schema is behind.")
def migrate(check: bool) -> None:
    """Bring the SQL schema up to date. Safe to run at once from several machines."""
    url = parts().settings.sql_url
    behind = migrations.pending(url)
    if check:
        if behind:
            raise click.ClickException("the SQL schema is behind this version: run idp migrate")
        print("the SQL schema is up to date")
        return
    upgrade(url)
    print("the SQL schema is now up to date" if behind else "the SQL schema was up to date already")
