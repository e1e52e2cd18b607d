import threading
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp import Busy
from idp.identity.hash_pool import HashPool
from idp.metrics.not_counted import NOT_COUNTED


class Wrong(Exception):
    pass


def test_what_the_work_gives_is_given_back():
    assert HashPool(threads=1, queue=1, watch=NOT_COUNTED).run(lambda: 6 * 7) == 42


def test_an_error_of_the_work_is_raised_and_frees_the_place():
    pool = HashPool(threads=1, queue=0, watch=NOT_COUNTED)

    def fail():
        raise Wrong

    for _ in range(3):
        with pytest.raises(Wrong):
            pool.run(fail)
    assert pool.run(lambda: "free") == "free"


def test_work_is_done_in_the_pools_own_threads():
    seen = HashPool(threads=1, queue=1, watch=NOT_COUNTED).run(
        lambda: threading.current_thread().name
    )

    assert seen.startswith("hash")


def test_beyond_threads_and_queue_the_answer_is_busy_at_once():
    pool = HashPool(threads=2, queue=1, watch=NOT_COUNTED)
    begun, go_on = threading.Semaphore(0), threading.Event()
    most, running = [], []

    def work():
        running.append(1)
        most.append(len(running))
        begun.release()
        go_on.wait(10)
        running.pop()

    with ThreadPoolExecutor(3) as callers:
        waiting = [callers.submit(pool.run, work) for _ in range(3)]
        begun.acquire(timeout=10)
        begun.acquire(timeout=10)
        while pool._places._value:  # the third caller stands in the queue
            pass
        with pytest.raises(Busy):
            pool.run(lambda: pytest.fail("ran beyond the bound"))
        go_on.set()
        for one in waiting:
            one.result(10)

    assert max(most) == 2
    assert pool.run(lambda: "free") == "free"


def test_whoever_waits_too_long_is_told_so_and_leaves_no_place_taken():
    pool = HashPool(threads=1, queue=1, watch=NOT_COUNTED, patience=timedelta(milliseconds=50))
    go_on = threading.Event()

    with ThreadPoolExecutor(2) as callers:
        impatient = [callers.submit(pool.run, lambda: go_on.wait(10)) for _ in range(2)]
        outcomes = [type(one.exception(10)) for one in impatient]
        go_on.set()

    assert outcomes == [Busy, Busy]
    while pool._places._value < 2:
        pass
    assert pool.run(lambda: "free") == "free"


def test_an_error_of_the_work_that_is_a_time_out_is_its_own():
    def fail():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        HashPool(threads=1, queue=0, watch=NOT_COUNTED).run(fail)


class EndsAsThePatienceDoes(Future):
    """Its work ends between the end of the patience and the look at what became of it."""

    def __init__(self, work):
        super().__init__()
        self._work = work

    def result(self, timeout=None):
        if timeout is None:
            return super().result()
        try:
            self.set_result(self._work())
        except Wrong as error:
            self.set_exception(error)
        raise TimeoutError


class LateExecutor:
    def submit(self, work):
        return EndsAsThePatienceDoes(work)


def test_a_verdict_that_comes_at_the_very_end_of_the_patience_is_given():
    # Told as busy it would be tried again, and a hash that was replaced would be replaced twice.
    pool = HashPool(threads=1, queue=0, watch=NOT_COUNTED)
    pool._executor = LateExecutor()

    assert pool.run(lambda: "right") == "right"
    assert pool._places._value == 1


def test_an_error_that_comes_at_the_very_end_of_the_patience_is_raised():
    pool = HashPool(threads=1, queue=0, watch=NOT_COUNTED)
    pool._executor = LateExecutor()

    def fail():
        raise Wrong

    with pytest.raises(Wrong):
        pool.run(fail)
    assert pool._places._value == 1
