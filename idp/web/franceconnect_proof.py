"""``/franceconnect/rattachement``: FranceConnect knows the person, and the fund finds no dossier.

Nobody is guessed. The member proves a dossier by its number and a secret, as at the sign-in page
and under the same counters, and the two are linked from then on. Who has no password yet asks for
one first. A temporary password links once another is chosen under its lease, and no other lease.
"""

from contextlib import suppress
from functools import partial

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.franceconnect import FranceConnectRefused
from idp.identity.login import MustChoosePassword
from idp.identity.new_password import Choice
from idp.session import SignedIn
from idp.session import session_key
from idp.web import Services
from idp.web.authorize import SIGN_IN
from idp.web.browser import actor_of
from idp.web.browser import arrival_of
from idp.web.browser import arrival_under
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import keep_arrival
from idp.web.browser import name_browser
from idp.web.franceconnect import PROOF
from idp.web.franceconnect import arrival_ended
from idp.web.franceconnect import way
from idp.web.franceconnect_words import name_of
from idp.web.login_form import STALE_PASSWORD
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.password_answer import to_new_password
from idp.web.password_form import challenge_of
from idp.web.password_form import take
from idp.web.password_form import typed
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import arrive
from idp.web.waiting import cancel
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("franceconnect_proof", __name__)


@bp.get(PROOF)
def show() -> Response:
    """Say what to do, and take a proof."""
    given, _ = way()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    if given.franceconnect_arrivals.get(arrival_of(request)) is None:
        return arrival_ended(SIGN_IN, found.sealed)
    return _page(given, found, browser)


@bp.post(PROOF)
def submit() -> Response:
    """Take the proof: a link, a session, and on to the service that waits."""
    given, _ = way()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    token = arrival_of(request)
    if given.franceconnect_arrivals.get(token) is None:
        return arrival_ended(SIGN_IN, found.sealed)
    if not is_own_form(request, given, browser, PROOF, token):
        qualite, numero = typed()
        return _page(
            given, found, browser, 403, qualite=qualite, numero=numero, notice=STALE_PASSWORD
        )
    if request.form.get("cancel") and found.request is not None:
        return cancel(given, found.request, found)
    return take(
        given, browser, partial(_page, given, found, browser),
        arrive=partial(_arrive, given, found, token),
        choose=partial(_choose, given, found, token),
    )  # fmt: skip


def link_chosen(given: Services, choice: Choice, signed_in: SignedIn) -> tuple[SignedIn, str]:
    """Link who has just chosen a password under a lease that this page opened; others pass.

    Needs the caller's transaction.

    Returns:
        How to open the session, and FranceConnect's ID token, or "".
    """
    token = arrival_under(request, given, choice.holder)
    return _linked(given, token, signed_in) if token else (signed_in, "")


def _arrive(
    given: Services, found: Waiting, token: str, signed_in: SignedIn, device: str
) -> Response:
    signed_in, id_token = _linked(given, token, signed_in)
    return arrive(given, found, signed_in, device, id_token=id_token)


def _linked(given: Services, token: str, signed_in: SignedIn) -> tuple[SignedIn, str]:
    """Link them; who may not be, or came too late, has signed in by password all the same."""
    arrived = given.franceconnect_arrivals.take(token)
    if arrived is None:
        return signed_in, ""
    with suppress(FranceConnectRefused):  # its audit event is committed all the same
        signed_in = given.franceconnect_sign_in.link_by_proof(
            arrived.arrival,
            signed_in.account_id,
            signed_in.credential_version,
            actor=actor_of(request, given, g.request_id),
        )
    return signed_in, arrived.id_token


def _choose(given: Services, found: Waiting, token: str, opened: MustChoosePassword) -> Response:
    response = to_new_password(given, opened, found.sealed)
    keep_arrival(response, given, token, holder=session_key(opened.token))
    return response


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
    arrived = given.franceconnect_arrivals.get(arrival_of(request))
    csrf = csrf_token(given, browser, PROOF, arrival_of(request))
    allow_form_to_waiting(given, found)
    response.set_data(
        render_template(
            "pages/franceconnect_proof.html",
            form=Form(with_waiting(PROOF, found.sealed), csrf, qualite, numero),
            errors=errors,
            notice=notice,
            switch_to=switch_to,
            # On a computer of two, FranceConnect may still know the other one.
            who=name_of(arrived.arrival.pivot) if arrived else "",
            service_name=found.service_name,
            reset_url=with_waiting("/mot-de-passe-oublie", found.sealed),
            login_url=with_waiting(SIGN_IN, found.sealed),
            slip=slip,
            challenge=challenge_of(given, browser),
        )
    )
    return response
