"""Whether an access token still opens anything: one rule for userinfo and introspection."""

from dataclasses import dataclass

from idp import IdpError
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import Codes
from idp.oidc.claims import Subject
from idp.oidc.claims import Subjects
from idp.oidc.clients import Clients
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.oidc.tokens import UnreadableToken


class InvalidAccessToken(IdpError):
    """The token is not ours, has expired, was revoked, or its session has ended."""

    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class LiveAccessToken:
    """A token that is good now, its grant and its person.

    Attributes:
        claims: as signed.
        scope: the token's own, which a refresh may have narrowed.
    """

    claims: dict[str, object]
    grant: Authorization
    subject: Subject
    sub: str
    scope: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Reads access tokens back."""

    tokens: Tokens
    codes: Codes
    subjects: Subjects
    clients: Clients

    def living(self, access_token: str) -> LiveAccessToken:
        """Read a token that is good now.

        It is while its signature and expiry are, neither it nor its grant is revoked, its session
        is alive (with ``offline_access``: needs none), its client is registered, and neither
        password nor dossier changed since: each is looked up, none is remembered.

        Raises:
            InvalidAccessToken: one of these does not hold.
        """
        try:
            claims = self.tokens.read(access_token, typ=ACCESS_TOKEN_TYPE)
        except UnreadableToken as error:
            raise InvalidAccessToken(str(error)) from None
        expires_at, jti, sub = claims.get("exp"), claims.get("jti"), claims.get("sub")
        scope = claims.get("scope")
        if not isinstance(expires_at, int) or expires_at <= self.tokens.now().timestamp():
            raise InvalidAccessToken("expired")
        if claims.get("aud") != self.tokens.issuer:
            raise InvalidAccessToken("for another audience")
        if not (isinstance(jti, str) and isinstance(sub, str) and isinstance(scope, str)):
            raise InvalidAccessToken("claims")
        grant = self.codes.grant(jti.partition(".")[0], token_id=jti)
        if grant is None:
            raise InvalidAccessToken("revoked, or its session has ended")
        if self.clients.find(grant.client_id) is None:
            raise InvalidAccessToken("its client is gone")
        subject = self.subjects.get(grant.account_id)
        if subject is None or not subject.stands_behind(grant.credential_version):
            raise InvalidAccessToken("its sign-in has ended")
        return LiveAccessToken(claims, grant, subject, sub, tuple(scope.split()))
