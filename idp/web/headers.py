"""What every answer carries: a request id, security headers, a log line."""

import logging
import secrets
import time
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from flask import Request
from flask import Response
from flask import abort
from flask import g
from flask import request
from werkzeug.routing import RequestRedirect

from idp.oidc.clients import Client
from idp.oidc.params import PARAMETER_LIMIT
from idp.web import Services
from idp.web.assets import YEAR_SECONDS
from idp.web.assets import Assets

FORM = "application/x-www-form-urlencoded"
BODY_LIMIT = 64 * 1024

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_ANTI_ROBOT_POLICY = "; worker-src 'self'; connect-src 'self'"
_KEPT = ("static", "logos.logo")
"""What caches may keep."""

_OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")
)

_FROM_OUTSIDE = frozenset({"/authorize", "/connexion"})
"""What browsers open, and nobody from inside: what comes there came through every proxy."""

log = logging.getLogger("idp.request")


def register(app: Flask, services: Services) -> None:
    """Prepare every request and dress every answer."""
    app.request_class = _WithoutUploads
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.config["MAX_FORM_MEMORY_SIZE"] = BODY_LIMIT
    app.config["MAX_FORM_PARTS"] = 100
    assets = Assets(Path(app.static_folder or ""), services.theme)
    assets.register(app)
    app.jinja_env.globals.update(
        asset=assets,
        fund_name=services.fund_name,
        fund_tagline=services.fund_tagline,
        support_phone=services.support_phone,
    )
    app.url_map.merge_slashes = False
    always = plain_headers(services.issuer)

    @app.before_request
    def begin() -> None:
        g.request_id = secrets.token_hex(8)
        g.began = time.perf_counter()
        services.begin_request(g.request_id)
        if request.path in _FROM_OUTSIDE:
            services.hop_watch.note(request.headers.get("X-Forwarded-For", ""))
        if isinstance(request.routing_exception, RequestRedirect):
            abort(404)  # werkzeug writes the address of its redirects from the Host header
        try:
            parsed = [request.args, request.form] if request.method == "POST" else [request.args]
        except UnicodeDecodeError:  # bytes in an address that are neither escaped nor UTF-8
            abort(400)
        if any(sum(map(len, fields.listvalues())) > PARAMETER_LIMIT for fields in parsed):
            abort(400)
        if _has_more_than_was_read(request):
            abort(413)

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        services.begin_request("")  # the thread goes on to what belongs to no request

    @app.context_processor
    def named() -> dict[str, str]:
        return {"request_id": g.get("request_id", "")}

    @app.after_request
    def dress(response: Response) -> Response:
        headers = response.headers
        headers.update(always)
        if request.endpoint not in _KEPT or response.status_code >= 400:
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Request-Id"] = g.request_id
        if response.mimetype == "text/html":
            allowed = "".join(f" {origin}" for origin in g.get("form_action", ()))
            workers = _ANTI_ROBOT_POLICY if g.get("anti_robot") else ""
            frames = f"; frame-src {' '.join(g.frame_src)}" if "frame_src" in g else ""
            headers["Content-Security-Policy"] = _PAGE_POLICY + allowed + workers + frames
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["X-Frame-Options"] = "DENY"  # for browsers that know no frame-ancestors
            headers["Permissions-Policy"] = _PERMISSIONS
        _note(response, services)
        return response


def plain_headers(issuer: str) -> dict[str, str]:
    """Give the headers of every answer, page or not; a page's own policy replaces this one."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": _OTHER_POLICY,
    }
    if urlsplit(issuer).scheme == "https":
        headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}; includeSubDomains"
    return headers


def see_other(location: str) -> Response:
    """Send the browser on by GET, whatever brought it here (RFC 9700 §4.12: 303, never 307)."""
    return Response("", 303, {"Location": location}, mimetype="text/plain")


def allow_form_to(*uris: str, client: Client | None = None) -> None:
    """Let this page's form end at ``uris`` and where the client redirects on to, and nowhere else.

    Chromium applies ``form-action`` to every redirect that follows the form.
    """
    onward = client.form_action_origins if client else ()
    g.form_action = tuple(origin for uri in (*uris, *onward) if (origin := _origin(uri)))


def allow_frames_of(*uris: str) -> None:
    """Let this page show frames of these origins, and of no other."""
    g.frame_src = sorted({_origin(uri) for uri in uris})


def allow_anti_robot() -> None:
    """Let this page start the widget's worker, and fetch itself anew when its challenge is old."""
    g.anti_robot = True


def _has_more_than_was_read(sent: Request) -> bool:
    """Tell whether a form in chunks goes on behind BODY_LIMIT, where werkzeug cuts it unsaid."""
    in_chunks = sent.method == "POST" and sent.content_length is None
    return in_chunks and sent.mimetype == FORM and bool(sent.environ["wsgi.input"].read(1))


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        # CSP 3 §2.3.1 has no IPv6 addresses, and Chromium takes none: any host, on this port.
        netloc = f"*{parts.netloc.partition(']')[2]}" if "]" in parts.netloc else parts.netloc
        return f"{parts.scheme}://{netloc}"
    return f"{parts.scheme}:" if parts.scheme else ""


def _note(response: Response, given: Services) -> None:
    # The path without its query: a query can hold a sealed request, a hint, a code.
    path = request.path if request.endpoint else "(unknown)"
    seconds = time.perf_counter() - g.began
    given.counts.answered(
        request.endpoint or "unknown", request.method, response.status_code, seconds
    )
    log.info(
        "%s %s %d",
        request.method,
        path,
        response.status_code,
        extra={"ms": round(seconds * 1000, 1)},
    )


class _WithoutUploads(Request):
    """No form of ours takes a file: what comes as one opens no temporary file of the machine."""

    def _get_file_stream(self, *_said: object, **_more: object) -> BytesIO:
        return BytesIO()  # the body as a whole is bounded
