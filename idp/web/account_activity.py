"""``/compte/activite``: what happened to the account, from the audit log, in plain words."""

from datetime import timedelta

from flask import Blueprint
from flask import Response
from flask import request

from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import subject_of
from idp.sentence import say
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import own_page
from idp.web.activity_words import days_of
from idp.web.confirmation import FREEZE
from idp.web.member import member_of
from idp.web.member import signed_out

bp = Blueprint("account_activity", __name__)

PAGE = "/compte/activite"
SPAN = timedelta(days=90)
PORTIONS = (50, 100, 200)
"""Events that one page reads; each « Voir plus » gives the next, and the last has none."""

TOPIC = Topic(
    PAGE,
    say("Activité récente"),
    say("Voir l’activité récente"),
    lambda _given, _member: say("Les connexions et les changements des 90 derniers jours."),
)


@bp.get(PAGE)
def show() -> Response:
    """Tell the newest events; ``?voir=100`` tells more."""
    given = services()
    member = member_of(given)
    if member is None:
        return signed_out("/connexion")
    asked = request.args.get("voir", "")
    portion = next((n for n in PORTIONS if str(n) == asked), PORTIONS[0])
    subject = subject_of(
        given.reset.decoy_key,
        Qualite(member.subject.qualite),
        NumeroDossier(member.subject.numero_dossier),
    )
    with given.transaction():
        events = given.audit_trail.of_account(member.session.account_id, subject, limit=portion + 1)
    since = given.now() - SPAN
    more = next((n for n in PORTIONS if n > portion), 0)
    goes_on = len(events) > portion and events[portion].at > since
    return own_page(
        given, member, PAGE, "pages/account_activity.html",
        days=days_of(events[:portion], since=since),
        more_url=f"{PAGE}?voir={more}" if more and goes_on else "",
        freeze_url=FREEZE,
    )  # fmt: skip
