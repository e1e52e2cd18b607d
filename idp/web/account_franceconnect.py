"""``/compte/franceconnect``: whether FranceConnect opens this account, since when, and why.

To link or to unlink asks for a recent sign-in; to see does too, for the page is that of the forms.
"""

from flask import Blueprint
from flask import Response
from flask import g
from flask import request

from idp.identity.franceconnect_links import Rule
from idp.identity.franceconnect_port import Purpose
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web.account_topics import Topic
from idp.web.account_topics import day
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.browser import actor_of
from idp.web.confirmation import recent_member
from idp.web.franceconnect import LINKS
from idp.web.franceconnect import address_for
from idp.web.franceconnect import way
from idp.web.franceconnect_words import told
from idp.web.login_form import Notice
from idp.web.member import Member

bp = Blueprint("account_franceconnect", __name__)

UNLINKED = Notice(
    "done",
    say("FranceConnect n’est plus rattaché à votre espace"),
    say("Vous vous connectez désormais avec votre numéro de dossier et votre mot de passe."),
)
WHY = {
    Rule.PIVOT: say(
        "Votre identité, telle que l’État la transmet, est celle de votre dossier :"
        " nom de naissance, prénoms, sexe, date et lieu de naissance."
    ),
    Rule.PROOF: say(
        "Vous avez prouvé que ce dossier est le vôtre par votre mot de passe. Ce rattachement prend"
        " fin quand le mot de passe change."
    ),
}


def _says(given: Services, member: Member) -> Sentence:
    if given.franceconnect_sign_in.link_of(member.session.account_id) is not None:
        return say("FranceConnect est rattaché à votre espace.")
    return say("Connectez-vous aussi avec FranceConnect, sans mot de passe de plus.")


TOPIC = Topic(
    LINKS,
    say("FranceConnect"),
    say("Voir ou changer le rattachement"),
    _says,
    is_offered=lambda given: given.franceconnect is not None,
)


@bp.get(LINKS)
def show() -> Response:
    """Show the link, or offer one."""
    given, _ = way()
    member = recent_member(LINKS)
    return member if isinstance(member, Response) else _page(given, member)


@bp.post(LINKS)
def unlink() -> Response:
    """End the link."""
    given, _ = way()
    member = sent_by(recent_member(LINKS), LINKS, _page)
    if isinstance(member, Response):
        return member
    with given.transaction():
        given.franceconnect_sign_in.unlink(
            member.session.account_id, actor=actor_of(request, given, g.request_id)
        )
    return _page(given, member, notice=UNLINKED)


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    account_id = member.session.account_id
    with given.transaction():
        link = given.franceconnect_sign_in.link_of(account_id)
        contact = given.new_password.contacts.get(account_id)
    return own_page(
        given, member, LINKS, "pages/account_franceconnect.html", status,
        notice=notice or told(linked=link is not None),
        linked_at=day(link.linked_at) if link else "",
        used_at=day(link.used_at) if link else "",
        why=WHY[link.rule] if link else "",
        has_password=contact is not None and contact.has_password,
        link_url=address_for(given, member, Purpose.LINK, LINKS),
    )  # fmt: skip
