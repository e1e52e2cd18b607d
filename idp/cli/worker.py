"""``idp worker``: run the worker in the foreground until it is told to stop."""

import logging
from contextlib import closing
from contextlib import suppress

import click

from idp import StoreUnavailable
from idp import logs
from idp.cli import migrated_parts
from idp.cli import parts
from idp.wiring import build_delivery
from idp.wiring import build_mailer
from idp.worker import Worker


@click.command()
@click.option("--once", is_flag=True, help="Do one round and end, as a timer would want.")
def worker(once: bool) -> None:
    """Do what must happen without anybody asking: send mails, forget what is too old."""
    given = parts()
    with suppress(StoreUnavailable):  # it may come back: rounds are tried again
        migrated_parts()
    logs.configure(given.settings.log_level)
    if once:
        print(f"{Worker(given).run_once()} audit events forgotten")
    else:
        mailer = build_mailer(given)
        if mailer is None:
            logging.getLogger("idp.worker").warning(
                "IDP_SMTP_HOST is not set: mails wait in the outbox"
            )
            Worker(given).run()
            return
        with closing(mailer):
            Worker(given, build_delivery(given, mailer), poll=given.settings.outbox_poll).run()
