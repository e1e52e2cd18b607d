"""What a browser carries: its own cookie, its session, its device; and where a request comes from.

========================  ======================================================================
``__Host-browser``        a random name of the browser; waiting requests and CSRF hang on it
``__Host-session``        the SSO session's token; ends with the browser
``__Host-device``         signed: this browser signed in before, six months
``__Host-answered``       which waiting requests were answered here; ends with the browser
``__Host-choice``         sealed: the lease under which a password is being chosen, 15 minutes
``__Host-franceconnect``  who came back from FranceConnect, without a dossier yet; as the session
``__Host-signed-out``     sealed: where to go on once FranceConnect signed out too, 10 minutes
``__Host-language``       the language that pages speak here: a tag and nothing else
========================  ======================================================================
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from datetime import timedelta
from wsgiref.types import WSGIEnvironment

from flask import Request
from flask import Response
from flask import g

from idp.audit import Actor
from idp.identity.login import MustChoosePassword
from idp.identity.new_password import Choice
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import Channel
from idp.limits import audited_network
from idp.limits import network_of
from idp.sealed import Unreadable
from idp.session import Place
from idp.session import Session
from idp.session import SignedIn
from idp.session import new_session_token
from idp.session import session_key
from idp.web import Services
from idp.web.user_agent import told_by

BROWSER_COOKIE = "__Host-browser"
SESSION_COOKIE = "__Host-session"
DEVICE_COOKIE = "__Host-device"
ANSWERED_COOKIE = "__Host-answered"
CHOICE_COOKIE = "__Host-choice"
ARRIVAL_COOKIE = "__Host-franceconnect"
WAY_BACK_COOKIE = "__Host-signed-out"
LANGUAGE_COOKIE = "__Host-language"
ANSWERED_KEPT = 12
SIX_MONTHS = timedelta(days=182)
WAY_BACK_LIFETIME = timedelta(minutes=10)
_COOKIE_LIMIT = 256
_LONG_COOKIE_LIMIT = 3800
"""Of a cookie that holds an address; browsers keep 4096 characters with its name."""


def browser_of(request: Request) -> str:
    """The browser's name for itself, or "" at its first visit (or where cookies are refused)."""
    value = request.cookies.get(BROWSER_COOKIE, "")
    return value if 20 <= len(value) <= _COOKIE_LIMIT else ""


def name_browser(response: Response, browser: str) -> str:
    """Give a browser without a name one, and keep that of the others; returns it."""
    named = browser or secrets.token_urlsafe(24)
    _set(response, BROWSER_COOKIE, named, SIX_MONTHS)
    return named


def session_of(request: Request, services: Services) -> tuple[str, Session | None]:
    """The key of the browser's session and the session, if it is alive; renews its idle time.

    Raises:
        StoreUnavailable: nobody can tell.
    """
    key = cookie_key_of(request)
    session = services.sessions.get(key) if key else None
    if session is None:
        return "", None
    services.speak_of(session.account_id)
    return key, session


def cookie_key_of(request: Request) -> str:
    """The key of the session that the browser's cookie names, alive or not, or ""."""
    token = request.cookies.get(SESSION_COOKIE, "")
    return session_key(token) if 0 < len(token) <= _COOKIE_LIMIT else ""


def open_session(
    request: Request, services: Services, signed_in: SignedIn, *, id_token: str = ""
) -> tuple[str, str, Session]:
    """Open a session under a new id and end the one this browser had; needs a transaction.

    Args:
        request: what it is opened by.
        services: the services.
        signed_in: who.
        id_token: FranceConnect's, where who signed in came from there: it ends that session too.

    Returns:
        The cookie's token, the store's key, the session.
    """
    token = new_session_token()
    key = session_key(token)
    session = Session.open(
        signed_in,
        now=services.now(),
        absolute=services.session_absolute,
        place=place_of(request, services),
    )
    if former := cookie_key_of(request):
        services.farewell.succeed(former, key, session.account_id)
        services.franceconnect_hints.follow(former, key, session.account_id)
    # Before the new one is there, and after the one that it follows has gone.
    services.devices.make_room(
        session.account_id,
        keep=services.sessions_of_account - 1,
        actor=actor_of(request, services, g.request_id),
    )
    services.sessions.put(key, session)
    if id_token:
        services.franceconnect_hints.put(key, session.account_id, id_token)
    return token, key, session


