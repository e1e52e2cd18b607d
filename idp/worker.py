"""The worker: what must happen without anybody asking, in a process of its own.

It sends the mails that wait in the outbox, one after the other, has the ``notifier`` tell services
of sessions that ended, the ``sealer`` closes the audit log batch by batch, and once an hour it
forgets what is older than its retention. A store or a mail
server that is away costs a pause, growing to half a minute, and no restart. SIGTERM and SIGINT end
the loops after the message or the batch under way. Several workers at once do no harm: a row is
claimed by one.
"""

import logging
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import Busy
from idp import IdpError
from idp import StoreUnavailable
from idp.identity.delivery import Delivered
from idp.identity.delivery import Outcome
from idp.notifier import Notifier
from idp.parts import Parts
from idp.sealer import Sealer
from idp.wiring.protocol import unready_services

ROUND = timedelta(hours=1)
AFTER_FAILURE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(seconds=30)

log = logging.getLogger("idp.worker")


class SendsNext(Protocol):
    """The use case ``Delivery``, as the loop needs it."""

    def send_next(self) -> Delivered:
        """Send one mail, or tell why none left. Raises StoreUnavailable, Busy."""


class Worker:
    """Delivers and forgets until it is told to stop.

    Args:
        delivery: None for a worker that sends no mail.
        notifier: None for a worker that tells services nothing.
        wait: waits for a span or until the worker is to stop.
    """

    def __init__(
        self,
        parts: Parts,
        delivery: SendsNext | None = None,
        *,
        notifier: Notifier | None = None,
        wait: Callable[[timedelta], object] | None = None,
    ) -> None:
        self._parts = parts
        self._delivery = delivery
        self._notifier = notifier
        self._sealer = Sealer(parts)
        self._poll = parts.settings.outbox_poll
        self._stopping = threading.Event()
        self._wait = wait or (lambda span: self._stopping.wait(span.total_seconds()))
        self._pause = self._poll
        self._round_at: datetime | None = None
        self.went_round: dict[str, datetime | None] = {"outbox": None, "hourly": None}
        """When each loop did last what it is for."""

    def run(self) -> None:
        """Run until ``stop``, which SIGTERM and SIGINT call."""
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, lambda *_: self.stop())
        log.info("worker started")
        beside = [threading.Thread(target=self._sealer.run, name="sealer")]
        if self._notifier is not None:
            beside.append(threading.Thread(target=self._notifier.run, name="notifier"))
        for thread in beside:
            thread.start()
        try:
            while not self._stopping.is_set():
                self.forget_when_due()
                self._wait(self.deliver())
        finally:
            self.stop()  # whatever ended this loop: no part goes on without the others
            for thread in beside:
                thread.join()
        log.info("worker stopped")

    def stop(self) -> None:
        """End the loops after what is under way."""
        self._stopping.set()
        self._sealer.stop()
        if self._notifier is not None:
            self._notifier.stop()

    def deliver(self) -> timedelta:
        """Send what is due until nothing is, or something is away; give how long to wait then."""
        while self._delivery is not None and not self._stopping.is_set():
            try:
                with self._parts.flask.app_context():
                    delivered = self._delivery.send_next()
            except (StoreUnavailable, Busy) as away:
                log.warning("delivery put off: %s", away)
                return self._longer_pause()
            except Exception as fault:  # noqa: BLE001 - one row must not keep the others
                # It is left to its lease. The text of a fault that nobody foresaw may hold an
                # address; where it was raised tells enough.
                log.error("delivery failed: %s", _place_of(fault))
                return self._longer_pause()
            self.went_round["outbox"] = self._parts.now()
            _tell(delivered)
            if delivered.outcome is Outcome.PUT_OFF:
                return self._longer_pause()  # the mail server is away, most likely for all
            self._pause = self._poll
            if delivered.outcome is Outcome.IDLE:
                break
        return self._poll

    def forget_when_due(self) -> None:
        """Do the hourly round when its time has come; a round that fails is tried again soon."""
        now = self._parts.now()
        if self._round_at is not None and now < self._round_at:
            return
        try:
            self.run_once()
        except StoreUnavailable as away:
            log.warning("round put off: %s", away)
            self._round_at = now + AFTER_FAILURE
        else:
            self._round_at = now + ROUND
            self.went_round["hourly"] = now

    def run_once(self) -> int:
        """Forget what is older than its retention and give how many audit events that were.

        Raises:
            StoreUnavailable: SQL is away; what was done stays done.
        """
        now = self._parts.now()
        before = now - self._parts.settings.audit_retention
        self._sealer.seal()  # no row is forgotten before it is sealed
        forgotten = self._forget(lambda: self._parts.sealing.forget(before))
        promises = self._forget(lambda: self._parts.outbox.forget(before))
        families = self._forget(lambda: self._parts.refresh_families.forget(now))
        if forgotten or promises:
            log.info("forgot %d audit events, %d promises", forgotten, promises)
        if families:
            log.info("forgot %d refresh families", families)
        self._warn_of_unready_services()
        return forgotten

    def _warn_of_unready_services(self) -> None:
        try:
            unready = unready_services(self._parts)
        except IdpError as fault:
            log.warning("nobody can tell who has the next signing key: %s", fault)
            return
        for service in unready:
            log.warning("a service has not fetched the next signing key: %s", service)

    def _forget(self, batch: Callable[[], int]) -> int:
        forgotten = 0
        with self._parts.flask.app_context():
            while not self._stopping.is_set():
                with self._parts.database.transaction():
                    gone = batch()
                forgotten += gone
                if not gone:
                    break
        return forgotten

    def _longer_pause(self) -> timedelta:
        pause = self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return pause


def _tell(delivered: Delivered) -> None:
    if delivered.outcome is Outcome.IDLE:
        return
    level = logging.ERROR if delivered.outcome is Outcome.DEAD else logging.INFO
    # Grouped, or the net of the logs would take a long row number for a dossier's.
    row = f"{delivered.promise_id:_}"
    outcome = f"{delivered.outcome} {delivered.fault}".rstrip()
    log.log(level, "outbox row %s: %s", row, outcome)


def _place_of(fault: Exception) -> str:
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
    return f"{type(fault).__name__}{place}"
