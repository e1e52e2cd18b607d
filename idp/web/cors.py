"""Which scripts of other origins may read an answer: those of public clients, at three endpoints.

A preflight names no client: it is answered for an origin that any public client registered. An
answer to a client that is known is for the origins of this client alone; a refusal that knows none
is for all of them, for it tells nothing of anybody. No answer is ever read with cookies: none of
these endpoints looks at them, and ``Access-Control-Allow-Credentials`` is never sent.

``published`` opens discovery and JWKS to everybody. Nothing else here is for scripts of others.

Spec: WHATWG Fetch §3.3 (the CORS protocol).
"""

from flask import Flask
from flask import Response
from flask import g
from flask import request

from idp.oidc.clients import Client
from idp.web import Services

METHODS = {"/token": "POST", "/revoke": "POST", "/userinfo": "GET, POST"}
"""By path, what a script of another origin may send."""

_EXPOSED = "WWW-Authenticate, Retry-After, X-Request-Id"
_TWO_HOURS = "7200"  # Chromium keeps a preflight no longer


def register(app: Flask, services: Services) -> None:
    """Answer preflights, and say of each answer who may read it."""

    @app.before_request
    def preflight() -> Response | None:
        methods = METHODS.get(request.path, "")
        asked = request.headers.get("Access-Control-Request-Method")
        if not methods or request.method != "OPTIONS" or asked is None:
            return None
        response = Response(status=204)
        del response.headers["Content-Type"]
        if _is_reader(services):
            response.headers.extend(preflight_headers(methods))
        return response

    @app.after_request
    def share(response: Response) -> Response:
        if request.path in METHODS:
            response.vary.add("Origin")
            if _is_reader(services):
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        return response


def readable_by(client: Client | None) -> None:
    """Keep this answer for the scripts of the client that it is for."""
    g.readers = frozenset(client.readers if client else ())


def preflight_headers(methods: str) -> list[tuple[str, str]]:
    """Say what a script may send, beside what needs no leave."""
    return [
        ("Access-Control-Allow-Methods", methods),
        ("Access-Control-Allow-Headers", "authorization, content-type"),
        ("Access-Control-Max-Age", _TWO_HOURS),
    ]


def _is_reader(services: Services) -> bool:
    origin = request.headers.get("Origin")
    if not origin:
        return False
    readers: frozenset[str] = g.readers if "readers" in g else services.clients.readers()
    return origin in readers
