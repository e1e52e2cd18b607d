"""What the pages under ``/compte`` have in common: a row on the overview, a form of their own.

A topic is registered once, in ``account.TOPICS``: its module holds the page and its ``TOPIC``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp.identity.working_days import day_in_france
from idp.identity.working_days import in_words
from idp.identity.working_days import moment_in_words
from idp.sentence import Sentence
from idp.web import Services
from idp.web import services
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.login_form import STALE_FORM
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.member import signed_out


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the member's own page.

    Attributes:
        path: of its page, under ``/compte/``.
        link: what leads there.
        says: the sentence of the overview, as things stand now; called within a transaction.
        apart: whether it is for the day when something is wrong, and stands by itself.
        is_offered: whether there is such a thing here, for this member; called as ``says`` is.
    """

    path: str
    title: Sentence
    link: Sentence
    says: Callable[[Services, Member], Sentence]
    apart: bool = False
    is_offered: Callable[[Services, Member], bool] = lambda _given, _member: True


def own_page(
    given: Services,
    member: Member,
    path: str,
    template: str,
    status: int = 200,
    *about: str,
    **context: object,
) -> Response:
    """Draw a page of the member's.

    ``csrf`` of its forms holds for ``path``, for this session, and for what they are ``about``.
    """
    response = make_response("", status)
    browser = name_browser(response, browser_of(request))
    csrf = csrf_token(given, browser, path, member.key, *about)
    response.set_data(render_template(template, action=path, csrf=csrf, **context))
    return response


def current_member() -> Member | Response:
    """Give who is signed in; else what leads to the sign-in page."""
    member = member_of(services())
    return signed_out("/connexion") if member is None else member


def sent_by(
    found: Member | Response, path: str, page: Callable[..., Response]
) -> Member | Response:
    """Give who sent the form of ``path``, if it was drawn for this very session.

    Else what answers in their place: what was ``found`` instead of a member, or the page anew,
    which says that its form was stale.
    """
    given = services()
    if isinstance(found, Response) or is_own_page_form(given, found, path):
        return found
    return page(given, found, 403, notice=STALE_FORM)


def is_own_page_form(given: Services, member: Member, path: str, *about: str) -> bool:
    """Tell whether a POST comes from the page of ``path``, drawn for this very session."""
    return is_own_form(request, given, browser_of(request), path, member.key, *about)


def day(at: datetime) -> Sentence:
    """Say a day as the pages do: « mardi 24 novembre 2026 »."""
    return in_words(day_in_france(at), year=True)


def moment(at: datetime) -> Sentence:
    """Say a day and an hour of Paris: « mardi 24 novembre 2026 à 13 h 05 »."""
    return moment_in_words(at)
