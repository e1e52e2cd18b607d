"""The token endpoint's grants, as Authlib grants; PKCE.

Authlib drives the steps (client, code, redirect URI, hooks, tokens); every step that it does
loosely is overridden here: the code is taken once before anything else is looked at (authlib.md,
trap 3), PKCE is S256 alone and compared in constant time (trap 6), tokens never pass through its
generators (traps 1, 4, 11, 12), a refresh token is used up by one statement (trap 3 again).
"""

import hmac
import re
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp.audit import Event
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import CodeReplayed
from idp.oidc.authorization import grant_id_of
from idp.oidc.authorization import registered_still
from idp.oidc.claims import Subject
from idp.oidc.clients import Client
from idp.oidc.params import Params
from idp.oidc.refresh import Family
from idp.oidc.refresh import RefreshTokenRefused
from idp.oidc.refresh import RefreshTokenReused
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen
from idp.oidc.resources import InvalidTarget
from idp.oidc.resources import resources_within

if TYPE_CHECKING:
    from idp.oidc.provider import Provider
    from idp.oidc.provider import TokenRequest

CODE_LIMIT = 128
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A code or a refresh token that passed every check, and the person it speaks of.

    ``scope`` and ``resources`` are those of the access token; a request may narrow what the
    authorization holds.
    """

    client: Client
    authorization: Authorization
    subject: Subject
    grant_id: str
    scope: tuple[str, ...]
    resources: tuple[str, ...] = ()


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
            raise UnauthorizedClientError(
                "This client is not registered for authorization_code."
            ) from unregistered(client, self.GRANT_TYPE)
        params = self.request.params
        code = params.get("code")
        if not code:
            raise InvalidRequestError("code is required.") from Finding("code", "a code")
        authorization = self._take(code, client)
        if params.get("redirect_uri") != authorization.redirect_uri:
            found = Finding(
                "redirect_uri", authorization.redirect_uri, seen(params, "redirect_uri")
            )
            raise InvalidGrantError(
                "redirect_uri differs from that of the authorization request."
            ) from found
        _check_verifier(params.get("code_verifier"), authorization.code_challenge)
        subject = self.server.subject_of(authorization, client)
        resources = _resources(params, authorization, client)
        self.request.redeemed = Redeemed(
            client, authorization, subject, grant_id_of(code), authorization.scope, resources
        )

    def create_token_response(  # type: ignore[override] # the stubs say str where Authlib gives a dict
        self,
    ) -> tuple[int, dict[str, str | int], list[tuple[str, str]]]:
        """Mint what the code was for, and begin a family where it was asked for."""
        redeemed = self.request.redeemed
        if redeemed is None:
            raise InvalidGrantError("The code is unknown or expired.")
        refresh_token = ""
        if redeemed.authorization.is_offline and redeemed.client.check_grant_type("refresh_token"):
            refresh_token, offline = self.server.refresh_tokens.start(
                redeemed.authorization, redeemed.grant_id
            )
            offline = replace(offline, nonce=redeemed.authorization.nonce)
            redeemed = replace(redeemed, authorization=offline)
            self.request.started = redeemed.grant_id
        return 200, self.server.mint(redeemed, refresh_token), list(self.TOKEN_RESPONSE_HEADER)

    def _take(self, code: str, client: Client) -> Authorization:
        lifetime = self.server.tokens.access_token_lifetime
        try:
            authorization = (
                self.server.codes.take(code, client_id=client.client_id, grant_lifetime=lifetime)
                if len(code) <= CODE_LIMIT
                else None
            )
        except CodeReplayed as replay:
            self.server.refresh_tokens.end_grant(grant_id_of(code))
            if replay.revoked:  # once a code: who sends it again for ever fills no log
                self.server.audit.record(
                    Event.CODE_REPLAYED, client_id=client.client_id, actor=self.request.actor
                )
            found = Finding("code", "a code that was not used yet", "one that was used before")
            raise InvalidGrantError("The code was used before; what it gave is revoked.") from found
        if authorization is None:
            found = Finding(
                "code",
                "a code of this client, within its lifetime and the member's session",
                f"one of {len(code)} characters that is unknown, expired, or of another client",
            )
            raise InvalidGrantError("The code is unknown or expired.") from found
        return authorization


class RefreshTokenGrant(grants.RefreshTokenGrant):
    """A refresh token for the next one. Spec: RFC 6749 §6, OIDC Core 1.0 §12."""

    server: "Provider"
    request: "TokenRequest"
    family: Family

    def validate_token_request(self) -> None:
        """Check client, token, person and scope; nothing is used up yet.

        Raises:
            OAuth2Error: the refusal, as the client is told it.
        """
        client = self.server.client_of(self.request)
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError(
                "This client is not registered for refresh_token."
            ) from unregistered(client, self.GRANT_TYPE)
        params = self.request.params
        if "refresh_token" not in params:
            absent = Finding("refresh_token", "a refresh token")
            raise InvalidRequestError("refresh_token is required.") from absent
        try:
            self.family = self.server.refresh_tokens.present(params.get("refresh_token"), client)
        except RefreshTokenRefused as refusal:
            raise self._refused(refusal, client) from _of_refresh(refusal)
        authorization = registered_still(self.family.authorization, client)
        try:
            subject = self.server.subject_of(authorization, client)
        except InvalidGrantError:
            self.server.refresh_tokens.end(self.family)
            raise
        if not authorization.is_offline:
            found = Finding("scope", "offline_access in the client's registration", "none any more")
            raise InvalidGrantError(
                "This client is not registered for offline_access any more."
            ) from found
        scope = params.words("scope") or authorization.scope
        if not set(scope) <= set(authorization.scope):
            found = Finding("scope", " ".join(authorization.scope), seen(params, "scope"))
            raise InvalidScopeError(
                "The scope must be within that of the refresh token."
            ) from found
        resources = _resources(params, authorization, client)
        self.request.redeemed = Redeemed(
            client, authorization, subject, self.family.grant_id, scope, resources
        )

    def create_token_response(  # type: ignore[override] # as above
        self,
    ) -> tuple[int, dict[str, str | int], list[tuple[str, str]]]:
        """Use the token up and mint what follows it."""
        redeemed = self.request.redeemed
        if redeemed is None:
            raise InvalidGrantError(_REFUSED_REFRESH)
        token = self.request.params.get("refresh_token")
        try:
            successor = self.server.refresh_tokens.rotate(token, self.family, redeemed.client)
        except RefreshTokenRefused as refusal:
            raise self._refused(refusal, redeemed.client) from _of_refresh(refusal)
        return 200, self.server.mint(redeemed, successor), list(self.TOKEN_RESPONSE_HEADER)

    def _refused(self, refusal: RefreshTokenRefused, client: Client) -> InvalidGrantError:
        if isinstance(refusal, RefreshTokenReused):
            self.server.audit.record(
                Event.REFRESH_REUSED,
                account_id=refusal.account_id,
                client_id=client.client_id,
                actor=self.request.actor,
            )
        return InvalidGrantError(_REFUSED_REFRESH)


_REFUSED_REFRESH = "The refresh token is unknown, expired, revoked, or was used before."


def unregistered(client: Client, grant_type: str) -> Finding:
    """Say that a client is not registered for what it asks."""
    registered = " or ".join(client.grant_types) or "no grant at all"
    return Finding("grant_type", f"{registered}, as registered", grant_type)


def _of_refresh(refusal: RefreshTokenRefused) -> Finding:
    return Finding("refresh_token", "the newest refresh token of a living family", str(refusal))


def _resources(params: Params, authorization: Authorization, client: Client) -> tuple[str, ...]:
    """Tell whom the access token is for: what was granted and is still allowed, or less.

    What was granted for APIs never becomes good at userinfo because they were taken away.

    Spec: RFC 8707 §2.2.
    """
    granted = tuple(name for name in authorization.resources if name in client.allowed_resources)
    if authorization.resources and not granted:
        found = Finding(
            "resource",
            " or ".join(client.allowed_resources) or "no resource, as registered",
            f"a grant for {' '.join(authorization.resources)}",
        )
        raise InvalidTarget(
            "This client may ask for none of the resources of this grant any more."
        ) from found
    return resources_within(params, granted) or granted


def _check_verifier(verifier: str, challenge: str) -> None:
    if not challenge:
        if verifier:
            # Somebody took a request's challenge away: RFC 9700 §2.1.1, the PKCE downgrade.
            raise InvalidGrantError(
                "code_verifier without a code_challenge in the request."
            ) from Finding("code_verifier", "none: the request had no code_challenge", "one")
        return
    length = f"one of {len(verifier)} characters"
    if not verifier:
        raise InvalidGrantError("code_verifier is required.") from Finding(
            "code_verifier", "the verifier of the request's code_challenge"
        )
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrantError(
            "code_verifier must be 43 to 128 unreserved characters."
        ) from Finding("code_verifier", "43 to 128 letters, digits or -._~", length)
    computed = create_s256_code_challenge(verifier)  # type: ignore[no-untyped-call] # as above
    if not hmac.compare_digest(computed, challenge):
        raise InvalidGrantError("code_verifier does not fit the code_challenge.") from Finding(
            "code_verifier",
            "one whose S256 is the request's code_challenge",
            f"{length}, of another",
        )
