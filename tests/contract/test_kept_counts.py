"""Counts of the directory kept in the process: who takes them, who waits, what a failure leaves."""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text

from idp import StoreUnavailable
from idp.identity.dossier import Qualite
from idp.infra.kept_counts import COUNTS_AGE_SECONDS
from idp.infra.kept_counts import KeptCounts
from idp.infra.sql import Database
from tests.schema import migrate

OLD, NEW = {Qualite.AFFILIE: 1}, {Qualite.AFFILIE: 2}


class Directory:
    """Counts that a test makes slow, wrong or other."""

    def __init__(self, app: Flask, url: str) -> None:
        self._app = app
        self.database = Database(app, url)
        self.at = 0.0
        self.taken = 0
        self.count: Callable[[], dict[Qualite, int]] = lambda: OLD
        self._counts = KeptCounts(self.database, self._take, monotonic=lambda: self.at)

    def _take(self) -> dict[Qualite, int]:
        self.taken += 1
        return self.count()

    def get(self) -> dict[Qualite, int]:
        """Ask for the counts as a sign-in does: in its transaction, which goes on afterwards."""
        with self._app.app_context(), self.database.transaction():
            got = dict(self._counts.get())
            assert self.database.execute(text("SELECT 1")).scalar() == 1
            return got


@pytest.fixture
def directory(sql_url: str) -> Iterator[Directory]:
    yield from _directory(sql_url)


@pytest.fixture
def postgres_directory(postgres_url: str) -> Iterator[Directory]:
    yield from _directory(postgres_url)


def _directory(url: str) -> Iterator[Directory]:
    migrate(url)
    app = Flask("counts")
    with app.app_context():
        directory = Directory(app, url)
    yield directory
    directory.database.engine.dispose()


def refuse() -> dict[Qualite, int]:
    message = "SQL: too slow"
    raise StoreUnavailable(message)


def test_sign_ins_do_not_queue_behind_the_one_that_counts(directory: Directory) -> None:
    directory.get()
    directory.at += COUNTS_AGE_SECONDS + 1
    counting, go_on = threading.Event(), threading.Event()

    def slowly() -> dict[Qualite, int]:
        counting.set()
        assert go_on.wait(10)
        return NEW

    directory.count = slowly
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(directory.get)
        assert counting.wait(10)
        meanwhile = directory.get()
        go_on.set()

        assert meanwhile == OLD
        assert slow.result(10) == NEW
    assert directory.get() == NEW


def test_a_count_that_fails_leaves_the_old_mix_and_is_tried_again_a_second_later(
    directory: Directory,
) -> None:
    directory.get()
    directory.at += COUNTS_AGE_SECONDS + 1
    directory.count = refuse

    assert directory.get() == OLD
    assert directory.get() == OLD
    assert directory.taken == 2

    directory.at += 1
    directory.count = lambda: NEW
    assert directory.get() == NEW


def test_a_statement_that_fails_while_counting_costs_the_sign_in_nothing(
    postgres_directory: Directory,
) -> None:
    directory = postgres_directory
    directory.get()
    directory.at += COUNTS_AGE_SECONDS + 1

    def too_slow() -> dict[Qualite, int]:
        directory.database.execute(text("SET LOCAL statement_timeout = 20"))
        directory.database.execute(text("SELECT pg_sleep(5)"))
        return NEW

    directory.count = too_slow

    assert directory.get() == OLD


def test_without_any_counts_a_failure_is_told_and_costs_those_who_wait_no_time_out_of_their_own(
    directory: Directory,
) -> None:
    directory.count = refuse

    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            directory.get()

    assert directory.taken == 1
