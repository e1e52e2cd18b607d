"""The one client authenticator, in front of every endpoint that a client calls.

The registered method only, one per request. Authlib's own (``ClientAuthentication``) is not used:
it accepts another client's credentials beside Basic, tells an unknown client from a wrong secret,
and fails on input that is not ASCII (authlib.md, traps 5, 9 and 10).
"""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.limits import ClientFailures
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.params import Params

CREDENTIALS_LIMIT = 2048


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows of its client: the method it used and its credentials."""

    method: str
    client_id: str
    secret: str

    def __repr__(self) -> str:
        return f"Presented({self.method}, {self.client_id!r})"


class WrongClientCredentials(InvalidClientError):
    """One answer for an unknown client, a wrong secret, another method than the registered."""

    def __init__(self, client_id: str = "") -> None:
        """Refuse; ``client_id`` is for the audit log and names a registered client or nobody."""
        super().__init__(
            description="Client authentication failed: unknown client, wrong credentials, "
            "or another method than the registered one.",
            status_code=401,
        )
        self.client_id = client_id

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the scheme, with its realm (RFC 7617 §2 asks for one; Authlib sends none)."""
        inherited = super().get_headers()  # type: ignore[no-untyped-call] # a gap of the stubs
        kept = [header for header in inherited if header[0] != "WWW-Authenticate"]
        return [*kept, ("WWW-Authenticate", 'Basic realm="token", charset="UTF-8"')]


class ClientAuthenticator:
    """Finds out which client calls, and makes sure of it."""

    def __init__(self, clients: Clients, failures: ClientFailures) -> None:
        self._clients = clients
        self._failures = failures

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

        Spec: RFC 6749 §2.3, §2.3.1.
        """
        presented = _presented(params, authorization)
        if presented.method != "none":
            self._failures.check(network)
        client = self._clients.find(presented.client_id)
        if client is None or not _fits(client, presented):
            self._failures.check(network)
            self._failures.count(network)
            raise WrongClientCredentials(client.client_id if client else "")
        return client


def _fits(client: Client, presented: Presented) -> bool:
    if client.token_endpoint_auth_method != presented.method:
        return False
    return presented.method == "none" or client.has_secret(presented.secret)


def _presented(params: Params, authorization: str) -> Presented:
    in_body = params.get("client_id")
    if "client_assertion" in params or "client_assertion_type" in params:
        if authorization or "client_secret" in params:
            raise InvalidRequestError("More than one client authentication method.")
        return Presented("private_key_jwt", in_body, "")
    if authorization:
        if "client_secret" in params:
            raise InvalidRequestError("More than one client authentication method.")
        presented = _basic(authorization)
        if in_body and in_body != presented.client_id:
            raise InvalidRequestError("client_id differs from the authenticated client.")
        return presented
    if "client_secret" in params:
        return Presented("client_secret_post", in_body, params.get("client_secret"))
    if not in_body:
        raise WrongClientCredentials
    return Presented("none", in_body, "")


def _basic(authorization: str) -> Presented:
    """Read a Basic header; id and secret are form-encoded before base64 (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > CREDENTIALS_LIMIT:
        raise WrongClientCredentials
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise WrongClientCredentials from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise WrongClientCredentials
    return Presented("client_secret_basic", unquote_plus(client_id), unquote_plus(secret))
