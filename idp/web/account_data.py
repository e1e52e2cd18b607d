"""``/compte/mes-donnees``: the member's own copy of what is known of them."""

import json
from datetime import timedelta

from flask import Blueprint
from flask import Response
from flask import g
from flask import request

from idp.audit import Event
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.browser import actor_of
from idp.web.confirmation import recent_member
from idp.web.login_form import Notice
from idp.web.login_form import seconds_of
from idp.web.member import Member
from idp.web.own_data import own_data

bp = Blueprint("account_data", __name__)

PAGE = "/compte/mes-donnees"
AGAIN_AFTER = timedelta(minutes=1)
"""Between two downloads of one account: each reads a year of events."""

MOST = 10_000
"""Events, and messages: more than twelve months of anybody's own."""

TOPIC = Topic(
    PAGE,
    say("Mes données"),
    say("Voir et télécharger mes données"),
    lambda _given, _member: say("Ce que ce service sait de vous, dans un fichier."),
)

JUST_DONE = Notice(
    "wait",
    say("Votre fichier vient d’être préparé"),
    say(
        "Regardez dans les téléchargements de votre appareil. Vous pourrez en demander un autre"
        " dans une minute."
    ),
)


@bp.get(PAGE)
def show() -> Response:
    """Say what the file holds."""
    member = recent_member(PAGE)
    return member if isinstance(member, Response) else _page(services(), member)


@bp.post(PAGE)
def download() -> Response:
    """Hand the file over."""
    given = services()
    member = sent_by(recent_member(PAGE), PAGE, _page)
    if isinstance(member, Response):
        return member
    account_id = member.session.account_id
    name = f"data-download:{account_id}"
    if given.downloads.take(name, "1", lifetime=AGAIN_AFTER) is not None:
        response = _page(given, member, 429, notice=JUST_DONE)
        response.headers["Retry-After"] = str(seconds_of(AGAIN_AFTER))
        return response
    with given.transaction():
        body = _file(given, member)
        given.audit.record(
            Event.DATA_DOWNLOADED,
            account_id=account_id,
            actor=actor_of(request, given, g.request_id),
        )
        given.notices.tell(
            Kind.DATA_DOWNLOADED, account_id, version=member.session.credential_version
        )
    response = Response(body, mimetype="application/json")
    attachment = f'attachment; filename="mes-donnees-{given.now():%Y-%m-%d}.json"'
    response.headers["Content-Disposition"] = attachment
    return response


def _file(given: Services, member: Member) -> str:
    session, subject = member.session, member.subject
    account_id, version = session.account_id, session.credential_version
    known = given.known_dossiers.get(account_id)
    if known is None:
        return "{}"
    typed = subject_of(
        given.sign_in.decoy_key, Qualite(subject.qualite), NumeroDossier(subject.numero_dossier)
    )
    told = own_data(
        known,
        at=given.now(),
        issuer=given.issuer,
        fund_name=given.fund_name,
        sessions=given.devices.of_account(account_id, version),
        accesses=given.accesses.of_account(account_id, version),
        visits=[
            (client.client_name, at)
            for client_id, at in given.codes.last_visits(account_id).items()
            if (client := given.clients.find(client_id))
        ],
        link=given.franceconnect_links.of_account(account_id),
        ended_links=given.franceconnect_links.history(account_id),
        messages=given.promises.of_account(account_id, limit=MOST),
        events=given.audit_trail.of_account(account_id, typed, limit=MOST),
    )
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    return own_page(given, member, PAGE, "pages/account_data.html", status, notice=notice)
