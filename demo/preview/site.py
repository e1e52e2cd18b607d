"""``/apercu`` of the local mailbox: every page, mail and letter in every state, side by side.

It is part of ``demo``, which no wheel and no image holds, and listens where the mailbox does: on
loopback, for loopback names alone. Nothing in it knows a store, a key or a person.
"""

from itertools import groupby
from pathlib import Path

from flask import Flask
from flask import Response
from flask import abort
from flask import render_template
from flask import request
from flask import send_from_directory
from jinja2 import ChoiceLoader
from jinja2 import FileSystemLoader

from demo.preview import messages
from demo.preview.states import STATES
from demo.preview.states import STAYING
from demo.preview.states.drawing import pages_app
from demo.preview.states.drawing import render
from demo.preview.states.shapes import ROOT
from demo.preview.states.shapes import State
from idp.sentence import LANGUAGES

WIDTHS = (360, 768, 1280)
DEMO = Path(__file__).parents[1]

_OWN_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src {origin}; script-src {origin};"
    " img-src {origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


def create_app() -> Flask:
    """Build the preview."""
    app = pages_app()
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost"]
    app.jinja_loader = ChoiceLoader(
        [FileSystemLoader(ROOT / "templates"), FileSystemLoader(DEMO / "templates")]
    )

    @app.before_request
    def know_the_host() -> None:
        _ = request.host  # raises 400 for a host that is not trusted

    @app.after_request
    def dress(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _OWN_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/")
    def index() -> str:
        width = request.args.get("largeur", type=int)
        language = request.args.get("langue", LANGUAGES[0])
        return render_template(
            "preview/index.html",
            groups=[(page, list(found)) for page, found in groupby(STATES, _page_of)],
            mails=messages.MAILS,
            letters=messages.LETTERS,
            width=width if width in WIDTHS else WIDTHS[0],
            widths=WIDTHS,
            tag=language if language in LANGUAGES else LANGUAGES[0],
            languages=LANGUAGES,
            staying={state.name for state in STAYING},
        )

    @app.get("/apercu.css")
    def style() -> Response:
        return send_from_directory(DEMO / "static", "preview.css")

    @app.get("/etats/<name>")
    def page(name: str) -> Response:
        state = next((state for state in STATES if state.name == name), None)
        if state is None:
            abort(404)
        policy = _PAGE_POLICY.format(origin=request.host_url.rstrip("/"))
        return Response(render(state), headers={"Content-Security-Policy": policy})

    @app.get("/mails/<name>")
    def mail(name: str) -> Response:
        state = next((state for state in messages.MAILS if state.name == name), None)
        if state is None:
            abort(404)
        return Response(
            messages.mail_page(state), headers={"Content-Security-Policy": _MAIL_POLICY}
        )

    @app.get("/lettres/<name>.pdf")
    def letter(name: str) -> Response:
        state = next((state for state in messages.LETTERS if state.name == name), None)
        if state is None:
            abort(404)
        return Response(messages.letter_pdf(state), mimetype="application/pdf")

    return app


def _page_of(state: State) -> str:
    return state.page.removeprefix("pages/").removesuffix(".html")
