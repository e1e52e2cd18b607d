"""``/compte``: the member's own page. For now who is signed in, since when, and the way out."""

from zoneinfo import ZoneInfo

from flask import Blueprint
from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.dossier import Qualite
from idp.web import services
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import drop_session
from idp.web.browser import name_browser
from idp.web.browser import session_of
from idp.web.headers import see_other

bp = Blueprint("account", __name__)

PARIS = ZoneInfo("Europe/Paris")
QUALITE_LABELS = {Qualite.AFFILIE: "Affilié", Qualite.AYANT_DROIT: "Ayant droit"}


@bp.get("/compte")
def show() -> Response:
    """Show the account of the session; whose sign-in has ended goes back to the sign-in page."""
    given = services()
    key, session = session_of(request, given)
    if session is None:
        return see_other("/connexion")
    with given.transaction():
        subject = given.subjects.get(session.account_id)
    if subject is None or not subject.stands_behind(session.credential_version):
        given.sessions.end(key)
        response = see_other("/connexion")
        drop_session(response)
        return response
    since = session.auth_time.astimezone(PARIS)
    response = make_response("")
    browser = name_browser(response, browser_of(request))
    response.set_data(
        render_template(
            "pages/account.html",
            qualite_label=QUALITE_LABELS[Qualite(subject.qualite)],
            numero_end=subject.numero_dossier[-2:],
            name=f"{subject.given_names.partition(' ')[0]} "
            f"{subject.usage_name or subject.family_name}".strip(),
            since=f"Connexion à {since.hour}\u00a0h\u00a0{since:%M}",
            logout_action="/logout",
            csrf=csrf_token(given, browser),
        )
    )
    return response
