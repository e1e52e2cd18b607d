"""The one writer of authorization responses, for success and error alike.

Authlib leaves ``iss`` out of most errors (authlib.md, trap 8); here nothing is answered without it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from urllib.parse import urlencode

from idp.oidc.clients import Client
from idp.oidc.return_address import FRAGMENT
from idp.oidc.return_address import RefusedByRedirect
from idp.oidc.return_address import ReturnAddress


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """An answer, and where it goes; ``parameters`` in order, none of them empty."""

    back: ReturnAddress
    parameters: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def location(self) -> str:
        """Where the browser brings it by GET: the redirect URI with the parameters."""
        if self.back.response_mode == FRAGMENT:
            return f"{self.back.redirect_uri}#{urlencode(self.parameters)}"
        return with_parameters(self.back.redirect_uri, self.parameters)


def success(back: ReturnAddress, *, code: str, issuer: str) -> AuthorizationResponse:
    """Answer with a code. Spec: RFC 6749 §4.1.2, RFC 9207 §2."""
    return _response(back, [("code", code), ("state", back.state), ("iss", issuer)])


def refusal(
    refused: RefusedByRedirect, *, issuer: str, incident: str = ""
) -> AuthorizationResponse:
    """Answer with an error, and the id by which operators find why.

    Spec: RFC 6749 §4.1.2.1, RFC 9207 §2.
    """
    parameters = [
        ("error", refused.error),
        ("error_description", with_incident(refused.description, incident)),
        ("state", refused.back.state),
        ("iss", issuer),
    ]
    return _response(refused.back, parameters)


def with_incident(description: str, incident: str) -> str:
    """Put the id of a refusal behind its text, within the characters of RFC 6749 §5.2."""
    return f"{description} (incident {incident})" if description and incident else description


def home_location(client: Client, *, issuer: str) -> str:
    """Write where a client begins anew: its own sign-in where it names one, else its page, or "".

    Spec: OIDC Core 1.0 §4 (``iss`` tells the service whom to ask).
    """
    if client.initiate_login_uri:
        return with_parameters(client.initiate_login_uri, [("iss", issuer)])
    return client.client_uri


def with_parameters(registered: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Add parameters to a registered address, which is kept byte for byte; empty ones are left out.

    Taken apart and put together again, ``com.example.app:///x`` would come out with one slash.
    """
    added = urlencode([(name, value) for name, value in parameters if value])
    if not added:
        return registered
    if "?" not in registered:
        return f"{registered}?{added}"
    joint = "" if registered.endswith(("?", "&")) else "&"
    return f"{registered}{joint}{added}"


def _response(back: ReturnAddress, parameters: list[tuple[str, str]]) -> AuthorizationResponse:
    return AuthorizationResponse(back, tuple((name, value) for name, value in parameters if value))
