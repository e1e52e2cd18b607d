"""The one writer of authorization responses, for success and error alike.

Authlib leaves ``iss`` out of most errors (authlib.md, trap 8); here nothing is answered without it.
"""

from urllib.parse import urlencode

from idp.oidc.authorize import RefusedByRedirect
from idp.oidc.clients import Client


def success_location(redirect_uri: str, *, code: str, state: str, issuer: str) -> str:
    """Write where the browser brings a code. Spec: RFC 6749 §4.1.2, RFC 9207 §2."""
    return with_parameters(redirect_uri, [("code", code), ("state", state), ("iss", issuer)])


def refusal_location(refusal: RefusedByRedirect, *, issuer: str) -> str:
    """Write where the browser brings an error. Spec: RFC 6749 §4.1.2.1, RFC 9207 §2."""
    parameters = [
        ("error", refusal.error),
        ("error_description", refusal.description),
        ("state", refusal.state),
        ("iss", issuer),
    ]
    return with_parameters(refusal.redirect_uri, parameters)


def home_location(client: Client, *, issuer: str) -> str:
    """Write where a client begins anew: its own sign-in where it names one, else its page, or "".

    Spec: OIDC Core 1.0 §4 (``iss`` tells the service whom to ask).
    """
    if client.initiate_login_uri:
        return with_parameters(client.initiate_login_uri, [("iss", issuer)])
    return client.client_uri


def with_parameters(registered: str, parameters: list[tuple[str, str]]) -> str:
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
