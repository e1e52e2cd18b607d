"""``/authorize``, the only dispatcher, and how its answers leave: by redirect or by a form."""

from datetime import datetime
from urllib.parse import urlencode

from flask import Blueprint
from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.franceconnect import ACR_FRANCECONNECT
from idp.oidc.authorization import Authorization
from idp.oidc.authorize import UNDERSTOOD
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.authorize import check
from idp.oidc.claims import sub_of
from idp.oidc.levels import check_level
from idp.oidc.next_step import NextStep
from idp.oidc.next_step import Standing
from idp.oidc.next_step import another_person
from idp.oidc.next_step import consent_step
from idp.oidc.next_step import next_step
from idp.oidc.params import Params
from idp.oidc.response import AuthorizationResponse
from idp.oidc.response import success
from idp.oidc.return_address import FORM_POST
from idp.oidc.return_address import RefusedByRedirect
from idp.oidc.waiting import WaitingRequestTooLarge
from idp.session import Session
from idp.session import new_session_token
from idp.web import Services
from idp.web import services
from idp.web.browser import browser_of
from idp.web.browser import name_browser
from idp.web.browser import session_of
from idp.web.headers import allow_form_to
from idp.web.headers import see_other
from idp.web.refused import refuse

bp = Blueprint("authorize", __name__)

SIGN_IN = "/connexion"
ACCOUNT_CHOICE = "/choix-du-dossier"
CONSENT = "/consentement"
FRANCECONNECT = "/franceconnect"
PAGES = {
    NextStep.REGISTER: "/mot-de-passe-oublie",
    NextStep.SIGN_IN: SIGN_IN,
    NextStep.SELECT_ACCOUNT: ACCOUNT_CHOICE,
    NextStep.ASK_CONSENT: CONSENT,
}
"""Where what a request needs is asked."""

IDP_HINT = "franceconnect"
"""What ``idp_hint`` names: the parameter is FranceConnect's own, and no specification's."""

ADDRESS_LIMIT = 8000
"""Of a path with its query: gunicorn reads a request line of 8190 characters."""


@bp.get("/authorize")
def authorize() -> Response:
    """Answer an authorization request: a code at once, a page of ours, or a refusal.

    Spec: OIDC Core 1.0 §3.1.2.
    """
    given = services()
    params = Params.of(request.args.items(multi=True))
    now = given.now()
    try:
        asked = check(params, given.clients)
        key, session = session_of(request, given)
        step = _next_step(given, asked, session, requested_at=now)
    except RefusedByRedirect as refused:
        return sent(refuse(given, refused))
    if step is NextStep.ISSUE_CODE and session is not None:
        return sent(issue_code(given, asked, key, session))
    if step is NextStep.SIGN_IN and _goes_to_franceconnect(given, asked):
        return _to_franceconnect(given, params, asked)
    return _to_page(given, params, PAGES[step])


@bp.post("/authorize")
def authorize_by_form() -> Response:
    """Bring a form's request to GET: a cross-site POST arrives without its Lax cookies.

    Spec: OIDC Core 1.0 §3.1.2.1 (both methods are served).
    """
    given = services()
    params = Params.of(request.form.items(multi=True))
    try:
        check(params, given.clients)
    except RefusedByRedirect as refused:
        return sent(refuse(given, refused))
    return ask_again(given, params)


def sent(answer: AuthorizationResponse) -> Response:
    """Send the browser to the service with an answer.

    Spec: OAuth 2.0 Form Post Response Mode §2.
    """
    if answer.back.response_mode != FORM_POST:
        return see_other(answer.location)
    allow_form_to(answer.back.redirect_uri, client=answer.back.client)
    page = render_template(
        "pages/form_post.html",
        action=answer.back.redirect_uri,
        fields=answer.parameters,
        service_name=answer.back.client.client_name,
    )
    return make_response(page)


def issue_code(
    given: Services, asked: AuthorizationRequest, session_key: str, session: Session
) -> AuthorizationResponse:
    """Issue a code for a session.

    Not for the session of another person than the request hints at, nor at another level than it
    insists on: the client is told so.
    """
    if _another_is_hinted(given, asked, session):
        return refuse(given, another_person(asked))
    try:
        check_level(asked, [session.acr])
    except RefusedByRedirect as refused:
        return refuse(given, refused)
    code = new_session_token()  # 32 random bytes, like every bearer secret here
    given.codes.put(
        code,
        Authorization(
            client_id=asked.client.client_id,
            redirect_uri=asked.back.redirect_uri,
            scope=asked.scope,
            account_id=session.account_id,
            credential_version=session.credential_version,
            session_key=session_key,
            session_ends_at=session.ends_at,
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
            nonce=asked.nonce,
            code_challenge=asked.code_challenge,
            resources=asked.resources,
            userinfo_claims=asked.claims.userinfo,
            id_token_claims=asked.claims.id_token,
        ),
        lifetime=given.code_lifetime,
    )
    given.counts.authorized(asked.client.client_id)
    return success(asked.back, code=code, issuer=given.issuer)


