"""What FranceConnect remembers of sign-ins under way: in this process, and not for ever."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import Generic
from typing import TypeVar

MOST = 1000
"""Of each kind; the oldest is forgotten first."""

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values under unguessable names, each until its time has come."""

    def __init__(self, lifetime: timedelta, now: Callable[[], datetime]) -> None:
        self._lifetime = lifetime
        self._now = now
        self._values: OrderedDict[str, tuple[datetime, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, name: str, value: Value) -> None:
        """Keep it for its life time from now."""
        with self._lock:
            self._values[name] = (self._now() + self._lifetime, value)
            self._values.move_to_end(name)
            while len(self._values) > MOST:
                self._values.popitem(last=False)

    def find(self, name: str) -> Value | None:
        """Give it while it lasts."""
        with self._lock:
            until, value = self._values.get(name, (None, None))
            return value if until is not None and self._now() < until else None

    def take(self, name: str) -> Value | None:
        """Give it while it lasts, and forget it."""
        with self._lock:
            until, value = self._values.pop(name, (None, None))
            return value if until is not None and self._now() < until else None
