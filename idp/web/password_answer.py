"""What a page answers to a password that was not tried, or that opens something else than it asks.

Pages differ in what they show; this is what they have in common, whatever a password is asked for.
"""

from collections.abc import Callable

from flask import Response

from idp.identity.login import MustChoosePassword
from idp.limits import SignInDelayed
from idp.web import Services
from idp.web.browser import keep_choice
from idp.web.errors import RETRY_SECONDS
from idp.web.headers import see_other
from idp.web.login_form import BUSY
from idp.web.login_form import seconds_of
from idp.web.login_form import wait_notice
from idp.web.waiting import with_waiting

NEW_PASSWORD = "/nouveau-mot-de-passe"  # noqa: S105 - an address

Draw = Callable[..., Response]
"""Draws the page anew, under a status and with a ``notice``."""


def busy(draw: Draw) -> Response:
    """Say that nobody had time for it: nothing was verified, nothing counted."""
    response = draw(503, notice=BUSY)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def held_back(draw: Draw, held: SignInDelayed) -> Response:
    """Say until when a limit holds it back."""
    response = draw(429, notice=wait_notice(held.retry_after))
    response.headers["Retry-After"] = str(seconds_of(held.retry_after))
    return response


def to_new_password(given: Services, opened: MustChoosePassword, sealed: str = "") -> Response:
    """Lead who typed a temporary password to the page that it opens; what waits goes with them."""
    response = see_other(with_waiting(NEW_PASSWORD, sealed))
    keep_choice(response, given, opened)
    return response