def keep_session(response: Response, token: str) -> None:
    """Hand the session to the browser, until it is closed."""
    _set(response, SESSION_COOKIE, token, None)


def drop_session(response: Response) -> None:
    """Take the session's cookie back."""
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def language_kept(request: Request) -> str:
    """What the browser was given by ``keep_language``, or what somebody wrote there."""
    return request.cookies.get(LANGUAGE_COOKIE, "")


def keep_language(response: Response, language: str, lifetime: timedelta | None) -> None:
    """Let the browser keep a language; without a lifetime until it is closed."""
    _set(response, LANGUAGE_COOKIE, language, lifetime)


def device_of(request: Request, services: Services) -> str:
    """The device identifier that this browser was given at an earlier sign-in, or ""."""
    device, _, rest = request.cookies.get(DEVICE_COOKIE, "")[:_COOKIE_LIMIT].partition(".")
    expires_at, _, tag = rest.partition(".")
    if not expires_at.isdecimal() or not expires_at.isascii() or not device:
        return ""
    if int(expires_at) <= services.now().timestamp():
        return ""
    genuine = _is_signed(services.cookie_keys, "device", f"{device}.{expires_at}", tag)
    return device if genuine else ""


def new_device() -> str:
    """Draw a device identifier."""
    return secrets.token_hex(16)


def keep_device(response: Response, services: Services, device: str) -> None:
    """Let the browser prove for six months that it has signed in here."""
    value = f"{device}.{_epoch(services.now() + SIX_MONTHS)}"
    tag = _sign(services.cookie_keys[0], "device", value)
    _set(response, DEVICE_COOKIE, f"{value}.{tag}", SIX_MONTHS)


