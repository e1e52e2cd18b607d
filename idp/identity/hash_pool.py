"""The bounded pool in which every password is hashed.

Only its threads ever hash: each keeps the memory of one hash (19 MiB and more), so their number
bounds the memory of the process, and the queue bounds how long anyone waits. Beyond that the answer
is Busy, at once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from idp import Busy

T = TypeVar("T")


class HashPool:
    """At most ``threads`` hashes at once and ``queue`` waiting."""

    def __init__(self, *, threads: int, queue: int) -> None:
        self._places = threading.BoundedSemaphore(threads + queue)
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hash")

    def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` in the pool and give back its result or its error.

        Raises:
            Busy: every thread is taken and the queue is full; nothing was done.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("password hashing")
        try:
            return self._executor.submit(work).result()
        finally:
            self._places.release()
