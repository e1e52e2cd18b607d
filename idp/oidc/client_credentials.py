"""A service asks for itself: an access token that speaks of no member.

Each token has a record of its own, like the grant of a member's: without it the token is dead, so
that revocation, a store that forgot and a service that is removed all end it at once.
"""

import secrets
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError

from idp.oidc.clients import Client
from idp.oidc.grants import unregistered
from idp.oidc.params import Params
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen
from idp.oidc.resources import InvalidTarget
from idp.oidc.resources import resources_within

if TYPE_CHECKING:
    from idp.oidc.provider import Provider
    from idp.oidc.provider import TokenRequest


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    """Credentials for a token: no refresh token, no ID token. Spec: RFC 6749 §4.4."""

    server: "Provider"
    request: "TokenRequest"

    def validate_token_request(self) -> None:
        """Check that the client is proved and registered for it, and may ask for all it asks.

        Raises:
            OAuth2Error: the refusal, as the client is told it.
        """
        client = self.server.client_of(self.request)
        if client.is_public or not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError(
                "This client is not registered for client_credentials."
            ) from unregistered(client, self.GRANT_TYPE)
        self.for_client = client
        self.scope = _scope(self.request.params, client)
        self.resources = _resources(self.request.params, client)

    def create_token_response(  # type: ignore[override] # the stubs say str where Authlib gives a dict
        self,
    ) -> tuple[int, dict[str, str | int], list[tuple[str, str]]]:
        """Keep the record first, then mint what hangs on it."""
        client, tokens = self.for_client, self.server.tokens
        grant_id = secrets.token_urlsafe(18)
        self.server.service_grants.put(
            grant_id, client.client_id, lifetime=tokens.access_token_lifetime
        )
        access_token = tokens.service_token(client, self.scope, self.resources, grant_id)
        answer: dict[str, str | int] = {
            "access_token": access_token.jwt,
            "token_type": "Bearer",
            "expires_in": access_token.expires_in,
        }
        if self.scope:
            answer["scope"] = " ".join(self.scope)
        return 200, answer, list(self.TOKEN_RESPONSE_HEADER)


def _scope(params: Params, client: Client) -> tuple[str, ...]:
    """Take what is asked, or all that is registered: scopes of APIs, never those about members."""
    asked = params.words("scope")
    if not set(asked) <= set(client.api_scopes):
        allowed = " ".join(client.api_scopes) or "no scope at all"
        raise InvalidScopeError("A scope that this client may not have for itself.") from Finding(
            "scope", f"{allowed}, as registered for itself", seen(params, "scope")
        )
    return asked or client.api_scopes


def _resources(params: Params, client: Client) -> tuple[str, ...]:
    """Take what is asked; where the request is silent, the one API there is.

    Most libraries send no ``resource``, and most services call one API.
    """
    asked = resources_within(params, client.allowed_resources)
    if not asked and len(client.allowed_resources) > 1:
        raise InvalidTarget("This client may ask for several resources: name one.") from Finding(
            "resource", " or ".join(client.allowed_resources)
        )
    return asked or client.allowed_resources
