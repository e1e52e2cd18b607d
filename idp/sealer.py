"""The worker's third part: it seals the audit log every minute and signs the head of each past day.

Beside the mails and the notices, so that a slow mail server leaves no row unsealed.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from idp import IdpError
from idp import StoreUnavailable
from idp.audit_sealing import ChainBroken
from idp.parts import Parts

log = logging.getLogger("idp.worker")


class Sealer:
    """Seals until it is told to stop.

    Args:
        wait: waits for a span or until the sealer is to stop.
    """

    def __init__(self, parts: Parts, *, wait: Callable[[timedelta], object] | None = None) -> None:
        self._parts = parts
        self._stopping = threading.Event()
        self._wait = wait or (lambda span: self._stopping.wait(span.total_seconds()))

    def run(self) -> None:
        """Run until ``stop``."""
        while not self._stopping.is_set():
            try:
                self.seal()
            except StoreUnavailable as away:
                log.warning("sealing put off: %s", away)
            except Exception as fault:  # noqa: BLE001 - the next round may go well
                log.error("sealing failed: %s", type(fault).__name__)
            self._wait(self._parts.settings.audit_seal_every)

    def stop(self) -> None:
        """End the loop after the batch under way."""
        self._stopping.set()

    def seal(self) -> int:
        """Seal what is settled, and sign what heads are due; gives how many rows were sealed.

        Raises:
            StoreUnavailable: SQL is away; what was sealed stays sealed.
        """
        sealed = 0
        with self._parts.flask.app_context():
            while not self._stopping.is_set() and (batch := self._parts.sealing.seal_next()):
                sealed += batch
            self._sign_heads()
        return sealed

    def _sign_heads(self) -> None:
        try:
            while not self._stopping.is_set() and (head := self._parts.sealing.sign_head()):
                log.info("audit log: head %d signed over seal %d", head.number, head.seal)
        except StoreUnavailable:
            raise
        except ChainBroken as broken:
            log.error("audit log: no head is signed: %s; run idp audit verify", broken)
        except IdpError as error:
            log.warning("audit log: no head is signed: %s", error)
