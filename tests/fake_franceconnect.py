"""Where tries, arrivals and hints wait, in memory; the contract suite runs on both."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

from idp import StoreUnavailable
from idp.identity.franceconnect_port import ARRIVAL_LIFETIME
from idp.identity.franceconnect_port import TRIES_OF_ALL
from idp.identity.franceconnect_port import TRIES_OF_BROWSER
from idp.identity.franceconnect_port import TRIES_OF_NETWORK
from idp.identity.franceconnect_port import TRY_LIFETIME
from idp.identity.franceconnect_port import TRY_REMEMBERED
from idp.identity.franceconnect_port import Arrived
from idp.identity.franceconnect_port import Spent
from idp.identity.franceconnect_port import Try
from idp.identity.franceconnect_port import browser_hash

Now = Callable[[], datetime]


@dataclass
class _Kept:
    begun: Try
    at: datetime
    until: datetime
    taken: bool = False


class MemoryTries:
    """The port ``Tries``."""

    def __init__(self, now: Now) -> None:
        self.away = False
        self._now = now
        self._lock = threading.RLock()
        self._kept: dict[str, _Kept] = {}
        self._of: dict[str, list[str]] = {}

    def put(self, state: str, begun: Try, *, network: str) -> None:
        """Keep a try; the oldest of its browser, of its network and of all give way."""
        self._look()
        with self._lock:
            self._kept[state] = _Kept(begun, self._now(), self._now() + TRY_REMEMBERED)
            for whose, most in (
                (f"browser:{begun.browser_hash}", TRIES_OF_BROWSER),
                (f"network:{network}", TRIES_OF_NETWORK),
                ("all", TRIES_OF_ALL),
            ):
                states = self._of.setdefault(whose, [])
                states.append(state)
                while len(states) > most:
                    oldest = states[0]
                    self._kept.pop(oldest, None)
                    for others in self._of.values():
                        if oldest in others:
                            others.remove(oldest)

    def take(self, state: str, browser: str) -> Try | Spent | None:
        """Take a try once; the browser that it is not of leaves it where it is."""
        self._look()
        with self._lock:
            kept = self._kept.get(state)
            if kept is None or kept.until <= self._now():
                return None
            if kept.begun.browser_hash != browser_hash(browser):
                return None
            if kept.taken or kept.at + TRY_LIFETIME <= self._now():
                return Spent(kept.begun.demande, kept.begun.page)
            kept.taken, kept.until = True, self._now() + TRY_LIFETIME
            return kept.begun

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable("Redis: away")


class MemoryArrivals:
    """The port ``Arrivals``."""

    def __init__(self, now: Now) -> None:
        self.away = False
        self._now = now
        self._kept: dict[str, tuple[Arrived, datetime]] = {}

    def put(self, token: str, arrived: Arrived) -> None:
        """Keep an arrival."""
        self._look()
        self._kept[token] = (arrived, self._now() + ARRIVAL_LIFETIME)

    def get(self, token: str) -> Arrived | None:
        """Read an arrival and leave it there."""
        self._look()
        return self._living(self._kept.get(token))

    def take(self, token: str) -> Arrived | None:
        """Take an arrival, once."""
        self._look()
        return self._living(self._kept.pop(token, None))

    def _living(self, kept: tuple[Arrived, datetime] | None) -> Arrived | None:
        return kept[0] if kept is not None and kept[1] > self._now() else None

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable("Redis: away")


class MemoryHints:
    """The port ``Hints``."""

    def __init__(self, now: Now, *, absolute: timedelta) -> None:
        self._now = now
        self._absolute = absolute
        self._kept: dict[tuple[str, str], tuple[str, datetime]] = {}

    def put(self, session_key: str, account_id: str, id_token: str) -> None:
        """Keep a hint."""
        self._kept[session_key, account_id] = (id_token, self._now() + self._absolute)

    def follow(self, former_key: str, session_key: str, account_id: str) -> None:
        """Let a session take over the hint of the one it follows."""
        if id_token := self.take(former_key, account_id):
            self.put(session_key, account_id, id_token)

    def take(self, session_key: str, account_id: str) -> str:
        """Take a hint, once, or give ""."""
        id_token, until = self._kept.pop((session_key, account_id), ("", self._now()))
        return id_token if until > self._now() else ""
