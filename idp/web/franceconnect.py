"""``/franceconnect``: to FranceConnect, and back with who the person is.

The browser that leaves is the one that may come back: its *try* waits in Redis under the ``state``,
bound to the browser's cookie, and is taken once. Whatever comes back otherwise (in another browser,
twice, late, of another provider, of nobody) signs nobody in, and leads to the page that one left.
The codes stand in the address of the callback alone, which shows nothing and leads on.
"""

import logging
from dataclasses import dataclass
from dataclasses import field

from flask import Blueprint
from flask import Response
from flask import abort
from flask import g
from flask import request
from werkzeug.datastructures import MultiDict

from idp.identity.franceconnect import Choose
from idp.identity.franceconnect import FranceConnectRefused
from idp.identity.franceconnect_port import Arrived
from idp.identity.franceconnect_port import FranceConnect
from idp.identity.franceconnect_port import FranceConnectAway
from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.identity.franceconnect_port import FranceConnectSaidNo
from idp.identity.franceconnect_port import Purpose
from idp.identity.franceconnect_port import Spent
from idp.identity.franceconnect_port import Try
from idp.identity.franceconnect_port import browser_hash
from idp.limits import TooManyClientFailures
from idp.session import SignedIn
from idp.session import new_session_token
from idp.web import Services
from idp.web import services
from idp.web.authorize import FRANCECONNECT
from idp.web.authorize import SIGN_IN
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import device_of
from idp.web.browser import drop_arrival
from idp.web.browser import keep_arrival
from idp.web.browser import keep_device
from idp.web.browser import keep_session
from idp.web.browser import name_browser
from idp.web.browser import network_of_request
from idp.web.browser import new_device
from idp.web.browser import open_session
from idp.web.browser import was_said
from idp.web.franceconnect_words import Said
from idp.web.headers import see_other
from idp.web.member import Member
from idp.web.member import member_of
from idp.web.member import signed_out
from idp.web.waiting import Waiting
from idp.web.waiting import arrive
from idp.web.waiting import home_of
from idp.web.waiting import waiting_of
from idp.web.waiting import with_waiting

bp = Blueprint("franceconnect", __name__)

CALLBACK = "/franceconnect/retour"
DOSSIER = "/franceconnect/dossier"
PROOF = "/franceconnect/rattachement"
LINKS = "/compte/franceconnect"
IDENTITY = "/compte/franceconnect/identite"

CODE_REFUSED = "invalid_grant"
"""Spec: RFC 6749 §5.2; what else is refused there is ours to mend."""
AWAY_WORDS = ("server_error", "temporarily_unavailable")
ERRORS = {
    *("access_denied", "invalid_request", "invalid_scope", "unauthorized_client"),
    *("unsupported_response_type", *AWAY_WORDS),
}
"""What a callback may say in the place of a code, and logs repeat. Spec: RFC 6749 §4.1.2.1."""
PARAMETERS = ("state", "code", "iss", "error")

