"""The sign-in page: qualité, dossier number, password; one refusal, one way on."""

import math
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from urllib.parse import urlencode

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.dossier import InvalidNumeroDossier
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import NumeroOfOtherQualite
from idp.identity.dossier import Qualite
from idp.identity.dossier import UnreadableNumeroDossier
from idp.identity.login import SignInRefused
from idp.identity.password import PASSWORD_LIMIT
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.authorize import RefusedByRedirect
from idp.oidc.authorize import check
from idp.oidc.response import refusal_location
from idp.oidc.waiting import WaitingRequest
from idp.oidc.waiting import WaitingRequestUnreadable
from idp.session import SignedIn
from idp.web import Services
from idp.web import services
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import device_of
from idp.web.browser import is_own_form
from idp.web.browser import keep_device
from idp.web.browser import keep_session
from idp.web.browser import name_browser
from idp.web.browser import network_of_request
from idp.web.browser import new_device
from idp.web.browser import open_session
from idp.web.browser import session_of
from idp.web.headers import allow_form_to
from idp.web.headers import see_other
from idp.web.oidc import issue_code
from idp.web.oidc import resume

bp = Blueprint("login", __name__)

REFUSED = (
    "La connexion n’a pas abouti : la case cochée, le numéro de dossier "
    "ou le mot de passe ne correspond pas."
)
UNREADABLE_NUMBER = (
    "Ce numéro contient des caractères invisibles. Effacez-le et saisissez-le au clavier."
)
WRONG_NUMBER = {
    Qualite.AFFILIE: "Saisissez les 7 chiffres de votre numéro de dossier, par exemple 1234567.",
    Qualite.AYANT_DROIT: "Saisissez les 7 ou 9 chiffres de votre numéro de dossier.",
}
OTHER_QUALITE = {
    Qualite.AFFILIE: "Ce numéro n’est pas celui d’un affilié, mais celui d’un ayant droit.",
    Qualite.AYANT_DROIT: "Ce numéro n’est pas celui d’un ayant droit, mais celui d’un affilié.",
}


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
    cancel_url: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was typed, as far as it could be read."""

    qualite: Qualite | None
    numero: NumeroDossier | None
    password: str
    switch_to: str = ""
    errors: tuple[FormError, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request behind this page, checked again; ``request`` is None when no service waits."""

    sealed: str = ""
    opened: WaitingRequest | None = None
    request: AuthorizationRequest | None = None

    @property
    def action(self) -> str:
        """The page's own address."""
        return f"/connexion?{urlencode({'demande': self.sealed})}" if self.sealed else "/connexion"


@bp.get("/")
def root() -> Response:
    """Lead whoever types the bare address to the sign-in page."""
    return see_other("/connexion")


@bp.get("/connexion")
def show() -> Response:
    """Show the form, unless a session already answers what waits."""
    given = services()
    browser = browser_of(request)
    found = _waiting(given, browser)
    if isinstance(found, Response):
        return found
    if found.request is None or found.opened is None:
        _, session = session_of(request, given)
        return see_other("/compte") if session else _page(given, found, browser)
    if not browser:
        # No loop through /authorize: where cookies are refused this page is where one learns it.
        return _page(given, found, browser, notice=_NO_COOKIES)
    location, answered = resume(given, found.request, found.opened.requested_at)
    if answered:
        return see_other(location)
    qualite, numero = _hinted(given, found.request)
    return _page(given, found, browser, qualite=qualite, numero=numero)


@bp.post("/connexion")
def submit() -> Response:
    """Take the form: a session and the way on, or the page again with what is wrong."""
    given = services()
    browser = browser_of(request)
    found = _waiting(given, browser)
    if isinstance(found, Response):
        return found
    qualite, numero = request.form.get("qualite", ""), request.form.get("numero", "")[:64]
    if not is_own_form(request, given, browser):
        return _page(
            given, found, browser, 403, qualite=qualite, numero=numero,
            notice=_STALE_FORM if browser else _NO_COOKIES,
        )  # fmt: skip
    if request.form.get("switch") and qualite in set(Qualite):
        other = Qualite(qualite).other
        return _page(given, found, browser, qualite=other, numero=numero)
    attempt = _read(given)
    if attempt.errors or attempt.qualite is None or attempt.numero is None:
        return _page(
            given, found, browser, 400, qualite=qualite, numero=numero,
            errors=attempt.errors, switch_to=attempt.switch_to,
        )  # fmt: skip
    known_device = device_of(request, given)
    device = known_device or new_device()
    origin = Origin(network_of_request(request, given), known_device)
    # Redis before SQL: a session without its event expires by itself, and nobody holds its cookie.
    with given.transaction(), given.together():
        outcome = _sign_in(given, attempt.qualite, attempt.numero, attempt.password, origin, device)
        if isinstance(outcome, SignedIn):
            return _signed_in(given, found, outcome, device)
    if isinstance(outcome, SignInDelayed):
        response = _page(
            given, found, browser, 429, qualite=qualite, numero=numero,
            notice=_wait(outcome.retry_after),
        )  # fmt: skip
        response.headers["Retry-After"] = str(_seconds(outcome.retry_after))
        return response
    return _page(
        given, found, browser, 403, qualite=qualite, numero=numero,
        errors=(FormError("", REFUSED),), refused=True,
        notice=_wait(outcome.wait) if outcome.wait else None,
    )  # fmt: skip


