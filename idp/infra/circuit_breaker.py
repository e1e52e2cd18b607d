"""A circuit breaker: who has been away several times in a row is left alone for a while.

::

    closed --FAILURES in a row--> open --after REST_SECONDS--> one thread tries
       ^                            ^                             |        |
       |                            +-----------it is away--------+        |
       +---------------------------------it answers------------------------+
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

from idp import IdpError

FAILURES = 3
REST_SECONDS = 30.0


class CircuitOpen(IdpError):
    """Nobody was asked: it has just been away."""

    code = "circuit_open"


class CircuitBreaker:
    """One a process, for any number of threads.

    Args:
        failure: what tells, out of a call, that the other side is away; whatever else comes out
            of it is an answer.
        monotonic: a clock that never goes back.
        changed: told True when it opens, False when it closes.
    """

    def __init__(
        self,
        failure: type[Exception],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        changed: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._failure = failure
        self._monotonic = monotonic
        self._changed = changed
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open_since: float | None = None
        self._probed = False

    def is_open(self) -> bool:
        """Tell whether nobody may call now: it rests, or one thread is trying."""
        with self._lock:
            return self._open_since is not None and (self._probed or self._rests())

    def is_doubtful(self) -> bool:
        """Tell whether it has rested, and the next call is the one that tries."""
        with self._lock:
            return self._open_since is not None and not (self._probed or self._rests())

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let one call through, and learn from it.

        Raises:
            CircuitOpen: there is to be no call.
        """
        probes = self._enter()
        try:
            yield
        except self._failure:
            self._failed(probes=probes)
            raise
        except Exception:
            self._answered()
            raise
        else:
            self._answered()
        finally:
            if probes:  # whatever ended the thread: the next one may try
                with self._lock:
                    self._probed = False

    def _enter(self) -> bool:
        with self._lock:
            if self._open_since is None:
                return False
            if self._probed or self._rests():
                raise CircuitOpen("it has just been away")
            self._probed = True
            return True

    def _failed(self, *, probes: bool) -> None:
        with self._lock:
            self._in_a_row += 1
            was_open = self._open_since is not None
            # Those that were under way when it opened say nothing new, and prolong nothing.
            if probes or (not was_open and self._in_a_row >= FAILURES):
                self._open_since = self._monotonic()
            opened = not was_open and self._open_since is not None
        if opened:
            self._changed(True)

    def _answered(self) -> None:
        with self._lock:
            self._in_a_row = 0
            closed = self._open_since is not None
            self._open_since = None
        if closed:
            self._changed(False)

    def _rests(self) -> bool:
        return self._open_since is not None and self._monotonic() - self._open_since < REST_SECONDS
