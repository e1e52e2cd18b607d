"""``/compte``: the member's own page. Who is signed in, which services have access, the way out."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp.audit import Event
from idp.identity.working_days import day_in_france
from idp.identity.working_days import in_words
from idp.oidc.consent import Access
from idp.web import Services
from idp.web import services
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.consent_words import title_of
from idp.web.login_form import Notice
from idp.web.logout import SIGNED_OUT
from idp.web.member import PARIS
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.member import signed_out

bp = Blueprint("account", __name__)

PAGE = "/compte"

TAKEN_BACK = Notice(
    "info",
    "L’accès est retiré",
    "Ce service n’a plus accès à vos informations. Il peut garder celles qu’il a déjà reçues :"
    " demandez-lui de les effacer si vous le souhaitez.",
)
STALE = Notice(
    "info",
    "Recommencez, s’il vous plaît",
    "Cette page était ouverte depuis trop longtemps, ou dans un autre onglet."
    " Rien n’a été modifié.",
)


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """One service on the page.

    Attributes:
        gifts: what its consent gives; none for a service of the fund.
        since: the day of the consent, or "".
        away_since: the day since when it goes on in the member's absence, or "".
        last_used: the day when it last did, or "".
        ends_by: the day when it ends by itself, or "".
    """

    client_id: str
    name: str
    gifts: tuple[str, ...]
    since: str
    away_since: str
    last_used: str
    ends_by: str


@bp.get(PAGE)
def show() -> Response:
    """Show the account of the session; whose sign-in has ended goes back to the sign-in page."""
    given = services()
    member = member_of(given)
    return signed_out("/connexion") if member is None else _page(given, member)


@bp.post(PAGE)
def take_back() -> Response:
    """End what one service has: its consent, its refresh families, their tokens."""
    given = services()
    member = member_of(given)
    if member is None:
        return signed_out("/connexion")
    if not is_own_form(request, given, browser_of(request), PAGE, member.key):
        return _page(given, member, 403, notice=STALE)
    session, client_id = member.session, request.form.get("service", "")
    with given.transaction():
        found = given.accesses.of_account(session.account_id, session.credential_version)
        # What a form says is looked for in what there is: it may be anything.
        if any(access.client.client_id == client_id for access in found):
            had_consent, families = given.accesses.take_back(session.account_id, client_id)
            given.audit.record(
                Event.ACCESS_TAKEN_BACK,
                account_id=session.account_id,
                client_id=client_id,
                actor=actor_of(request, given, g.request_id),
                detail={"consent": int(had_consent), "families": families},
            )
    return _page(given, member, notice=TAKEN_BACK)


def _page(
    given: Services, member: Member, status: int = 200, *, notice: Notice | None = None
) -> Response:
    session = member.session
    with given.transaction():
        found = given.accesses.of_account(session.account_id, session.credential_version)
    since = session.auth_time.astimezone(PARIS)
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    response.set_data(
        render_template(
            "pages/account.html",
            qualite_label=member.qualite_label,
            numero_end=member.numero_end,
            name=member.name,
            since=f"Connexion à {since.hour}\u00a0h\u00a0{since:%M}",
            logout_action=SIGNED_OUT,
            csrf=csrf_token(given, browser),
            notice=notice,
            accesses=[_told(access) for access in found],
            take_back_csrf=csrf_token(given, browser, PAGE, member.key),
        )
    )
    return response


def _told(access: Access) -> ServiceAccess:
    families, consent = access.families, access.consent
    return ServiceAccess(
        client_id=access.client.client_id,
        name=access.client.client_name,
        gifts=tuple(title_of(scope) for scope in consent.scope) if consent else (),
        since=_day(consent.given_at) if consent else "",
        away_since=_day(families[0].started_at) if families else "",
        last_used=_day(max(family.rotated_at for family in families)) if families else "",
        ends_by=_day(max(family.expires_at for family in families)) if families else "",
    )


def _day(at: datetime) -> str:
    return in_words(day_in_france(at), year=True)
