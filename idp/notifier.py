"""The worker's other half: it tells services of sessions that ended, beside the mails.

Notices are claimed by one thread and sent by a few, one at a time to each service: one that is slow
holds up nobody else. A service that does not answer is left alone for a while, longer each time,
and its notices wait; meanwhile it costs nothing. Several workers at once do no harm.
"""

import logging
import threading
from collections.abc import Callable
from collections.abc import Collection
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import IdpError
from idp.oidc.backchannel_logout import LogoutNotice
from idp.oidc.backchannel_logout import Outcome
from idp.oidc.backchannel_logout import Told
from idp.parts import Parts

THREADS = 4
RESTS = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 120, 300))
"""How long a service is left alone after its first, second, … silence in a row."""

AFTER_FAILURE = timedelta(seconds=5)

_LEVELS = {Outcome.SENT: logging.INFO, Outcome.DEAD: logging.ERROR}

log = logging.getLogger("idp.worker")


class SendsNotices(Protocol):
    """The use case ``BackChannelLogout``, as the loop needs it."""

    def claim(self, *, without: Collection[str] = ()) -> LogoutNotice | None:
        """Take the notice that waits longest, of another service than ``without``."""

    def send(self, notice: LogoutNotice) -> Told:
        """Send a claimed notice, or tell why it did not leave."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """A service that does not answer."""

    silences: int
    until: datetime


class Notifier:
    """Sends notices until it is told to stop.

    Args:
        wait: waits for a span or until the notifier is to stop.
    """

    def __init__(
        self,
        parts: Parts,
        notices: SendsNotices,
        *,
        wait: Callable[[timedelta], object] | None = None,
    ) -> None:
        self._parts = parts
        self._notices = notices
        self._poll = parts.settings.outbox_poll
        self._stopping = threading.Event()
        self._wait = wait or (lambda span: self._stopping.wait(span.total_seconds()))
        self._under_way: dict[str, Future[None]] = {}
        self._rests: dict[str, _Rest] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="notices")

    def run(self) -> None:
        """Run until ``stop``."""
        while not self._stopping.is_set():
            self._wait(self.deliver())
        self._pool.shutdown()

    def stop(self) -> None:
        """End the loop after the notices under way."""
        self._stopping.set()

    def deliver(self) -> timedelta:
        """Hand what is due to the senders until nothing is; give how long to wait then."""
        while not self._stopping.is_set():
            try:
                with self._parts.flask.app_context():
                    notice = self._notices.claim(without=self._left_alone())
            except IdpError as away:
                log.warning("notices put off: %s", away)
                return AFTER_FAILURE
            except Exception as fault:  # noqa: BLE001 - nobody would start this thread again
                log.error("notices put off: %s", type(fault).__name__)
                return AFTER_FAILURE
            if notice is None:
                return self._poll
            self._under_way[notice.client_id] = self._pool.submit(self._send, notice)
        return self._poll

    def deliver_all(self) -> None:
        """Send what is due, and wait for the senders; for a worker that runs once."""
        self.deliver()
        while self._under_way:
            wait(self._under_way.values())
            self.deliver()

    def _left_alone(self) -> set[str]:
        """Name the services that are being told something, or do not answer.

        Waits while every sender is busy: what is claimed is sent at once, well within its lease.
        """
        self._under_way = {name: one for name, one in self._under_way.items() if not one.done()}
        if len(self._under_way) >= THREADS:
            wait(self._under_way.values(), return_when="FIRST_COMPLETED")
            return self._left_alone()
        now = self._parts.now()
        resting = {name for name, rest in self._rests.items() if now < rest.until}
        return resting | self._under_way.keys()

    def _send(self, notice: LogoutNotice) -> None:
        name = notice.client_id
        try:
            with self._parts.flask.app_context():
                told = self._notices.send(notice)
        except IdpError as away:
            log.warning("notice put off: %s", away)
            self._rest(name)
            return
        except Exception as fault:  # noqa: BLE001 - one notice must not keep the others
            # It is left to its lease. The text of a fault that nobody foresaw may hold a token.
            log.error("notice failed: %s", type(fault).__name__)
            self._rest(name)
            return
        if told.away:
            self._rest(name)
        else:
            self._rests.pop(name, None)
        level = _LEVELS.get(told.outcome, logging.WARNING)
        # Grouped, or the net of the logs would take a long row number for a dossier's.
        row, outcome = f"{notice.id:_}", f"{told.outcome} {told.fault}".rstrip()
        log.log(level, "outbox row %s: logout to %s: %s", row, name, outcome)

    def _rest(self, name: str) -> None:
        former = self._rests.get(name)
        silences = former.silences + 1 if former else 1
        span = RESTS[min(silences, len(RESTS)) - 1]
        self._rests[name] = _Rest(silences, self._parts.now() + span)
