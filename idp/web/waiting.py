"""The request that waits behind a page, and the way on once somebody has signed in."""

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response
from flask import make_response
from flask import render_template
from flask import request

from idp import StoreUnavailable
from idp.oidc.authorize import AccessDenied
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.authorize import check
from idp.oidc.clients import Client
from idp.oidc.refusals import Finding
from idp.oidc.response import AuthorizationResponse
from idp.oidc.response import home_location
from idp.oidc.return_address import FORM_POST
from idp.oidc.return_address import RefusedByRedirect
from idp.oidc.waiting import WaitingRequest
from idp.oidc.waiting import WaitingRequestUnreadable
from idp.sentence import say
from idp.session import SignedIn
from idp.web import Services
from idp.web.authorize import CONSENT
from idp.web.authorize import ask_again
from idp.web.authorize import issue_code
from idp.web.authorize import needs_consent
from idp.web.authorize import sent
from idp.web.browser import arrival_of
from idp.web.browser import drop_arrival
from idp.web.browser import keep_device
from idp.web.browser import keep_session
from idp.web.browser import note_answered
from idp.web.browser import open_session
from idp.web.browser import was_answered
from idp.web.headers import allow_form_to
from idp.web.headers import see_other
from idp.web.refused import refuse


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request behind this page, checked again; ``request`` is None when no service waits."""

    sealed: str = ""
    opened: WaitingRequest | None = None
    request: AuthorizationRequest | None = None
    answered: bool = False

    @property
    def service_name(self) -> str:
        """The name of the service that waits, or ""."""
        return self.request.client.client_name if self.request else ""


def arrive(
    given: Services,
    found: Waiting,
    signed_in: SignedIn,
    device: str,
    *,
    by_way_of: str = "",
    id_token: str = "",
) -> Response:
    """Open the session and lead on: to the service that waits, to the default one, to ``/compte``.

    ``by_way_of`` a page of ours, the request goes on waiting. ``id_token`` is FranceConnect's, of
    who came from there.
    """
    token, key, session = open_session(request, given, signed_in, id_token=id_token)
    if by_way_of:
        response = see_other(with_waiting(by_way_of, found.sealed))
    elif found.request is not None and found.answered:
        response = see_other(home_of(given, found.request.client))
    elif found.request is not None and needs_consent(given, found.request, session.account_id):
        response = see_other(with_waiting(CONSENT, found.sealed))
    elif found.request is not None and found.request.back.response_mode == FORM_POST:
        # A page of its own: going back to it must not send the password's form once more.
        response = see_other(with_waiting("/connexion", found.sealed))
    elif found.request is not None:
        response = led_on(found, issue_code(given, found.request, key, session))
    else:
        response = see_other(default_target(given))
    forget_arrival(given, response)
    keep_session(response, token)
    keep_device(response, given, device)
    return response


def cancel(given: Services, asked: AuthorizationRequest, found: Waiting) -> Response:
    """Take the person back to the service with a no; to its home, when it has had its answer."""
    said_no = Finding("member", "the member goes on", "the member did not want to")
    if found.answered:
        response = see_other(home_of(given, asked.client))
    else:
        response = led_on(found, refuse(given, asked.refused(AccessDenied(), said_no)))
    forget_arrival(given, response)
    return response


def forget_arrival(given: Services, response: Response) -> None:
    """End what waits of somebody who came from FranceConnect: who sits here next is not they."""
    if token := arrival_of(request):
        with suppress(StoreUnavailable):  # it ends by itself, and the browser loses its name now
            given.franceconnect_arrivals.take(token)
        drop_arrival(response)


def waiting_of(given: Services, browser: str, sealed: str | None = None) -> Waiting | Response:
    """Open the request that waits; a Response where the page cannot go on as it is.

    It is in the page's address, but for one that was ``sealed`` and kept while its browser was
    elsewhere.
    """
    sealed = request.args.get("demande", "") if sealed is None else sealed
    if not sealed:
        return Waiting()
    try:
        opened = given.waiting.open(sealed, browser)
    except WaitingRequestUnreadable:
        return _expired("")
    try:
        asked = check(opened.params, given.clients)
    except RefusedByRedirect as refused:
        return sent(refuse(given, refused))
    if opened.expired:
        return _expired(home_location(asked.client, issuer=given.issuer))
    if not opened.same_browser and browser and request.method == "GET":
        # Another tab named the browser first, or the address was copied: ask again, under its name.
        return ask_again(given, opened.params)
    return Waiting(sealed, opened, asked, was_answered(request, sealed))


def led_on(found: Waiting, answer: AuthorizationResponse) -> Response:
    """Lead the browser to the service with its answer, and note that it had one."""
    response = sent(answer)
    note_answered(request, response, found.sealed)
    return response


def service_name(given: Services, browser: str) -> str:
    """Name the service that waits behind this page; "" where none does, or can be named.

    Its request is judged where it is answered: a page that only names it must not fail for it.
    """
    try:
        opened = given.waiting.open(request.args.get("demande", ""), browser)
        if opened.expired or not opened.same_browser:
            return ""
        client = given.clients.find(opened.params.get("client_id"))
    except (WaitingRequestUnreadable, StoreUnavailable):
        return ""
    return client.client_name if client is not None else ""


def with_waiting(
    path: str,
    sealed: str,
    *,
    step: str = "",
    selected: str = "",
    said: str = "",
    purpose: str = "",
    page: str = "",
) -> str:
    """Write the address of a page, with the request that waits and the step of a journey.

    ``selected`` proves that the member said to go on as who is signed in. ``said`` is a word of
    ``franceconnect_words``; ``purpose`` and ``page`` are why one goes there, and from where.
    """
    given = (
        ("etape", step), ("pour", purpose), ("page", page), ("choisi", selected),
        ("franceconnect", said), ("demande", sealed),
    )  # fmt: skip
    query = {name: value for name, value in given if value}
    return f"{path}?{urlencode(query)}" if query else path


def allow_form_to_waiting(given: Services, found: Waiting) -> None:
    """Let this page's form lead where ``arrive`` does, and nowhere else."""
    asked = found.request
    if asked is not None:
        home = home_location(asked.client, issuer=given.issuer) if found.answered else ""
        allow_form_to(asked.back.redirect_uri, home, client=asked.client)
    else:
        target = default_target(given)
        allow_form_to(*([target] if ":" in target else []))


def default_target(given: Services) -> str:
    """Where a sign-in leads that no service asked for."""
    client = given.clients.find(given.default_client_id) if given.default_client_id else None
    return home_of(given, client) if client is not None else "/compte"


def home_of(given: Services, client: Client) -> str:
    """Where a service begins anew, or ``/compte``."""
    return home_location(client, issuer=given.issuer) or "/compte"


def _expired(link: str) -> Response:
    body = render_template(
        "pages/expired.html",
        link=link or "/connexion",
        link_label=say("Revenir au service") if link else say("Aller à la page de connexion"),
    )
    return make_response(body, 400)
