"""Which language a page speaks (ADR 0033): what was said last, by the member or by a service.

=====================  =====================================================================
``?langue=en``         the member's switch, a link at the top of every page
``ui_locales``         of a service that asks for a sign-in or a sign-out
``__Host-language``    what one of them said before
=====================  =====================================================================

Whoever said nothing reads French, whatever the browser's own language is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Flask
from flask import Response
from flask import g
from flask import request
from flask_babel import Babel
from flask_babel import Domain
from werkzeug.datastructures import MultiDict

from idp.sentence import LANGUAGES
from idp.sentence import Catalogue
from idp.sentence import Sentence
from idp.web.browser import SIX_MONTHS
from idp.web.browser import keep_language
from idp.web.browser import language_kept

SWITCH = "langue"
ASKED_BY_SERVICES = frozenset({"/authorize", "/logout"})
"""Where ``ui_locales`` is read: OIDC Core 1.0 §3.1.2.1, RP-Initiated Logout 1.0 §2."""
_WITH_CODES = frozenset({"/franceconnect/retour"})
NAMES = {"fr": "Français", "en": "English"}

_UNBROKEN = (" :", " ;", " ?", " !", " »")
_COUNTED = re.compile(r"(\d(?:er)?) (?=[^\W\d_])")
"""« 4 minutes », « 1er décembre »: a number stays with what it counts."""


@dataclass(frozen=True, slots=True)
class OtherLanguage:
    """The switch: the same page in another language; its name is in that language."""

    tag: str
    name: str
    href: str


def register(app: Flask, catalogues: Mapping[str, Catalogue]) -> None:
    """Let every page of ``app`` speak the language of its reader."""
    babel = Babel(app, default_locale=LANGUAGES[0], locale_selector=language)
    babel.domain_instance = _Catalogues(catalogues)
    app.jinja_env.policies["ext.i18n.trimmed"] = True

    def say(sentence: Sentence | str) -> str:
        return said(sentence, catalogues)

    app.jinja_env.filters["say"] = say
    app.jinja_env.globals.update(
        say=say,
        language=language,
        other_language=other_language,
    )

    @app.before_request
    def listen() -> None:
        # Behind the one of ``headers``: a form that cannot be read is refused there.
        if request.path in ASKED_BY_SERVICES:
            g.asked_by_service = preferred(request.values.get("ui_locales", ""))

    @app.after_request
    def tell(response: Response) -> Response:
        lifetime = None
        said_now = _asked_by_service()
        if response.mimetype == "text/html":
            response.headers["Content-Language"] = language()
        # Where the session has ended meanwhile, the switch leads to the sign-in page.
        seen = response.mimetype == "text/html" or response.status_code == 303
        if seen and (switched := _switched_to()):
            said_now, lifetime = switched, SIX_MONTHS
        if said_now:
            keep_language(response, said_now, lifetime)
        return response


def language() -> str:
    """The language of this request's answer."""
    if "language" not in g:
        g.language = _switched_to() or _asked_by_service() or _kept() or LANGUAGES[0]
    return str(g.language)


def other_language() -> OtherLanguage | None:
    """The way to the same page in the other language; None where no link leads to the same page."""
    if request.path in ASKED_BY_SERVICES or request.path in _WITH_CODES:
        return None  # what others sent is not written into a page; a service says it by itself
    tag = next(one for one in LANGUAGES if one != language())
    kept = [(name, value) for name, value in _query().items(multi=True) if name != SWITCH]
    query = urlencode([*kept, (SWITCH, tag)])
    return OtherLanguage(tag, NAMES[tag], f"?{query}")


def said(sentence: Sentence | str, catalogues: Mapping[str, Catalogue]) -> str:
    """Say a view's sentence as its reader's typography has it; a mere string is said as it is."""
    tag = language()
    words = sentence.told(catalogues[tag]) if isinstance(sentence, Sentence) else sentence
    words = words.replace("'", "’")
    if tag == "fr":
        for pair in _UNBROKEN:
            words = words.replace(pair, f"\N{NO-BREAK SPACE}{pair[1]}")
        words = words.replace("« ", "«\N{NO-BREAK SPACE}")
    return _COUNTED.sub("\\1\N{NO-BREAK SPACE}", words)


def preferred(ui_locales: str) -> str:
    """The first language of a list that we speak, or "".

    Spec: OIDC Core 1.0 §3.1.2.1; RFC 4647 §3.4, cut at the first subtag: we have no regions.
    """
    primary = (tag.partition("-")[0].lower() for tag in ui_locales.split())
    return next((tag for tag in primary if tag in LANGUAGES), "")


def _query() -> MultiDict[str, str]:
    try:
        return request.args
    except UnicodeDecodeError:  # the page that refuses it speaks a language all the same
        return MultiDict()


def _switched_to() -> str:
    tag = _query().get(SWITCH, "")
    return tag if tag in LANGUAGES else ""


def _asked_by_service() -> str:
    return str(g.get("asked_by_service", ""))


def _kept() -> str:
    tag = language_kept(request)
    return tag if tag in LANGUAGES else ""


class _Catalogues(Domain):  # type: ignore[misc] # flask_babel has no types
    """Our catalogues where Flask-Babel would look for compiled files."""

    def __init__(self, catalogues: Mapping[str, Catalogue]) -> None:
        super().__init__()
        self._catalogues = catalogues

    def get_translations(self) -> Catalogue:
        return self._catalogues[language()]
