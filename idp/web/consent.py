"""``/consentement``: a service of others asks, the member accepts or refuses.

The answer holds for this browser, this session, this request and what the page showed: the form's
token is made of them all. Whatever comes otherwise changes nothing and is led to the page as it
stands now.
"""

from urllib.parse import urlsplit

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.audit import Event
from idp.identity.outbox import Kind
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.next_step import NextStep
from idp.oidc.response import AuthorizationResponse
from idp.web import Services
from idp.web import services
from idp.web.account_choice import is_selected
from idp.web.authorize import ACCOUNT_CHOICE
from idp.web.authorize import CONSENT
from idp.web.authorize import SIGN_IN
from idp.web.authorize import ask_again
from idp.web.authorize import resume
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.consent_words import gifts
from idp.web.consent_words import title_of
from idp.web.headers import see_other
from idp.web.login_form import STALE_FORM
from idp.web.login_form import Notice
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.member import signed_out
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import cancel
from idp.web.waiting import home_of
from idp.web.waiting import led_on
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("consent", __name__)


@bp.get(CONSENT)
def show() -> Response:
    """Ask, unless what waits needs something else or nothing any more."""
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
    selected = is_selected(given, browser, member, found)
    step = resume(given, found.request, found.opened.requested_at, selected=selected)
    if step is NextStep.ASK_CONSENT:
        return _page(given, found, found.request, member, browser)
    return _onward(found, step)


@bp.post(CONSENT)
def answer() -> Response:
    """Take the answer: remember what is granted, or tell the service that nothing is."""
    given = services()
    browser = browser_of(request)
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    asked, member = found.request, member_of(given)
    choice = request.form.get("choix", "")
    if asked is None or found.opened is None or member is None or found.answered:
        return see_other(_here(found))
    own = is_own_form(request, given, browser, *_about(member, found, asked))
    if not found.opened.same_browser:
        return see_other(_here(found))
    if not (own and choice in ("accepter", "refuser")):
        return _page(given, found, asked, member, browser, 403, notice=STALE_FORM)
    accepted = choice == "accepter"
    with given.transaction():
        if accepted:
            given.consent_rule.consents.grant(
                member.session.account_id, asked.client.client_id, asked.scope, given.now()
            )
        given.audit.record(
            Event.CONSENT_GIVEN if accepted else Event.CONSENT_REFUSED,
            account_id=member.session.account_id,
            client_id=asked.client.client_id,
            actor=actor_of(request, given, g.request_id),
            detail={"scope": " ".join(asked.scope)},
        )
        if accepted:
            given.notices.tell(
                Kind.ACCESS_GIVEN,
                member.session.account_id,
                version=member.session.credential_version,
            )
    if not accepted:
        return cancel(given, asked, found)
    selected = is_selected(given, browser, member, found)
    step = resume(given, asked, found.opened.requested_at, selected=selected, consented=True)
    return _onward(found, step)


def _onward(found: Waiting, step: AuthorizationResponse | NextStep) -> Response:
    if isinstance(step, AuthorizationResponse):
        return led_on(found, step)
    page = ACCOUNT_CHOICE if step is NextStep.SELECT_ACCOUNT else SIGN_IN
    return see_other(with_waiting(page, found.sealed))


def _here(found: Waiting) -> str:
    return with_waiting(CONSENT, found.sealed, selected=request.args.get("choisi", ""))


def _about(member: Member, found: Waiting, asked: AuthorizationRequest) -> tuple[str, ...]:
    # The scope too: a registration that grew meanwhile must not be granted unseen.
    return CONSENT, member.key, found.sealed, " ".join(asked.scope)


def _page(
    given: Services,
    found: Waiting,
    asked: AuthorizationRequest,
    member: Member,
    browser: str,
    status: int = 200,
    *,
    notice: Notice | None = None,
) -> Response:
    allow_form_to_waiting(given, found)
    rule, client = given.consent_rule, asked.client
    missing = rule.missing(client, member.session.account_id, asked.scope)
    # Asked once more for what is granted already: the page shows it all.
    wanted = missing or asked.scope
    body = render_template(
        "pages/consent.html",
        notice=notice,
        action=_here(found),
        csrf=csrf_token(given, browser, *_about(member, found, asked)),
        service_name=client.client_name,
        service_host=_host(asked),
        policy_uri=_web(client.policy_uri),
        tos_uri=_web(client.tos_uri),
        name=member.name,
        qualite_label=member.qualite_label,
        numero_end=member.numero_end,
        gifts=gifts(wanted, member, days=given.accesses.refresh_tokens.absolute.days),
        granted=[title_of(word) for word in asked.scope if word not in wanted],
        keeps_access="offline_access" in asked.scope,
    )
    return make_response(body, status)


def _host(asked: AuthorizationRequest) -> str:
    """Where the answer goes, as the address bar will say it; "" for a program on a device."""
    parts = urlsplit(asked.back.redirect_uri)
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""


def _web(uri: str) -> str:
    return uri if uri.startswith(("https://", "http://")) else ""
