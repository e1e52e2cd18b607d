"""What hangs a service's own token on a record: without it the token is dead."""

from datetime import timedelta
from typing import Protocol


class ServiceGrants(Protocol):
    """Where the records are kept that services' own tokens hang on."""

    def put(self, grant_id: str, client_id: str, *, lifetime: timedelta) -> None:
        """Keep a record as long as its token lives."""

    def holder(self, grant_id: str) -> str:
        """Name the client of a record, or "" when it has ended."""

    def revoke(self, grant_id: str) -> None:
        """End a record, and with it its token."""
