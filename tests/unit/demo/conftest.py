"""One simulator for a file of sentences: what is drawn anew each time costs more than the rest."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.franceconnect import FranceConnect
from tests.franceconnect import answer_in
from tests.instance import Clock


@pytest.fixture(scope="module")
def time() -> Clock:
    """Its time."""
    return Clock()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, time: Clock) -> Iterator[FranceConnect]:
    """It, at an address of its own."""
    started = FranceConnect(tmp_path_factory.mktemp("franceconnect"), now=time)
    yield started
    started.stop()


@pytest.fixture
def there(running: FranceConnect) -> Iterator[FranceConnect]:
    """It, in good health."""
    yield running
    running.simulator.behave()


def tokens_of(
    there: FranceConnect, person: str = "camille-durand", **changes: Any
) -> dict[str, Any]:
    """Sign in and redeem the code."""
    callback = there.abroad().pick(there.request(**changes), person)
    answer = there.redeem(answer_in(callback)["code"])
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read
