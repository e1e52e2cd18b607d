"""``/healthz``: this process answers. ``/readyz``: it can also serve, part by part."""

from flask import Blueprint
from flask import Response
from flask import jsonify

from idp.web import services

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Say that the process is alive, whatever its stores do."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    """Say whether a sign-in would succeed now: 200, or 503 with what is wrong."""
    found = {name: probe() or "ok" for name, probe in services().probes.items()}
    response = jsonify(found)
    response.status_code = 200 if set(found.values()) == {"ok"} else 503
    return response
