"""Our side of a sign-in through FranceConnect: an address to send a browser to, and who came back.

What FranceConnect does otherwise than others is here (ADR 0034): it refuses every parameter that is
not on its list, those of PKCE among them; a code lives for thirty seconds and an access token for a
minute, so that both are used within the callback; the user's claims come as a signed JWT.
"""

import logging
import re
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlencode

from idp.identity.franceconnect_port import Arrived
from idp.identity.franceconnect_port import FranceConnectAway
from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.identity.franceconnect_port import FranceConnectSaidNo
from idp.identity.pivot import Arrival
from idp.infra.franceconnect_calls import Exchange
from idp.infra.franceconnect_calls import FranceConnectCalls
from idp.infra.franceconnect_documents import Published
from idp.infra.franceconnect_documents import error_of
from idp.infra.franceconnect_documents import json_object
from idp.infra.franceconnect_documents import origin_of
from idp.infra.franceconnect_proof import Proof
from idp.infra.franceconnect_tokens import ALGS
from idp.infra.franceconnect_tokens import Checks
from idp.infra.franceconnect_tokens import Claims
from idp.infra.franceconnect_tokens import read_signed

CODE_LIMIT = 2048
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*")
_REFUSED = (400, 401)

log = logging.getLogger("idp")


class Watch(Protocol):
    """Who counts how sign-ins through FranceConnect go."""

    def franceconnect_asked(self, outcome: str, fault: str) -> None:
        """Note an outcome: ``begun``, ``arrived``, ``away``, ``mistrusted`` or ``said_no``."""


