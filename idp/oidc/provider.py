"""The endpoints that a service calls with its credentials: token, revocation, introspection.

Authlib's server core over our clients, codes, tokens and one authenticator. A further grant is a
class in ``GRANTS``; a further way to authenticate a client is a case in
``authenticate``. Nothing here knows Flask.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
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
from idp.oidc.client_credentials import ClientCredentialsGrant
from idp.oidc.clients import Client
from idp.oidc.consent import ConsentRule
from idp.oidc.grants import AuthorizationCodeGrant
from idp.oidc.grants import Redeemed
from idp.oidc.grants import RefreshTokenGrant
from idp.oidc.introspection import Introspection
from idp.oidc.params import PARAMETER_LIMIT
from idp.oidc.params import Params
from idp.oidc.refresh import RefreshTokens
from idp.oidc.refusals import Finding
from idp.oidc.refusals import finding_of
from idp.oidc.refusals import seen
from idp.oidc.refusals import shown
from idp.oidc.resources import REPEATABLE
from idp.oidc.revocation import Revocation
from idp.oidc.service_grants import ServiceGrants
from idp.oidc.tokens import Tokens

Grant = AuthorizationCodeGrant | RefreshTokenGrant | ClientCredentialsGrant
GRANTS: tuple[type[Grant], ...] = (
    AuthorizationCodeGrant,
    RefreshTokenGrant,
    ClientCredentialsGrant,
)
"""What the token endpoint serves, and the metadata announces."""

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
    """What an endpoint answers a machine: JSON, whatever it accepts.

    ``to_confirm`` names the grant whose refresh family it began, or "": the answer may go out when
    ``Provider.confirmed`` has looked at it, in a transaction after the one that it was made in.
    ``client`` is whom it is for, once that is proved; ``named`` the registered client that a
    refused one only claims to be, or ""; ``finding`` what refused it.
    """

    status: int
    body: dict[str, object] = field(repr=False)
    headers: tuple[tuple[str, str], ...]
    client: Client | None = None
    to_confirm: str = ""
    named: str = ""
    finding: Finding | None = None


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
        self.proved: Client | None = None
        self.redeemed: Redeemed | None = None
        self.started = ""


class Provider(AuthorizationServer):
    """Answers what services ask with their credentials."""

    def __init__(
        self,
        *,
        token_endpoint: str,
        authenticator: ClientAuthenticator,
        codes: Codes,
        service_grants: ServiceGrants,
        subjects: Subjects,
        consent_rule: ConsentRule,
        tokens: Tokens,
        refresh_tokens: RefreshTokens,
        revocation: Revocation,
        introspection: Introspection,
        audit: AuditLog,
    ) -> None:
        super().__init__()
        self._token_endpoint = token_endpoint
        self._authenticator = authenticator
        self._subjects = subjects
        self._consent_rule = consent_rule
        self.codes = codes
        self.service_grants = service_grants
        self._revocation = revocation
        self._introspection = introspection
        self.tokens = tokens
        self.refresh_tokens = refresh_tokens
        self.audit = audit
        for grant in GRANTS:
            self.register_grant(grant)

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
        request = self._request(pairs, authorization=authorization, network=network, actor=actor)
        try:
            _check_parameters(request.params, "grant_type")
            grant = self._grant_of(request)
            grant.validate_token_request()
            status, body, headers = grant.create_token_response()
        except OAuth2Error as error:
            return _refused(request.proved, error)
        answer = _answer(request.proved, status, body, headers)
        return replace(answer, to_confirm=request.started)

    def confirmed(self, answer: Answer) -> Answer:
        """Let out an answer whose refresh family is committed, unless its code came again.

        Spec: RFC 6749 §4.1.2 (what a code used twice gave is revoked, refresh tokens too).
        """
        if self.refresh_tokens.still_granted(answer.to_confirm):
            return answer
        refusal = InvalidGrantError("The code was used before; what it gave is revoked.")
        refusal.__cause__ = Finding("code", "a code that comes once", "one that came again at once")
        return _refused(answer.client, refusal)

    def answer_revocation(
        self, pairs: Iterable[tuple[str, str]], *, authorization: str, network: str, actor: Actor
    ) -> Answer:
        """Answer a revocation request: 200 whatever became of the token.

        The arguments are those of ``answer_token_request``.

        Spec: RFC 7009 §2.1, §2.2.
        """
        request = self._request(pairs, authorization=authorization, network=network, actor=actor)
        try:
            client = self._client_of_token(request)
        except OAuth2Error as error:
            return _refused(request.proved, error)
        ended = self._revocation.revoke(request.params.get("token"), client)
        if ended is not None:
            self.audit.record(
                Event.REFRESH_REVOKED,
                account_id=ended.authorization.account_id,
                client_id=client.client_id,
                actor=actor,
            )
        return _answer(client, 200, {}, [])

    def answer_introspection(
        self, pairs: Iterable[tuple[str, str]], *, authorization: str, network: str, actor: Actor
    ) -> Answer:
        """Answer an introspection request of a service that proved itself.

        The arguments are those of ``answer_token_request``.

        Spec: RFC 7662 §2.1, §2.2, §2.3, §4 (a public client proves nothing).
        """
        request = self._request(pairs, authorization=authorization, network=network, actor=actor)
        try:
            client = self._client_of_token(request)
            if client.is_public:
                public = "method: none, which proves nothing"
                raise WrongClientCredentials(client.client_id, reason=public)
        except OAuth2Error as error:
            return _refused(request.proved, error)
        told = self._introspection.look(request.params.get("token"), client)
        return _answer(client, 200, told, [])

    def client_of(self, request: TokenRequest) -> Client:
        """Tell and prove the client of a request, by the one authenticator.

        Raises:
            OAuth2Error: as the client is told it.
        """
        try:
            request.proved = self._authenticator.authenticate(
                request.params, request.authorization, request.network
            )
        except TooManyClientFailures as held:
            seconds = int(held.retry_after.total_seconds())
            raise TemporarilyUnavailable(seconds) from Finding(
                "client failures", "fewer wrong credentials from this network", f"wait {seconds} s"
            )
        except WrongClientCredentials as refusal:
            self.audit.record(
                Event.CLIENT_REFUSED,
                client_id=refusal.client_id or None,
                actor=request.actor,
                detail={"cause": refusal.reason},
            )
            raise
        return request.proved

    def subject_of(self, authorization: Authorization, client: Client) -> Subject:
        """Read the person a token will speak of, as the directory knows them now.

        Raises:
            InvalidGrantError: the dossier was closed, the password changed or the consent taken
                back, since the sign-in.
        """
        subject = self._subjects.get(authorization.account_id)
        if subject is None or not subject.stands_behind(authorization.credential_version):
            raise InvalidGrantError("The sign-in behind this grant has ended.") from Finding(
                "member", "an active dossier and the password of the sign-in", "a change of one"
            )
        if not self._consent_rule.stands_behind(authorization, client):
            raise InvalidGrantError(
                "The member took back the consent behind this grant."
            ) from Finding("consent", "the member's consent", "one taken back")
        return subject

    def mint(self, redeemed: Redeemed, refresh_token: str = "") -> dict[str, str | int]:
        """Write a token answer. ``scope`` is always told (RFC 6749 §5.1).

        A scope narrowed to one without ``openid`` brings no ID token.
        """
        authorization = replace(
            redeemed.authorization, scope=redeemed.scope, resources=redeemed.resources
        )
        access_token = self.tokens.access_token(
            authorization, redeemed.subject, redeemed.client, redeemed.grant_id
        )
        answer: dict[str, str | int] = {
            "access_token": access_token.jwt,
            "token_type": "Bearer",
            "expires_in": access_token.expires_in,
            "scope": " ".join(authorization.scope),
        }
        if "openid" in authorization.scope:
            answer["id_token"] = self.tokens.id_token(
                authorization, redeemed.subject, redeemed.client
            )
        if refresh_token:
            answer["refresh_token"] = refresh_token
        return answer

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Let Authlib's signals pass: the audit log is told where things happen."""

    def _request(
        self, pairs: Iterable[tuple[str, str]], *, authorization: str, network: str, actor: Actor
    ) -> TokenRequest:
        return TokenRequest(
            self._token_endpoint,
            Params.of(pairs),
            authorization=authorization,
            network=network,
            actor=actor,
        )

    def _client_of_token(self, request: TokenRequest) -> Client:
        _check_parameters(request.params)
        client = self.client_of(request)
        if "token" not in request.params:
            raise InvalidRequestError("token is required.") from Finding("token", "a token")
        return client

    def _grant_of(self, request: TokenRequest) -> Grant:
        try:
            # The type: every grant registered here is one of ours.
            return cast("Grant", self.get_token_grant(request))
        except UnsupportedGrantTypeError:
            self.client_of(request)  # who is nobody here learns nothing of what is served
            served = " or ".join(grant.GRANT_TYPE for grant in GRANTS)
            raise UnsupportedGrantType from Finding(
                "grant_type", served, seen(request.params, "grant_type")
            )


def _check_parameters(params: Params, *required: str) -> None:
    if len(params.pairs) > PARAMETER_LIMIT or set(params.repeated()) - REPEATABLE:
        repeated = ", ".join(shown(name) for name in params.repeated())
        raise InvalidRequestError(
            "A parameter came more than once, or too many came."
        ) from Finding(
            "parameters",
            f"each once, {PARAMETER_LIMIT} at most",
            f"{len(params.pairs)}, repeated: {repeated or 'none'}",
        )
    for name in required:
        if name not in params:
            raise InvalidRequestError(f"{name} is required.") from Finding(name, name)


def _refused(client: Client | None, error: OAuth2Error) -> Answer:
    wrong = error if isinstance(error, WrongClientCredentials) else None
    return replace(
        _answer(client, *error()),
        named=wrong.client_id if wrong else "",
        finding=wrong.finding if wrong else finding_of(error),
    )


def _answer(
    client: Client | None,
    status: int,
    body: Mapping[str, object],
    headers: Iterable[tuple[str, str]],
) -> Answer:
    kept = [header for header in headers if header[0] not in ("Cache-Control", "Pragma")]
    return Answer(status, dict(body), (*kept, *NO_STORE), client)
