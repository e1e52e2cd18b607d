"""One form with the anti-robot, on the product's own templates, static files and headers."""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask import render_template
from flask import request
from jinja2 import ChoiceLoader
from jinja2 import DictLoader
from jinja2 import FileSystemLoader
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Solution
from idp.infra.anti_robot import AltchaAntiRobot
from idp.infra.catalogues import read_catalogues
from idp.metrics.not_counted import NOT_COUNTED
from idp.parts import PACKAGE
from idp.theme import Theme
from idp.web import headers
from idp.web import language
from idp.web.anti_robot import solution_of
from tests.fakes import MemoryOnce

ROOT = Path(__file__).parents[2]
BROWSER = "the browser of the test"
PAGE = """
{% extends "layout.html" %}
{% from "components/anti_robot.html" import anti_robot, anti_robot_head %}
{% from "components/field.html" import text_field %}
{% from "components/button.html" import submit %}
{% block title %}Mot de passe oublié{% endblock %}
{% block scripts %}
  <script src="{{ asset('one-submit.js') }}" defer></script>
  {{- anti_robot_head() }}
{% endblock %}
{% block content %}
<h1>Mot de passe oublié</h1>
{% if refused %}<p role="alert" id="refused">Recommencez la vérification.</p>{% endif %}
<form class="form" method="post" novalidate data-one-submit>
  {{ text_field("numero", "Numéro de dossier", value=numero) }}
  {{ anti_robot(challenge, again="/") }}
  {{ submit("Réinitialiser le mot de passe", id="send", name="bouton", value="envoi") }}
</form>
{% endblock %}
"""
DONE = """
{% extends "layout.html" %}
{% block content %}<h1 id="done">{{ proof }} {{ numero }} {{ bouton }}</h1>{% endblock %}
"""


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


@dataclass
class AntiRobotSite:
    """The site: what it was sent, and how soon it tells its pages that they are old."""

    url: str = ""
    lifetime_seconds: int = 300
    sent: list[Solution] = field(default_factory=list)
    served: int = 0
    steps: int = 4
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def _app(site: AntiRobotSite) -> Flask:
    app = Flask("idp", static_folder=str(ROOT / "idp" / "static"))
    app.jinja_loader = ChoiceLoader(
        [
            DictLoader({"form.html": PAGE, "done.html": DONE}),
            FileSystemLoader(ROOT / "templates"),
        ]
    )
    services: Any = SimpleNamespace(
        issuer="http://localhost",
        fund_name="CARPIMKO",
        fund_tagline="",
        theme=Theme(),
        support_phone="",
        begin_request=lambda _: None,
        speak_of=lambda _: None,
        counts=NOT_COUNTED,
    )
    headers.register(app, services)
    language.register(app, read_catalogues(PACKAGE / "locales"))
    app.jinja_env.globals["accessibility_state"] = "non conforme"
    once = MemoryOnce(now=site.now)

    def form(status: int, numero: str = "") -> tuple[str, int]:
        anti_robot = AltchaAntiRobot([b"k" * 32], once, site.now, steps=site.steps)
        challenge = anti_robot.challenge("reset", BROWSER)
        headers.allow_anti_robot()
        site.served += 1
        page = render_template(
            "form.html",
            challenge=replace(challenge, lifetime_seconds=site.lifetime_seconds),
            numero=numero,
            refused=status != 200,
        )
        return page, status

    @app.get("/")
    def ask() -> tuple[str, int]:
        return form(200)

    @app.post("/")
    def answer() -> tuple[str, int]:
        solution = solution_of(request.form)
        site.sent.append(solution)
        anti_robot = AltchaAntiRobot(
            [b"k" * 32], once, site.now, steps=site.steps, fixed_answer="soleil"
        )
        try:
            proof = anti_robot.accept("reset", BROWSER, solution)
        except AntiRobotRefused:
            return form(400, request.form["numero"])
        told = request.form["numero"], request.form.get("bouton", "")
        return render_template("done.html", proof=proof, numero=told[0], bouton=told[1]), 200

    @app.after_request
    def close_files(response: Any) -> Any:
        response.direct_passthrough = False
        response.get_data()
        return response

    return app


@contextmanager
def anti_robot_site() -> Iterator[AntiRobotSite]:
    """Serve it on localhost."""
    site = AntiRobotSite()
    server = make_server("127.0.0.1", 0, _app(site), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://localhost:{server.server_port}/"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
