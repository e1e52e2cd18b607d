"""``/compte/adresse-mail``: the member's e-mail address, changed and confirmed by a code.

The rule is that of ``/adresse-electronique``, which is offered after a first connection. Both pages
need a sign-in of a moment ago: an address can receive a reset one day.
"""

from flask import Blueprint
from flask import Response

from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.contact import Contact
from idp.identity.mask import mask_email
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import moment
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.address_code import OVER
from idp.web.address_code import address_proposed
from idp.web.address_code import code_refused
from idp.web.confirmation import recent_member
from idp.web.headers import see_other
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.member import Member
from idp.web.member import signed_out

bp = Blueprint("account_email", __name__)

PAGE = "/compte/adresse-mail"
CODE_PAGE = "/compte/adresse-mail/code"

RECORDED = Notice(
    "done",
    say("Votre adresse est enregistrée"),
    say("Cette page dit à partir de quand elle peut recevoir un mot de passe provisoire."),
)


def _says(given: Services, member: Member) -> Sentence:
    contact = given.addresses.contacts.get(member.session.account_id)
    known = contact is not None and (contact.confirmed_email or contact.email)
    if known:
        return say("Vos messages arrivent à %(mask)s.", mask=mask_email(known))
    return say("Nous ne connaissons pas d’adresse mail pour vous.")


TOPIC = Topic(PAGE, say("Adresse mail"), say("Voir ou changer mon adresse mail"), _says)


@bp.get(PAGE)
def show() -> Response:
    """Tell the address, and ask for another."""
    member = recent_member(PAGE)
    return member if isinstance(member, Response) else _page(services(), member)


@bp.post(PAGE)
def propose() -> Response:
    """Keep another address and send a code to it."""
    member = sent_by(recent_member(PAGE), PAGE, _page)
    if isinstance(member, Response):
        return member
    return address_proposed(services(), member, _page) or see_other(CODE_PAGE)


@bp.get(CODE_PAGE)
def ask_code() -> Response:
    """Ask for the code."""
    member = recent_member(CODE_PAGE)
    return member if isinstance(member, Response) else _code_page(services(), member)


@bp.post(CODE_PAGE)
def confirm() -> Response:
    """Record the address; the former one is told."""
    given = services()
    member = sent_by(recent_member(CODE_PAGE), CODE_PAGE, _code_page)
    if isinstance(member, Response):
        return member
    refused = code_refused(given, member, _page, _code_page)
    return refused or _page(given, member, notice=RECORDED)


def _page(
    given: Services,
    member: Member,
    status: int = 200,
    *,
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
    typed: str = "",
) -> Response:
    account_id = member.session.account_id
    with given.transaction():
        contact = given.addresses.contacts.get(account_id)
        wait = given.addresses.wait(account_id)
    if contact is None:
        return signed_out("/connexion")
    return own_page(
        given, member, PAGE, "pages/account_email.html", status,
        errors=errors, notice=notice, typed=typed,
        receives=mask_email(contact.email),
        confirmed=bool(contact.confirmed_email) and contact.email == contact.confirmed_email,
        waits=_waits(contact),
        stands_at=moment(contact.stands_at) if contact.stands_at else "",
        pending=mask_email(given.addresses.pending.address(account_id)),
        code_url=CODE_PAGE,
        by_letter=wait > NEW_ADDRESS_WAIT,
    )  # fmt: skip


def _waits(contact: Contact) -> str:
    """The mask of a confirmed address that receives no reset yet, or ""."""
    newest = contact.confirmed_email
    return mask_email(newest) if newest and newest != contact.email else ""


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
    return own_page(
        given, member, CODE_PAGE, "pages/account_email_code.html", status,
        errors=errors, notice=notice, email_mask=mask_email(address), again_url=PAGE,
    )  # fmt: skip
