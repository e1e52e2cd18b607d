"""``/compte/services``: which services have access, and how a member takes it back."""

from dataclasses import dataclass

from flask import Blueprint
from flask import Response
from flask import g
from flask import request

from idp.audit import Event
from idp.oidc.consent import Access
from idp.sentence import Sentence
from idp.sentence import counted
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.account_topics import current_member
from idp.web.account_topics import day
from idp.web.account_topics import own_page
from idp.web.account_topics import sent_by
from idp.web.browser import actor_of
from idp.web.consent_words import title_of
from idp.web.login_form import Notice
from idp.web.member import Member

bp = Blueprint("account_services", __name__)

PAGE = "/compte/services"

TAKEN_BACK = Notice(
    "done",
    say("L’accès est retiré"),
    say(
        "Ce service n’a plus accès à vos informations. Il peut garder celles qu’il a déjà reçues :"
        " demandez-lui de les effacer si vous le souhaitez."
    ),
)


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """One service on the page.

    Attributes:
        gifts: what its consent gives; none for a service of the fund.
        since: the day of the consent, or None.
        away_since: the day since when it goes on in the member's absence, or None.
        last_used: the day when it last did, or None.
        ends_by: the day when it ends by itself, or None.
    """

    client_id: str
    name: str
    gifts: tuple[Sentence, ...]
    since: Sentence | None
    away_since: Sentence | None
    last_used: Sentence | None
    ends_by: Sentence | None


@dataclass(frozen=True, slots=True)
class ServiceVisit:
    """A service that the member was led to, and the day when they last were."""

    name: str
    last: Sentence


def _says(given: Services, member: Member) -> Sentence:
    if count := len(_accesses(given, member)):
        return counted(
            "Un service a accès à vos informations.",
            "%(count)s services ont accès à vos informations.",
            count,
        )
    return say("Aucun service ne garde un accès à vos informations.")


TOPIC = Topic(PAGE, say("Services"), say("Voir mes services"), _says)


@bp.get(PAGE)
def show() -> Response:
    """Show what services have of the member."""
    member = current_member()
    return member if isinstance(member, Response) else _page(services(), member)


@bp.post(PAGE)
def take_back() -> Response:
    """End what one service has: its consent, its refresh families, their tokens."""
    given = services()
    member = sent_by(current_member(), PAGE, _page)
    if isinstance(member, Response):
        return member
    account_id, client_id = member.session.account_id, request.form.get("service", "")
    with given.transaction():
        # What a form says is looked for in what there is: it may be anything.
        if any(access.client.client_id == client_id for access in _accesses(given, member)):
            had_consent, families = given.accesses.take_back(account_id, client_id)
            given.audit.record(
                Event.ACCESS_TAKEN_BACK,
                account_id=account_id,
                client_id=client_id,
                actor=actor_of(request, given, g.request_id),
                detail={"consent": int(had_consent), "families": families},
            )
    return _page(given, member, notice=TAKEN_BACK)


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    with given.transaction():
        found = _accesses(given, member)
    return own_page(
        given, member, PAGE, "pages/account_services.html", status,
        notice=notice, accesses=[_told(access) for access in found],
        visits=_visits(given, member),
    )  # fmt: skip


def _visits(given: Services, member: Member) -> list[ServiceVisit]:
    """Give the services by their last visit, the newest first; one that was removed is none."""
    last = given.codes.last_visits(member.session.account_id)
    newest = sorted(last.items(), key=lambda visit: visit[1], reverse=True)
    found = ((given.clients.find(client_id), at) for client_id, at in newest)
    return [ServiceVisit(client.client_name, day(at)) for client, at in found if client]


def _accesses(given: Services, member: Member) -> list[Access]:
    session = member.session
    return given.accesses.of_account(session.account_id, session.credential_version)


def _told(access: Access) -> ServiceAccess:
    families, consent = access.families, access.consent
    return ServiceAccess(
        client_id=access.client.client_id,
        name=access.client.client_name,
        gifts=tuple(title_of(scope) for scope in consent.scope) if consent else (),
        since=day(consent.given_at) if consent else None,
        away_since=day(families[0].started_at) if families else None,
        last_used=day(max(family.rotated_at for family in families)) if families else None,
        ends_by=day(max(family.expires_at for family in families)) if families else None,
    )