log = logging.getLogger("idp.franceconnect")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a callback says, each parameter once; "" where it does not say it."""

    iss: str = ""
    state: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    error: str = ""


def way() -> tuple[Services, FranceConnect]:
    """Give what these pages need; where FranceConnect is not configured they are not there."""
    given = services()
    if given.franceconnect is None:
        abort(404)
    return given, given.franceconnect


def address_for(given: Services, member: Member, purpose: Purpose, page: str) -> str:
    """Write the address by which a member goes there from a page of their own, and back to it.

    It proves that the page was drawn for this very session; it is worth nothing to another.
    """
    proof = csrf_token(given, browser_of(request), *_about(member, purpose, page))
    return with_waiting(FRANCECONNECT, "", purpose=purpose, page=page, selected=proof)


@bp.get(FRANCECONNECT)
def begin() -> Response:
    """Send the browser there, and note that it left."""
    given, client = way()
    browser = browser_of(request)
    if purpose := request.args.get("pour", ""):
        return _begin_for_member(given, client, browser, purpose, request.args.get("page", ""))
    found = waiting_of(given, browser)
    if isinstance(found, Response):
        return found
    if found.answered and found.request is not None:
        return see_other(home_of(given, found.request.client))
    return _send(given, client, browser, Purpose.SIGN_IN, found)


@bp.get(CALLBACK)
def come_back() -> Response:
    """Take who came back: in the browser that left, once, and from there.

    Spec: OIDC Core 1.0 §3.1.2.5, RFC 9207 §2.4 (``iss``), RFC 9700 §4.4 (mix-up), §4.7 (CSRF).
    """
    given, client = way()
    browser = browser_of(request)
    answer = _read(request.args)
    if not client.is_from(answer.iss):
        # Its try is not touched: the true answer may still come.
        return _failed("", Said.MISTRUSTED, "iss")
    begun = (
        given.franceconnect_tries.take(answer.state, browser) if answer.state and browser else None
    )
    if begun is None:
        return _failed("", Said.LATE, "state")
    if isinstance(begun, Spent):
        return _failed(begun.demande, Said.LATE, "state", page=begun.page)
    found = waiting_of(given, browser, begun.demande)
    if isinstance(found, Response):
        # What is to be told of it has a page of its own, whose address holds no code.
        return see_other(with_waiting(SIGN_IN, begun.demande))
    if _is_held(given):
        return _failed(found.sealed, Said.HELD, "held", page=begun.page)
    if answer.error or not answer.code:
        return _sent_back(given, found, begun, answer.error)
    try:
        arrived = client.finish(
            code=answer.code,
            nonce=begun.nonce,
            max_age=given.recent_sign_in if begun.purpose is Purpose.CONFIRM else None,
        )
    except FranceConnectAway as fault:
        return _failed(found.sealed, Said.AWAY, fault.fault, page=begun.page)
    except FranceConnectMistrusted as fault:
        if fault.fault == "nonce":  # a code of another sign-in
            given.franceconnect_failures.count(network_of_request(request, given))
        return _failed(found.sealed, Said.MISTRUSTED, fault.fault, page=begun.page)
    except FranceConnectSaidNo as fault:
        if fault.error != CODE_REFUSED:
            return _failed(found.sealed, Said.AWAY, fault.error, page=begun.page)
        given.franceconnect_failures.count(network_of_request(request, given))
        return _failed(found.sealed, Said.LATE, fault.error, page=begun.page)
    if begun.purpose is Purpose.SIGN_IN:
        return _sign_in(given, found, arrived)
    member = member_of(given)
    if member is None or member.session.account_id != begun.account_id:
        return signed_out(SIGN_IN) if member is None else see_other(LINKS)
    if begun.purpose is Purpose.CONFIRM:
        return _confirm(given, begun, arrived)
    return _ask_or_link(given, member, arrived) if _may_link(given, member) else see_other(LINKS)


def _begin_for_member(
    given: Services, client: FranceConnect, browser: str, word: str, page: str
) -> Response:
    member = member_of(given)
    if member is None:
        return signed_out(SIGN_IN)
    proof = request.args.get("choisi", "")
    if word not in set(Purpose) or not was_said(
        given, proof, browser, *_about(member, Purpose(word), page)
    ):
        return see_other(LINKS)
    if word == Purpose.LINK and not _may_link(given, member):
        return see_other(LINKS)
    return _send(given, client, browser, Purpose(word), Waiting(), member=member, page=page)


def _send(
    given: Services,
    client: FranceConnect,
    browser: str,
    purpose: Purpose,
    found: Waiting,
    *,
    member: Member | None = None,
    page: str = "",
) -> Response:
    if _is_held(given):
        # Better told here than after a person has signed in over there.
        return _failed(found.sealed, Said.HELD, "held", page=page)
    state, nonce = new_session_token(), new_session_token()
    try:
        response = see_other(client.begin(state=state, nonce=nonce))
    except (FranceConnectAway, FranceConnectMistrusted) as fault:
        return _failed(found.sealed, Said.AWAY, fault.fault, page=page)
    browser, sealed = name_browser(response, browser), found.sealed
    if found.opened is not None and not found.opened.same_browser:
        # It has a name from now on; what waits is bound to it.
        sealed = given.waiting.seal(found.opened.params, browser)
    begun = Try(
        browser_hash=browser_hash(browser),
        nonce=nonce,
        demande=sealed,
        purpose=purpose,
        account_id=member.session.account_id if member else "",
        page=page,
    )
    given.franceconnect_tries.put(state, begun, network=network_of_request(request, given))
    return response


def _sent_back(given: Services, found: Waiting, begun: Try, error: str) -> Response:
    """Lead back whom FranceConnect sent without a code, and tell the operators by what word.

    It stands in an address, so that anybody can write there: what is no word of the list is none.
    """
    word = error if error in ERRORS else "other"
    given.counts.franceconnect_asked("sent_back", word)
    said = Said.AWAY if word in AWAY_WORDS else Said.CANCELLED
    return _failed(found.sealed, said, word, page=begun.page)


def _sign_in(given: Services, found: Waiting, arrived: Arrived) -> Response:
    device = device_of(request, given) or new_device()
    refused = False
    with given.transaction(), given.together():
        try:
            actor = actor_of(request, given, g.request_id)
            outcome = given.franceconnect_sign_in.arrive(
                arrived.arrival, device=device, actor=actor
            )
            if isinstance(outcome, SignedIn):
                return arrive(given, found, outcome, device, id_token=arrived.id_token)
        except FranceConnectRefused:  # its audit event is committed all the same
            refused = True
    if refused:
        return see_other(with_waiting(SIGN_IN, found.sealed, said=Said.REFUSED))
    token = new_session_token()
    given.franceconnect_arrivals.put(token, arrived)
    page = DOSSIER if isinstance(outcome, Choose) else PROOF
    response = see_other(with_waiting(page, found.sealed))
    keep_arrival(response, given, token)
    return response


def _confirm(given: Services, begun: Try, arrived: Arrived) -> Response:
    device = device_of(request, given) or new_device()
    with given.transaction(), given.together():
        try:
            actor = actor_of(request, given, g.request_id)
            signed_in = given.franceconnect_sign_in.confirm(
                arrived.arrival, begun.account_id, actor=actor
            )
            token, _, _ = open_session(request, given, signed_in, id_token=arrived.id_token)
        except FranceConnectRefused:
            return see_other(with_waiting(begun.page, "", said=Said.SOMEBODY_ELSE))
    response = see_other(begun.page)
    keep_session(response, token)
    keep_device(response, given, device)
    return response


def _ask_or_link(given: Services, member: Member, arrived: Arrived) -> Response:
    """Link the person of the dossier; whoever else it is, the member is asked first.

    On a computer of two, FranceConnect may still know the other one.
    """
    with given.transaction():
        theirs = given.franceconnect_sign_in.is_theirs(arrived.arrival, member.session.account_id)
    if theirs:
        return link(given, member, arrived)
    token = new_session_token()
    given.franceconnect_arrivals.put(token, arrived)
    response = see_other(IDENTITY)
    keep_arrival(response, given, token, holder=member.key)
    return response


def link(given: Services, member: Member, arrived: Arrived) -> Response:
    """Link who came to the account of a session, and lead to the page that says so."""
    session, said = member.session, Said.LINKED
    with given.transaction(), given.together():
        try:
            given.franceconnect_sign_in.link(
                arrived.arrival,
                session.account_id,
                session.credential_version,
                actor=actor_of(request, given, g.request_id),
            )
            given.franceconnect_hints.put(member.key, session.account_id, arrived.id_token)
        except FranceConnectRefused:
            said = Said.NOT_LINKED
    return see_other(with_waiting(LINKS, "", said=said))


def arrival_ended(page: str, sealed: str = "") -> Response:
    """Lead back from a page of an arrival that was used, or has waited too long."""
    response = see_other(with_waiting(page, sealed, said=Said.LATE))
    drop_arrival(response)
    return response


def _is_held(given: Services) -> bool:
    """Tell whether refused codes hold this network.

    Each takes one of the few seats at FranceConnect, which may count them against us too.
    """
    try:
        given.franceconnect_failures.check(network_of_request(request, given))
    except TooManyClientFailures:
        return True
    return False


def _may_link(given: Services, member: Member) -> bool:
    """Tell whether the sign-in is recent, which is the proof: when one leaves, and once back.

    Whoever finds the browser open later has an identity of their own there.
    """
    return member.session.is_recent(now=given.now(), within=given.recent_sign_in)


def _failed(sealed: str, word: Said, fault: str, *, page: str = "") -> Response:
    """Lead back to where one left from; ``fault`` is a word of ours, for who reads the log.

    What the operators must know of is told by the client: this can be had by opening an address.
    """
    log.info("nobody came from FranceConnect: %s", fault)
    return see_other(with_waiting(page or SIGN_IN, sealed, said=word))


def _read(args: MultiDict[str, str]) -> Answer:
    """Read a callback; one with a parameter twice says nothing. Spec: RFC 6749 §3.1."""
    if any(len(args.getlist(name)) > 1 for name in PARAMETERS):
        return Answer()
    return Answer(**{name: args.get(name, "") for name in PARAMETERS})


def _about(member: Member, purpose: Purpose, page: str) -> tuple[str, ...]:
    return f"franceconnect:{purpose}", member.key, page
