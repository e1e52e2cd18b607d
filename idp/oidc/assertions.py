"""Client assertions (``private_key_jwt``): a JWT by which a service proves that it holds its key.

Nothing of an assertion is believed before its signature is verified, by a key of that service and
with an algorithm of ours; only the name in ``sub`` is looked at before, to know whose keys to try.
What is verified is then taken once, over all nodes, until it expires.

Spec: RFC 7521 §4.2, RFC 7523 §3, OIDC Core 1.0 §9.
"""

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from idp import IdpError
from idp.limits import Once
from idp.oidc.clients import Client
from idp.oidc.service_keys import ASSERTION_ALGS
from idp.oidc.service_keys import ServiceKey
from idp.oidc.service_keys import registered_keys

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIMIT = 8192
LONGEST_LIFE = timedelta(minutes=10)
LEEWAY = timedelta(seconds=30)
"""By how much the clock of a service may go ahead of ours."""

_LAST_EPOCH = 253_402_300_799  # the end of the year 9999


class WrongAssertion(IdpError):
    """An assertion that proves nothing; the text names the check that refused it."""

    code = "wrong_assertion"


class FetchedKeys(Protocol):
    """Where the keys are that services publish at their ``jwks_uri``."""

    def keys(self, client: Client) -> tuple[ServiceKey, ...]:
        """Give the keys of a service as last seen; none when they cannot be had."""

    def look_again(self, client: Client, tried: tuple[ServiceKey, ...]) -> tuple[ServiceKey, ...]:
        """Give other keys than those ``tried``, fetched anew if need be, or none."""


