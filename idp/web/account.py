"""``/compte``: the member's own page. Who is signed in, what to look after, the way out."""

from dataclasses import dataclass

from flask import Blueprint
from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.working_days import hour_in_words
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import account_activity
from idp.web import account_data
from idp.web import account_devices
from idp.web import account_email
from idp.web import account_franceconnect
from idp.web import account_password
from idp.web import account_services
from idp.web import freeze
from idp.web import services
from idp.web.account_topics import Topic
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import name_browser
from idp.web.franceconnect_logout import SIGNED_OUT
from idp.web.member import member_of
from idp.web.member import signed_out

bp = Blueprint("account", __name__)

PAGE = "/compte"

TOPICS: tuple[Topic, ...] = (
    account_password.TOPIC,
    account_password.WITHOUT,
    account_franceconnect.TOPIC,
    account_email.TOPIC,
    account_devices.TOPIC,
    account_services.TOPIC,
    account_activity.TOPIC,
    account_data.TOPIC,
    freeze.TOPIC,
)
"""The rows of the overview, in its order: what stands apart comes last."""


@dataclass(frozen=True, slots=True)
class Row:
    """One topic as the overview shows it."""

    path: str
    title: Sentence
    says: Sentence
    link: Sentence
    apart: bool


@bp.get(PAGE)
def show() -> Response:
    """Show the account of the session; whose sign-in has ended goes back to the sign-in page."""
    given = services()
    member = member_of(given)
    if member is None:
        return signed_out("/connexion")
    with given.transaction():
        rows = [
            Row(topic.path, topic.title, topic.says(given, member), topic.link, topic.apart)
            for topic in TOPICS
            if topic.is_offered(given, member)
        ]
    response = make_response("")
    browser = name_browser(response, browser_of(request))
    response.set_data(
        render_template(
            "pages/account.html",
            qualite_label=member.qualite_label,
            numero_end=member.numero_end,
            name=member.name,
            since=say("Connexion à %(hour)s", hour=hour_in_words(member.session.auth_time)),
            rows=rows,
            logout_action=SIGNED_OUT,
            csrf=csrf_token(given, browser),
        )
    )
    return response
