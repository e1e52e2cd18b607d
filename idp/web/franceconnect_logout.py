"""Signing out at FranceConnect too, once the session here has ended; and back.

Where to go on after that waits in a sealed cookie of this browser, beside the ``state`` that must
come back: nothing is kept here, and no address sends anybody elsewhere. Where FranceConnect is away
the way there is left out: the session here is over all the same.
"""

import hmac
import json
from collections.abc import Sequence
from contextlib import suppress

from flask import Blueprint
from flask import Response
from flask import request

from idp import StoreUnavailable
from idp.sealed import Unreadable
from idp.session import new_session_token
from idp.web import Services
from idp.web.browser import drop_way_back
from idp.web.browser import keep_way_back
from idp.web.browser import way_back_of
from idp.web.franceconnect import way
from idp.web.headers import see_other

bp = Blueprint("franceconnect_logout", __name__)

BACK = "/franceconnect/deconnexion"
SIGNED_OUT = "/deconnexion"
"""Where who signed out here learns of it; also where our own forms go, in ``logout``."""


def way_out(given: Services, key: str, owners: Sequence[str]) -> tuple[str, str]:
    """Give the address that ends FranceConnect's session, and its ``state``; "" where none is.

    ``owners`` are whose the session that ended was: who came by password has no hint.
    """
    client = given.franceconnect
    if client is None or not owners or client.is_away():
        return "", ""
    hint = ""
    with suppress(StoreUnavailable):  # what ends here has ended
        hint = given.franceconnect_hints.take(key, owners[0])
    state = new_session_token()
    return client.logout_url(id_token=hint, state=state) if hint else "", state


def remember(given: Services, response: Response, state: str, return_to: str) -> None:
    """Note in the browser where it goes on when it comes back with ``state``."""
    sealed = given.franceconnect_returns.seal(json.dumps([state, return_to]).encode())
    keep_way_back(response, sealed)


@bp.get(BACK)
def come_back() -> Response:
    """Go on where the service asked, if this is the browser that left for FranceConnect."""
    given, _ = way()
    response = see_other(_return_to(given) or SIGNED_OUT)
    drop_way_back(response)
    return response


def _return_to(given: Services) -> str:
    states = request.args.getlist("state")
    try:
        state, return_to = json.loads(given.franceconnect_returns.open(way_back_of(request)))
    except (Unreadable, ValueError, TypeError):  # or of another version
        return ""
    same = len(states) == 1 and hmac.compare_digest(str(state).encode(), states[0].encode())
    return str(return_to) if same else ""
