"""``/adresse-electronique``: record an e-mail address and confirm it by a code.

Offered after a first connection; the service that waits gets its answer afterwards, or at once by
"Plus tard". It needs a sign-in as recent as ``/compte/adresse-mail`` does: an address can receive a
reset one day. The code may come later than that: who may propose was asked as it was proposed.
"""

from datetime import timedelta

from flask import Blueprint
from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.email_address import LIFETIME
from idp.identity.mask import mask_email
from idp.web import Services
from idp.web import services
from idp.web.address_code import OVER
from idp.web.address_code import address_proposed
from idp.web.address_code import code_refused
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.headers import see_other
from idp.web.login_form import STALE_FORM
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("email_address", __name__)

PAGE = "/adresse-electronique"
CODE_PAGE = "/adresse-electronique/code"


@bp.get(PAGE)
def show() -> Response:
    """Ask for an address."""
    given = services()
    member = _recent(given, given.recent_sign_in)
    return _page(given, member) if member is not None else _sign_in()


@bp.post(PAGE)
def propose() -> Response:
    """Keep it and send a code to it."""
    given = services()
    member = _recent(given, given.recent_sign_in)
    if member is None:
        return _sign_in()
    if not is_own_form(request, given, browser_of(request), PAGE, member.key):
        return _page(given, member, 403, notice=STALE_FORM)
    refused = address_proposed(given, member, _page)
    return refused or see_other(with_waiting(CODE_PAGE, _waiting()))


@bp.get(CODE_PAGE)
def ask_code() -> Response:
    """Ask for the code."""
    given = services()
    member = _recent(given, _while_a_code_lives(given))
    return _code_page(given, member) if member is not None else _sign_in()


@bp.post(CODE_PAGE)
def confirm() -> Response:
    """Record the address, and lead on."""
    given = services()
    member = _recent(given, _while_a_code_lives(given))
    if member is None:
        return _sign_in()
    if not is_own_form(request, given, browser_of(request), CODE_PAGE, member.key):
        return _code_page(given, member, 403, notice=STALE_FORM)
    return code_refused(given, member, _page, _code_page) or _sign_in()


def _recent(given: Services, within: timedelta) -> Member | None:
    """Who is signed in, if they proved themselves a moment ago."""
    member = member_of(given)
    if member is None or not member.session.is_recent(now=given.now(), within=within):
        return None
    return member


def _while_a_code_lives(given: Services) -> timedelta:
    return given.recent_sign_in + LIFETIME


def _waiting() -> str:
    return request.args.get("demande", "")


def _sign_in() -> Response:
    # Who is signed in is led on from there to what waits.
    return see_other(with_waiting("/connexion", _waiting()))


def _allow_the_way_on(given: Services) -> None:
    # A form of these pages may lead by way of /connexion to the service, in one chain of redirects.
    found = waiting_of(given, browser_of(request))
    if isinstance(found, Waiting):
        allow_form_to_waiting(given, found)


def _page(
    given: Services,
    member: Member,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
    typed: str = "",
) -> Response:
    with given.transaction():
        wait = given.addresses.wait(member.session.account_id)
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    _allow_the_way_on(given)
    response.set_data(
        render_template(
            "pages/email_address.html",
            form=Form(with_waiting(PAGE, _waiting()), csrf_token(given, browser, PAGE, member.key)),
            typed=typed,
            errors=errors,
            notice=notice,
            first=True,
            by_letter=wait > NEW_ADDRESS_WAIT,
            later_url=with_waiting("/connexion", _waiting()),
        )
    )
    return response


def _code_page(
    given: Services,
    member: Member,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
) -> Response:
    address = given.addresses.pending.address(member.session.account_id)
    if not address:
        return _page(given, member, 400, notice=OVER)
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    _allow_the_way_on(given)
    response.set_data(
        render_template(
            "pages/email_code.html",
            form=Form(
                with_waiting(CODE_PAGE, _waiting()),
                csrf_token(given, browser, CODE_PAGE, member.key),
            ),
            email_mask=mask_email(address),
            errors=errors,
            notice=notice,
            later_url=with_waiting("/connexion", _waiting()),
            again_url=with_waiting(PAGE, _waiting()),
        )
    )
    return response
