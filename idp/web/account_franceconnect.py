"""``/compte/franceconnect``: whether FranceConnect opens this account, since when, and why.

To link or to unlink asks for a recent sign-in; to see does too, for the page is that of the forms.
Whom the dossier does not name is linked once the member has read who it is (``…/identite``).
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
from idp.web.browser import arrival_under
from idp.web.browser import drop_arrival
from idp.web.confirmation import recent_member
from idp.web.confirmation import takes_password
from idp.web.franceconnect import IDENTITY
from idp.web.franceconnect import LINKS
from idp.web.franceconnect import address_for
from idp.web.franceconnect import arrival_ended
from idp.web.franceconnect import link
from idp.web.franceconnect import way
from idp.web.franceconnect_words import name_of
from idp.web.franceconnect_words import told
from idp.web.headers import see_other
from idp.web.login_form import Notice
from idp.web.member import Member

bp = Blueprint("account_franceconnect", __name__)

_UNLINKED = say("FranceConnect n’est plus rattaché à votre espace")
UNLINKED = Notice(
    "done",
    _UNLINKED,
    say("Vous vous connectez désormais avec votre numéro de dossier et votre mot de passe."),
)
UNLINKED_NO_PASSWORD = Notice(
    "done",
    _UNLINKED,
    say(
        "Pour vous connecter la prochaine fois, demandez un mot de passe provisoire avec"
        " « Mot de passe oublié / Première connexion ? »."
    ),
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
    is_offered=lambda given, _member: given.franceconnect is not None,
)


@bp.get(LINKS)
def show() -> Response:
    """Show the link, or offer one."""
    given, _ = way()
    member = recent_member(LINKS)
    return member if isinstance(member, Response) else _page(given, member)


@bp.get(IDENTITY)
def ask() -> Response:
    """Name who came from FranceConnect, and ask whether it is the member."""
    given, _ = way()
    member = recent_member(IDENTITY)
    return member if isinstance(member, Response) else _question(given, member)


@bp.post(IDENTITY)
def answer() -> Response:
    """Link them, once; or not."""
    given, _ = way()
    member = sent_by(recent_member(IDENTITY), IDENTITY, _question)
    if isinstance(member, Response):
        return member
    arrived = given.franceconnect_arrivals.take(arrival_under(request, given, member.key))
    if arrived is None:
        return arrival_ended(LINKS)
    response = see_other(LINKS) if request.form.get("cancel") else link(given, member, arrived)
    drop_arrival(response)
    return response


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
        has_password = takes_password(given, member)
    return _page(given, member, notice=UNLINKED if has_password else UNLINKED_NO_PASSWORD)


def _question(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    arrived = given.franceconnect_arrivals.get(arrival_under(request, given, member.key))
    if arrived is None:
        return arrival_ended(LINKS)
    return own_page(
        given, member, IDENTITY, "pages/account_franceconnect_identity.html", status,
        notice=notice, who=name_of(arrived.arrival.pivot),
    )  # fmt: skip


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    account_id = member.session.account_id
    with given.transaction():
        living = given.franceconnect_sign_in.link_of(account_id)
        has_password = takes_password(given, member)
    return own_page(
        given, member, LINKS, "pages/account_franceconnect.html", status,
        notice=notice or told(linked=living is not None),
        linked_at=day(living.linked_at) if living else "",
        used_at=day(living.used_at) if living else "",
        why=WHY[living.rule] if living else "",
        has_password=has_password,
        link_url=address_for(given, member, Purpose.LINK, LINKS),
    )  # fmt: skip
