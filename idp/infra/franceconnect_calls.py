"""Calls to FranceConnect that leave the rest of the process alone, whatever the other side does.

Three bounds: an exchange has its seconds, however many calls it makes; few threads are in one at a
time, and who finds no seat is told at once (bulkhead); and after some that were in vain nobody asks
for a while (``circuit_breaker``).
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager

from idp.identity.franceconnect_port import FranceConnectAway
from idp.infra.circuit_breaker import CircuitBreaker
from idp.infra.circuit_breaker import CircuitOpen
from idp.infra.service_calls import ServiceAnswer
from idp.infra.service_calls import ServiceCalls
from idp.infra.service_calls import ServiceNotReached

SEATS = 4
"""Half of the threads of a worker (IDP_THREADS)."""
BODY_LIMIT = 65_536
_TOO_MANY_REQUESTS = 429
_FAULT = 500


class Exchange:
    """The calls of one person's sign-in, and the seconds that are left for them."""

    def __init__(
        self, calls: ServiceCalls, *, seconds: float, end: float, monotonic: Callable[[], float]
    ) -> None:
        self._calls = calls
        self._seconds = seconds
        self._end = end
        self._monotonic = monotonic

    def left(self) -> float:
        """How long the next wait may be, in seconds."""
        return max(0.0, min(self._seconds, self._end - self._monotonic()))

    def get(self, uri: str, *, token: str = "") -> ServiceAnswer:
        """Read a document, with the access token where it is somebody's.

        Raises:
            FranceConnectAway: nobody answered in time, or as one that is well does.
        """
        return self._ask("GET", uri, {"Authorization": f"Bearer {token}"} if token else {}, None)

    def post(self, uri: str, body: bytes) -> ServiceAnswer:
        """Send a form; the body of a refusal is read too.

        Raises:
            FranceConnectAway: nobody answered in time, or as one that is well does.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", uri, headers, body)

    def _ask(
        self, method: str, uri: str, headers: Mapping[str, str], body: bytes | None
    ) -> ServiceAnswer:
        if not (left := self.left()):
            raise FranceConnectAway("timeout")
        try:
            answer = self._calls.ask(
                method,
                uri,
                headers={"Accept": "application/json, application/jwt", **headers},
                body=body,
                limit=BODY_LIMIT,
                read=(200, 400, 401),
                seconds=left,
            )
        except ServiceNotReached as away:
            raise FranceConnectAway(away.fault.removeprefix("service_")) from None
        if answer.status >= _FAULT or answer.status == _TOO_MANY_REQUESTS:
            raise FranceConnectAway("status")
        return answer


class FranceConnectCalls:
    """Lets exchanges take place, few at a time, and none with one who has just been away."""

    def __init__(
        self,
        calls: ServiceCalls,
        *,
        seconds: float,
        breaker: CircuitBreaker,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._seconds = seconds
        self._seats = threading.BoundedSemaphore(SEATS)
        self._monotonic = monotonic
        self.breaker = breaker

    @contextmanager
    def exchange(self) -> Iterator[Exchange]:
        """Take a seat for as long as two answers may take.

        Raises:
            FranceConnectAway: ``busy``, ``breaker``, or what a call of the exchange met.
        """
        if not self._seats.acquire(blocking=False):
            raise FranceConnectAway("busy")
        try:
            with self.breaker.call():
                end = self._monotonic() + 2 * self._seconds
                yield Exchange(
                    self._calls, seconds=self._seconds, end=end, monotonic=self._monotonic
                )
        except CircuitOpen:
            raise FranceConnectAway("breaker") from None
        finally:
            self._seats.release()
