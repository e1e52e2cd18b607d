"""``/compte/mot-de-passe``: a new password for who knows the one in use.

The one in use is proved as at the sign-in page, so nothing else is asked for beforehand; and not
before the new one is good enough, so that a slip in the one does not cost a try of the other. Who
came by FranceConnect and has none is led to ask for one, as anybody: what their session proves is
whom the State vouches for, and a password that it gave would outlive it.
"""

import logging
from functools import partial

from flask import Blueprint
from flask import Response
from flask import g
from flask import request

from idp import Busy
from idp import StoreUnavailable
from idp.identity.contact import Contact
from idp.identity.login import MustChoosePassword
from idp.identity.login import SignInRefused
from idp.identity.new_password import ChoiceEnded
from idp.identity.new_password import PasswordRefused
from idp.identity.password_policy import PolicyFault
from idp.limits import SignInDelayed
from idp.sentence import say
from idp.session import SignedIn
from idp.web import Services
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import current_member
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.browser import actor_of
from idp.web.browser import device_of
from idp.web.browser import keep_device
from idp.web.browser import keep_session
from idp.web.browser import new_device
from idp.web.browser import open_session
from idp.web.confirmation import password_fault
from idp.web.confirmation import prove
from idp.web.confirmation import refusal
from idp.web.confirmation import takes_password
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.member import Member
from idp.web.member import signed_out
from idp.web.new_password import slip
from idp.web.password_answer import busy
from idp.web.password_answer import held_back
from idp.web.password_answer import to_new_password
from idp.web.password_faults import sentence

bp = Blueprint("account_password", __name__)

PAGE = "/compte/mot-de-passe"

TOPIC = Topic(
    PAGE,
    say("Mot de passe"),
    say("Changer mon mot de passe"),
    lambda _given, _member: say("Il n’expire pas. Changez-le si quelqu’un d’autre a pu le voir."),
    is_offered=takes_password,
)
WITHOUT = Topic(
    PAGE,
    say("Mot de passe"),
    say("Choisir un mot de passe"),
    lambda _given, _member: say("Vous n’avez pas de mot de passe valable."),
    is_offered=lambda given, member: not takes_password(given, member),
)

BY_MAIL = say(
    "Vos autres appareils sont déconnectés, et les services doivent vous reconnaître à nouveau."
    " Un mail vous confirme ce changement."
)
BY_LETTER = say(
    "Vos autres appareils sont déconnectés, et les services doivent vous reconnaître à nouveau."
    " Un courrier vous confirme ce changement."
)

log = logging.getLogger("idp.account_password")


@bp.get(PAGE)
def show() -> Response:
    """Ask for the password in use, and a new one."""
    member = current_member()
    return member if isinstance(member, Response) else _page(services(), member)


@bp.post(PAGE)
def change() -> Response:
    """Change it: every session ends, and this browser goes on under another."""
    given = services()
    member = sent_by(current_member(), PAGE, _page)
    if isinstance(member, Response):
        return member
    with given.transaction():
        contact = given.new_password.contacts.get(member.session.account_id)
        has_password = takes_password(given, member)
    if contact is None:
        return signed_out("/connexion")
    current, clear = request.form.get("current", ""), request.form.get("password", "")
    # Who has none types a temporary one, which leads to where a new one is chosen.
    new = slip(clear, request.form.get("confirm")) if has_password else None
    slips = (password_fault("current", current), new)
    if errors := tuple(fault for fault in slips if fault):
        return _page(given, member, 400, errors=errors)
    device = device_of(request, given) or new_device()
    try:
        faults = given.new_password.faults(contact, clear) if has_password else ()
        if faults:
            return _refused(given, member, faults)
        # A transaction of its own: what follows hashes, and nobody waits for a lock meanwhile.
        with given.transaction(), given.together():
            outcome = prove(given, member, current, device)
        if isinstance(outcome, SignedIn):
            if not has_password:  # chosen a moment ago, elsewhere: the form is another by now
                return _page(given, member)
            return _changed(given, member, contact, outcome, clear, device)
    except ChoiceEnded:  # chosen a moment ago, in another form
        return signed_out("/connexion")
    except Busy:
        return busy(partial(_page, given, member))
    if isinstance(outcome, MustChoosePassword):
        return to_new_password(given, outcome)
    if isinstance(outcome, SignInDelayed):
        return held_back(partial(_page, given, member), outcome)
    return _wrong(given, member, outcome)


def _changed(
    given: Services, member: Member, contact: Contact, proved: SignedIn, clear: str, device: str
) -> Response:
    refused: PasswordRefused | None = None
    with given.transaction(), given.together():
        try:
            actor = actor_of(request, given, g.request_id)
            signed_in = given.new_password.change(proved, clear, actor=actor)
            token, key, session = open_session(request, given, signed_in)
        except PasswordRefused as refusal:  # its audit event is committed all the same
            refused = refusal
    if refused is not None:
        return _refused(given, member, refused.faults)
    try:
        with given.transaction():
            given.new_password.settle(contact.account_id, device=device)
    except StoreUnavailable as away:
        log.warning("a changed password was not swept up after: %s", away)
    done = Notice(
        "done", say("Votre mot de passe est changé"), BY_MAIL if contact.email else BY_LETTER
    )
    response = _page(given, Member(key, session, member.subject), notice=done)
    keep_session(response, token)
    keep_device(response, given, device)
    return response


def _refused(given: Services, member: Member, faults: tuple[PolicyFault, ...]) -> Response:
    policy = given.new_password.policy
    errors = tuple(FormError("password", sentence(fault, policy)) for fault in faults)
    return _page(given, member, 400, errors=errors)


def _wrong(given: Services, member: Member, outcome: SignInRefused) -> Response:
    return _page(given, member, 403, errors=(refusal("current", outcome),))


def _page(
    given: Services,
    member: Member,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
) -> Response:
    with given.transaction():
        has_password = takes_password(given, member)
    return own_page(
        given, member, PAGE, "pages/account_password.html", status,
        errors=errors, notice=notice, has_password=has_password,
        numero_end=member.numero_end, minimum=given.new_password.policy.minimum,
    )  # fmt: skip
