"""``idp worker``: run the worker in the foreground until it is told to stop."""

from contextlib import suppress

import click

from idp import StoreUnavailable
from idp import logs
from idp.cli import migrated_parts
from idp.cli import parts
from idp.worker import Worker


@click.command()
@click.option("--once", is_flag=True, help="Do one round and end, as a timer would want.")
def worker(once: bool) -> None:
    """Do what must happen without anybody asking: forget audit events after their retention."""
    given = parts()
    with suppress(StoreUnavailable):  # it may come back: rounds are tried again
        migrated_parts()
    logs.configure(given.settings.log_level)
    if once:
        print(f"{Worker(given).run_once()} audit events forgotten")
    else:
        Worker(given).run()