class FranceConnectClient:
    """The port ``FranceConnect``.

    Args:
        issuer: as the settings name it; nothing of another one is believed.
        client_id: who we are there.
        proof: what proves it.
        scope: what is asked for.
        acr: the level that is asked for and made sure of.
        redirect_uri: where a browser comes back to.
        post_logout_redirect_uri: where it comes back to from its sign-out.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        proof: Proof,
        scope: str,
        acr: str,
        redirect_uri: str,
        post_logout_redirect_uri: str,
        calls: FranceConnectCalls,
        published: Published,
        watch: Watch,
        now: Callable[[], datetime],
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._proof = proof
        self._scope = scope
        self._acr = acr
        self._redirect_uri = redirect_uri
        self._post_logout_redirect_uri = post_logout_redirect_uri
        self._calls = calls
        self._published = published
        self._watch = watch
        self._checks = Checks(issuer=issuer, client_id=client_id, acr=acr, now=now)

    def is_away(self) -> bool:
        """Tell from memory whether it has just been away; asks nobody."""
        return self._calls.breaker.is_open()

    def is_from(self, iss: str) -> bool:
        """Tell whether a callback's ``iss`` is its own. Spec: RFC 9207 §2.4."""
        return iss == self._issuer

    def origin(self) -> str:
        """Its origin, as a Content-Security-Policy names it."""
        return origin_of(self._issuer)

    def begin(self, *, state: str, nonce: str) -> str:
        """Give the address to send a browser to."""
        with self._told("begun"):
            if self.is_away():
                raise FranceConnectAway("breaker")
            metadata = self._published.metadata.kept()
            if self._calls.breaker.is_doubtful():
                # Better told here than after a person has signed in over there.
                with self._calls.exchange() as exchange:
                    metadata = self._published.metadata.anew(exchange)
            elif metadata is None:
                with self._calls.exchange() as exchange:
                    metadata = self._published.metadata.get(exchange)
        # The whole of its list: one parameter more, and it shows an error with no way back.
        asked = {
            "client_id": self._client_id,
            "response_type": "code",
            "redirect_uri": self._redirect_uri,
            "scope": self._scope,
            "acr_values": self._acr,
            "state": state,
            "nonce": nonce,
        }
        return f"{metadata.authorization_endpoint}?{urlencode(asked)}"

    def look(self) -> int:
        """Fetch anew what it publishes, and tell how many of its keys can be verified by.

        Raises:
            FranceConnectAway: it does not answer.
            FranceConnectMistrusted: it is another than the settings name.
        """
        with self._calls.exchange() as exchange:
            self._published.metadata.anew(exchange)
            keys = self._published.keys.anew(exchange)
        return sum(any(key.serves(alg, key.kid) for alg in ALGS) for key in keys)

    def finish(self, *, code: str, nonce: str, max_age: timedelta | None = None) -> Arrived:
        """Exchange a code, read who the person is, and check all of it."""
        with self._told("arrived"):
            if not 0 < len(code) <= CODE_LIMIT:
                raise FranceConnectSaidNo("invalid_grant")
            with self._calls.exchange() as exchange:
                id_token, access_token = self._exchanged(exchange, code)
                claims = self._verified(exchange, id_token)
                sub = self._checks.id_token(claims, nonce=nonce, access_token=access_token)
                self._checks.auth_time(claims, max_age=max_age)
                with _of_userinfo():
                    claims = self._verified(exchange, self._userinfo(exchange, access_token))
                    pivot = self._checks.userinfo(claims, sub=sub)
        return Arrived(Arrival(sub, pivot), id_token)

    def logout_url(self, *, id_token: str, state: str) -> str:
        """Give the address that ends a session there, or "" where none is known.

        Spec: OIDC RP-Initiated Logout 1.0 §2; FranceConnect asks for all three.
        """
        metadata = self._published.metadata.kept()
        try:
            if metadata is None:
                with self._calls.exchange() as exchange:
                    metadata = self._published.metadata.get(exchange)
        except (FranceConnectAway, FranceConnectMistrusted):
            return ""
        asked = {
            "id_token_hint": id_token,
            "state": state,
            "post_logout_redirect_uri": self._post_logout_redirect_uri,
        }
        return f"{metadata.end_session_endpoint}?{urlencode(asked)}"

    def _exchanged(self, exchange: Exchange, code: str) -> tuple[str, str]:
        endpoint = self._published.metadata.get(exchange).token_endpoint
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._client_id,
            **self._proof.fields(endpoint),
        }
        answer = exchange.post(endpoint, urlencode(form).encode("ascii"))
        if answer.status in _REFUSED:
            raise FranceConnectSaidNo(error_of(answer))
        told = json_object(answer)
        id_token, access_token = told.get("id_token"), told.get("access_token")
        if str(told.get("token_type")).lower() != "bearer":
            raise FranceConnectMistrusted("token_type")
        if not isinstance(access_token, str) or _TOKEN.fullmatch(access_token) is None:
            raise FranceConnectMistrusted("access_token")
        if not isinstance(id_token, str):
            raise FranceConnectMistrusted("id_token")
        return id_token, access_token

    def _userinfo(self, exchange: Exchange, access_token: str) -> str:
        endpoint = self._published.metadata.get(exchange).userinfo_endpoint
        answer = exchange.get(endpoint, token=access_token)
        if answer.status in _REFUSED:
            raise FranceConnectSaidNo("invalid_token")
        if answer.status != 200:
            raise FranceConnectAway("status")
        if answer.content_type != "application/jwt":
            raise FranceConnectMistrusted("type")  # not signed: anybody could have written it
        return answer.body.decode("ascii", "replace").strip()

    def _verified(self, exchange: Exchange, text: str) -> Claims:
        signed, keys = read_signed(text), self._published.keys.get(exchange)
        claims = signed.claims_by(keys)
        if claims is None and (others := self._published.keys.other_than(keys, exchange)):
            claims = signed.claims_by(others)
        if claims is None:
            raise FranceConnectMistrusted("signature")
        return claims

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Count how it ended, and tell operators in words that hold nothing of a person."""
        try:
            yield
        except FranceConnectAway as away:
            self._watch.franceconnect_asked("away", away.fault)
            if away.fault not in ("breaker", "busy"):
                log.warning("FranceConnect is away: %s", away.fault)
            raise
        except FranceConnectMistrusted as mistrusted:
            self._watch.franceconnect_asked("mistrusted", mistrusted.fault)
            log.error("FranceConnect answered what may not be believed: %s", mistrusted.fault)
            raise
        except FranceConnectSaidNo as refusal:
            self._watch.franceconnect_asked("said_no", refusal.error)
            log.warning("FranceConnect refused a code: %s", refusal.error)
            raise
        self._watch.franceconnect_asked(done, "none")


@contextmanager
def _of_userinfo() -> Iterator[None]:
    """Tell the checks of the user's claims from those of the ID token."""
    try:
        yield
    except FranceConnectMistrusted as mistrusted:
        raise FranceConnectMistrusted(f"userinfo_{mistrusted.fault}") from None
