"""Userinfo: what an access token may read of its person, as the directory says it now."""

from dataclasses import dataclass

from idp import IdpError
from idp.oidc.authorization import Codes
from idp.oidc.claims import ClaimValue
from idp.oidc.claims import Subjects
from idp.oidc.claims import userinfo_claims
from idp.oidc.clients import Clients
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.oidc.tokens import UnreadableToken


class InvalidAccessToken(IdpError):
    """The token is not ours, has expired, was revoked, or its session has ended."""

    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class Userinfo:
    """The userinfo use case."""

    tokens: Tokens
    codes: Codes
    subjects: Subjects
    clients: Clients

    def claims(self, access_token: str) -> dict[str, ClaimValue]:
        """Give the claims that an access token opens.

        A token is good while its signature and expiry are, its grant is not revoked, its session is
        alive, its client is registered, and neither password nor dossier changed since: each is
        looked up, none is remembered.

        Raises:
            InvalidAccessToken: one of these does not hold.

        Spec: OIDC Core 1.0 §5.3, RFC 6750 §3.1.
        """
        try:
            read = self.tokens.read(access_token, typ=ACCESS_TOKEN_TYPE)
        except UnreadableToken as error:
            raise InvalidAccessToken(str(error)) from None
        expires_at, jti, sub = read.get("exp"), read.get("jti"), read.get("sub")
        if not isinstance(expires_at, int) or expires_at <= self.tokens.now().timestamp():
            raise InvalidAccessToken("expired")
        if read.get("aud") != self.tokens.issuer:
            raise InvalidAccessToken("for another audience")
        if not isinstance(jti, str) or not isinstance(sub, str):
            raise InvalidAccessToken("claims")
        grant = self.codes.grant(jti.partition(".")[0])
        if grant is None:
            raise InvalidAccessToken("revoked, or its session has ended")
        if self.clients.find(grant.client_id) is None:
            raise InvalidAccessToken("its client is gone")
        subject = self.subjects.get(grant.account_id)
        if subject is None or not subject.stands_behind(grant.credential_version):
            raise InvalidAccessToken("its sign-in has ended")
        return {**userinfo_claims(subject, grant.scope), "sub": sub}
