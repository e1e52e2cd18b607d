"""Discovery and JWKS, answered in front of Flask's dispatch: ready bytes need no request context.

``bench/`` shows that it pays. Any other path goes on to Flask.
"""

import json
import logging
import secrets
import time
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse
from wsgiref.types import WSGIApplication
from wsgiref.types import WSGIEnvironment

from idp.web import Services
from idp.web.browser import client_address
from idp.web.cors import preflight_headers
from idp.web.headers import plain_headers

METADATA_PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
"""RFC 8414 §3.1 puts the second in front of an issuer's path; the issuer has none here."""

JWKS_PATH = "/jwks"

_METHODS = "GET, HEAD"
_REFUSAL = b'{"error":"invalid_request","error_description":"Method Not Allowed"}'
_REFUSAL_HEADERS = [
    ("Allow", _METHODS),
    ("Cache-Control", "no-store"),
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(_REFUSAL))),
]

log = logging.getLogger("idp.errors")


class Published:
    """A WSGI application in front of another."""

    def __init__(self, behind: WSGIApplication, services: Services) -> None:
        self._behind = behind
        self._services = services
        self._always = [
            *plain_headers(services.issuer).items(),
            ("Access-Control-Allow-Origin", "*"),
        ]
        self._preflight = [*self._always, *preflight_headers(_METHODS)]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer GET and HEAD of the documents; 304 to whoever holds the current one."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path != JWKS_PATH and path not in METADATA_PATHS:
            return self._behind(environ, start_response)
        began = time.perf_counter()
        try:
            status, headers, body = self._answer(environ, path, method)
        except Exception as fault:  # noqa: BLE001 - Flask's own net lies behind
            status, headers, body = self._failed(fault, method)
        endpoint = "jwks" if path == JWKS_PATH else "discovery"
        seconds = time.perf_counter() - began
        self._services.counts.answered(endpoint, method, status.value, seconds)
        start_response(f"{status.value} {status.phrase}", headers)
        return body

    def _answer(
        self, environ: WSGIEnvironment, path: str, method: str
    ) -> tuple[HTTPStatus, list[tuple[str, str]], tuple[bytes, ...]]:
        if method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return HTTPStatus.NO_CONTENT, self._preflight, ()
        if method not in ("GET", "HEAD"):
            headers = [*self._always, *_REFUSAL_HEADERS]
            return HTTPStatus.METHOD_NOT_ALLOWED, headers, (_REFUSAL,)
        services = self._services
        document = services.keys.document() if path == JWKS_PATH else services.metadata
        if document.kids and method == "GET":
            services.key_watch.fetched(
                client_address(environ, services.trusted_proxies),
                environ.get("HTTP_USER_AGENT", ""),
                document.kids,
            )
        headers = [
            *self._always,
            ("Cache-Control", document.cache_control),
            ("ETag", document.etag),
        ]
        if document.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            return HTTPStatus.NOT_MODIFIED, headers, ()
        headers += [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(document.body))),
        ]
        return HTTPStatus.OK, headers, () if method == "HEAD" else (document.body,)

    def _failed(
        self, fault: Exception, method: str
    ) -> tuple[HTTPStatus, list[tuple[str, str]], tuple[bytes, ...]]:
        """Answer what nobody foresaw as ``errors`` does: its number is that of the log line."""
        incident = secrets.token_hex(8)
        self._services.begin_request(incident)
        log.error("unforeseen", exc_info=fault)
        self._services.begin_request("")
        told = {"error": "server_error", "error_description": f"incident {incident}"}
        body = json.dumps(told).encode()
        headers = [
            *self._always,
            ("Cache-Control", "no-store"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("X-Request-Id", incident),
        ]
        return HTTPStatus.INTERNAL_SERVER_ERROR, headers, () if method == "HEAD" else (body,)
