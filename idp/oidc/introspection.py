"""Introspection: whether a token is good now, told to the service that it concerns.

For everybody else no token exists: a foreign one, an expired one and a made-up one have the same
answer, so that nobody can try out what they found.
"""

from dataclasses import dataclass

from idp.oidc.access_tokens import AccessTokens
from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.claims import Subjects
from idp.oidc.claims import sub_of
from idp.oidc.clients import Client
from idp.oidc.refresh import Family
from idp.oidc.refresh import RefreshTokens
from idp.oidc.refresh import looks_like_refresh_token

_TOLD = (
    "iss", "sub", "aud", "client_id", "scope", "exp", "iat", "jti",
    "auth_time", "acr", "amr", "sid", "qualite",
)  # fmt: skip
"""What is told of an access token: claims that it holds itself."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """The introspection use case."""

    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    subjects: Subjects

    def look(self, token: str, client: Client) -> dict[str, object]:
        """Answer for a token that was issued to ``client``, or whose audience it is.

        An API reads the ``sub`` that the token holds: that of the service which calls it. A refresh
        token is nobody's but its service's. What a hint says is not read: the two kinds are told
        apart by their shape.

        Spec: RFC 7662 §2.2, §4; RFC 9068 §2.2 (the claims).
        """
        if looks_like_refresh_token(token):
            family = self.refresh_tokens.living(token, client)
            return {"active": False} if family is None else self._of_family(family, client)
        return self._of_access_token(token, client)

    def _of_access_token(self, token: str, client: Client) -> dict[str, object]:
        try:
            living = self.access_tokens.living(token)
        except InvalidAccessToken:
            return {"active": False}
        if living.client_id != client.client_id and not living.is_meant_for(client):
            return {"active": False}
        told = {name: living.claims[name] for name in _TOLD if name in living.claims}
        return {"active": True, "token_type": "Bearer", **told}

    def _of_family(self, family: Family, client: Client) -> dict[str, object]:
        authorization = family.authorization
        subject = self.subjects.get(authorization.account_id)
        if subject is None or not subject.stands_behind(authorization.credential_version):
            return {"active": False}
        if not self.access_tokens.consent_rule.stands_behind(authorization, client):
            return {"active": False}
        tokens = self.access_tokens.tokens
        return {
            "active": True,
            "iss": tokens.issuer,
            "sub": sub_of(authorization.account_id, client, tokens.pairwise_salt),
            "client_id": client.client_id,
            "scope": " ".join(authorization.scope),
            "iat": int(family.rotated_at.timestamp()),
            "exp": int(family.expires_at.timestamp()),
        }
