"""The sign-in form: what was typed, read; and what the page says of it."""

import math
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import timedelta

from flask import request

from idp.identity.dossier import InvalidNumeroDossier
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import NumeroOfOtherQualite
from idp.identity.dossier import Qualite
from idp.identity.dossier import UnreadableNumeroDossier
from idp.identity.password import PASSWORD_LIMIT
from idp.oidc.authorize import AuthorizationRequest
from idp.sentence import Sentence
from idp.sentence import counted
from idp.sentence import say
from idp.web import Services

REFUSED = say("Ces informations ne permettent pas de vous connecter.")
UNREADABLE_NUMBER = say(
    "Ce numéro contient des caractères invisibles. Effacez-le et saisissez-le au clavier."
)
_OF_QUALITE = {
    Qualite.AFFILIE: say("Ce numéro a la forme d’un numéro d’affilié."),
    Qualite.AYANT_DROIT: say("Ce numéro a la forme d’un numéro d’ayant droit."),
}


@dataclass(frozen=True, slots=True)
class FormError:
    """One thing to mend; ``field`` is "" when it is nobody's in particular."""

    field: str
    message: Sentence


@dataclass(frozen=True, slots=True)
class Notice:
    """A message above the form: ``info``, ``warning``, ``done``, ``wait`` or ``error``."""

    kind: str
    title: Sentence
    message: Sentence


@dataclass(frozen=True, slots=True)
class Form:
    """What the page shows filled in. The password never comes back."""

    action: str
    csrf: str
    qualite: str = ""
    numero: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was typed, as far as it could be read."""

    qualite: Qualite | None
    numero: NumeroDossier | None
    password: str
    switch_to: str = ""
    errors: tuple[FormError, ...] = field(default=())


def read_number(given: Services) -> Attempt:
    """Read qualité and number of this request's form, every fault at once."""
    errors: list[FormError] = []
    form = request.form
    qualite = Qualite(form["qualite"]) if form.get("qualite") in set(Qualite) else None
    numero, switch_to = None, ""
    typed = form.get("numero", "")
    if qualite is None:
        errors.append(FormError("qualite", say("Choisissez « Affilié » ou « Ayant droit ».")))
    if not typed.strip():
        errors.append(FormError("numero", say("Saisissez votre numéro de dossier.")))
    else:
        try:
            numero = NumeroDossier.parse(typed, qualite or Qualite.AYANT_DROIT, given.patterns)
        except UnreadableNumeroDossier:
            errors.append(FormError("numero", UNREADABLE_NUMBER))
        except NumeroOfOtherQualite:
            if qualite is not None:
                switch_to = qualite.other
                errors.append(FormError("numero", _OF_QUALITE[qualite.other]))
        except InvalidNumeroDossier:
            errors.append(FormError("numero", _expected(given, qualite)))
    return Attempt(qualite, numero, "", switch_to, tuple(errors))


def read(given: Services) -> Attempt:
    """Read the sign-in form of this request, every fault at once."""
    attempt = read_number(given)
    password = request.form.get("password", "")
    fault = None
    if not password:
        fault = say("Saisissez votre mot de passe.")
    elif len(password) > PASSWORD_LIMIT:
        fault = say("Ce mot de passe dépasse %(limit)s caractères.", limit=PASSWORD_LIMIT)
    errors = (*attempt.errors, FormError("password", fault)) if fault else attempt.errors
    return replace(attempt, password=password, errors=errors)


def _expected(given: Services, qualite: Qualite | None) -> Sentence:
    lengths = given.patterns.lengths(qualite) if qualite else ()
    if not qualite or not lengths:
        return say("Le numéro de dossier ne contient que des chiffres, ex. 1234567.")
    first, *more = lengths
    count: Sentence | str = str(first)
    for length in more:
        count = say("%(fewer)s ou %(more)s", fewer=count, more=length)
    example = "123456789012345"[:first]
    if qualite is Qualite.AFFILIE:
        return say(
            "Un numéro d’affilié a %(count)s chiffres, ex. %(example)s.",
            count=count,
            example=example,
        )
    return say(
        "Un numéro d’ayant droit a %(count)s chiffres, ex. %(example)s.",
        count=count,
        example=example,
    )


def hinted(given: Services, asked: AuthorizationRequest) -> tuple[str, str]:
    """Read ``login_hint=affilie:1234567``; any other hint is ignored (OIDC Core 1.0 §3.1.2.1)."""
    qualite, _, numero = asked.login_hint.partition(":")
    if qualite not in set(Qualite):
        return "", ""
    try:
        return qualite, NumeroDossier.parse(numero, Qualite(qualite), given.patterns).value
    except InvalidNumeroDossier:
        return "", ""


def seconds_of(wait: timedelta) -> int:
    """Round a wait up to whole seconds, one at least."""
    return max(1, math.ceil(wait.total_seconds()))


def soon(wait: timedelta) -> Sentence:
    """Say how long to wait, in the unit that tells most, rounded up."""
    seconds = seconds_of(wait)
    minutes = math.ceil(seconds / 60)
    hours = math.ceil(minutes / 60)
    if seconds < 60:
        return counted("dans une seconde", "dans %(count)s secondes", seconds)
    if minutes < 120:
        return counted("dans une minute", "dans %(count)s minutes", minutes)
    if hours < 48:
        return say("dans %(count)s heures", count=hours)
    return say("dans %(count)s jours", count=math.ceil(hours / 24))


def wait_notice(wait: timedelta) -> Notice:
    """Say how long to wait before the next sign-in."""
    return Notice(
        "wait",
        say("Patientez un peu avant de réessayer"),
        say(
            "Par sécurité, les connexions sont suspendues après plusieurs essais. "
            "Vous pourrez réessayer %(soon)s. D’ici là, même le bon mot de passe serait refusé.",
            soon=soon(wait),
        ),
    )


BUSY = Notice(
    "wait",
    say("Beaucoup de personnes se connectent"),
    say("Réessayez dans quelques secondes : votre saisie est conservée, sauf le mot de passe."),
)
NO_COOKIES = Notice(
    "warning",
    say("Votre navigateur refuse les cookies"),
    say(
        "Cette page a besoin d’un cookie pour vous reconnaître le temps de la connexion. "
        "Si elle revient sans cesse, autorisez les cookies de ce site puis recommencez."
    ),
)
COOKIES_REFUSED = replace(NO_COOKIES, kind="error")
"""What answers a form that came without any: nothing of it was done."""

STALE_FORM = Notice(
    "error",
    say("Recommencez, s’il vous plaît"),
    say(
        "Cette page était ouverte depuis trop longtemps, ou dans un autre onglet."
        " Rien n’a été modifié."
    ),
)
STALE_PASSWORD = replace(
    STALE_FORM,
    message=say(
        "Cette page était ouverte depuis trop longtemps, ou dans un autre onglet. "
        "Saisissez à nouveau votre mot de passe."
    ),
)
