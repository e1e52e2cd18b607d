"""The bounded pool in which every password is hashed.

Only its threads ever hash: each keeps the memory of one hash (19 MiB and more), so their number
bounds the memory of the process. The queue bounds how many web threads wait here instead of
serving others, and ``patience`` how long one does. Beyond either the answer is Busy.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from datetime import timedelta
from typing import Protocol
from typing import TypeVar

from idp import Busy

T = TypeVar("T")

PATIENCE = timedelta(seconds=2)


class PoolWatch(Protocol):
    """Who is told how busy the pool is."""

    def hash_waits(self, change: int) -> None:
        """So many more wait for a turn."""

    def hash_begins(self) -> None:
        """A turn began."""

    def hash_ends(self, seconds: float) -> None:
        """It ended."""

    def hash_refused(self) -> None:
        """Somebody got no turn."""


class HashPool:
    """At most ``threads`` hashes at once, ``queue`` waiting, none longer than ``patience``."""

    def __init__(
        self, *, threads: int, queue: int, watch: PoolWatch, patience: timedelta = PATIENCE
    ) -> None:
        self._places = threading.BoundedSemaphore(threads + queue)
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hash")
        self._patience = patience.total_seconds()
        self._watch = watch

    def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` in the pool and give back its result or its error.

        Raises:
            Busy: every thread is taken and the queue is full, or its turn did not come in time; no
                verdict was reached.
        """
        if not self._places.acquire(blocking=False):
            self._watch.hash_refused()
            raise Busy("password hashing: the queue is full")

        def work_and_leave() -> T:
            # A place is free when its work has ended, not when its caller gave up.
            self._watch.hash_waits(-1)
            self._watch.hash_begins()
            began = time.perf_counter()
            try:
                return work()
            finally:
                self._watch.hash_ends(time.perf_counter() - began)
                self._places.release()

        self._watch.hash_waits(1)
        future = self._executor.submit(work_and_leave)
        try:
            return future.result(self._patience)
        except NotInTime:
            if future.done():  # it ended while we gave up: a verdict, or an error of its own
                return future.result()
            if future.cancel():
                self._watch.hash_waits(-1)
                self._places.release()
            self._watch.hash_refused()
            raise Busy("password hashing: no turn in time") from None
