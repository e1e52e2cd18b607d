"""Fixtures that every suite shares; the real stores come from ``real_stores``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.instance import Clock
from tests.instance import Instance

pytest_plugins = ["tests.real_stores", "tests.running"]


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
