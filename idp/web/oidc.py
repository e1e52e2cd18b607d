"""The protocol's endpoints. ``/authorize`` is the only dispatcher."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from flask import Blueprint
from flask import Response
from flask import g
from flask import jsonify
from flask import request

from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.authorization import Authorization
from idp.oidc.authorize import UNDERSTOOD
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.authorize import NextStep
from idp.oidc.authorize import RefusedByRedirect
from idp.oidc.authorize import another_person
from idp.oidc.authorize import check
from idp.oidc.authorize import next_step
from idp.oidc.params import Params
from idp.oidc.provider import Answer
from idp.oidc.response import refusal_location
from idp.oidc.response import success_location
from idp.oidc.userinfo import InsufficientScope
from idp.oidc.waiting import WaitingRequestTooLarge
from idp.session import Session
from idp.session import new_session_token
from idp.web import Services
from idp.web import services
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import name_browser
from idp.web.browser import network_of_request
from idp.web.browser import session_of
from idp.web.headers import see_other

bp = Blueprint("oidc", __name__)

FORM = "application/x-www-form-urlencoded"
ADDRESS_LIMIT = 8000
"""Of a path with its query: gunicorn reads a request line of 8190 characters."""


@bp.get("/authorize")
def authorize() -> Response:
    """Answer an authorization request: a code at once, a sign-in page, or a refusal.

    Spec: OIDC Core 1.0 §3.1.2.
    """
    given = services()
    params = Params.of(request.args.items(multi=True))
    now = given.now()
    try:
        asked = check(params, given.clients)
        key, session = session_of(request, given)
        step = _next_step(given, asked, session, requested_at=now)
    except RefusedByRedirect as refusal:
        return see_other(refusal_location(refusal, issuer=given.issuer))
    if step is NextStep.ISSUE_CODE and session is not None:
        return see_other(issue_code(given, asked, key, session))
    return _to_sign_in(given, params)


@bp.post("/authorize")
def authorize_by_form() -> Response:
    """Bring a form's request to GET: a cross-site POST arrives without its Lax cookies.

    Spec: OIDC Core 1.0 §3.1.2.1 (both methods are served).
    """
    given = services()
    params = Params.of(request.form.items(multi=True))
    try:
        check(params, given.clients)
    except RefusedByRedirect as refusal:
        return see_other(refusal_location(refusal, issuer=given.issuer))
    return ask_again(given, params)


@bp.post("/token")
def token() -> Response:
    """Answer a token request, in JSON always. Spec: OIDC Core 1.0 §3.1.3."""
    given = services()
    answer = _asked(given, given.provider.answer_token_request)
    if answer.to_confirm:
        with given.transaction():
            answer = given.provider.confirmed(answer)
    return _response(answer)


@bp.post("/revoke")
def revoke() -> Response:
    """End a token of the service that asks. Spec: RFC 7009 §2."""
    given = services()
    return _response(_asked(given, given.provider.answer_revocation))


@bp.post("/introspect")
def introspect() -> Response:
    """Tell a service whether a token that concerns it is good. Spec: RFC 7662 §2."""
    given = services()
    return _response(_asked(given, given.provider.answer_introspection))


@bp.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """Answer with the claims of an access token, sent in the header or in a form.

    Spec: OIDC Core 1.0 §5.3, RFC 6750 §2.1, §2.2, §3.
    """
    given = services()
    presented = _bearer_tokens()
    if not presented:
        # RFC 6750 §3.1: to a request without any token, no error code.
        return _bearer_refusal(401, "", "")
    if len(presented) > 1:
        return _bearer_refusal(400, "invalid_request", "More than one access token.")
    try:
        with given.transaction():
            claims = given.userinfo.claims(presented[0])
    except InvalidAccessToken as refusal:
        return _bearer_refusal(401, "invalid_token", f"The access token is refused: {refusal}.")
    except InsufficientScope as refusal:
        return _bearer_refusal(403, "insufficient_scope", f"The token is {refusal}.")
    return jsonify(claims)


def issue_code(
    given: Services, asked: AuthorizationRequest, session_key: str, session: Session
) -> str:
    """Issue a code for a session and write where the browser brings it.

    Not for the session of another person than the request hints at: the client is told so.
    """
    if _another_is_hinted(given, asked, session):
        return refusal_location(another_person(asked), issuer=given.issuer)
    code = new_session_token()  # 32 random bytes, like every bearer secret here
    given.codes.put(
        code,
        Authorization(
            client_id=asked.client.client_id,
            redirect_uri=asked.redirect_uri,
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
        ),
        lifetime=given.code_lifetime,
    )
    return success_location(asked.redirect_uri, code=code, state=asked.state, issuer=given.issuer)


def resume(
    given: Services, asked: AuthorizationRequest, requested_at: datetime
) -> tuple[str, bool]:
    """Look again at a request that waited: where it leads now, and whether it is answered.

    Returns:
        ("", False) when it still needs a sign-in.
    """
    try:
        key, session = session_of(request, given)
        step = _next_step(given, asked, session, requested_at=requested_at)
    except RefusedByRedirect as refusal:
        return refusal_location(refusal, issuer=given.issuer), True
    if step is NextStep.ISSUE_CODE and session is not None:
        return issue_code(given, asked, key, session), True
    return "", False


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
) -> NextStep:
    another = session is not None and _another_is_hinted(given, asked, session)
    return next_step(
        asked, session, requested_at=requested_at, now=given.now(), another_is_hinted=another
    )


def _another_is_hinted(given: Services, asked: AuthorizationRequest, session: Session) -> bool:
    return given.provider.tokens.hint_names_another(
        asked.id_token_hint, asked.client, session.account_id
    )


def _to_sign_in(given: Services, params: Params) -> Response:
    response = see_other("/")
    browser = name_browser(response, browser_of(request))
    sealed = given.waiting.seal(params, browser)
    response.headers["Location"] = f"{given.issuer}/connexion?demande={sealed}"
    return response


def _asked(given: Services, answer: Callable[..., Answer]) -> Answer:
    """Ask the provider what a service's form asks, in one transaction."""
    with given.transaction():
        return answer(
            request.form.items(multi=True),
            authorization=request.headers.get("Authorization", ""),
            network=network_of_request(request, given),
            actor=actor_of(request, given, g.request_id),
        )


def _response(answer: Answer) -> Response:
    response = jsonify(answer.body)
    response.status_code = answer.status
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def _bearer_tokens() -> list[str]:
    presented = []
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        presented.append(credentials.strip())
    if request.method == "POST" and request.mimetype == FORM:
        presented += [token for token in request.form.getlist("access_token") if token]
    return presented


def _bearer_refusal(status: int, error: str, description: str) -> Response:
    challenge = 'Bearer realm="userinfo"'
    if error:
        challenge += f', error="{error}", error_description="{description}"'
    response = jsonify(error=error, error_description=description) if error else jsonify({})
    response.status_code = status
    response.headers["WWW-Authenticate"] = challenge
    return response
