"""``/nouveau-mot-de-passe``: the one page that a temporary password opens."""

import logging
from functools import partial

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp import Busy
from idp import StoreUnavailable
from idp.identity.contact import Contact
from idp.identity.new_password import ChoiceEnded
from idp.identity.new_password import Chosen
from idp.identity.new_password import PasswordRefused
from idp.identity.password import PASSWORD_LIMIT
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import choice_of
from idp.web.browser import csrf_token
from idp.web.browser import device_of
from idp.web.browser import drop_choice
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.browser import new_device
from idp.web.browser import session_of
from idp.web.franceconnect_proof import link_chosen
from idp.web.headers import see_other
from idp.web.login_form import STALE_PASSWORD
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.password_answer import NEW_PASSWORD
from idp.web.password_answer import busy
from idp.web.password_faults import sentence
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import arrive
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("new_password", __name__)

PAGE = NEW_PASSWORD
ADDRESS_PAGE = "/adresse-electronique"

log = logging.getLogger("idp.new_password")


@bp.get(PAGE)
def show() -> Response:
    """Show the form while the lease lasts."""
    given = services()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    choice = choice_of(request, given)
    if choice is None:
        return _ended(given, found)
    try:
        with given.transaction():
            contact = given.new_password.about(choice)
    except ChoiceEnded:
        return _ended(given, found)
    return _page(given, found, browser, contact)


@bp.post(PAGE)
def submit() -> Response:
    """Take the new password: a session, and on to the service that waits."""
    given = services()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    choice = choice_of(request, given)
    if choice is None:
        return _ended(given, found)
    clear, again = request.form.get("password", ""), request.form.get("confirm")
    refused: PasswordRefused | None = None
    chosen: Chosen | None = None
    try:
        with given.transaction():
            contact = given.new_password.about(choice)
            if not is_own_form(request, given, browser):
                return _page(given, found, browser, contact, 403, notice=STALE_PASSWORD)
            if fault := slip(clear, again):
                return _page(given, found, browser, contact, 400, errors=(fault,))
            try:
                chosen = given.new_password.choose(
                    choice, clear, actor=actor_of(request, given, g.request_id)
                )
            except PasswordRefused as refusal:  # its audit event is committed all the same
                refused = refusal
    except ChoiceEnded:
        return _ended(given, found)
    except Busy:
        return busy(partial(_page, given, found, browser, contact))
    if chosen is None:
        faults = refused.faults if refused else ()
        policy = given.new_password.policy
        errors = tuple(FormError("password", sentence(fault, policy)) for fault in faults)
        return _page(given, found, browser, contact, 400, errors=errors)
    device = device_of(request, given) or new_device()
    try:
        with given.transaction():
            given.new_password.settle(choice.account_id, device=device)
    except StoreUnavailable as away:
        log.warning("a chosen password was not swept up after: %s", away)
    offers_address = chosen.first or not contact.email
    with given.transaction():
        signed_in, id_token = link_chosen(given, choice, chosen.signed_in)
        response = arrive(
            given, found, signed_in, device,
            by_way_of=ADDRESS_PAGE if offers_address else "", id_token=id_token,
        )  # fmt: skip
    drop_choice(response)
    return response


def slip(clear: str, again: str | None) -> FormError | None:
    """Say what is wrong with a new password that need not be judged."""
    if not clear:
        return FormError("password", say("Saisissez le mot de passe que vous choisissez."))
    if len(clear) > PASSWORD_LIMIT:
        return FormError("password", say("Ce mot de passe est trop long : 128 caractères au plus."))
    if again is not None and again != clear:
        return FormError("confirm", say("Les deux saisies ne sont pas identiques. Recommencez."))
    return None


def _page(
    given: Services,
    found: Waiting,
    browser: str,
    contact: Contact,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
) -> Response:
    response = make_response("", status)
    browser = name_browser(response, browser)
    allow_form_to_waiting(given, found)
    response.set_data(
        render_template(
            "pages/new_password.html",
            form=Form(
                with_waiting(PAGE, found.sealed),
                csrf_token(given, browser),
                numero=contact.numero.value,
            ),
            errors=errors,
            notice=notice,
            first=not contact.has_password,
            numero_end=contact.numero.last_digits,
            minimum=given.new_password.policy.minimum,
        )
    )
    return response


def _ended(given: Services, found: Waiting) -> Response:
    if session_of(request, given)[1] is not None:  # chosen a moment ago, in another form
        return see_other(with_waiting("/connexion", found.sealed))
    body = render_template(
        "pages/choice_ended.html",
        login_url=with_waiting("/connexion", found.sealed),
        reset_url=with_waiting("/mot-de-passe-oublie", found.sealed),
    )
    response = make_response(body, 400)
    drop_choice(response)
    return response
