"""The one writer of authorization responses, for success and error alike.

Authlib leaves ``iss`` out of most errors (authlib.md, trap 8); here nothing is answered without it.
"""

from urllib.parse import urlencode
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from idp.oidc.authorize import RefusedByRedirect


def success_location(redirect_uri: str, *, code: str, state: str, issuer: str) -> str:
    """Write where the browser brings a code. Spec: RFC 6749 §4.1.2, RFC 9207 §2."""
    return _location(redirect_uri, [("code", code), ("state", state), ("iss", issuer)])


def refusal_location(refusal: RefusedByRedirect, *, issuer: str) -> str:
    """Write where the browser brings an error. Spec: RFC 6749 §4.1.2.1, RFC 9207 §2."""
    parameters = [
        ("error", refusal.error),
        ("error_description", refusal.description),
        ("state", refusal.state),
        ("iss", issuer),
    ]
    return _location(refusal.redirect_uri, parameters)


def _location(redirect_uri: str, parameters: list[tuple[str, str]]) -> str:
    parts = urlsplit(redirect_uri)
    added = urlencode([(name, value) for name, value in parameters if value])
    # A query that was registered is kept as it is, byte for byte.
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
