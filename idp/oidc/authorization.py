"""What a member's sign-in gave to one client: the thing an authorization code stands for.

A code is taken once. Taking it makes its *grant*, atomically: the record that every token of this
code needs to be alive. A second use of the code deletes the grant, so the first one's tokens die
with it (RFC 6749 §4.1.2). Only the client it was issued to can do either: for everybody else the
code does not exist, so that one service cannot end what a member does at another.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import IdpError
from idp.oidc.claims import claims_within
from idp.oidc.clients import Client

OFFLINE = "offline_access"


@dataclass(frozen=True, slots=True)
class Authorization:
    """One code, or the grant it became.

    Attributes:
        session_key: the SSO session it hangs on; ended with it, unless it is offline.
        session_ends_at: no access token outlives it; offline, the end of its refresh family.
        code_challenge: S256, or "" where the client is registered without PKCE.
        nonce: as the client sent it, or "" when it sent none.
        resources: the APIs that its access tokens are for; none: they are for userinfo.
        userinfo_claims: asked for by name at userinfo, and allowed (``claims_request``).
        id_token_claims: the same, in ID tokens.
    """

    client_id: str
    redirect_uri: str
    scope: tuple[str, ...]
    account_id: str
    credential_version: int
    session_key: str
    session_ends_at: datetime
    auth_time: datetime
    acr: str
    amr: tuple[str, ...]
    nonce: str = ""
    code_challenge: str = ""
    resources: tuple[str, ...] = ()
    userinfo_claims: tuple[str, ...] = ()
    id_token_claims: tuple[str, ...] = ()

    @property
    def is_offline(self) -> bool:
        """Tell whether it goes on when its session has ended. Spec: OIDC Core 1.0 §11."""
        return OFFLINE in self.scope


class CodeReplayed(IdpError):
    """A code came a second time from its client; what its first use gave is revoked.

    ``revoked`` tells the replay that ended a grant from those after it, which change nothing.
    """

    code = "code_replayed"

    def __init__(self, *, revoked: bool) -> None:
        super().__init__("authorization code used twice")
        self.revoked = revoked


VISITS_KEPT = timedelta(days=182)
"""How long it is known that a member was led to a service; for the member's own page alone."""


class Codes(Protocol):
    """Where codes and grants are kept. Every method is atomic."""

    def put(self, code: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep a fresh code, and note the visit that it begins with its session (``Sessions``)."""

    def last_visits(self, account_id: str) -> dict[str, datetime]:
        """Tell when a code was last made for each client, as long as ``VISITS_KEPT``."""

    def take(self, code: str, *, client_id: str, grant_lifetime: timedelta) -> Authorization | None:
        """Take a code, once in its life and while its session lives, and make its grant.

        A code of another client than ``client_id`` is None and stays as it was, used or not.

        Raises:
            CodeReplayed: this client took it before.
        """

    def grant(self, grant_id: str, *, token_id: str = "") -> Authorization | None:
        """Read a grant that is neither revoked nor expired and whose session is alive.

        An offline one needs no session. None also when ``token_id`` of it is revoked alone.
        """

    def renew(self, grant_id: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep an offline grant for the access tokens of a refresh."""

    def revoke(self, grant_id: str) -> None:
        """End a grant and with it every token that hangs on it."""

    def revoke_token(self, token_id: str, *, lifetime: timedelta) -> None:
        """End one access token, for the time that is left of it."""


def grant_id_of(code: str) -> str:
    """Name the grant of a code. Whoever knows the name cannot come back to the code."""
    digest = hashlib.sha256(b"grant:" + code.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest[:18]).decode("ascii")


def registered_still(authorization: Authorization, client: Client) -> Authorization:
    """Leave out what was taken from the client's registration since: scopes, and their claims.

    A service that is one of others by now keeps the claims of the scopes that it was granted.
    """
    scope = client.scope if client.first_party else client.scope.intersection(authorization.scope)
    allowed = claims_within(scope)

    def kept(names: tuple[str, ...], within: frozenset[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in within)

    return replace(
        authorization,
        scope=kept(authorization.scope, client.scope),
        userinfo_claims=kept(authorization.userinfo_claims, allowed),
        id_token_claims=kept(authorization.id_token_claims, allowed),
    )
