"""``/accessibilite``, ``/mentions-legales``, ``/donnees-personnelles``: what the law has us say.

Their texts are templates, filled from the settings. They need no store, and open in maintenance.
"""

from dataclasses import dataclass
from datetime import date
from datetime import timedelta

from flask import Blueprint
from flask import Flask
from flask import Response
from flask import make_response
from flask import render_template

from idp.identity.franceconnect_port import ARRIVAL_LIFETIME
from idp.identity.temporary_password import LEASE
from idp.identity.working_days import day_in_france
from idp.identity.working_days import in_words
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.browser import ANSWERED_COOKIE
from idp.web.browser import ARRIVAL_COOKIE
from idp.web.browser import BROWSER_COOKIE
from idp.web.browser import CHOICE_COOKIE
from idp.web.browser import DEVICE_COOKIE
from idp.web.browser import LANGUAGE_COOKIE
from idp.web.browser import SESSION_COOKIE
from idp.web.browser import WAY_BACK_COOKIE
from idp.web.browser import WAY_BACK_LIFETIME
from idp.web.kept import kept_of_a_person

ACCESSIBILITY = "/accessibilite"
NOTICES = "/mentions-legales"
PERSONAL_DATA = "/donnees-personnelles"
PAGES = frozenset({ACCESSIBILITY, NOTICES, PERSONAL_DATA})

bp = Blueprint("legal", __name__)


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie as the page tells it."""

    name: str
    purpose: Sentence
    kept: Sentence


def register(app: Flask, given: Services) -> None:
    """Give every page the state of accessibility for its footer, and add the three pages."""
    app.register_blueprint(bp)

    @app.context_processor
    def stated() -> dict[str, Sentence]:
        return {"accessibility_state": given.legal.accessibility_on(_today(given))}


@bp.get(ACCESSIBILITY)
def accessibility() -> Response:
    """Show the declaration, in the template that the law imposes."""
    given = services()
    audit = given.legal.audit_on(_today(given))
    return _page(
        "pages/accessibility.html",
        legal=given.legal,
        issuer=given.issuer,
        audit=audit,
        audited_on=in_words(audit.on, year=True) if audit else "",
    )


@bp.get(NOTICES)
def notices() -> Response:
    """Show who publishes and who hosts (LCEN, art. 1-1)."""
    given = services()
    return _page("pages/legal_notices.html", legal=given.legal, issuer=given.issuer)


@bp.get(PERSONAL_DATA)
def personal_data() -> Response:
    """Show what is kept of a person, why and for how long, and each cookie."""
    given = services()
    return _page(
        "pages/personal_data.html",
        legal=given.legal,
        kept=kept_of_a_person(
            session=given.session_absolute,
            audit=given.audit_retention,
            franceconnect=given.franceconnect is not None,
        ),
        cookies=cookies(given.session_absolute),
        privacy_url=given.privacy_url,
    )


def cookies(session: timedelta) -> tuple[Cookie, ...]:
    """List the cookies of these pages; a test compares it with what ``browser`` sets."""
    until_closed = say("jusqu’à la fermeture du navigateur")
    hours = round(session.total_seconds() / 3600)
    return (
        Cookie(
            BROWSER_COOKIE,
            say("Protège les formulaires contre les envois faits par un autre site."),
            say("6\u00a0mois"),
        ),
        Cookie(
            SESSION_COOKIE,
            say("Garde votre session ouverte d’une page à l’autre et d’un service à l’autre."),
            say("jusqu’à la fermeture du navigateur, %(hours)s\u00a0h au plus", hours=hours),
        ),
        Cookie(
            DEVICE_COOKIE,
            say(
                "Reconnaît un appareil qui a déjà servi à vous connecter, pour que les essais"
                " d’autres personnes ne vous bloquent pas."
            ),
            say("6\u00a0mois"),
        ),
        Cookie(
            ANSWERED_COOKIE,
            say("Évite qu’un retour en arrière ne relance une connexion déjà faite."),
            until_closed,
        ),
        Cookie(
            CHOICE_COOKIE,
            say("Garde ouverte la page où vous choisissez un nouveau mot de passe."),
            say("%(count)s\u00a0minutes", count=round(LEASE.total_seconds() / 60)),
        ),
        Cookie(
            ARRIVAL_COOKIE,
            say(
                "Vous reconnaît à votre retour de FranceConnect, le temps de trouver votre dossier."
            ),
            say(
                "jusqu’à la fermeture du navigateur, %(count)s\u00a0minutes au plus",
                count=round(ARRIVAL_LIFETIME.total_seconds() / 60),
            ),
        ),
        Cookie(
            WAY_BACK_COOKIE,
            say("Vous ramène au service que vous quittez, une fois FranceConnect fermé aussi."),
            say("%(count)s\u00a0minutes", count=round(WAY_BACK_LIFETIME.total_seconds() / 60)),
        ),
        Cookie(
            LANGUAGE_COOKIE,
            say("Retient la langue de ces pages : la vôtre, ou celle qu’un service demande."),
            say("6\u00a0mois si vous la choisissez, sinon jusqu’à la fermeture du navigateur"),
        ),
    )


def _page(template: str, **context: object) -> Response:
    return make_response(render_template(template, **context))


def _today(given: Services) -> date:
    return day_in_france(given.now())
