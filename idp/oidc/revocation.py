"""Revocation: a service gives back a token of its own.

A refresh token ends its family with every access token of it. An access token ends alone, so that a
service which tidies up after a refresh does not lose its access.
"""

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime

from idp.oidc.authorization import Codes
from idp.oidc.clients import Client
from idp.oidc.refresh import Family
from idp.oidc.refresh import RefreshTokens
from idp.oidc.refresh import looks_like_refresh_token
from idp.oidc.service_grants import ServiceGrants
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.oidc.tokens import UnreadableToken


@dataclass(frozen=True, slots=True)
class Revocation:
    """The revocation use case."""

    tokens: Tokens
    codes: Codes
    service_grants: ServiceGrants
    refresh_tokens: RefreshTokens

    def revoke(self, token: str, client: Client) -> Family | None:
        """End a token of ``client``; give the family that ended with it, if one did.

        What a hint says is not read: the two kinds are told apart by their shape. A token of
        another client stays as it is and is answered like an unknown one, where RFC 7009 §2.1
        would let its holder know that it is good.

        Spec: RFC 7009 §2.1, §2.2.
        """
        if looks_like_refresh_token(token):
            return self.refresh_tokens.revoke(token, client)
        try:
            claims = self.tokens.read(token, typ=ACCESS_TOKEN_TYPE)
        except UnreadableToken:
            return None
        jti, expires_at = claims.get("jti"), claims.get("exp")
        if claims.get("client_id") != client.client_id:
            return None
        if isinstance(jti, str) and claims.get("sub") == client.client_id:
            self.service_grants.revoke(jti)
        elif isinstance(jti, str) and isinstance(expires_at, int):
            left = datetime.fromtimestamp(expires_at, UTC) - self.tokens.now()
            if left.total_seconds() > 0:
                self.codes.revoke_token(jti, lifetime=left)
        return None
