"""``idp worker``: run the worker in the foreground until it is told to stop."""

import logging
from contextlib import closing
from contextlib import suppress

import click

from idp import StoreUnavailable
from idp import logs
from idp.cli import migrated_parts
from idp.cli import parts
from idp.metrics.begin import begin_counting
from idp.metrics.begin import serve_worker
from idp.metrics.not_counted import NOT_COUNTED
from idp.metrics.not_counted import NotCounted
from idp.notifier import Notifier
from idp.parts import Parts
from idp.wiring.messages import build_delivery
from idp.wiring.messages import build_mailer
from idp.wiring.protocol import build_backchannel_logout
from idp.worker import Worker


@click.command()
@click.option("--once", is_flag=True, help="Send what is due, forget what is too old, and end.")
def worker(once: bool) -> None:
    """Do what must happen without anybody asking: send mails, tell services, forget what is old."""
    given = parts()
    with suppress(StoreUnavailable):  # it may come back: rounds are tried again
        migrated_parts()
    logs.configure(given.settings.log_level)
    bind = "" if once else given.settings.worker_metrics_bind
    counts = begin_counting(given, bind)
    notifier = Notifier(given, build_backchannel_logout(given))
    mailer = build_mailer(given)
    if mailer is None:
        logging.getLogger("idp.worker").warning(
            "IDP_SMTP_HOST is not set: mails wait in the outbox"
        )
        _work(given, counts, Worker(given, notifier=notifier), notifier, once=once)
        return
    with closing(mailer):
        delivery = build_delivery(given, mailer)
        _work(given, counts, Worker(given, delivery, notifier=notifier), notifier, once=once)


def _work(
    given: Parts, counts: NotCounted, built: Worker, notifier: Notifier, *, once: bool
) -> None:
    if not once:
        if counts is not NOT_COUNTED:
            serve_worker(given, counts, lambda: built.went_round)
        built.run()
        return
    built.deliver()
    notifier.deliver_all()
    print(f"{built.run_once()} audit events forgotten")
