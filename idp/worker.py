"""The worker: what must happen without anybody asking, in a process of its own.

Its one round so far forgets audit events whose time is over. A round that fails is told and tried
again at the next one; SIGTERM and SIGINT end the loop after the round under way. Several workers at
once do no harm.
"""

import logging
import signal
import threading
from datetime import timedelta

from idp import StoreUnavailable
from idp.parts import Parts

ROUND = timedelta(hours=1)
AFTER_FAILURE = timedelta(minutes=1)

log = logging.getLogger("idp.worker")


class Worker:
    """Runs rounds until it is told to stop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run rounds until ``stop``, which SIGTERM and SIGINT call."""
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, lambda *_: self.stop())
        log.info("worker started")
        while not self._stopping.is_set():
            pause = ROUND
            try:
                self.run_once()
            except StoreUnavailable as away:
                log.warning("round put off: %s", away)
                pause = AFTER_FAILURE
            self._stopping.wait(pause.total_seconds())
        log.info("worker stopped")

    def stop(self) -> None:
        """End the loop after the round under way."""
        self._stopping.set()

    def run_once(self) -> int:
        """Do one round and give how many audit events were forgotten.

        Raises:
            StoreUnavailable: SQL is away; what was done stays done.
        """
        before = self._parts.now() - self._parts.settings.audit_retention
        forgotten = 0
        with self._parts.flask.app_context():
            while not self._stopping.is_set():
                with self._parts.database.transaction():
                    batch = self._parts.audit.forget(before)
                forgotten += batch
                if not batch:
                    break
        if forgotten:
            log.info("forgot %d audit events", forgotten)
        return forgotten