class _Registry(JWSRegistry):
    """Headers as services send them: members that we do not know, certificates among them."""

    max_header_length = ASSERTION_LIMIT
    max_signature_length = ASSERTION_LIMIT


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as sent.

    Attributes:
        claimed: the client it says it is of (``sub``), not yet believed.
        kid: the key it says it is signed with, or "".
    """

    text: str = field(repr=False)
    claimed: str
    alg: str
    kid: str


def read_assertion(text: str) -> Assertion:
    """Look at whom an assertion names and how it says it is signed.

    Raises:
        WrongAssertion: it cannot be read, or is signed as nobody may sign.
    """
    if len(text) > ASSERTION_LIMIT or text.count(".") != 2:
        raise WrongAssertion("not a signed JWT")
    encoded_header, encoded_claims, _ = text.split(".")
    header, claims = _json_object(encoded_header), _json_object(encoded_claims)
    alg, kid, sub = header.get("alg"), header.get("kid", ""), claims.get("sub")
    if not isinstance(alg, str) or alg not in ASSERTION_ALGS:
        raise WrongAssertion(f"alg: expected {' or '.join(ASSERTION_ALGS)}")
    if "crit" in header or "b64" in header:
        raise WrongAssertion("crit: no extension is understood here")
    if not isinstance(kid, str):
        raise WrongAssertion("kid: expected a text")
    if not isinstance(sub, str) or not sub:
        raise WrongAssertion("sub: expected the client_id")
    return Assertion(text, sub, alg, kid)


class Assertions:
    """Makes sure of what an assertion says."""

    def __init__(
        self,
        *,
        issuer: str,
        token_endpoint: str,
        fetched: FetchedKeys,
        once: Once,
        now: Callable[[], datetime],
    ) -> None:
        self._issuer = issuer
        self._audiences = (issuer, token_endpoint)
        self._fetched = fetched
        self._once = once
        self._now = now

    def check(self, assertion: Assertion, client: Client) -> None:
        """Verify an assertion of a client and use it up.

        Raises:
            WrongAssertion: names the check that refused it.
            StoreUnavailable: nobody can tell whether it was used before.
        """
        expected = client.token_endpoint_auth_signing_alg or assertion.alg
        if assertion.alg != expected:
            raise WrongAssertion(f"alg: {expected} is registered")
        claims = self._verified(assertion, client)
        for name in ("iss", "sub"):
            if claims.get(name) != client.client_id:
                raise WrongAssertion(f"{name}: expected the client_id")
        self._check_audience(claims.get("aud"), client)
        expires_at = self._check_times(claims)
        self._take(claims.get("jti"), client, expires_at)

    def _verified(self, assertion: Assertion, client: Client) -> Mapping[str, object]:
        if client.jwks:
            claims = _verify(assertion, registered_keys(client.jwks))
        elif client.jwks_uri:
            keys = self._fetched.keys(client)
            claims = _verify(assertion, keys)
            if claims is None:
                claims = _verify(assertion, self._fetched.look_again(client, keys))
        else:
            raise WrongAssertion("no key is registered")
        if claims is None:
            raise WrongAssertion("signature: by no key of this client that fits alg and kid")
        return claims

    def _check_audience(self, audience: object, client: Client) -> None:
        """Make sure that it is meant for us and for nobody else.

        One that another server also takes could be carried here by that server: each entry of a
        list must be ours. The token endpoint is what OIDC Core 1.0 §9 asked for; a service that
        talks to other servers is better registered for the issuer alone (conformance.md, X1).
        """
        if client.require_issuer_aud:
            if audience != self._issuer:
                raise WrongAssertion("aud: expected the issuer, alone, as one text")
            return
        named = audience if isinstance(audience, list) else [audience]
        if not named or any(one not in self._audiences for one in named):
            raise WrongAssertion("aud: expected the issuer, or the token endpoint, and nobody else")

    def _check_times(self, claims: Mapping[str, object]) -> float:
        now_epoch = self._now().timestamp()
        ahead = now_epoch + LEEWAY.total_seconds()
        exp_epoch = _epoch(claims, "exp")
        if exp_epoch is None or exp_epoch <= now_epoch:
            raise WrongAssertion("exp: missing, or past")
        if exp_epoch > ahead + LONGEST_LIFE.total_seconds():
            raise WrongAssertion(f"exp: more than {LONGEST_LIFE} from now")
        for name in ("nbf", "iat"):
            epoch = _epoch(claims, name)
            if epoch is not None and epoch > ahead:
                raise WrongAssertion(f"{name}: in the future")
        return exp_epoch

    def _take(self, jti: object, client: Client, exp_epoch: float) -> None:
        if not isinstance(jti, str) or not jti:
            raise WrongAssertion("jti: expected a text")
        named = json.dumps([client.client_id, jti]).encode()
        # The other nodes' clocks may be a little behind: for them it has not expired yet.
        left = timedelta(seconds=exp_epoch - self._now().timestamp()) + LEEWAY
        name = f"assertion:{hashlib.sha256(named).hexdigest()}"
        if self._once.take(name, "", lifetime=left) is not None:
            raise WrongAssertion("jti: this assertion was used before")


def _verify(assertion: Assertion, keys: tuple[ServiceKey, ...]) -> dict[str, object] | None:
    """Read the claims with the key that signed them; None when none of ``keys`` did."""
    alg = assertion.alg
    for key in keys:
        if not key.serves(alg, assertion.kid):
            continue
        registry = _Registry(algorithms=[alg], strict_check_header=False)
        try:
            signed = jws.deserialize_compact(assertion.text, key.public, [alg], registry)
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        return _json(signed.payload)
    return None


def _epoch(claims: Mapping[str, object], name: str) -> float | None:
    """Read an instant; None when it is not there.

    Raises:
        WrongAssertion: it is no number, or of no year that a clock shows.
    """
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongAssertion(f"{name}: expected a number of seconds")
    if not 0 <= value <= _LAST_EPOCH:  # NaN is refused here too
        raise WrongAssertion(f"{name}: expected a number of seconds since 1970")
    return float(value)


def _json_object(encoded: str) -> dict[str, object]:
    try:
        padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
        return _json(urlsafe_b64decode(padded))
    except ValueError:
        raise WrongAssertion("not a signed JWT") from None


def _json(text: bytes) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongAssertion("not JSON") from None
    if not isinstance(value, dict):
        raise WrongAssertion("not a JSON object")
    return value
