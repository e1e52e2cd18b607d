"""The sign-in page: qualité, dossier number, password; one refusal, one way on."""

from functools import partial

from flask import Blueprint
from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.franceconnect import ACR_FRANCECONNECT
from idp.identity.login import ACR_PASSWORD
from idp.oidc.next_step import NextStep
from idp.oidc.response import AuthorizationResponse
from idp.web import Services
from idp.web import services
from idp.web.authorize import CONSENT
from idp.web.authorize import FRANCECONNECT
from idp.web.authorize import resume
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.browser import session_of
from idp.web.franceconnect_words import Block
from idp.web.franceconnect_words import block_of
from idp.web.franceconnect_words import told
from idp.web.headers import see_other
from idp.web.login_form import COOKIES_REFUSED
from idp.web.login_form import NO_COOKIES
from idp.web.login_form import STALE_PASSWORD
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import hinted
from idp.web.logos import logo_of
from idp.web.password_answer import to_new_password
from idp.web.password_form import challenge_of
from idp.web.password_form import take
from idp.web.password_form import typed
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import arrive
from idp.web.waiting import cancel
from idp.web.waiting import home_of
from idp.web.waiting import led_on
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("login", __name__)


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
    qualite, numero = typed()
    sealed_here = found.opened is None or found.opened.same_browser
    if not sealed_here or not is_own_form(request, given, browser):
        return _page(
            given, found, browser, 403, qualite=qualite, numero=numero,
            notice=STALE_PASSWORD if browser else COOKIES_REFUSED,
        )  # fmt: skip
    if request.form.get("cancel") and found.request is not None:
        return cancel(given, found.request, found)
    return take(
        given, browser, partial(_page, given, found, browser),
        arrive=lambda signed_in, device: arrive(given, found, signed_in, device),
        choose=lambda opened: to_new_password(given, opened, found.sealed),
    )  # fmt: skip


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
    franceconnect = block_of(given, asked)
    password_answers = asked is None or asked.claims.takes_level(ACR_PASSWORD)
    allow_form_to_waiting(given, found)
    body = render_template(
        "pages/login.html",
        form=Form(with_waiting("/connexion", sealed), csrf_token(given, browser), qualite, numero),
        errors=errors,
        notice=notice or told(),
        switch_to=switch_to,
        service_name=found.service_name,
        service_logo=logo_of(given, asked.client.client_id) if asked else "",
        franceconnect_url=with_waiting(FRANCECONNECT, sealed)
        if franceconnect is Block.OPEN
        else "",
        franceconnect_away=franceconnect is Block.AWAY,
        franceconnect_wished=asked is not None and ACR_FRANCECONNECT in asked.acr_values,
        password_answers=password_answers,
        reset_url=with_waiting("/mot-de-passe-oublie", sealed) if password_answers else "",
        slip=slip,
        challenge=challenge_of(given, browser) if password_answers else None,
    )
    response.set_data(body)
    return response
