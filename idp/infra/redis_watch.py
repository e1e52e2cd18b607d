"""A Redis client that tells how long each answer took, and which never came."""

import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Protocol

import redis
from redis.client import Pipeline
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

_AWAY = (RedisConnectionError, RedisTimeoutError, BusyLoadingError)


class StoreWatch(Protocol):
    """Who is told of each question to a store."""

    def __call__(self, store: str, what: str, seconds: float, *, failed: bool) -> None:
        """Take note of it."""


@contextmanager
def watched(
    watch: StoreWatch, store: str, what: str, away: tuple[type[Exception], ...]
) -> Iterator[None]:
    """Tell what a block asks of a store."""
    began, failed = time.perf_counter(), False
    try:
        yield
    except away:
        failed = True
        raise
    finally:
        watch(store, what, time.perf_counter() - began, failed=failed)


def watch_redis(client: redis.Redis, watch: StoreWatch) -> None:
    """Have a client tell of its commands, and of its pipelines as one question each."""
    execute, pipeline = client.execute_command, client.pipeline

    def told_command(*arguments: Any, **options: Any) -> Any:  # Any: any command, any answer
        with watched(watch, "redis", "command", _AWAY):
            return execute(*arguments, **options)  # type: ignore[no-untyped-call]

    def told_pipeline(transaction: bool = True, shard_hint: Any = None) -> Pipeline:  # Any: unused
        made = pipeline(transaction, shard_hint)
        made.execute = _told(made.execute, watch)  # type: ignore[method-assign]
        return made

    client.execute_command = told_command  # type: ignore[method-assign]
    client.pipeline = told_pipeline  # type: ignore[method-assign]


def _told(execute: Callable[..., list[Any]], watch: StoreWatch) -> Callable[..., list[Any]]:
    def told(raise_on_error: bool = True) -> list[Any]:  # Any: as redis types it
        with watched(watch, "redis", "pipeline", _AWAY):
            return execute(raise_on_error)

    return told
