"""What a process tells while its numbers are off: every word of it is let pass."""

from collections.abc import Mapping

from idp.audit import Event


class NotCounted:
    """The ports of the web, of the hash pool and of the stores, without an effect."""

    def answered(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""

    def signed_in(self, outcome: str, stopped_by: str) -> None:
        """A sign-in ended in a way that the audit log does not tell."""

    def authorized(self, client_id: str) -> None:
        """A code was issued to a registered client."""

    def token_issued(self, grant: str, client_id: str) -> None:
        """A token answer went to a registered client."""

    def refused(self, endpoint: str, error: str, check: str, client_id: str) -> None:
        """A request of a service was refused; ``client_id`` may be anybody's invention."""

    def audited(self, event: Event, detail: Mapping[str, str | int], client_id: str) -> None:
        """An event of the audit log was committed."""

    def hash_waits(self, change: int) -> None:
        """So many more wait for a turn of the hash pool."""

    def hash_begins(self) -> None:
        """A hash is being made."""

    def hash_ends(self, seconds: float) -> None:
        """It is made."""

    def hash_refused(self) -> None:
        """Nobody could wait for a turn any more, or had waited too long."""

    def store_asked(self, store: str, what: str, seconds: float, *, failed: bool) -> None:
        """A store was asked for something."""

    def franceconnect_asked(self, outcome: str, fault: str) -> None:
        """FranceConnect was asked for something."""

    def franceconnect_rests(self, rests: bool) -> None:
        """It has been away too often and is left alone, or it is there again."""


NOT_COUNTED = NotCounted()
