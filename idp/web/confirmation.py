"""``/compte/confirmation``: the password again, before what is sensitive in the member's own pages.

A page that is sensitive begins with ``recent_member``. Who signed in some time ago is asked for the
password of the account of this session, and of no other: nobody else can come to that page by
answering. The page asked for stands in the form under its token, so that it leads nowhere else.
The answer is a sign-in like any other (counted, audited) and opens a session under a new id. Whose
account FranceConnect opens may answer there instead.
"""

from functools import partial

from flask import Blueprint
from flask import Response
from flask import g
from flask import request

from idp import Busy
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect_port import Purpose
from idp.identity.login import MustChoosePassword
from idp.identity.login import SignInRefused
from idp.identity.password import PASSWORD_LIMIT
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.sentence import say
from idp.session import SignedIn
from idp.web import Services
from idp.web import services
from idp.web.account_topics import is_own_page_form
from idp.web.account_topics import own_page
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import device_of
from idp.web.browser import keep_device
from idp.web.browser import keep_session
from idp.web.browser import network_of_request
from idp.web.browser import new_device
from idp.web.browser import open_session
from idp.web.franceconnect import address_for
from idp.web.franceconnect_words import told
from idp.web.headers import see_other
from idp.web.login_form import STALE_FORM
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import soon
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.member import signed_out
from idp.web.password_answer import busy
from idp.web.password_answer import held_back
from idp.web.password_answer import to_new_password

bp = Blueprint("confirmation", __name__)

PAGE = "/compte/confirmation"
OVERVIEW = "/compte"
FREEZE = "/compte/ce-n-etait-pas-moi"

WRONG = say("Ce n’est pas votre mot de passe. Vérifiez-le puis recommencez.")


def recent_member(page: str) -> Member | Response:
    """Give who is signed in, if they proved themselves a moment ago; else what leads back here.

    ``page`` is the address to come back to, by GET.
    """
    given = services()
    member = member_of(given)
    if member is None:
        return signed_out("/connexion")
    if member.session.is_recent(now=given.now(), within=given.recent_sign_in):
        return member
    return _page(given, member, page, 200 if request.method == "GET" else 403)


@bp.get(PAGE)
def show() -> Response:
    """Lead who comes back to the address of the form to the overview: it has no page of its own."""
    return see_other(OVERVIEW)


@bp.post(PAGE)
def submit() -> Response:
    """Take the password: a new session, and on to the page that was asked for."""
    given = services()
    member = member_of(given)
    if member is None:
        return signed_out("/connexion")
    page = request.form.get("page", "")
    if not is_own_page_form(given, member, PAGE, page):
        # Nothing says that the page is ours, either.
        return _page(given, member, OVERVIEW, 403, notice=STALE_FORM)
    clear = request.form.get("password", "")
    if fault := password_fault("password", clear):
        return _page(given, member, page, 400, errors=(fault,))
    device = device_of(request, given) or new_device()
    try:
        with given.transaction(), given.together():
            outcome = prove(given, member, clear, device)
            if isinstance(outcome, SignedIn):
                token, _, _ = open_session(request, given, outcome)
                response = see_other(page)
                keep_session(response, token)
                keep_device(response, given, device)
                return response
    except Busy:
        return busy(partial(_page, given, member, page))
    if isinstance(outcome, MustChoosePassword):
        return to_new_password(given, outcome)
    if isinstance(outcome, SignInDelayed):
        return held_back(partial(_page, given, member, page), outcome)
    return _page(given, member, page, 403, errors=(refusal("password", outcome),))


def prove(
    given: Services, member: Member, clear: str, device: str
) -> SignedIn | MustChoosePassword | SignInRefused | SignInDelayed:
    """Verify the password of who is signed in, as a sign-in: counted before, audited after.

    A refusal is an outcome, not an accident: its audit event is committed too.

    Raises:
        Busy, StoreUnavailable: no verdict; the try was not counted.
    """
    subject = member.subject
    try:
        return given.sign_in.with_password(
            Qualite(subject.qualite),
            NumeroDossier(subject.numero_dossier),
            clear,
            origin=Origin(network_of_request(request, given), device_of(request, given)),
            device=device,
            browser=browser_of(request),
            actor=actor_of(request, given, g.request_id),
        )
    except (SignInRefused, SignInDelayed) as refused:
        return refused


def takes_password(given: Services, member: Member) -> bool:
    """Tell whether a password opens the account of who is signed in.

    Needs the caller's transaction.
    """
    subject = member.subject
    return given.sign_in.takes_password(
        Qualite(subject.qualite), NumeroDossier(subject.numero_dossier)
    )


def password_fault(field: str, clear: str) -> FormError | None:
    """Say what is wrong with a password that need not be verified."""
    if not clear:
        return FormError(field, say("Saisissez votre mot de passe."))
    if len(clear) > PASSWORD_LIMIT:
        return FormError(
            field, say("Ce mot de passe dépasse %(limit)s caractères.", limit=PASSWORD_LIMIT)
        )
    return None


def refusal(field: str, refused: SignInRefused) -> FormError:
    """Say that the password is wrong, and how long to wait now, if one must."""
    if not refused.wait:
        return FormError(field, WRONG)
    told = say(
        "Ce n’est pas votre mot de passe. Vérifiez-le puis recommencez. "
        "Vous pourrez réessayer %(soon)s.",
        soon=soon(refused.wait),
    )
    return FormError(field, told)


def _page(
    given: Services,
    member: Member,
    page: str,
    status: int,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
) -> Response:
    with given.transaction():
        linked = given.franceconnect_sign_in.link_of(member.session.account_id) is not None
        password_answers = takes_password(given, member)
    # Whose account FranceConnect opens may answer there; who has no password is not asked for one.
    client = given.franceconnect if linked else None
    away = client is not None and client.is_away()
    goes = client is not None and not away
    return own_page(
        given, member, PAGE, "pages/confirmation.html", status, page,
        page=page, errors=errors, notice=notice or told(password_answers=password_answers),
        password_answers=password_answers, freezes=page == FREEZE,
        franceconnect_url=address_for(given, member, Purpose.CONFIRM, page) if goes else "",
        franceconnect_away=away, qualite_label=member.qualite_label, numero_end=member.numero_end,
    )  # fmt: skip
