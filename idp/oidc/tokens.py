"""Mint ID tokens and access tokens, and read back our own.

Claims come from a closed list, the registered ones last; one key, asked for at each signature,
signs them, wherever its ``Signer`` is. Authlib's generators would let the person's claims overwrite
``iss`` and would pick a key at random (authlib.md, traps 1 and 4). Epoch integers live here and
nowhere else.
"""

import json
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta

from joserfc import jwt
from joserfc.errors import JoseError

from idp import IdpError
from idp.oidc.authorization import Authorization
from idp.oidc.claims import ClaimValue
from idp.oidc.claims import Subject
from idp.oidc.claims import id_token_claims
from idp.oidc.claims import sid_of
from idp.oidc.claims import sub_of
from idp.oidc.claims import token_claims
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.clients import Client
from idp.oidc.keys import KeyRings
from idp.oidc.signer import signed_jwt

TOKEN_LIMIT = 8192
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - the name of a type, RFC 9068 §2.1
ID_TOKEN_TYPE = "JWT"  # noqa: S105 - the name of a type
LOGOUT_TOKEN_TYPE = "logout+jwt"  # noqa: S105 - the name of a type, Back-Channel Logout 1.0 §2.4
LOGOUT_TOKEN_LIFETIME = timedelta(minutes=2)
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_HEADER_NAMES = {"typ", "alg", "kid"}


