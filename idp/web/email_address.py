"""``/adresse-electronique``: record an e-mail address and confirm it by a code.

Offered after a first connection; the service that waits gets its answer afterwards, or at once by
"Plus tard". It needs a sign-in of a moment ago: an address can receive a reset one day.
"""

from datetime import timedelta

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.email_address import InvalidAddress
from idp.identity.email_address import WrongCode
from idp.identity.mask import mask_email
from idp.identity.reset_quotas import QuotaReached
from idp.sentence import say
from idp.session import Session
from idp.web import Services
from idp.web import services
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.browser import session_of
from idp.web.headers import see_other
from idp.web.login_form import STALE_FORM
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import seconds_of
from idp.web.login_form import soon
from idp.web.waiting import Waiting
from idp.web.waiting import allow_form_to_waiting
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("email_address", __name__)

PAGE = "/adresse-electronique"
CODE_PAGE = "/adresse-electronique/code"
RECENT = timedelta(minutes=30)

NO_ADDRESS = FormError("email", say("Saisissez une adresse complète, par exemple nom@exemple.fr."))
WRONG = FormError(
    "code", say("Ce code n’est pas le bon. Vérifiez les six chiffres du message le plus récent.")
)
OVER = Notice(
    "warning",
    say("Ce code n’est plus valable"),
    say("Il y a eu trop d’essais, ou trop de temps a passé. Demandez un nouveau code."),
)


@bp.get(PAGE)
def show() -> Response:
    """Ask for an address."""
    given = services()
    session = _recent(given)
    return _page(given, session) if session is not None else _sign_in()


@bp.post(PAGE)
def propose() -> Response:
    """Keep it and send a code to it."""
    given = services()
    session = _recent(given)
    if session is None:
        return _sign_in()
    typed = request.form.get("email", "")
    if not is_own_form(request, given, browser_of(request)):
        return _page(given, session, 403, notice=STALE_FORM)
    try:
        with given.transaction():
            given.addresses.propose(
                session.account_id, typed, actor=actor_of(request, given, g.request_id)
            )
    except InvalidAddress:
        return _page(given, session, 400, errors=(NO_ADDRESS,), typed=typed[:254])
    except QuotaReached as held:
        response = _page(given, session, 429, notice=too_many(held), typed=typed[:254])
        response.headers["Retry-After"] = str(seconds_of(held.retry_after))
        return response
    return see_other(with_waiting(CODE_PAGE, _waiting()))


@bp.get(CODE_PAGE)
def ask_code() -> Response:
    """Ask for the code."""
    given = services()
    session = _recent(given)
    return _code_page(given, session) if session is not None else _sign_in()


@bp.post(CODE_PAGE)
def confirm() -> Response:
    """Record the address, and lead on."""
    given = services()
    session = _recent(given)
    if session is None:
        return _sign_in()
    if not is_own_form(request, given, browser_of(request)):
        return _code_page(given, session, 403, notice=STALE_FORM)
    wrong: WrongCode | None = None
    with given.transaction():
        try:
            given.addresses.confirm(
                session.account_id,
                request.form.get("code", "")[:64],
                actor=actor_of(request, given, g.request_id),
            )
        except WrongCode as refusal:  # its audit event is committed all the same
            wrong = refusal
    if wrong is None:
        return _sign_in()
    if wrong.ended:
        return _page(given, session, 400, notice=OVER)
    return _code_page(given, session, 400, errors=(WRONG,))


def _recent(given: Services) -> Session | None:
    """The session, if the person signed in a moment ago and it is still worth something."""
    _, session = session_of(request, given)
    if session is None or given.now() - session.auth_time > RECENT:
        return None
    with given.transaction():
        subject = given.subjects.get(session.account_id)
    return session if subject and subject.stands_behind(session.credential_version) else None


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


def too_many(held: QuotaReached) -> Notice:
    """Say when another code may be asked for: the words for temporary passwords would mislead."""
    return Notice(
        "wait",
        say("Plusieurs codes ont déjà été demandés"),
        say(
            "Regardez dans votre messagerie, et dans les courriers indésirables : le code du"
            " message le plus récent est valable une demi-heure."
            " Vous pourrez en demander un autre %(soon)s.",
            soon=soon(held.retry_after),
        ),
    )


def _page(
    given: Services,
    session: Session,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
    typed: str = "",
) -> Response:
    with given.transaction():
        wait = given.addresses.wait(session.account_id)
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    _allow_the_way_on(given)
    response.set_data(
        render_template(
            "pages/email_address.html",
            form=Form(with_waiting(PAGE, _waiting()), csrf_token(given, browser)),
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
    session: Session,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
) -> Response:
    address = given.addresses.pending.address(session.account_id)
    if not address:
        return _page(given, session, 400, notice=OVER)
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    _allow_the_way_on(given)
    response.set_data(
        render_template(
            "pages/email_code.html",
            form=Form(with_waiting(CODE_PAGE, _waiting()), csrf_token(given, browser)),
            email_mask=mask_email(address),
            errors=errors,
            notice=notice,
            later_url=with_waiting("/connexion", _waiting()),
            again_url=with_waiting(PAGE, _waiting()),
        )
    )
    return response
