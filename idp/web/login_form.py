"""The sign-in form: what was typed, read; and what the page says of it, in French."""

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
from idp.web import Services

REFUSED = "Ces informations ne permettent pas de vous connecter."
UNREADABLE_NUMBER = (
    "Ce numéro contient des caractères invisibles. Effacez-le et saisissez-le au clavier."
)
OF_QUALITE = {Qualite.AFFILIE: "d’affilié", Qualite.AYANT_DROIT: "d’ayant droit"}


@dataclass(frozen=True, slots=True)
class FormError:
    """One thing to mend; ``field`` is "" when it is nobody's in particular."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message above the form: ``info``, ``warning``, ``wait`` or ``error``."""

    kind: str
    title: str
    message: str


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
        errors.append(FormError("qualite", "Choisissez « Affilié » ou « Ayant droit »."))
    if not typed.strip():
        errors.append(FormError("numero", "Saisissez votre numéro de dossier."))
    else:
        try:
            numero = NumeroDossier.parse(typed, qualite or Qualite.AYANT_DROIT, given.patterns)
        except UnreadableNumeroDossier:
            errors.append(FormError("numero", UNREADABLE_NUMBER))
        except NumeroOfOtherQualite:
            if qualite is not None:
                switch_to = qualite.other
                shape = f"Ce numéro a la forme d’un numéro {OF_QUALITE[qualite.other]}."
                errors.append(FormError("numero", shape))
        except InvalidNumeroDossier:
            errors.append(FormError("numero", _expected(given, qualite)))
    return Attempt(qualite, numero, "", switch_to, tuple(errors))


def read(given: Services) -> Attempt:
    """Read the sign-in form of this request, every fault at once."""
    attempt = read_number(given)
    password = request.form.get("password", "")
    fault = ""
    if not password:
        fault = "Saisissez votre mot de passe."
    elif len(password) > PASSWORD_LIMIT:
        fault = f"Ce mot de passe dépasse {PASSWORD_LIMIT} caractères."
    errors = (*attempt.errors, FormError("password", fault)) if fault else attempt.errors
    return replace(attempt, password=password, errors=errors)


def _expected(given: Services, qualite: Qualite | None) -> str:
    lengths = given.patterns.lengths(qualite) if qualite else ()
    if not qualite or not lengths:
        return "Le numéro de dossier ne contient que des chiffres, ex. 1234567."
    count = " ou ".join(str(length) for length in lengths)
    example = "123456789012345"[: lengths[0]]
    return f"Un numéro {OF_QUALITE[qualite]} a {count} chiffres, ex. {example}."


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


def soon(wait: timedelta) -> str:
    """Say how long to wait, in the unit that tells most, rounded up."""
    seconds = seconds_of(wait)
    minutes = math.ceil(seconds / 60)
    hours = math.ceil(minutes / 60)
    if seconds < 60:
        return f"dans {seconds} secondes" if seconds > 1 else "dans une seconde"
    if minutes < 120:
        return f"dans {minutes} minutes" if minutes > 1 else "dans une minute"
    return f"dans {hours} heures" if hours < 48 else f"dans {math.ceil(hours / 24)} jours"


def wait_notice(wait: timedelta) -> Notice:
    """Say how long to wait before the next sign-in."""
    return Notice(
        "wait",
        "Patientez un peu avant de réessayer",
        "Par sécurité, les connexions sont suspendues après plusieurs essais. "
        f"Vous pourrez réessayer {soon(wait)}. D’ici là, même le bon mot de passe serait refusé.",
    )


BUSY = Notice(
    "wait",
    "Beaucoup de personnes se connectent",
    "Réessayez dans quelques secondes : votre saisie est conservée, sauf le mot de passe.",
)
NO_COOKIES = Notice(
    "warning",
    "Votre navigateur refuse les cookies",
    "Cette page a besoin d’un cookie pour vous reconnaître le temps de la connexion. "
    "Si elle revient sans cesse, autorisez les cookies de ce site puis recommencez.",
)
STALE_FORM = Notice(
    "info",
    "Recommencez, s’il vous plaît",
    "Cette page était ouverte depuis trop longtemps, ou dans un autre onglet.",
)
STALE_PASSWORD = replace(
    STALE_FORM, message=f"{STALE_FORM.message} Saisissez à nouveau votre mot de passe."
)
