"""``/choix-du-dossier``: go on as who is signed in, or as somebody else (``select_account``).

Who goes on carries a proof of it in the address, made of browser, session and request: it is worth
nothing to another session, and another request asks again. Nothing is kept.
"""

from flask import Blueprint
from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.oidc.next_step import NextStep
from idp.oidc.response import AuthorizationResponse
from idp.web import Services
from idp.web import services
from idp.web.authorize import ACCOUNT_CHOICE
from idp.web.authorize import CONSENT
from idp.web.authorize import SIGN_IN
from idp.web.authorize import ask_again
from idp.web.authorize import resume
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import was_said
from idp.web.headers import see_other
from idp.web.login_form import STALE_FORM
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.member import signed_out
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import home_of
from idp.web.waiting import led_on
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("account_choice", __name__)


@bp.route(ACCOUNT_CHOICE, methods=["GET", "POST"])
def choose() -> Response:
    """Ask, or take the answer; who would be somebody else follows a link to the sign-in page."""
    given = services()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    if found.request is None or found.opened is None:
        return see_other("/compte")
    if found.answered:
        return see_other(home_of(given, found.request.client))
    member = member_of(given)
    if member is None:
        return signed_out(with_waiting(SIGN_IN, found.sealed))
    if not found.opened.same_browser:
        return ask_again(given, found.opened.params)  # under a name that this browser gets there
    posted = request.method == "POST"
    about = _about(ACCOUNT_CHOICE, member, found)
    selected = posted and is_own_form(request, given, browser, *about)
    stale = posted and not selected
    step = resume(given, found.request, found.opened.requested_at, selected=selected)
    if isinstance(step, AuthorizationResponse):
        return led_on(found, step)
    if step is NextStep.ASK_CONSENT:
        proof = csrf_token(given, browser, *_about(CONSENT, member, found)) if selected else ""
        return see_other(with_waiting(CONSENT, found.sealed, selected=proof))
    if step is not NextStep.SELECT_ACCOUNT:
        return see_other(with_waiting(SIGN_IN, found.sealed))
    allow_form_to_waiting(given, found)
    body = render_template(
        "pages/account_choice.html",
        notice=STALE_FORM if stale else None,
        action=with_waiting(ACCOUNT_CHOICE, found.sealed),
        csrf=csrf_token(given, browser, *about),
        service_name=found.request.client.client_name,
        on_device=found.request.back.on_device,
        name=member.name,
        qualite_label=member.qualite_label,
        numero_end=member.numero_end,
        other_url=with_waiting(SIGN_IN, found.sealed),
    )
    return make_response(body, 403 if stale else 200)


def is_selected(given: Services, browser: str, member: Member, found: Waiting) -> bool:
    """Tell whether the member said, for this request, to go on as who is signed in."""
    proof = request.args.get("choisi", "")
    return was_said(given, proof, browser, *_about(CONSENT, member, found))


def _about(page: str, member: Member, found: Waiting) -> tuple[str, ...]:
    # For which page: the proof that an address carries fits no form.
    return f"select_account:{page}", member.key, found.sealed