def resume(
    given: Services,
    asked: AuthorizationRequest,
    requested_at: datetime,
    *,
    selected: bool = False,
    consented: bool = False,
) -> AuthorizationResponse | NextStep:
    """Look again at a request that waited: its answer, or what it still needs.

    ``selected`` and ``consented`` tell what the member has just answered for it.
    """
    try:
        key, session = session_of(request, given)
        step = _next_step(
            given, asked, session, requested_at=requested_at, selected=selected, consented=consented
        )
    except RefusedByRedirect as refused:
        return refuse(given, refused)
    if step is NextStep.ISSUE_CODE and session is not None:
        return issue_code(given, asked, key, session)
    return step


def needs_consent(given: Services, asked: AuthorizationRequest, account_id: str) -> bool:
    """Tell whether who has just signed in for a request is asked for consent."""
    standing = Standing(must_consent=_must_consent(given, asked, account_id))
    return consent_step(asked, standing) is NextStep.ASK_CONSENT


def ask_again(given: Services, params: Params) -> Response:
    """Bring a request that came another way to GET: what we understand of it, nothing else.

    Raises:
        WaitingRequestTooLarge: a form may hold more than the server reads of an address.
    """
    kept = [(name, value) for name, value in params.pairs if value and name in UNDERSTOOD]
    target = f"/authorize?{urlencode(kept)}"
    if len(target) > ADDRESS_LIMIT:
        raise WaitingRequestTooLarge(f"{len(target)} characters of an address")
    return see_other(given.issuer + target)


def _next_step(
    given: Services,
    asked: AuthorizationRequest,
    session: Session | None,
    *,
    requested_at: datetime,
    selected: bool = False,
    consented: bool = False,
) -> NextStep:
    check_level(asked, given.acr_values)
    standing = Standing()
    if session is not None:
        standing = Standing(
            another_is_hinted=_another_is_hinted(given, asked, session),
            selected=selected,
            must_consent=_must_consent(given, asked, session.account_id),
            consented=consented,
            another_level_is_wished=asked.wishes_another_level(session.acr, given.acr_values),
        )
    return next_step(asked, session, requested_at=requested_at, now=given.now(), standing=standing)


def _goes_to_franceconnect(given: Services, asked: AuthorizationRequest) -> bool:
    """Tell whether who must sign in is led past our page: once, for who comes back gets the page.

    Not while FranceConnect is away, nor where its level would not do.
    """
    if given.franceconnect is None or asked.idp_hint != IDP_HINT:
        return False
    answers = asked.claims.takes_level(ACR_FRANCECONNECT)
    return answers and not given.franceconnect.is_away()


def _must_consent(given: Services, asked: AuthorizationRequest, account_id: str) -> bool:
    return bool(given.consent_rule.missing(asked.client, account_id, asked.scope))


def _another_is_hinted(given: Services, asked: AuthorizationRequest, session: Session) -> bool:
    tokens, account_id = given.provider.tokens, session.account_id
    if not asked.claims.takes_person(sub_of(account_id, asked.client, tokens.pairwise_salt)):
        return True
    return tokens.hint_names_another(asked.id_token_hint, asked.client, account_id)


def _to_franceconnect(given: Services, params: Params, asked: AuthorizationRequest) -> Response:
    """Lead on by a page of ours.

    A service may have come by a form, whose policy Chromium holds against every redirect that
    follows: it names us, and cannot name where FranceConnect leads on to.
    """
    response = make_response("")
    sealed = given.waiting.seal(params, name_browser(response, browser_of(request)))
    onward = f"{FRANCECONNECT}?{urlencode({'demande': sealed})}"
    response.set_data(
        render_template(
            "pages/to_franceconnect.html", onward=onward, service_name=asked.client.client_name
        )
    )
    return response


def _to_page(given: Services, params: Params, page: str) -> Response:
    response = see_other("/")
    browser = name_browser(response, browser_of(request))
    sealed = given.waiting.seal(params, browser)
    response.headers["Location"] = f"{given.issuer}{page}?demande={sealed}"
    return response
