"""The one client authenticator, in front of every endpoint that a client calls.

A secret in the header or in the form, an assertion signed with the client's key, or the name alone
of a public client: the registered method only, one per request. Authlib's own
(``ClientAuthentication``) is not used: it accepts another client's credentials beside Basic, tells
an unknown client from a wrong secret, and fails on input that is not ASCII (authlib.md, traps 5, 9
and 10).
"""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.limits import ClientFailures
from idp.oidc.assertions import ASSERTION_TYPE
from idp.oidc.assertions import Assertion
from idp.oidc.assertions import Assertions
from idp.oidc.assertions import WrongAssertion
from idp.oidc.assertions import read_assertion
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.params import Params
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen
from idp.oidc.refusals import shown

CREDENTIALS_LIMIT = 2048
_EXPECTED = "a registered client, by its registered method and with its living credentials"
_CREDENTIALS = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows of its client: the method it used and its credentials."""

    method: str
    client_id: str
    secret: str = ""
    assertion: Assertion | None = None

    def __repr__(self) -> str:
        return f"Presented({self.method}, {self.client_id!r})"


class WrongClientCredentials(InvalidClientError):
    """One answer for an unknown client, wrong credentials, another method than the registered.

    Attributes:
        client_id: for the audit log: a registered client, or "" for nobody.
        reason: for operators: which check refused, never a credential.
    """

    def __init__(self, client_id: str = "", *, reason: str = "") -> None:
        super().__init__(
            description="Client authentication failed: unknown client, wrong credentials, "
            "or another method than the registered one.",
            status_code=401,
        )
        self.client_id = client_id
        self.reason = reason

    @property
    def finding(self) -> Finding:
        """What refused it."""
        return Finding("client authentication", _EXPECTED, self.reason)

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the scheme, with its realm (RFC 7617 §2 asks for one; Authlib sends none)."""
        inherited = super().get_headers()  # type: ignore[no-untyped-call] # a gap of the stubs
        kept = [header for header in inherited if header[0] != "WWW-Authenticate"]
        return [*kept, ("WWW-Authenticate", 'Basic realm="token", charset="UTF-8"')]


class ClientAuthenticator:
    """Finds out which client calls, and makes sure of it."""

    def __init__(self, clients: Clients, failures: ClientFailures, assertions: Assertions) -> None:
        self._clients = clients
        self._failures = failures
        self._assertions = assertions

    def authenticate(self, params: Params, authorization: str, network: str) -> Client:
        """Tell the client of a request.

        Args:
            params: the form's parameters; nothing of the query is read.
            authorization: the Authorization header, or "".
            network: whose failures are counted.

        Raises:
            InvalidRequestError: more than one method, or two names for the client.
            WrongClientCredentials: anything else that does not fit.
            TooManyClientFailures: the network must wait.
            StoreUnavailable: nobody can tell.

        Spec: RFC 6749 §2.3, §2.3.1, RFC 7521 §4.2.
        """
        presented = _presented(params, authorization)
        if presented.method != "none":
            self._failures.check(network)
        client = self._clients.find(presented.client_id)
        reason = "client_id: not registered" if client is None else self._fault(client, presented)
        if client is None or reason:
            self._failures.check(network)
            self._failures.count(network)
            raise WrongClientCredentials(client.client_id if client else "", reason=reason)
        return client

    def _fault(self, client: Client, presented: Presented) -> str:
        """Tell which check refuses a client, or ""."""
        registered = client.token_endpoint_auth_method
        if presented.method != registered:
            return f"method: {presented.method}, where {registered} is registered"
        if presented.assertion is not None:
            try:
                self._assertions.check(presented.assertion, client)
            except WrongAssertion as refusal:
                return str(refusal)
        elif not (client.is_public or client.has_secret(presented.secret)):
            return "client_secret: none of those that live"
        return ""


def _presented(params: Params, authorization: str) -> Presented:
    if any(params.count(name) > 1 for name in _CREDENTIALS):
        raise InvalidRequestError("Client credentials came more than once.") from Finding(
            "client authentication", "each credential once", seen(params, *_CREDENTIALS)
        )
    in_body = params.get("client_id")
    if "client_assertion" in params or "client_assertion_type" in params:
        if authorization or "client_secret" in params:
            raise _several(params, authorization)
        return _signed(params, in_body)
    if authorization:
        if "client_secret" in params:
            raise _several(params, authorization)
        presented = _basic(authorization)
        if in_body and in_body != presented.client_id:
            raise InvalidRequestError(
                "client_id differs from the authenticated client."
            ) from Finding(
                "client authentication",
                f"client_id={shown(presented.client_id)}, as in the header",
                seen(params, "client_id"),
            )
        return presented
    if "client_secret" in params:
        return Presented("client_secret_post", in_body, params.get("client_secret"))
    if not in_body:
        raise WrongClientCredentials(reason="client_id: missing")
    return Presented("none", in_body)


def _several(params: Params, authorization: str) -> InvalidRequestError:
    header = "an Authorization header" if authorization else "no Authorization header"
    came = f"{header}; {seen(params, 'client_secret', 'client_assertion')}"
    refusal = InvalidRequestError("More than one client authentication method.")
    refusal.__cause__ = Finding("client authentication", "one method", came)
    return refusal


def _signed(params: Params, in_body: str) -> Presented:
    """Read an assertion; a ``client_id`` beside it must be the same (RFC 7521 §4.2)."""
    if params.get("client_assertion_type") != ASSERTION_TYPE:
        raise WrongClientCredentials(reason=f"client_assertion_type: expected {ASSERTION_TYPE}")
    try:
        assertion = read_assertion(params.get("client_assertion"))
    except WrongAssertion as refusal:
        raise WrongClientCredentials(reason=str(refusal)) from None
    if in_body and in_body != assertion.claimed:
        raise WrongClientCredentials(reason="client_id: differs from the assertion's sub")
    return Presented("private_key_jwt", assertion.claimed, assertion=assertion)


def _basic(authorization: str) -> Presented:
    """Read a Basic header; id and secret are form-encoded before base64 (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > CREDENTIALS_LIMIT:
        raise WrongClientCredentials(reason="Authorization: expected Basic")
    unreadable = "Authorization: not client_id:client_secret in base64"
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise WrongClientCredentials(reason=unreadable) from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise WrongClientCredentials(reason=unreadable)
    return Presented("client_secret_basic", unquote_plus(client_id), unquote_plus(secret))