def drop_device(response: Response) -> None:
    """Take the device's cookie back: its browser is a stranger again."""
    response.delete_cookie(DEVICE_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def keep_choice(response: Response, services: Services, opened: MustChoosePassword) -> None:
    """Hand the lease to the browser: what it holds is sealed, and opens one page."""
    body = json.dumps([opened.account_id, opened.channel, opened.token])
    sealed = services.choices.seal(body.encode("ascii"))
    _set(response, CHOICE_COOKIE, sealed, LEASE)


def choice_of(request: Request, services: Services) -> Choice | None:
    """The lease that this browser holds, or None; whether it goes on is the store's to tell."""
    sealed = request.cookies.get(CHOICE_COOKIE, "")
    if not sealed or len(sealed) > _COOKIE_LIMIT:
        return None
    try:
        account_id, channel, token = json.loads(services.choices.open(sealed))
        return Choice(str(account_id), Channel(channel), session_key(str(token)))
    except (Unreadable, ValueError, TypeError):  # or of another shape: sealed by another version
        return None


def drop_choice(response: Response) -> None:
    """Take the lease's cookie back."""
    response.delete_cookie(CHOICE_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def keep_arrival(response: Response, services: Services, token: str, *, holder: str = "") -> None:
    """Let the browser prove, until it is closed, that somebody came back in it from FranceConnect.

    ``holder`` of a lease: whoever chooses a password under it is that somebody, and nobody who
    chooses one in the same browser for another reason.
    """
    tag = _sign(services.cookie_keys[0], "franceconnect", f"{token}.{holder}") if holder else ""
    _set(response, ARRIVAL_COOKIE, f"{token}.{tag}", None)


def arrival_of(request: Request) -> str:
    """The token of who came back in this browser, or ""."""
    value = request.cookies.get(ARRIVAL_COOKIE, "")
    return value.partition(".")[0] if len(value) <= _COOKIE_LIMIT else ""


def arrival_under(request: Request, services: Services, holder: str) -> str:
    """The same, if the lease of ``holder`` was opened to prove who that is; else ""."""
    token, tag = arrival_of(request), request.cookies.get(ARRIVAL_COOKIE, "").partition(".")[2]
    proven = _is_signed(services.cookie_keys, "franceconnect", f"{token}.{holder}", tag)
    return token if token and proven else ""


def drop_arrival(response: Response) -> None:
    """Take it back."""
    response.delete_cookie(ARRIVAL_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def keep_way_back(response: Response, sealed: str) -> None:
    """Let the browser keep where it goes on after FranceConnect; too long an address is left."""
    if len(sealed) <= _LONG_COOKIE_LIMIT:
        _set(response, WAY_BACK_COOKIE, sealed, WAY_BACK_LIFETIME)


def way_back_of(request: Request) -> str:
    """What ``keep_way_back`` let it keep, or ""."""
    sealed = request.cookies.get(WAY_BACK_COOKIE, "")
    return sealed if len(sealed) <= _LONG_COOKIE_LIMIT else ""


def drop_way_back(response: Response) -> None:
    """Take it back."""
    response.delete_cookie(WAY_BACK_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def was_answered(request: Request, sealed: str) -> bool:
    """Tell whether this browser was already led on with the answer to a waiting request."""
    return _mark(sealed) in request.cookies.get(ANSWERED_COOKIE, "").split(".")


def note_answered(request: Request, response: Response, sealed: str) -> None:
    """Remember an answered request: the back button must not bring its service a second answer."""
    marks = request.cookies.get(ANSWERED_COOKIE, "")[:_COOKIE_LIMIT].split(".")
    kept = [_mark(sealed), *(mark for mark in marks if mark)][:ANSWERED_KEPT]
    _set(response, ANSWERED_COOKIE, ".".join(kept), None)


def csrf_token(services: Services, browser: str, *about: str) -> str:
    """What a form of ours must send back from this browser.

    Where it answers a question, ``about`` names whom and what was asked: the answer to one question
    is none to another, in whatever tab it is open.
    """
    return _sign(services.cookie_keys[0], _purpose(about), _asked(browser, about))


def is_own_form(request: Request, services: Services, browser: str, *about: str) -> bool:
    """Tell whether a POST comes from a page of ours in this browser, and not from another site."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    return was_said(services, request.form.get("csrf", ""), browser, *about)


def was_said(services: Services, presented: str, browser: str, *about: str) -> bool:
    """Tell whether a token is one of ``csrf_token`` for the same browser and question."""
    expected = _asked(browser, about)
    return bool(browser) and _is_signed(services.cookie_keys, _purpose(about), expected, presented)


def network_of_request(request: Request, services: Services) -> str:
    """The network a request comes from."""
    return network_of(client_address(request.environ, services.trusted_proxies))


def client_address(environ: WSGIEnvironment, trusted_proxies: int) -> str:
    """The address a request comes from: the peer, or what our own proxies say of it.

    With N trusted proxies the client's address is the Nth from the right of X-Forwarded-For:
    whatever stands further left was written by somebody else.
    """
    address: str = environ.get("REMOTE_ADDR", "")
    if trusted_proxies:
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= trusted_proxies:
            address = hops[-trusted_proxies].strip()
    return address


def place_of(request: Request, services: Services) -> Place:
    """From where this browser signs in, as the member's own page tells it later."""
    browser, system = told_by(request.headers.get("User-Agent", ""))
    network = network_of_request(request, services)
    return Place(browser, system, audited_network(network))


def actor_of(request: Request, services: Services, request_id: str) -> Actor:
    """Who acts, for the audit log."""
    network = network_of_request(request, services)
    return Actor(network=audited_network(network), request_id=request_id)


def _set(response: Response, name: str, value: str, max_age: timedelta | None) -> None:
    response.set_cookie(
        name, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="Lax"
    )


def _purpose(about: Sequence[str]) -> str:
    return "answer" if about else "csrf"


def _asked(browser: str, about: Sequence[str]) -> str:
    return json.dumps([browser, *about]) if about else browser


def _sign(key: bytes, purpose: str, text: str) -> str:
    message = f"{purpose}:{text}".encode("utf-8", "surrogatepass")
    digest = hmac.digest(key, message, hashlib.sha256)
    return urlsafe_b64encode(digest[:24]).decode("ascii")


def _is_signed(keys: Sequence[bytes], purpose: str, text: str, presented: str) -> bool:
    tag = presented.encode("utf-8", "surrogatepass")
    expected = [_sign(key, purpose, text).encode() for key in keys]
    return any(hmac.compare_digest(tag, one) for one in expected)


def _mark(sealed: str) -> str:
    digest = hashlib.sha256(sealed.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest[:12]).decode("ascii")


def _epoch(instant: datetime) -> int:
    return int(instant.timestamp())
