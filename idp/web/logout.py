"""Sign-out: asked by a service, or by the person at ``/compte``."""

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.audit import Event
from idp.oidc.clients import Client
from idp.oidc.logout import LogoutRequest
from idp.oidc.params import Params
from idp.sentence import say
from idp.session import Session
from idp.web import Services
from idp.web import services
from idp.web.browser import SESSION_COOKIE
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import cookie_key_of
from idp.web.browser import csrf_token
from idp.web.browser import drop_session
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.browser import session_of
from idp.web.franceconnect_logout import SIGNED_OUT
from idp.web.franceconnect_logout import remember
from idp.web.franceconnect_logout import way_out
from idp.web.headers import allow_form_to
from idp.web.headers import allow_frames_of
from idp.web.headers import see_other
from idp.web.waiting import forget_arrival

bp = Blueprint("logout", __name__)

CARRIED = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@bp.post(SIGNED_OUT)
@bp.route("/logout", methods=["GET", "POST"])
def logout() -> Response:
    """End the session: at once on a valid hint of it, else after a question.

    A POST from another site arrives without its Lax cookies. It is answered by the question without
    a name for the browser, which would replace the one that its other tabs hang on; the form says
    that the question was asked and brings the cookies.

    Spec: OIDC RP-Initiated Logout 1.0 §2.
    """
    given = services()
    posted = request.method == "POST"
    pairs = request.form if posted else request.args
    params = Params.of(pair for pair in pairs.items(multi=True) if pair[0] in CARRIED)
    key, session = cookie_key_of(request), session_of(request, given)[1]
    browser = browser_of(request)
    asked = given.logout.check(params, key)
    again = posted and request.form.get("again") == "1"
    site = request.headers.get("Sec-Fetch-Site")
    # No other site can make a browser say same-origin: what it says is as good as a CSRF token.
    from_question = again and site == "same-origin"
    confirmed = from_question or (posted and is_own_form(request, given, browser))
    # An old browser says nothing. It is asked once: where cookies are refused, none ever comes.
    asked_before = again and site is None
    named = bool(browser) or session is not None
    blind = posted and not named and not (confirmed or asked_before)
    if confirmed or (asked.proved and not blind):
        return _end(given, asked, key, session)
    if session is None and not blind:
        return _gone(given, asked)
    return _ask(given, asked, params, blind=blind)


@bp.get(SIGNED_OUT)
def done() -> Response:
    """Say that the person is signed out, and name the service that they came from."""
    named = request.args.get("client_id", "")
    return _logged_out(services().clients.find(named) if named else None)


def _end(given: Services, asked: LogoutRequest, key: str, session: Session | None) -> Response:
    """End the session and promise to tell its services.

    One that went idle is over already, and its services know nothing of it yet; nor do they when
    the promise could not be kept in SQL, and the person tries again.
    """
    if not key:
        return _gone(given, asked)
    ended = given.sessions.end(key)
    visits = ended.visits
    owners = [session.account_id] if session else [visit.account_id for visit in visits]
    with given.transaction():
        promised = given.farewell.promise(visits)
        if ended.alive or promised:
            given.audit.record(
                Event.SESSION_ENDED,
                account_id=next(iter(owners), None),
                client_id=asked.client.client_id if asked.client else None,
                actor=actor_of(request, given, g.request_id),
            )
    frames = given.frames.frames(visits)
    out, state = way_out(given, key, owners)
    if not out:
        return _gone(given, asked, frames)
    response = _gone(given, asked, frames, onward=out)
    here = (
        f"{SIGNED_OUT}?{urlencode({'client_id': asked.client.client_id})}" if asked.client else ""
    )
    remember(given, response, state, asked.return_to or here)
    return response


def _gone(
    given: Services, asked: LogoutRequest, frames: Sequence[str] = (), *, onward: str = ""
) -> Response:
    """Lead on from a session that is over: to ``onward``, which leads back, or else at once.

    A form's answer may be redirected where its page allowed, and a sign-out is most often a form of
    a service, which allows us and knows nothing of FranceConnect: a page of ours stands between.
    """
    if frames:
        allow_frames_of(*frames)
    if onward:
        response = _by_way_of(frames, asked, onward)
    elif not asked.return_to:
        response = _logged_out(asked.client, frames)
    elif frames:
        response = _by_way_of(frames, asked, asked.return_to)
    else:
        response = see_other(asked.return_to)
    if SESSION_COOKIE in request.cookies:
        # Never one that stayed behind: a form of another site would sign the person out.
        drop_session(response)
        forget_arrival(given, response)
    return response


def _by_way_of(frames: Sequence[str], asked: LogoutRequest, onward: str) -> Response:
    """Let the frames of services load, then go on. Spec: OIDC Front-Channel Logout 1.0 §3."""
    body = render_template(
        "pages/logging_out.html",
        frames=frames,
        onward=onward,
        franceconnect=onward != asked.return_to,
        service_name=asked.client.client_name if asked.client and asked.return_to else "",
    )
    return make_response(body)


def _ask(given: Services, asked: LogoutRequest, params: Params, *, blind: bool) -> Response:
    response = make_response("")
    csrf = "" if blind else csrf_token(given, name_browser(response, browser_of(request)))
    fields = [(name, params.get(name)) for name in CARRIED if name in params]
    if blind:
        fields.append(("again", "1"))
    if asked.return_to:
        allow_form_to(asked.return_to, client=asked.client)
    response.set_data(
        render_template(
            "pages/logout_confirm.html",
            action=SIGNED_OUT,
            csrf=csrf,
            fields=fields,
            service_name=asked.client.client_name if asked.client else "",
        )
    )
    return response


def _logged_out(client: Client | None, frames: Sequence[str] = ()) -> Response:
    link = client.client_uri if client else ""
    return make_response(
        render_template(
            "pages/logged_out.html",
            service_name=client.client_name if client else "",
            link=link or "/connexion",
            link_label=say("Revenir au service") if link else say("Se connecter à nouveau"),
            frames=frames,
        )
    )