def _sign_in(
    given: Services,
    qualite: Qualite,
    numero: NumeroDossier,
    password: str,
    origin: Origin,
    device: str,
) -> SignedIn | SignInRefused | SignInDelayed:
    """Try once. A refusal is an outcome, not an accident: its audit event is committed too."""
    try:
        return given.sign_in.with_password(
            qualite,
            numero,
            password,
            origin=origin,
            device=device,
            actor=actor_of(request, given, g.request_id),
        )
    except (SignInRefused, SignInDelayed) as refusal:
        return refusal


def _signed_in(given: Services, found: Waiting, signed_in: SignedIn, device: str) -> Response:
    token, key, session = open_session(request, given, signed_in)
    if found.request is not None:
        response = see_other(issue_code(given, found.request, key, session))
    else:
        response = see_other(_default_target(given))
    keep_session(response, token)
    keep_device(response, given, device)
    return response


def _waiting(given: Services, browser: str) -> Waiting | Response:
    """Open the request that waits; a Response where the page cannot go on as it is."""
    sealed = request.args.get("demande", "")
    if not sealed:
        return Waiting()
    try:
        opened = given.waiting.open(sealed, browser)
    except WaitingRequestUnreadable:
        return _expired("")
    try:
        asked = check(opened.params, given.clients)
    except RefusedByRedirect as refusal:
        return see_other(refusal_location(refusal, issuer=given.issuer))
    if opened.expired:
        return _expired(asked.client.initiate_login_uri or asked.client.client_uri)
    if not opened.same_browser and browser:
        # Another tab named the browser first, or the address was copied: ask again, under its name.
        return see_other(f"{given.issuer}/authorize?{urlencode(opened.params.pairs)}")
    return Waiting(sealed, opened, asked)


def _read(given: Services) -> Attempt:
    errors: list[FormError] = []
    form = request.form
    qualite = Qualite(form["qualite"]) if form.get("qualite") in set(Qualite) else None
    numero, switch_to = None, ""
    typed, password = form.get("numero", ""), form.get("password", "")
    if qualite is None:
        errors.append(FormError("qualite", "Cochez « Affilié » ou « Ayant droit »."))
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
                errors.append(FormError("numero", OTHER_QUALITE[qualite]))
        except InvalidNumeroDossier:
            errors.append(FormError("numero", WRONG_NUMBER[qualite or Qualite.AYANT_DROIT]))
    if not password:
        errors.append(FormError("password", "Saisissez votre mot de passe."))
    elif len(password) > PASSWORD_LIMIT:
        errors.append(
            FormError("password", f"Ce mot de passe dépasse {PASSWORD_LIMIT} caractères.")
        )
    return Attempt(qualite, numero, password, switch_to, tuple(errors))


def _hinted(given: Services, asked: AuthorizationRequest) -> tuple[str, str]:
    """Read ``login_hint=affilie:1234567``; any other hint is ignored (OIDC Core 1.0 §3.1.2.1)."""
    qualite, _, numero = asked.login_hint.partition(":")
    if qualite not in set(Qualite):
        return "", ""
    try:
        return qualite, NumeroDossier.parse(numero, Qualite(qualite), given.patterns).value
    except InvalidNumeroDossier:
        return "", ""


def _default_target(given: Services) -> str:
    client = given.clients.find(given.default_client_id) if given.default_client_id else None
    if client is None:
        return "/compte"
    return client.initiate_login_uri or client.client_uri or "/compte"


def _page(
    given: Services,
    found: Waiting,
    browser: str,
    status: int = 200,
    *,
    qualite: str = "",
    numero: str = "",
    errors: tuple[FormError, ...] = (),
    switch_to: str = "",
    refused: bool = False,
    notice: Notice | None = None,
) -> Response:
    response = make_response("", status)
    browser = name_browser(response, browser)
    asked = found.request
    if asked is not None:
        allow_form_to(asked.redirect_uri, client=asked.client)
    else:
        target = _default_target(given)
        allow_form_to(*([target] if ":" in target else []))
    body = render_template(
        "pages/login.html",
        form=Form(found.action, csrf_token(given, browser), qualite, numero),
        errors=errors,
        notice=notice,
        switch_to=switch_to,
        refused=refused,
        service_name=asked.client.client_name if asked else "",
        franceconnect_url="",
        reset_url="",
    )
    response.set_data(body)
    return response


def _expired(link: str) -> Response:
    body = render_template(
        "pages/expired.html",
        link=link or "/connexion",
        link_label="Revenir au service" if link else "Aller à la page de connexion",
    )
    return make_response(body, 400)


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))


def _wait(wait: timedelta) -> Notice:
    seconds = _seconds(wait)
    minutes = math.ceil(seconds / 60)
    if seconds < 60:
        said = f"{seconds} seconde{'s' if seconds > 1 else ''}"
    elif minutes < 120:
        said = f"{minutes} minute{'s' if minutes > 1 else ''}"
    else:
        said = f"{math.ceil(minutes / 60)} heures"
    return Notice(
        "wait",
        "Patientez avant de réessayer",
        f"Par sécurité, après plusieurs essais, vous pourrez réessayer dans {said}. "
        "Inutile d’insister d’ici là : même le bon mot de passe serait refusé.",
    )


_NO_COOKIES = Notice(
    "warning",
    "Votre navigateur refuse les cookies",
    "Cette page a besoin d’un cookie pour vous reconnaître le temps de la connexion. "
    "Si elle revient sans cesse, autorisez les cookies de ce site puis recommencez.",
)
_STALE_FORM = Notice(
    "info",
    "Recommencez, s’il vous plaît",
    "Cette page était ouverte depuis trop longtemps, ou dans un autre onglet. "
    "Saisissez à nouveau votre mot de passe.",
)
