"""Consents in memory, with the contract of the SQL adapter."""

from collections.abc import Iterable
from datetime import datetime

from idp.oidc.consent import Consent


class MemoryConsents:
    """The port ``Consents``."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], dict[str, datetime]] = {}

    def granted(self, account_id: str, client_id: str) -> frozenset[str]:
        """Read the scopes that a member granted to a client."""
        return frozenset(self._given.get((account_id, client_id), ()))

    def grant(self, account_id: str, client_id: str, scope: Iterable[str], at: datetime) -> None:
        """Add to what is granted."""
        kept = self._given.setdefault((account_id, client_id), {})
        for word in scope:
            kept.setdefault(word, at)

    def of_account(self, account_id: str) -> list[Consent]:
        """Read all that a member granted, by client."""
        return [
            Consent(account_id, client_id, tuple(sorted(kept)), min(kept.values()))
            for (owner, client_id), kept in sorted(self._given.items())
            if owner == account_id
        ]

    def end(self, account_id: str, client_id: str) -> bool:
        """Forget what a member granted to a client."""
        return self._given.pop((account_id, client_id), None) is not None
