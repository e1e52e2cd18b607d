"""``/logos/…``: a service's logo, from us: it does not learn who is about to sign in there."""

import hashlib

from flask import Blueprint
from flask import Response
from flask import abort
from flask import request

from idp.web import Services
from idp.web import services

MIMETYPES = {".svg": "image/svg+xml", ".png": "image/png"}
HOUR_SECONDS = 3600

bp = Blueprint("logos", __name__)


def logo_of(given: Services, client_id: str) -> str:
    """Give the address of a service's logo, or ""."""
    found = given.logo(client_id) if client_id else None
    return f"/logos/{client_id}?v={_digest(found[1])}" if found else ""


@bp.get("/logos/<client_id>")
def logo(client_id: str) -> Response:
    """Serve it."""
    found = services().logo(client_id)
    if found is None:
        abort(404)
    suffix, content = found
    response = Response(content, content_type=MIMETYPES[suffix])
    response.cache_control.public = True
    response.cache_control.max_age = HOUR_SECONDS
    response.set_etag(_digest(content))
    response.make_conditional(request)
    return response


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
