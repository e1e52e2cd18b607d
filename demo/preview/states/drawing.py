"""How a state is rendered: strictly, in either language, for the preview and the suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from dataclasses import is_dataclass
from typing import Any

from babel.messages.pofile import read_po
from flask import Flask
from flask import render_template
from flask import request
from jinja2 import StrictUndefined

from demo.preview.states.shapes import FRAME
from demo.preview.states.shapes import ROOT
from demo.preview.states.shapes import STATIC
from demo.preview.states.shapes import State
from idp.infra.catalogues import read_catalogues
from idp.parts import PACKAGE
from idp.sentence import Catalogue
from idp.sentence import Sentence
from idp.sentence import say
from idp.theme import Theme
from idp.web import language
from idp.web.assets import Assets


def pages_app(catalogues: Mapping[str, Catalogue] | None = None) -> Flask:
    """Make an application that renders templates strictly and serves nothing but static files."""
    app = Flask("idp", static_folder=str(STATIC), template_folder=str(ROOT / "templates"))
    app.jinja_env.undefined = StrictUndefined
    language.register(app, catalogues or read_catalogues(PACKAGE / "locales"))
    assets = Assets(STATIC, Theme())
    assets.register(app)
    app.jinja_env.globals["asset"] = lambda name: request.script_root + assets(name)
    return app


APP = pages_app()


def source(state: State, tag: str = "fr") -> str:
    """Render a state, in one of ``LANGUAGES``."""
    with APP.test_request_context(query_string={language.SWITCH: tag}):
        return render(state)


def render(state: State) -> str:
    """Render a state inside a request, in the language that it asks for."""
    context = said(FRAME | state.context)
    if logo := context.get("service_logo"):
        context["service_logo"] = request.script_root + logo  # the preview stands under a path
    return render_template(state.page, **context)


def said(value: Any) -> Any:  # Any: whatever a view gives
    """Make sentences of the French words that views have as sentences, however deep they stand."""
    if isinstance(value, str):
        return say(value) if value in SENTENCES else value
    if isinstance(value, dict):
        return {name: said(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(said(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type | Sentence):
        changed = {one.name: said(getattr(value, one.name)) for one in fields(value)}
        return type(value)(**changed)
    return value


def sentences() -> frozenset[str]:
    """Every French sentence that the English catalogue knows, values apart."""
    with (PACKAGE / "locales" / "en" / "LC_MESSAGES" / "messages.po").open("rb") as source:
        known = [message.id for message in read_po(source)]
    return frozenset(key for key in known if isinstance(key, str) and key[:1].isupper())


SENTENCES = sentences()
