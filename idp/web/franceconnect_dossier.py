"""``/franceconnect/dossier``: one person, several dossiers; which one is it to be?

What is offered is read anew each time. A row is told by what the dossier is to the fund and by the
end of its number, and sent back as a signed word, worth nothing to another browser.
"""

from dataclasses import dataclass

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.franceconnect import DossierChoice
from idp.identity.franceconnect import FranceConnectRefused
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web.authorize import SIGN_IN
from idp.web.browser import actor_of
from idp.web.browser import arrival_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import device_of
from idp.web.browser import drop_arrival
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.browser import new_device
from idp.web.browser import was_said
from idp.web.franceconnect import DOSSIER
from idp.web.franceconnect import arrival_ended
from idp.web.franceconnect import way
from idp.web.franceconnect_words import Said
from idp.web.headers import see_other
from idp.web.login_form import STALE_FORM
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.member import QUALITE_LABELS
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import arrive
from idp.web.waiting import cancel
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("franceconnect_dossier", __name__)

NONE_CHOSEN = FormError("dossier", say("Choisissez un dossier, puis continuez."))


@dataclass(frozen=True, slots=True)
class Row:
    """One dossier on the page; ``value`` is what the form sends for it."""

    value: str
    qualite: Sentence
    numero_end: str


@bp.get(DOSSIER)
def show() -> Response:
    """Ask which dossier."""
    given, _ = way()
    found = waiting_of(given, browser_of(request))
    return found if isinstance(found, Response) else _page(given, found)


@bp.post(DOSSIER)
def submit() -> Response:
    """Open the dossier that was chosen."""
    given, _ = way()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    token = arrival_of(request)
    if not is_own_form(request, given, browser, DOSSIER, token):
        return _page(given, found, 403, notice=STALE_FORM)
    if request.form.get("cancel") and found.request is not None:
        return cancel(given, found.request, found)
    choice = _chosen(given, browser, token)
    if choice is None:
        return _page(given, found, 400, errors=(NONE_CHOSEN,))
    device = device_of(request, given) or new_device()
    # Once: of two forms sent at the same time one opens the dossier.
    arrived = given.franceconnect_arrivals.take(token)
    if arrived is None:
        return arrival_ended(SIGN_IN, found.sealed)
    with given.transaction(), given.together():
        try:
            signed_in = given.franceconnect_sign_in.choose(
                arrived.arrival,
                choice.account_id,
                device=device,
                actor=actor_of(request, given, g.request_id),
            )
            response = arrive(given, found, signed_in, device, id_token=arrived.id_token)
        except FranceConnectRefused:  # its audit event is committed all the same
            response = see_other(with_waiting(SIGN_IN, found.sealed, said=Said.REFUSED))
    drop_arrival(response)
    return response


def _choices(given: Services, token: str) -> tuple[DossierChoice, ...]:
    arrived = given.franceconnect_arrivals.get(token) if token else None
    if arrived is None:
        return ()
    with given.transaction():
        return given.franceconnect_sign_in.choices(arrived.arrival)


def _chosen(given: Services, browser: str, token: str) -> DossierChoice | None:
    word = request.form.get("dossier", "")
    for choice in _choices(given, token):
        if was_said(given, word, browser, *_about(token, choice)):
            return choice
    return None


def _page(
    given: Services,
    found: Waiting,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
) -> Response:
    token = arrival_of(request)
    choices = _choices(given, token)
    if not choices:
        return arrival_ended(SIGN_IN, found.sealed)
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    allow_form_to_waiting(given, found)
    response.set_data(
        render_template(
            "pages/franceconnect_dossier.html",
            action=with_waiting(DOSSIER, found.sealed),
            csrf=csrf_token(given, browser, DOSSIER, token),
            errors=errors,
            notice=notice,
            service_name=found.service_name,
            rows=[
                Row(
                    csrf_token(given, browser, *_about(token, choice)),
                    QUALITE_LABELS[choice.qualite],
                    choice.numero_end,
                )
                for choice in choices
            ],
        )
    )
    return response


def _about(token: str, choice: DossierChoice) -> tuple[str, ...]:
    return "franceconnect:dossier", token, choice.account_id
