"""FranceConnect's own state and rules: sign-ins under way, codes, tokens, sessions, names.

It stands in one process. A test holds this object, lets time pass, switches a fault on; the
embedded start only ever shows its pages.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.parse import urlsplit

from joserfc.jwk import Key

from demo.franceconnect.authorization_request import ACR
from demo.franceconnect.authorization_request import AuthorizationRequest
from demo.franceconnect.client_authentication import ClientAuthentication
from demo.franceconnect.configuration import Configuration
from demo.franceconnect.faults import FAULTS
from demo.franceconnect.faults import HEALTHY
from demo.franceconnect.faults import Changes
from demo.franceconnect.faults import Fault
from demo.franceconnect.faults import Tampering
from demo.franceconnect.keys import SigningKeys
from demo.franceconnect.keys import draw
from demo.franceconnect.keys import signed
from demo.franceconnect.memory import Kept
from demo.franceconnect.people import PEOPLE
from demo.franceconnect.people import Person
from demo.franceconnect.people import claims_of
from demo.franceconnect.people import pivot_of

CODE_LIFETIME = timedelta(seconds=30)
TOKEN_LIFETIME = timedelta(seconds=60)
"""Of an access token, and of an ID token."""
SESSION_LIFETIME = timedelta(minutes=30)
"""Of the session at FranceConnect, from its last use; and of a sign-in that nobody finishes."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person agreed to: behind a code, then behind an access token."""

    request: AuthorizationRequest
    person: Person
    at: datetime
    redeemed_for: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A request, and the browser that brought it."""

    request: AuthorizationRequest
    session: str


class Simulator:
    """One FranceConnect.

    Attributes:
        people: by their key; a test may put others there.
        keys: what it signs with.
        fault: the way in which it misbehaves, of ``misbehave``.
        thawed: set when whoever waits for a frozen answer may have it.
        calls: the endpoints that were asked, the newest last.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        people: tuple[Person, ...] = PEOPLE,
    ) -> None:
        self.configuration = configuration
        self.now = now
        self.people = {person.key: person for person in people}
        self.keys = SigningKeys(configuration.signing_key)
        self.fault = HEALTHY
        self.thawed = threading.Event()
        self.calls: list[str] = []
        self._redeeming = threading.Lock()
        issuer = configuration.issuer
        self.authentication = ClientAuthentication(
            configuration.registration, frozenset({issuer, f"{issuer}/token"}), now
        )
        self.sign_ins: Kept[SignIn] = Kept(SESSION_LIFETIME, now)
        self.sessions: Kept[str] = Kept(SESSION_LIFETIME, now)
        self._codes: Kept[Grant] = Kept(CODE_LIFETIME, now)
        self._tokens: Kept[Grant] = Kept(TOKEN_LIFETIME, now)

    @property
    def path(self) -> str:
        """Below which everything stands."""
        return urlsplit(self.configuration.issuer).path

    def misbehave(self, fault: Fault | str) -> None:
        """Switch a fault on, in the place of any other."""
        self.fault = FAULTS[fault] if isinstance(fault, str) else fault

    def behave(self) -> None:
        """Be as the real one again; whoever waits for a frozen answer gets it."""
        self.fault = HEALTHY
        self.thawed.set()
        self.thawed = threading.Event()

    def sub(self, person: Person) -> str:
        """Name a person for the registered service; another record is another name."""
        parts = (
            *pivot_of(person),
            str(person.record),
            self.configuration.registration.client_id,
            self.configuration.pairwise_secret,
        )
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest() + "v1"

    def correct_record(self, key: str, **changes: str) -> None:
        """Change somebody's civil status record, and with it their ``sub``."""
        person = self.people[key]
        self.people[key] = replace(person, record=person.record + 1, **changes)  # type: ignore[arg-type]

    def agree(self, request: AuthorizationRequest, person: Person) -> str:
        """Give the address that takes a person back, with a code."""
        code = secrets.token_urlsafe(32)
        self._codes.put(code, Grant(request, person, self.now()))
        return self.callback(request.redirect_uri, {"code": code, "state": request.state})

    def callback(
        self, redirect_uri: str, answer: Mapping[str, str], *, fragment: bool = False
    ) -> str:
        """Give the address of an answer; every one says who answers (RFC 9207)."""
        whole = changed({**answer, "iss": self.configuration.issuer}, self.fault.callback)
        return f"{redirect_uri}{'#' if fragment else '?'}{urlencode(whole)}"

    def signed_out(self, post_logout_redirect_uri: str, state: str) -> str:
        """Give the address after a sign-out."""
        return f"{post_logout_redirect_uri}?{urlencode({'state': state})}"

    def redeem(self, code: str, redirect_uri: str) -> dict[str, Any] | None:
        """Exchange a code, once; a second time takes back what the first one gave."""
        grant = self._codes.find(code)
        if grant is None or grant.request.redirect_uri != redirect_uri:
            return None
        access_token = secrets.token_urlsafe(32)
        with self._redeeming:
            grant.redeemed_for.append(access_token)
            if grant.redeemed_for[0] != access_token:
                self._tokens.take(grant.redeemed_for[0])
                return None
        self._tokens.put(access_token, grant)
        answer = {
            "access_token": access_token,
            "expires_in": int(TOKEN_LIFETIME.total_seconds()),
            "id_token": self._id_token(grant),
            "scope": " ".join(grant.request.scopes),
            "token_type": "Bearer",
        }
        return changed(answer, self.fault.token)

    def userinfo(self, access_token: str) -> dict[str, Any] | None:
        """Give the claims of the person behind a token that is still good."""
        grant = self._tokens.find(access_token)
        if grant is None:
            return None
        return {
            "sub": self.sub(grant.person),
            **claims_of(grant.person, grant.request.scopes),
            **self._frame(),
        }

    def revoke(self, access_token: str) -> None:
        """Forget an access token."""
        self._tokens.take(access_token)

    def write_jwt(self, claims: Mapping[str, Any], wrong: Tampering) -> str:
        """Sign claims as the registration says, or as the fault says."""
        now = int(self.now().timestamp())
        whole = {
            name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
            for name, value in changed(claims, wrong.claims).items()
        }
        alg = self.configuration.registration.signed_response_alg
        header = {"alg": alg, "kid": self.keys.current(alg).kid, **wrong.header}
        return signed(header, whole, self._key(wrong.key, alg))

    def _id_token(self, grant: Grant) -> str:
        claims = {
            "sub": self.sub(grant.person),
            "acr": ACR,
            "auth_time": int(grant.at.timestamp()),
            "nonce": grant.request.nonce,
            **self._frame(),
        }
        if grant.request.wants_amr:
            claims["amr"] = ["pwd"]
        return self.write_jwt(claims, self.fault.id_token)

    def _frame(self) -> dict[str, Any]:
        now = self.now()
        return {
            "iss": self.configuration.issuer,
            "aud": self.configuration.registration.client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + TOKEN_LIFETIME).timestamp()),
        }

    def _key(self, which: str, alg: str) -> Key | bytes:
        own = self.keys.current(alg)
        match which:
            case "own":
                return own
            case "stranger":
                return draw(alg)
            case "client_secret":
                return (self.configuration.registration.client_secret or "secret" * 8).encode()
            case _:
                return own.as_pem(private=False)


def changed(whole: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Put a fault's changes over what would have been said; ``...`` takes a member away."""
    merged = {**whole, **changes}
    return {name: value for name, value in merged.items() if value is not ...}
