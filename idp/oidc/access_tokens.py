"""Whether an access token still opens anything: one rule for userinfo and introspection."""

from dataclasses import dataclass

from idp import IdpError
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import Codes
from idp.oidc.authorization import registered_still
from idp.oidc.claims import Subject
from idp.oidc.claims import Subjects
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.consent import ConsentRule
from idp.oidc.service_grants import ServiceGrants
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.oidc.tokens import UnreadableToken


class InvalidAccessToken(IdpError):
    """The token is not ours, has expired, was revoked, or its session has ended.

    ``client_id`` is the service that it was signed for, or "" when it is not ours.
    """

    code = "invalid_token"

    def __init__(self, reason: str, *, client_id: str = "") -> None:
        super().__init__(reason)
        self.client_id = client_id


@dataclass(frozen=True, slots=True)
class LiveAccessToken:
    """A token that is good now: of a service for itself, unless it is a ``MemberAccessToken``.

    Attributes:
        claims: as signed.
        client_id: the service that it was issued to.
        audiences: those that may take it: the issuer, which is userinfo, and APIs by their names.
        scope: the token's own, which a refresh may have narrowed, as far as its service is still
            registered for it.
    """

    claims: dict[str, object]
    client_id: str
    audiences: tuple[str, ...]
    scope: tuple[str, ...]

    def is_meant_for(self, api: Client) -> bool:
        """Tell whether it is for this API. The issuer is no API, whatever a registration says."""
        identifiers = set(api.resource_identifiers) - {self.claims["iss"]}
        return bool(identifiers.intersection(self.audiences))


@dataclass(frozen=True, slots=True)
class MemberAccessToken(LiveAccessToken):
    """A token that a member's sign-in gave, its grant and its person."""

    grant: Authorization
    subject: Subject
    sub: str


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Reads access tokens back."""

    tokens: Tokens
    codes: Codes
    service_grants: ServiceGrants
    subjects: Subjects
    clients: Clients
    consent_rule: ConsentRule

    def living(self, access_token: str) -> LiveAccessToken:
        """Read a token that is good now.

        A member's is while its signature and expiry are, neither it nor its grant is revoked, its
        session is alive (with ``offline_access``: needs none), its client is registered and, where
        it needs one, the member's consent stands, and neither password nor dossier changed since. A
        service's own is while its record is there and the service registered for it. Each is looked
        up, none is remembered. Whether the audience is right is the caller's affair.

        Raises:
            InvalidAccessToken: one of these does not hold.
        """
        try:
            claims = self.tokens.read(access_token, typ=ACCESS_TOKEN_TYPE)
        except UnreadableToken as error:
            raise InvalidAccessToken(str(error)) from None
        try:
            return self._living(claims)
        except InvalidAccessToken as refusal:
            client_id = str(claims.get("client_id", ""))
            raise InvalidAccessToken(str(refusal), client_id=client_id) from None

    def _living(self, claims: dict[str, object]) -> LiveAccessToken:
        expires_at, jti, sub = claims.get("exp"), claims.get("jti"), claims.get("sub")
        scope, audiences = claims.get("scope", ""), _audiences(claims.get("aud"))
        if not isinstance(expires_at, int) or expires_at <= self.tokens.now().timestamp():
            raise InvalidAccessToken("expired")
        if not (isinstance(jti, str) and isinstance(sub, str) and isinstance(scope, str)):
            raise InvalidAccessToken("claims")
        if not audiences:
            raise InvalidAccessToken("for nobody")
        words = tuple(scope.split())
        # RFC 9068 §2.2: no member has the name of a client, and neither has a grant of the other
        # kind; whichever way this is read, the record that is missing says no.
        if sub == claims.get("client_id"):
            self._check_service(sub, jti)
            return LiveAccessToken(claims, sub, audiences, words)
        grant, subject = self._of_member(jti)
        opened = tuple(word for word in words if word in grant.scope)
        return MemberAccessToken(claims, grant.client_id, audiences, opened, grant, subject, sub)

    def _check_service(self, client_id: str, jti: str) -> None:
        if self.service_grants.holder(jti) != client_id:
            raise InvalidAccessToken("revoked")
        client = self.clients.find(client_id)
        if client is None or not client.check_grant_type("client_credentials"):
            raise InvalidAccessToken("its client is gone")

    def _of_member(self, jti: str) -> tuple[Authorization, Subject]:
        grant = self.codes.grant(jti.partition(".")[0], token_id=jti)
        if grant is None:
            raise InvalidAccessToken("revoked, or its session has ended")
        client = self.clients.find(grant.client_id)
        if client is None:
            raise InvalidAccessToken("its client is gone")
        subject = self.subjects.get(grant.account_id)
        if subject is None or not subject.stands_behind(grant.credential_version):
            raise InvalidAccessToken("its sign-in has ended")
        if not self.consent_rule.stands_behind(grant, client):
            raise InvalidAccessToken("its consent was taken back")
        return registered_still(grant, client), subject


def _audiences(aud: object) -> tuple[str, ...]:
    named = aud if isinstance(aud, list) else [aud]
    return tuple(name for name in named if isinstance(name, str) and name)
