"""Discovery and JWKS, answered in front of Flask's dispatch: ready bytes need no request context.

``bench/`` shows that it pays. Any other path goes on to Flask.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse
from wsgiref.types import WSGIApplication
from wsgiref.types import WSGIEnvironment

from idp.oidc.discovery import Document
from idp.web import Services

METADATA_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/jwks"


class Published:
    """A WSGI application in front of another."""

    def __init__(self, behind: WSGIApplication, services: Services) -> None:
        self._behind = behind
        self._services = services

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer GET and HEAD of the two documents; 304 to whoever holds the current one."""
        path = environ["PATH_INFO"]
        if path not in (METADATA_PATH, JWKS_PATH) or environ["REQUEST_METHOD"] not in (
            "GET",
            "HEAD",
        ):
            return self._behind(environ, start_response)
        services = self._services
        document = services.metadata if path == METADATA_PATH else services.keys.document()
        return _answer(document, environ, start_response)


def _answer(
    document: Document, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    headers = [
        ("Cache-Control", document.cache_control),
        ("ETag", document.etag),
        ("X-Content-Type-Options", "nosniff"),
        ("Access-Control-Allow-Origin", "*"),
    ]
    if document.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
        start_response("304 Not Modified", headers)
        return ()
    headers += [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(document.body))),
    ]
    start_response("200 OK", headers)
    return () if environ["REQUEST_METHOD"] == "HEAD" else (document.body,)
