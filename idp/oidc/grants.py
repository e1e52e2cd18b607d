"""The token endpoint's grants, as Authlib grants; PKCE.

Authlib drives the steps (client, code, redirect URI, hooks, tokens); every step that it does
loosely is overridden here: the code is taken once before anything else is looked at (authlib.md,
trap 3), PKCE is S256 alone and compared in constant time (trap 6), tokens never pass through its
generators (traps 1, 4, 11, 12).
"""

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp.audit import Event
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import CodeReplayed
from idp.oidc.authorization import grant_id_of
from idp.oidc.claims import Subject
from idp.oidc.clients import Client

if TYPE_CHECKING:
    from idp.oidc.provider import Provider
    from idp.oidc.provider import TokenRequest

CODE_LIMIT = 128
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A code that passed every check, and the person it speaks of."""

    client: Client
    authorization: Authorization
    subject: Subject
    grant_id: str


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    """A code for tokens. Spec: RFC 6749 §4.1.3, RFC 7636 §4.6, OIDC Core 1.0 §3.1.3.2."""

    server: "Provider"
    request: "TokenRequest"

    def validate_token_request(self) -> None:
        """Check in the order that gives nothing away: client, code, what the code is bound to.

        Raises:
            OAuth2Error: the refusal, as the client is told it.
        """
        client = self.server.client_of(self.request)
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("This client is not registered for authorization_code.")
        params = self.request.params
        code = params.get("code")
        if not code:
            raise InvalidRequestError("code is required.")
        authorization = self._take(code, client)
        if params.get("redirect_uri") != authorization.redirect_uri:
            raise InvalidGrantError("redirect_uri differs from that of the authorization request.")
        _check_verifier(params.get("code_verifier"), authorization.code_challenge)
        subject = self.server.subject_of(authorization)
        self.request.redeemed = Redeemed(client, authorization, subject, grant_id_of(code))

    def create_token_response(  # type: ignore[override] # the stubs say str where Authlib gives a dict
        self,
    ) -> tuple[int, dict[str, str | int], list[tuple[str, str]]]:
        """Mint what the code was for."""
        redeemed = self.request.redeemed
        if redeemed is None:
            raise InvalidGrantError("The code is unknown or expired.")
        return 200, self.server.mint(redeemed), list(self.TOKEN_RESPONSE_HEADER)

    def _take(self, code: str, client: Client) -> Authorization:
        lifetime = self.server.tokens.access_token_lifetime
        try:
            authorization = (
                self.server.codes.take(code, client_id=client.client_id, grant_lifetime=lifetime)
                if len(code) <= CODE_LIMIT
                else None
            )
        except CodeReplayed as replay:
            if replay.revoked:  # once a code: who sends it again for ever fills no log
                self.server.audit.record(
                    Event.CODE_REPLAYED, client_id=client.client_id, actor=self.request.actor
                )
            raise InvalidGrantError("The code was used before; what it gave is revoked.") from None
        if authorization is None:
            raise InvalidGrantError("The code is unknown or expired.")
        return authorization


def _check_verifier(verifier: str, challenge: str) -> None:
    if not challenge:
        if verifier:
            # Somebody took a request's challenge away: RFC 9700 §2.1.1, the PKCE downgrade.
            raise InvalidGrantError("code_verifier without a code_challenge in the request.")
        return
    if not verifier:
        raise InvalidGrantError("code_verifier is required.")
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrantError("code_verifier must be 43 to 128 unreserved characters.")
    computed = create_s256_code_challenge(verifier)  # type: ignore[no-untyped-call] # as above
    if not hmac.compare_digest(computed, challenge):
        raise InvalidGrantError("code_verifier does not fit the code_challenge.")
