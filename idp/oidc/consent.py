"""Consent: what a member lets a service of somebody else know and do.

The fund's own services ask none: they work on the fund's mission, and a question whose answer
changed nothing would mislead (docs/adr/0018-consent.md). For the others consent is what everything
hangs on: it is looked up when a code is issued, and again whenever a code, a refresh token or an
access token is used. Taken back, it ends them all at once, wherever they are kept.

Granted scope by scope, and remembered: what was granted is not asked for again.
"""

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from idp.oidc.authorization import Authorization
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.refresh import Family
from idp.oidc.refresh import RefreshTokens


@dataclass(frozen=True, slots=True)
class Consent:
    """What a member granted to one service.

    Attributes:
        scope: in alphabetical order, never empty.
        given_at: when the first of it was granted.
    """

    account_id: str
    client_id: str
    scope: tuple[str, ...]
    given_at: datetime


class Consents(Protocol):
    """Where consents are kept. They end with their account and with their client."""

    def granted(self, account_id: str, client_id: str) -> frozenset[str]:
        """Read the scopes that a member granted to a client; none where there is no consent."""

    def grant(self, account_id: str, client_id: str, scope: Iterable[str], at: datetime) -> None:
        """Add to what is granted; what was granted before keeps its date.

        Without effect for an account or a client that is gone.
        """

    def of_account(self, account_id: str) -> list[Consent]:
        """Read all that a member granted, by client."""

    def end(self, account_id: str, client_id: str) -> bool:
        """Forget what a member granted to a client; False when there was nothing."""


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Whether a service may know what it asks for."""

    consents: Consents

    def missing(self, client: Client, account_id: str, scope: Iterable[str]) -> tuple[str, ...]:
        """Give the scopes that the member must be asked for, in the order of ``scope``."""
        if client.first_party:
            return ()
        granted = self.consents.granted(account_id, client.client_id)
        return tuple(word for word in scope if word not in granted)

    def stands_behind(self, authorization: Authorization, client: Client) -> bool:
        """Tell whether all that was authorized is still granted."""
        return not self.missing(client, authorization.account_id, authorization.scope)


@dataclass(frozen=True, slots=True)
class Access:
    """What one service has of a member, as ``/compte`` tells it.

    Attributes:
        consent: None for a service of the fund.
        families: where it goes on when the member is away; the oldest first.
    """

    client: Client
    consent: Consent | None
    families: tuple[Family, ...]


@dataclass(frozen=True, slots=True)
class Accesses:
    """What services have of a member, shown and taken back."""

    consents: Consents
    refresh_tokens: RefreshTokens
    clients: Clients
    now: Callable[[], datetime]

    def of_account(self, account_id: str, credential_version: int) -> list[Access]:
        """Give every service that has a consent or goes on when the member is away, by name.

        One of the fund that only signed the member in is none of them: signing out ends that.
        """
        consents = {given.client_id: given for given in self.consents.of_account(account_id)}
        families: dict[str, list[Family]] = {}
        for family in self.refresh_tokens.families.of_account(account_id):
            current = family.authorization.credential_version == credential_version
            if current and family.expires_at > self.now():
                families.setdefault(family.authorization.client_id, []).append(family)
        found = []
        for client_id in {*consents, *families}:
            client = self.clients.find(client_id)
            if client is None:
                continue
            consent = None if client.first_party else consents.get(client_id)
            if consent is not None or client_id in families:
                found.append(Access(client, consent, tuple(families.get(client_id, ()))))
        return sorted(
            found, key=lambda access: (access.client.client_name, access.client.client_id)
        )

    def take_back(self, account_id: str, client_id: str) -> tuple[bool, int]:
        """End what a service has of a member; tell whether there was a consent, how many families.

        Consent first: a refresh under way then finds none, whatever it still wrote.
        """
        had_consent = self.consents.end(account_id, client_id)
        return had_consent, self.refresh_tokens.end_of_client(account_id, client_id)
