"""``/healthz``: this process answers. ``/readyz``: it can also serve, part by part."""

from flask import Blueprint
from flask import Response
from flask import jsonify

from idp.web import services

WARNING = "warning: "
"""How a probe begins what an operator should know, and what no sign-in notices."""

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Say that the process is alive, whatever its stores do."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> Response:
    """Say whether a sign-in would succeed now: 200, or 503; and what is wrong."""
    found = {name: probe() or "ok" for name, probe in services().probes.items()}
    response = jsonify(found)
    serves = all(said == "ok" or said.startswith(WARNING) for said in found.values())
    response.status_code = 200 if serves else 503
    return response
