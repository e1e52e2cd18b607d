"""What ends with a key that leaked, beside what it signed.

Its access tokens and hints need nothing: no key verifies them any more. Refresh tokens are not
signed; but whoever held the key may have used one, so the families that it served end too. Who is
signed in stays so, unless somebody decides otherwise: a thief of a key has no session by it.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from idp.oidc.authorization import Codes
from idp.oidc.clients import Client
from idp.oidc.refresh import RefreshFamilies
from idp.session import EndsSessions


class KnowsAccounts(Protocol):
    """Where sessions are kept, as far as it is asked whose they are."""

    def accounts(self) -> Iterator[str]:
        """Name every account that may have a session, some of them more than once."""


@dataclass(frozen=True, slots=True)
class KeyCompromise:
    """Ends what a leaked key may have served.

    Attributes:
        farewell: ends sessions and promises to tell their services.
        transaction: one SQL transaction, committed at its end.
    """

    families: RefreshFamilies
    codes: Codes
    sessions: KnowsAccounts
    farewell: EndsSessions
    transaction: Callable[[], AbstractContextManager[None]]

    def end_refresh(self, clients: list[Client], *, since: datetime, until: datetime) -> int:
        """End the families of these services whose last tokens were given in that time."""
        names = [client.client_id for client in clients]
        ended = 0
        while True:
            with self.transaction():
                grants = self.families.end_given(names, since=since, until=until)
            for grant_id in grants:
                self.codes.revoke(grant_id)
            ended += len(grants)
            if not grants:
                return ended

    def end_sessions(self) -> int:
        """End every session there is; give how many were alive."""
        ended = 0
        for account_id in self.sessions.accounts():
            with self.transaction():
                ended += self.farewell.end_all(account_id).alive
        return ended
