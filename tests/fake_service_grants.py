"""The records of services' own tokens in memory, with the contract of the Redis adapter."""

from collections.abc import Callable
from datetime import datetime
from datetime import timedelta

from idp import StoreUnavailable


class MemoryServiceGrants:
    """The port ``ServiceGrants``."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.away = False
        self._now = now
        self._kept: dict[str, tuple[str, datetime]] = {}

    def put(self, grant_id: str, client_id: str, *, lifetime: timedelta) -> None:
        """Keep a record as long as its token lives."""
        self._look()
        self._kept[grant_id] = (client_id, self._now() + lifetime)

    def holder(self, grant_id: str) -> str:
        """Name the client of a record, or ""."""
        self._look()
        client_id, expires_at = self._kept.get(grant_id, ("", self._now()))
        return client_id if self._now() < expires_at else ""

    def revoke(self, grant_id: str) -> None:
        """End a record."""
        self._look()
        self._kept.pop(grant_id, None)

    def forget_all(self) -> None:
        """Lose everything, as an emptied store does."""
        self._kept.clear()

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable(type(self).__name__)
