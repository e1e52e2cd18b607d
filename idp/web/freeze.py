"""``/compte/ce-n-etait-pas-moi``: the member freezes the account, in one POST (ADR 0031).

It says before what will happen, and after it what to do; then this browser is nobody's any more.
"""

import logging

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp import StoreUnavailable
from idp.identity.freeze import NotFrozen
from idp.identity.freeze import Outlook
from idp.identity.working_days import in_words
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.browser import actor_of
from idp.web.browser import drop_device
from idp.web.browser import drop_session
from idp.web.confirmation import FREEZE
from idp.web.confirmation import recent_member
from idp.web.login_form import Notice
from idp.web.member import Member
from idp.web.member import signed_out

bp = Blueprint("freeze", __name__)


TOPIC = Topic(
    FREEZE,
    say("Ce n’était pas moi"),
    say("Bloquer mon espace"),
    lambda _given, _member: say(
        "Quelqu’un d’autre est entré dans votre espace ? Vous pouvez tout bloquer aussitôt."
    ),
    apart=True,
)

log = logging.getLogger("idp.freeze")


@bp.get(FREEZE)
def show() -> Response:
    """Say what a freeze does, and offer it."""
    member = recent_member(FREEZE)
    return member if isinstance(member, Response) else _page(services(), member)


@bp.post(FREEZE)
def freeze() -> Response:
    """Freeze the account of this session, and say what comes next."""
    given = services()
    member = sent_by(recent_member(FREEZE), FREEZE, _page)
    if isinstance(member, Response):
        return member
    session = member.session
    try:
        with given.transaction():
            outlook = given.freeze.outlook(session.account_id)
            frozen = given.freeze.freeze(
                session.account_id,
                version=session.credential_version,
                actor=actor_of(request, given, g.request_id),
            )
    except NotFrozen:  # a moment ago, in another tab or with another password
        return signed_out("/connexion")
    try:
        given.freeze.settle(frozen)
    except StoreUnavailable as away:
        log.warning("a frozen account was not swept up after: %s", away)
    page = render_template("pages/account_frozen.html", letter_by=_letter_by(outlook))
    response = make_response(page)
    drop_session(response)
    drop_device(response)
    return response


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    with given.transaction():
        outlook = given.freeze.outlook(member.session.account_id)
    return own_page(
        given, member, FREEZE, "pages/account_freeze.html", status,
        notice=notice, letter_by=_letter_by(outlook), unlinks=outlook.unlinks,
    )  # fmt: skip


def _letter_by(outlook: Outlook) -> Sentence | str:
    return in_words(outlook.letter_by) if outlook.letter_by is not None else ""
