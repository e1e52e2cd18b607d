"""Fixtures that every suite shares; the real stores come from ``real_stores``."""

import logging
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from idp import logs
from tests.franceconnect import FranceConnect
from tests.instance import Clock
from tests.instance import Instance
from tests.mailbox import Mailbox
from tests.notified_service import NotifiedService

pytest_plugins = ["tests.real_stores", "tests.running"]

MEASURED = tuple(Path(__file__).parent / suite for suite in ("unit", "contract"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage where the rules are told one by one.

    It doubles what a test through the whole application costs, and a line that such a test passes
    by is not thereby looked at.
    """
    measuring = Coverage.current()
    if measuring is None or any(item.path.is_relative_to(suite) for suite in MEASURED):
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture(autouse=True)
def _logging_as_python_has_it() -> None:
    """Take back what an application built before, by this run or a fixture, did to the loggers."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, logs.JsonLines):
            root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("authlib").setLevel(logging.NOTSET)
    logs.request_id.set("")
    logs.account.set("")


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is advanced."""
    return Clock()


@pytest.fixture
def make_instance(
    tmp_path: Path, sqlite_url: str, valkey_url: str, clock: Clock
) -> Callable[..., Instance]:
    """Build a provider with settings of one's own, on SQLite and Valkey."""

    def make(**settings: Any) -> Instance:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        return Instance(folder, sql_url=sqlite_url, redis_url=valkey_url, clock=clock, **settings)

    return make


@pytest.fixture
def instance(make_instance: Callable[..., Instance]) -> Instance:
    """A provider with the default settings; ES256 alone, since an RSA key takes 0.1 s to read."""
    return make_instance(signing_algs=("ES256",))


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server that works."""
    box = Mailbox()
    box.start()
    yield box
    box.stop()


@pytest.fixture
def back(tmp_path: Path) -> Iterator[NotifiedService]:
    """The back channel of a service, which answers."""
    service = NotifiedService(tmp_path)
    yield service
    service.stop()


@pytest.fixture
def franceconnect(tmp_path: Path, clock: Clock) -> Iterator[FranceConnect]:
    """A FranceConnect that knows the provider of the tests by a secret, at the time of the test."""
    running = FranceConnect(tmp_path, now=clock)
    yield running
    running.stop()
