"""Userinfo: what an access token may read of its person, as the directory says it now."""

from dataclasses import dataclass
from dataclasses import field

from idp import IdpError
from idp.oidc.access_tokens import AccessTokens
from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.access_tokens import LiveAccessToken
from idp.oidc.access_tokens import MemberAccessToken
from idp.oidc.claims import ClaimValue
from idp.oidc.claims import userinfo_claims
from idp.oidc.refusals import Finding


class InsufficientScope(IdpError):
    """A refresh narrowed the token's scope and left ``openid`` out, or it is a service's own."""

    code = "insufficient_scope"

    def __init__(self, living: LiveAccessToken) -> None:
        super().__init__("without openid")
        self.client_id = living.client_id
        self.__cause__ = Finding("scope", "openid, of a member", " ".join(living.scope))


@dataclass(frozen=True, slots=True)
class Told:
    """What a service is told of a member, and which service that is."""

    client_id: str
    claims: dict[str, ClaimValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Userinfo:
    """The userinfo use case."""

    access_tokens: AccessTokens

    def tell(self, access_token: str) -> Told:
        """Tell the claims that an access token opens.

        Raises:
            InvalidAccessToken: it is good no more, or for APIs alone.
            InsufficientScope: it is not for userinfo.

        Spec: OIDC Core 1.0 §5.3, RFC 6750 §3.1.
        """
        living = self.access_tokens.living(access_token)
        if self.access_tokens.tokens.issuer not in living.audiences:
            raise InvalidAccessToken(
                "for another audience", client_id=living.client_id
            ) from Finding("audience", self.access_tokens.tokens.issuer, " ".join(living.audiences))
        if not isinstance(living, MemberAccessToken) or "openid" not in living.scope:
            raise InsufficientScope(living)
        asked = living.grant.userinfo_claims
        claims = userinfo_claims(living.subject, living.scope, asked)
        return Told(living.client_id, {**claims, "sub": living.sub})
