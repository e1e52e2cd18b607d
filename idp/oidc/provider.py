"""The token endpoint: Authlib's server core over our clients, codes, tokens and one authenticator.

A further grant is a class registered in ``Provider.__init__``; a further way to authenticate a
client is a case in ``authenticate``. Nothing here knows Flask.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.errors import UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.limits import TooManyClientFailures
from idp.oidc.authenticate import ClientAuthenticator
from idp.oidc.authenticate import WrongClientCredentials
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import Codes
from idp.oidc.claims import Subject
from idp.oidc.claims import Subjects
from idp.oidc.clients import Client
from idp.oidc.grants import AuthorizationCodeGrant
from idp.oidc.grants import Redeemed
from idp.oidc.params import PARAMETER_LIMIT
from idp.oidc.params import Params
from idp.oidc.tokens import Tokens

NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class UnsupportedGrantType(OAuth2Error):
    """Authlib's own copies what was sent into its text."""

    error = "unsupported_grant_type"
    description = "This grant_type is not served here."


class TemporarilyUnavailable(OAuth2Error):
    """Said with 429: the network must wait before it tries credentials again."""

    error = "temporarily_unavailable"
    description = "Too many wrong client credentials from this network; wait."
    status_code = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds

    def get_headers(self) -> list[tuple[str, str]]:
        """Say how long to wait."""
        return [*super().get_headers(), ("Retry-After", str(self.seconds))]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers a machine: JSON, whatever it accepts."""

    status: int
    body: dict[str, object]
    headers: tuple[tuple[str, str], ...]


class TokenRequest(OAuth2Request):
    """A token request as Authlib's steps read it: form parameters only, never the query's."""

    def __init__(
        self, uri: str, params: Params, *, authorization: str, network: str, actor: Actor
    ) -> None:
        super().__init__("POST", uri, headers={"Authorization": authorization})
        self.payload = BasicOAuth2Payload(dict(params.pairs))
        self.params = params
        self.authorization = authorization
        self.network = network
        self.actor = actor
        self.redeemed: Redeemed | None = None


class Provider(AuthorizationServer):
    """Answers token requests."""

    def __init__(
        self,
        *,
        token_endpoint: str,
        authenticator: ClientAuthenticator,
        codes: Codes,
        subjects: Subjects,
        tokens: Tokens,
        audit: AuditLog,
    ) -> None:
        super().__init__()
        self._token_endpoint = token_endpoint
        self._authenticator = authenticator
        self._subjects = subjects
        self.codes = codes
        self.tokens = tokens
        self.audit = audit
        self.register_grant(AuthorizationCodeGrant)

    def answer_token_request(
        self, pairs: Iterable[tuple[str, str]], *, authorization: str, network: str, actor: Actor
    ) -> Answer:
        """Answer a token request.

        Args:
            pairs: the form's parameters in order; nothing of the query.
            authorization: the Authorization header, or "".
            network: whose wrong credentials are counted.
            actor: for the audit log.

        Spec: RFC 6749 §3.2, §5.1, §5.2.
        """
        params = Params.of(pairs)
        request = TokenRequest(
            self._token_endpoint,
            params,
            authorization=authorization,
            network=network,
            actor=actor,
        )
        try:
            if len(params.pairs) > PARAMETER_LIMIT or params.repeated():
                raise InvalidRequestError("A parameter came more than once, or too many came.")
            if "grant_type" not in params:
                raise InvalidRequestError("grant_type is required.")
            grant = self._grant_of(request)
            grant.validate_token_request()
            status, body, headers = grant.create_token_response()
        except OAuth2Error as error:
            status, body, headers = error()
        kept = [header for header in headers if header[0] not in ("Cache-Control", "Pragma")]
        return Answer(status, dict(body), (*kept, *NO_STORE))

    def client_of(self, request: TokenRequest) -> Client:
        """Tell and prove the client of a request, by the one authenticator.

        Raises:
            OAuth2Error: as the client is told it.
        """
        try:
            return self._authenticator.authenticate(
                request.params, request.authorization, request.network
            )
        except TooManyClientFailures as held:
            raise TemporarilyUnavailable(int(held.retry_after.total_seconds())) from None
        except WrongClientCredentials as refusal:
            self.audit.record(
                Event.CLIENT_REFUSED, client_id=refusal.client_id or None, actor=request.actor
            )
            raise

    def subject_of(self, authorization: Authorization) -> Subject:
        """Read the person a token will speak of, as the directory knows them now.

        Raises:
            InvalidGrantError: the dossier was closed, or the password changed, since the sign-in.
        """
        subject = self._subjects.get(authorization.account_id)
        if subject is None or not subject.stands_behind(authorization.credential_version):
            raise InvalidGrantError("The sign-in behind this code has ended.")
        return subject

    def mint(self, redeemed: Redeemed) -> dict[str, str | int]:
        """Write the token answer of a redeemed code. ``scope`` is always told (RFC 6749 §5.1)."""
        access_token = self.tokens.access_token(
            redeemed.authorization, redeemed.subject, redeemed.client, redeemed.grant_id
        )
        return {
            "access_token": access_token.jwt,
            "token_type": "Bearer",
            "expires_in": access_token.expires_in,
            "scope": " ".join(redeemed.authorization.scope),
            "id_token": self.tokens.id_token(
                redeemed.authorization, redeemed.subject, redeemed.client
            ),
        }

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Let Authlib's signals pass: the audit log is told where things happen."""

    def _grant_of(self, request: TokenRequest) -> AuthorizationCodeGrant:
        try:
            # The type: every grant registered here is one of ours.
            return cast("AuthorizationCodeGrant", self.get_token_grant(request))
        except UnsupportedGrantTypeError:
            self.client_of(request)  # who is nobody here learns nothing of what is served
            raise UnsupportedGrantType from None
