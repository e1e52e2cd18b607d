"""The sign-in page: qualité, dossier number, password; one refusal, one way on."""

from contextlib import suppress

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp import Busy
from idp import StoreUnavailable
from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Challenge
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import MustChoosePassword
from idp.identity.login import SignInRefused
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.oidc.next_step import NextStep
from idp.oidc.response import AuthorizationResponse
from idp.session import SignedIn
from idp.web import Services
from idp.web import services
from idp.web.anti_robot import ROBOT
from idp.web.anti_robot import solution_of
from idp.web.authorize import CONSENT
from idp.web.authorize import resume
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import device_of
from idp.web.browser import is_own_form
from idp.web.browser import keep_choice
from idp.web.browser import name_browser
from idp.web.browser import network_of_request
from idp.web.browser import new_device
from idp.web.browser import session_of
from idp.web.errors import RETRY_SECONDS
from idp.web.headers import allow_anti_robot
from idp.web.headers import see_other
from idp.web.language import language
from idp.web.login_form import BUSY
from idp.web.login_form import COOKIES_REFUSED
from idp.web.login_form import NO_COOKIES
from idp.web.login_form import REFUSED
from idp.web.login_form import STALE_PASSWORD
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import hinted
from idp.web.login_form import read
from idp.web.login_form import seconds_of
from idp.web.login_form import wait_notice
from idp.web.logos import logo_of
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import arrive
from idp.web.waiting import cancel
from idp.web.waiting import home_of
from idp.web.waiting import led_on
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("login", __name__)

FORM = "sign_in"
"""The name of the form, to which its anti-robot is bound."""


@bp.get("/")
def root() -> Response:
    """Lead whoever types the bare address to the sign-in page."""
    return see_other("/connexion")


@bp.get("/connexion")
def show() -> Response:
    """Show the form, unless a session already answers what waits."""
    given = services()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    if found.request is None or found.opened is None:
        _, session = session_of(request, given)
        return see_other("/compte") if session else _page(given, found, browser)
    if found.answered:
        return see_other(home_of(given, found.request.client))
    if not browser:
        # No loop through /authorize: where cookies are refused this page is where one learns it.
        return _page(given, found, browser, notice=NO_COOKIES)
    answer = resume(given, found.request, found.opened.requested_at)
    if isinstance(answer, AuthorizationResponse):
        return led_on(found, answer)
    if answer is NextStep.ASK_CONSENT:
        return see_other(with_waiting(CONSENT, found.sealed))
    # Who may go on as who is signed in came here to be somebody else.
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
        return see_other(with_waiting("/connexion", request.args.get("demande", "")))
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    qualite, numero = request.form.get("qualite", ""), request.form.get("numero", "")[:64]
    sealed_here = found.opened is None or found.opened.same_browser
    if not sealed_here or not is_own_form(request, given, browser):
        return _page(
            given, found, browser, 403, qualite=qualite, numero=numero,
            notice=STALE_PASSWORD if browser else COOKIES_REFUSED,
        )  # fmt: skip
    if request.form.get("cancel") and found.request is not None:
        return cancel(given, found.request, found)
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
    if _is_suspected(given, origin):
        try:
            given.anti_robot.accept(FORM, browser, solution_of(request.form))
        except AntiRobotRefused:
            given.counts.signed_in("refused", "anti_robot")
            return _page(
                given, found, browser, 400, qualite=qualite, numero=numero, errors=(ROBOT,)
            )
    # Redis before SQL: a session without its event expires by itself, and nobody holds its cookie.
    try:
        with given.transaction(), given.together():
            outcome = _sign_in(
                given, attempt.qualite, attempt.numero, attempt.password, origin, device, browser
            )
            if isinstance(outcome, SignedIn):
                return arrive(given, found, outcome, device)
        if isinstance(outcome, MustChoosePassword):
            response = see_other(with_waiting("/nouveau-mot-de-passe", found.sealed))
            keep_choice(response, given, outcome)
            return response
    except StoreUnavailable:
        given.counts.signed_in("unavailable", "store")
        raise
    except Busy:
        given.counts.signed_in("unavailable", "hash_pool")
        response = _page(given, found, browser, 503, qualite=qualite, numero=numero, notice=BUSY)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response
    if isinstance(outcome, SignInDelayed):
        given.counts.signed_in("delayed", outcome.held_by)
        response = _page(
            given, found, browser, 429, qualite=qualite, numero=numero,
            notice=wait_notice(outcome.retry_after),
        )  # fmt: skip
        response.headers["Retry-After"] = str(seconds_of(outcome.retry_after))
        return response
    return _page(
        given, found, browser, 403, qualite=qualite, numero=numero,
        errors=_refusal(outcome), slip=outcome.slip,
    )  # fmt: skip


def _refusal(refused: SignInRefused) -> tuple[FormError, ...]:
    said = FormError("", REFUSED)
    return (said, FormError("", wait_notice(refused.wait).message)) if refused.wait else (said,)


def _is_suspected(given: Services, origin: Origin) -> bool:
    """Whether this stranger solves an anti-robot first; a browser that signed in before never."""
    return not origin.device and given.sign_in.attempts.is_suspected(origin.network)


def _challenge(given: Services, browser: str) -> Challenge | None:
    origin = Origin(network_of_request(request, given), device_of(request, given))
    with suppress(StoreUnavailable):  # the page shows all the same, and the form says what is away
        if _is_suspected(given, origin):
            allow_anti_robot()
            return given.anti_robot.challenge(FORM, browser, harder=True, language=language())
    return None


def _sign_in(
    given: Services,
    qualite: Qualite,
    numero: NumeroDossier,
    password: str,
    origin: Origin,
    device: str,
    browser: str,
) -> SignedIn | MustChoosePassword | SignInRefused | SignInDelayed:
    """Try once. A refusal is an outcome, not an accident: its audit event is committed too."""
    try:
        return given.sign_in.with_password(
            qualite,
            numero,
            password,
            origin=origin,
            device=device,
            browser=browser,
            actor=actor_of(request, given, g.request_id),
        )
    except (SignInRefused, SignInDelayed) as refusal:
        return refusal


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
    slip: bool = False,
) -> Response:
    response = make_response("", status)
    browser = name_browser(response, browser)
    asked, sealed = found.request, found.sealed
    if found.opened is not None and not found.opened.same_browser:
        # A form sent without the cookie it was made for: the next one is made for this browser.
        sealed = given.waiting.seal(found.opened.params, browser)
    allow_form_to_waiting(given, found)
    body = render_template(
        "pages/login.html",
        form=Form(with_waiting("/connexion", sealed), csrf_token(given, browser), qualite, numero),
        errors=errors,
        notice=notice,
        switch_to=switch_to,
        service_name=asked.client.client_name if asked else "",
        service_logo=logo_of(given, asked.client.client_id) if asked else "",
        franceconnect_url="",
        franceconnect_away=False,
        franceconnect_wished=False,
        password_answers=True,
        reset_url=with_waiting("/mot-de-passe-oublie", sealed),
        slip=slip,
        challenge=_challenge(given, browser),
    )
    response.set_data(body)
    return response
