"""The sign-in page: qualité, dossier number, password; one refusal, one way on."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp import Busy
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import SignInRefused
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.authorize import RefusedByRedirect
from idp.oidc.authorize import check
from idp.oidc.clients import Client
from idp.oidc.response import home_location
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
from idp.web.browser import note_answered
from idp.web.browser import open_session
from idp.web.browser import session_of
from idp.web.browser import was_answered
from idp.web.errors import RETRY_SECONDS
from idp.web.headers import allow_form_to
from idp.web.headers import see_other
from idp.web.login_form import BUSY
from idp.web.login_form import NO_COOKIES
from idp.web.login_form import REFUSED
from idp.web.login_form import STALE_FORM
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import hinted
from idp.web.login_form import read
from idp.web.login_form import seconds_of
from idp.web.login_form import wait_notice
from idp.web.oidc import ask_again
from idp.web.oidc import issue_code
from idp.web.oidc import resume

bp = Blueprint("login", __name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request behind this page, checked again; ``request`` is None when no service waits."""

    sealed: str = ""
    opened: WaitingRequest | None = None
    request: AuthorizationRequest | None = None
    answered: bool = False


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
    if found.answered:
        return see_other(_home(given, found.request.client))
    if not browser:
        # No loop through /authorize: where cookies are refused this page is where one learns it.
        return _page(given, found, browser, notice=NO_COOKIES)
    location, answered = resume(given, found.request, found.opened.requested_at)
    if answered:
        response = see_other(location)
        note_answered(request, response, found.sealed)
        return response
    qualite, numero = hinted(given, found.request)
    return _page(given, found, browser, qualite=qualite, numero=numero)


@bp.post("/connexion")
def submit() -> Response:
    """Take the form: a session and the way on, or the page again with what is wrong."""
    given = services()
    browser = browser_of(request)
    if not browser and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        # Lax cookies stayed behind. A new name would replace the one that the person's other tabs
        # hang on; by GET the cookies come.
        return see_other(_action_of(request.args.get("demande", "")))
    found = _waiting(given, browser)
    if isinstance(found, Response):
        return found
    qualite, numero = request.form.get("qualite", ""), request.form.get("numero", "")[:64]
    sealed_here = found.opened is None or found.opened.same_browser
    if not sealed_here or not is_own_form(request, given, browser):
        return _page(
            given, found, browser, 403, qualite=qualite, numero=numero,
            notice=STALE_FORM if browser else NO_COOKIES,
        )  # fmt: skip
    if request.form.get("switch") and qualite in set(Qualite):
        other = Qualite(qualite).other
        return _page(given, found, browser, qualite=other, numero=numero)
    attempt = read(given)
    if attempt.errors or attempt.qualite is None or attempt.numero is None:
        return _page(
            given, found, browser, 400, qualite=qualite, numero=numero,
            errors=attempt.errors, switch_to=attempt.switch_to,
        )  # fmt: skip
    known_device = device_of(request, given)
    device = known_device or new_device()
    origin = Origin(network_of_request(request, given), known_device)
    # Redis before SQL: a session without its event expires by itself, and nobody holds its cookie.
    try:
        with given.transaction(), given.together():
            outcome = _sign_in(
                given, attempt.qualite, attempt.numero, attempt.password, origin, device
            )
            if isinstance(outcome, SignedIn):
                return _signed_in(given, found, outcome, device)
    except Busy:
        response = _page(given, found, browser, 503, qualite=qualite, numero=numero, notice=BUSY)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response
    if isinstance(outcome, SignInDelayed):
        response = _page(
            given, found, browser, 429, qualite=qualite, numero=numero,
            notice=wait_notice(outcome.retry_after),
        )  # fmt: skip
        response.headers["Retry-After"] = str(seconds_of(outcome.retry_after))
        return response
    return _page(
        given, found, browser, 403, qualite=qualite, numero=numero,
        errors=(FormError("", REFUSED),),
        notice=wait_notice(outcome.wait) if outcome.wait else None,
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
    if found.request is not None and found.answered:
        response = see_other(_home(given, found.request.client))
    elif found.request is not None:
        response = see_other(issue_code(given, found.request, key, session))
        note_answered(request, response, found.sealed)
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
        return _expired(home_location(asked.client, issuer=given.issuer))
    if not opened.same_browser and browser and request.method == "GET":
        # Another tab named the browser first, or the address was copied: ask again, under its name.
        return ask_again(given, opened.params)
    return Waiting(sealed, opened, asked, was_answered(request, sealed))


def _action_of(sealed: str) -> str:
    """The page's own address, with the request that waits."""
    return f"/connexion?{urlencode({'demande': sealed})}" if sealed else "/connexion"


def _default_target(given: Services) -> str:
    client = given.clients.find(given.default_client_id) if given.default_client_id else None
    return _home(given, client) if client is not None else "/compte"


def _home(given: Services, client: Client) -> str:
    return home_location(client, issuer=given.issuer) or "/compte"


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
    notice: Notice | None = None,
) -> Response:
    response = make_response("", status)
    browser = name_browser(response, browser)
    asked, sealed = found.request, found.sealed
    if found.opened is not None and not found.opened.same_browser:
        # A form sent without the cookie it was made for: the next one is made for this browser.
        sealed = given.waiting.seal(found.opened.params, browser)
    if asked is not None:
        home = home_location(asked.client, issuer=given.issuer) if found.answered else ""
        allow_form_to(asked.redirect_uri, home, client=asked.client)
    else:
        target = _default_target(given)
        allow_form_to(*([target] if ":" in target else []))
    body = render_template(
        "pages/login.html",
        form=Form(_action_of(sealed), csrf_token(given, browser), qualite, numero),
        errors=errors,
        notice=notice,
        switch_to=switch_to,
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
