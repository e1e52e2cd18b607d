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
@click.option("--once", is_flag=True, help="Send what is due, forget what is too old, and end.")
def worker(once: bool) -> None:
    """Do what must happen without anybody asking: send mails, forget what is too old."""
    given = parts()
    with suppress(StoreUnavailable):  # it may come back: rounds are tried again
        migrated_parts()
    logs.configure(given.settings.log_level)
    mailer = build_mailer(given)
    if mailer is None:
        logging.getLogger("idp.worker").warning(
            "IDP_SMTP_HOST is not set: mails wait in the outbox"
        )
        _work(Worker(given), once=once)
        return
    with closing(mailer):
        _work(Worker(given, build_delivery(given, mailer)), once=once)


def _work(built: Worker, *, once: bool) -> None:
    if not once:
        built.run()
        return
    built.deliver()
    print(f"{built.run_once()} audit events forgotten")
