"""Closed on purpose: what still answers, and what everybody else is told.

Discovery, JWKS, ``/healthz``, ``/readyz``, files and the pages of the footer need no store that
maintenance may have taken away: they go on, so that services still verify tokens and a proxy keeps
sending people here, where they read why. Everything else is 503 with ``Retry-After``.
"""

from datetime import datetime
from datetime import timedelta

from flask import Flask
from flask import Response
from flask import request

from idp.identity.working_days import day_in_france
from idp.identity.working_days import hour_in_words
from idp.identity.working_days import in_words
from idp.maintenance import UnderMaintenance
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web import errors
from idp.web import legal
from idp.web import services

OPEN = frozenset({"/healthz", "/readyz"}) | legal.PAGES
USUAL = timedelta(minutes=10)
LONGEST = timedelta(days=1)

SOON = say(
    "Rien n’est perdu : votre dossier et votre mot de passe restent tels quels. "
    "Le service rouvre bientôt."
)


def register(app: Flask, given: Services) -> None:
    """Look before every request whether the service is closed."""
    app.register_error_handler(UnderMaintenance, _closed)

    @app.before_request
    def look() -> None:
        if request.endpoint == "static" or request.path in OPEN:
            return
        if (closure := given.closure()) is not None:
            raise UnderMaintenance(closure)


def _closed(error: UnderMaintenance) -> Response:
    until, now = error.closure.until, services().now()
    wait = USUAL if until is None or until <= now else min(until - now, LONGEST)
    if errors.is_machine():
        response = errors.machine(503, error.code, "The service is closed for maintenance.")
    else:
        response = errors.page(
            503,
            title=say("Le service est en maintenance"),
            message=_until(until) if until and until > now else SOON,
            link="/connexion",
            link_label=say("Réessayer"),
        )  # fmt: skip
    response.headers["Retry-After"] = str(round(wait.total_seconds()))
    return response


def _until(until: datetime) -> Sentence:
    return say(
        "Rien n’est perdu : votre dossier et votre mot de passe restent tels quels. "
        "Le service rouvre le %(day)s à %(hour)s.",
        day=in_words(day_in_france(until)),
        hour=hour_in_words(until),
    )