class UnreadableToken(IdpError):
    """Not a token of ours, or not of the expected type; the text says which check refused it."""

    code = "unreadable_token"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A minted access token; ``expires_in`` in seconds."""

    jwt: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """The mint, given the keys and the clock it needs."""

    issuer: str
    rings: KeyRings
    pairwise_salt: bytes = field(repr=False)
    access_token_lifetime: timedelta
    id_token_lifetime: timedelta
    now: Callable[[], datetime]

    def id_token(self, authorization: Authorization, subject: Subject, client: Client) -> str:
        """Mint the ID token of an authorization.

        Spec: OIDC Core 1.0 §2, §3.1.3.6, §5.5. ``aud`` is one string (authlib.md, trap 7).
        """
        claims: dict[str, ClaimValue] = {
            **id_token_claims(subject, authorization.scope, authorization.id_token_claims),
            **self._common(authorization, client, self.id_token_lifetime),
            "aud": client.client_id,
        }
        if authorization.nonce:
            claims["nonce"] = authorization.nonce
        return self._sign(ID_TOKEN_TYPE, claims, client)

    def access_token(
        self, authorization: Authorization, subject: Subject, client: Client, grant_id: str
    ) -> AccessToken:
        """Mint a JWT access token that lives as long as its grant, its session and its lifetime.

        Spec: RFC 9068 §2.2.
        """
        left = authorization.session_ends_at - self.now()
        lifetime = max(timedelta(seconds=1), min(self.access_token_lifetime, left))
        claims: dict[str, ClaimValue] = {
            **token_claims(subject, authorization.scope),
            **self._common(authorization, client, lifetime),
            "aud": self._audience(authorization.resources),
            "client_id": client.client_id,
            "scope": " ".join(authorization.scope),
            "jti": f"{grant_id}.{secrets.token_urlsafe(12)}",
        }
        token = self._sign(ACCESS_TOKEN_TYPE, claims, client)
        return AccessToken(token, int(lifetime.total_seconds()))

    def service_token(
        self, client: Client, scope: tuple[str, ...], resources: tuple[str, ...], grant_id: str
    ) -> AccessToken:
        """Mint the JWT access token of a service that asks for itself: it speaks of nobody else.

        Spec: RFC 9068 §2.2 (``sub`` is the client, and no claim of a sign-in).
        """
        now, lifetime = self.now(), self.access_token_lifetime
        claims: dict[str, ClaimValue] = {
            "iss": self.issuer,
            "sub": client.client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "aud": self._audience(resources),
            "client_id": client.client_id,
            "jti": grant_id,
        }
        if scope:
            claims["scope"] = " ".join(scope)
        token = self._sign(ACCESS_TOKEN_TYPE, claims, client)
        return AccessToken(token, int(lifetime.total_seconds()))

    def logout_token(self, client: Client, account_id: str, sid: str) -> str:
        """Mint what tells a service that a session has ended; it never holds a ``nonce``.

        Spec: OIDC Back-Channel Logout 1.0 §2.4.
        """
        now = self.now()
        claims: dict[str, object] = {
            "iss": self.issuer,
            "sub": sub_of(account_id, client, self.pairwise_salt),
            "aud": client.client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + LOGOUT_TOKEN_LIFETIME).timestamp()),
            "jti": secrets.token_urlsafe(16),
            "sid": sid,
            "events": {_LOGOUT_EVENT: {}},
        }
        return self._sign(LOGOUT_TOKEN_TYPE, claims, client)

    def read(self, token: str, *, typ: str) -> dict[str, object]:
        """Verify that a token is ours and of type ``typ``; its expiry is the caller's affair.

        Raises:
            UnreadableToken: names the check that refused it, never quotes the token.
        """
        header = _header(token)
        alg, kid = header["alg"], header["kid"]
        if header["typ"] != typ:
            raise UnreadableToken(f"typ is not {typ}")
        if alg not in SIGNING_ALGS:
            raise UnreadableToken("alg")
        key = self.rings.ring().verification_key(kid, alg, now=self.now())
        if key is None:
            raise UnreadableToken("kid is unknown")
        try:
            claims = jwt.decode(token, key.public, algorithms=[alg]).claims
        except (JoseError, ValueError):
            raise UnreadableToken("signature") from None
        if claims.get("iss") != self.issuer:
            raise UnreadableToken("iss")
        return claims

    def hint_names_another(self, hint: str, client: Client, account_id: str) -> bool:
        """Tell whether an ``id_token_hint`` of this client speaks of somebody else.

        An expired hint is good. One that we cannot read, or wrote for another client, says nothing.

        Spec: OIDC Core 1.0 §3.1.2.1.
        """
        if not hint:
            return False
        try:
            claims = self.read(hint, typ=ID_TOKEN_TYPE)
        except UnreadableToken:
            return False
        sub = sub_of(account_id, client, self.pairwise_salt)
        return claims.get("aud") == client.client_id and claims.get("sub") != sub

    def _audience(self, resources: tuple[str, ...]) -> str | list[str]:
        """Write ``aud``: one string where one will do, which every library reads."""
        if len(resources) > 1:
            return list(resources)
        return resources[0] if resources else self.issuer

    def _common(
        self, authorization: Authorization, client: Client, lifetime: timedelta
    ) -> dict[str, ClaimValue]:
        now = self.now()
        return {
            "iss": self.issuer,
            "sub": sub_of(authorization.account_id, client, self.pairwise_salt),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "auth_time": int(authorization.auth_time.timestamp()),
            "acr": authorization.acr,
            "amr": list(authorization.amr),
            "sid": sid_of(authorization.session_key, client, self.pairwise_salt),
        }

    def _sign(self, typ: str, claims: Mapping[str, object], client: Client) -> str:
        alg = client.id_token_signed_response_alg
        key = self.rings.ring().signing_key(alg, now=self.now())
        return signed_jwt(key.signer, typ, claims)


def _header(token: str) -> dict[str, str]:
    """Look at a header first: joserfc must be told which key and algorithm to insist on.

    It holds what we write, ``typ``, ``alg`` and ``kid``, and nothing else. joserfc fails on a
    ``crit`` that is no list (1.8.0: TypeError), and a ``jwk`` or ``jku`` would be a stranger's.
    """
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        raise UnreadableToken("not a JWT")
    encoded = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(encoded.encode("ascii") + b"=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError):
        raise UnreadableToken("header") from None
    if not isinstance(header, dict) or header.keys() != _HEADER_NAMES:
        raise UnreadableToken("header")
    if not all(isinstance(value, str) for value in header.values()):
        raise UnreadableToken("header")
    return header
