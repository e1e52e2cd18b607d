"""The Flask application around one simulator."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from flask import Flask
from flask import Response
from flask import render_template
from flask import request

from demo.franceconnect import api
from demo.franceconnect import pages
from demo.franceconnect.configuration import Configuration
from demo.franceconnect.faults import Endpoint
from demo.franceconnect.simulator import Simulator

DEMO = Path(__file__).parents[1]
LONGEST_FREEZE_SECONDS = 600
MOST_CALLS = 1000
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_ENDPOINTS = {
    "api.discovery": Endpoint.DISCOVERY,
    "api.jwks": Endpoint.JWKS,
    "pages.authorize": Endpoint.AUTHORIZE,
    "api.token": Endpoint.TOKEN,
    "api.userinfo": Endpoint.USERINFO,
    "pages.end_session": Endpoint.LOGOUT,
}


def create_app(simulator: Simulator | None = None) -> Flask:
    """Build the application; gunicorn has FRANCECONNECT_CONFIGURATION in its environment."""
    if simulator is None:
        configuration = Configuration.read(Path(os.environ["FRANCECONNECT_CONFIGURATION"]))
        if configuration is None:
            message = "FRANCECONNECT_CONFIGURATION names no usable file: bin/start writes it"
            raise RuntimeError(message)
        simulator = Simulator(configuration)
    path = urlsplit(simulator.configuration.issuer).path
    app = Flask("demo.franceconnect", root_path=str(DEMO), static_url_path=f"{path}/static")
    # Another site cannot have a name of its own point here and read a page (DNS rebinding).
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost"]
    app.extensions["franceconnect"] = simulator
    app.register_blueprint(api.bp, url_prefix=path)
    app.register_blueprint(pages.bp, url_prefix=path)
    app.add_url_rule("/", "people", _people)
    app.before_request(_misbehave)
    app.after_request(_protect)
    return app


def _people() -> str:
    return render_template("franceconnect/people.html", people=api.simulator().people.values())


def _misbehave() -> Response | None:
    """Do what a test has switched on; nothing otherwise."""
    _ = request.host  # raises 400 for a host that is not trusted
    endpoint = _ENDPOINTS.get(request.endpoint or "")
    if endpoint is None:
        return None
    here = api.simulator()
    fault, thawed = here.fault, here.thawed
    here.calls.append(endpoint)
    del here.calls[:-MOST_CALLS]
    if endpoint in fault.frozen:
        thawed.wait(LONGEST_FREEZE_SECONDS)
    if endpoint in fault.trickling:
        return Response(_trickle(thawed), content_type="application/json")
    time.sleep(fault.seconds.get(endpoint, 0))
    instead = fault.instead.get(endpoint)
    if instead is None:
        return None
    return Response(
        instead.body, instead.status, headers=dict(instead.headers), content_type=instead.kind
    )


def _trickle(thawed: Event) -> Iterator[bytes]:
    for _ in range(LONGEST_FREEZE_SECONDS * 10):
        if thawed.wait(0.1):
            return
        yield b" "


def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
