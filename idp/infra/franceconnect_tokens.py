"""The two JWTs of FranceConnect, the ID token and the user's claims, and every check of them.

Nothing of one is believed before its signature is verified, by a key of FranceConnect and with an
algorithm of ours. A check that fails is named, and what was read is not.

Spec: OIDC Core 1.0 §3.1.3.7, §5.3.2, §5.3.4; RFC 8725 §3.1, §3.2.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.identity.pivot import PivotIdentity
from idp.oidc.service_keys import ServiceKey

ALGS = ("ES256", "RS256")
JWT_LIMIT = 16_384
SUB_LIMIT = 255
CLAIM_LIMIT = 512
LEEWAY = timedelta(seconds=30)
"""By how much the clock of FranceConnect may differ from ours."""
OLDEST = timedelta(minutes=5)
"""An ID token lives for a minute there, and comes straight out of the exchange."""

_PIVOT = ("family_name", "given_name", "gender", "birthdate")
_BIRTH = ("birthplace", "birthcountry")
"""Not said of everybody; the four above are, or our scope is wrong."""

Claims = Mapping[str, object]


class _Registry(JWSRegistry):
    max_header_length = JWT_LIMIT
    max_signature_length = JWT_LIMIT


@dataclass(frozen=True, slots=True)
class SignedText:
    """A JWT as it came; what its header says is not yet believed."""

    text: str = field(repr=False)
    alg: str
    kid: str

    def claims_by(self, keys: tuple[ServiceKey, ...]) -> Claims | None:
        """Read the claims with the key that signed them; None when none of ``keys`` did."""
        for key in keys:
            if not key.serves(self.alg, self.kid):
                continue
            registry = _Registry(algorithms=[self.alg], strict_check_header=False)
            try:
                signed = jws.deserialize_compact(self.text, key.public, [self.alg], registry)
            except (JoseError, ValueError, TypeError, RecursionError):
                continue
            return _json_object(signed.payload)
        return None


def read_signed(text: object) -> SignedText:
    """Look at how a JWT says it is signed.

    Raises:
        FranceConnectMistrusted: it is none, or signed as it may not be.
    """
    if not isinstance(text, str) or len(text) > JWT_LIMIT or text.count(".") != 2:
        raise FranceConnectMistrusted("jwt")  # an encrypted one has four dots
    encoded = text.partition(".")[0]
    try:
        header = _json_object(urlsafe_b64decode(encoded.encode("ascii") + b"=" * 2))
    except ValueError:
        raise FranceConnectMistrusted("jwt") from None
    alg, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(alg, str) or alg not in ALGS:
        raise FranceConnectMistrusted("alg")
    if "crit" in header or "b64" in header:
        raise FranceConnectMistrusted("crit")
    if not isinstance(kid, str):
        raise FranceConnectMistrusted("kid")
    return SignedText(text, alg, kid)


class Checks:
    """What both JWTs must say, and what each must say for itself."""

    def __init__(
        self, *, issuer: str, client_id: str, acr: str, now: Callable[[], datetime]
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._acr = acr
        self._now = now

    def id_token(self, claims: Claims, *, nonce: str, access_token: str) -> str:
        """Make sure of an ID token, and give whom it speaks of.

        Raises:
            FranceConnectMistrusted: names the check.
        """
        self._of_issuer_for_us(claims)
        if claims.get("azp", self._client_id) != self._client_id:
            raise FranceConnectMistrusted("azp")
        self._in_time(claims)
        if not _is_same(claims.get("nonce"), nonce):
            raise FranceConnectMistrusted("nonce")
        if claims.get("acr") != self._acr:
            raise FranceConnectMistrusted("acr")
        if not _is_same(claims.get("at_hash", _half_hash(access_token)), _half_hash(access_token)):
            raise FranceConnectMistrusted("at_hash")
        sub = claims.get("sub")
        if not isinstance(sub, str) or not 0 < len(sub) <= SUB_LIMIT:
            raise FranceConnectMistrusted("sub")
        if not (sub.isascii() and sub.isprintable()):
            raise FranceConnectMistrusted("sub")
        return sub

    def auth_time(self, claims: Claims, *, max_age: timedelta | None) -> None:
        """Make sure that somebody was identified so short a time ago, if that matters.

        Spec: OIDC Core 1.0 §3.1.3.7, number 13.

        Raises:
            FranceConnectMistrusted: it was longer ago, nobody can tell, or it has yet to be.
        """
        if "auth_time" not in claims and max_age is None:
            return
        at, now = _epoch(claims.get("auth_time")), self._now().timestamp()
        oldest = LEEWAY.total_seconds() + max_age.total_seconds() if max_age is not None else now
        if at is None or not -LEEWAY.total_seconds() <= now - at <= oldest:
            raise FranceConnectMistrusted("auth_time")

    def userinfo(self, claims: Claims, *, sub: str) -> PivotIdentity:
        """Make sure of the user's claims, and give the civil status.

        Raises:
            FranceConnectMistrusted: names the check.
        """
        self._of_issuer_for_us(claims)
        if "exp" in claims:
            self._in_time(claims)
        # Else the claims of another person could be put in the place of these (§5.3.2).
        if not _is_same(claims.get("sub"), sub):
            raise FranceConnectMistrusted("sub")
        said = [claims.get(name) for name in _PIVOT] + [claims.get(name, "") for name in _BIRTH]
        return PivotIdentity(*map(_text, said))

    def _of_issuer_for_us(self, claims: Claims) -> None:
        if claims.get("iss") != self._issuer:
            raise FranceConnectMistrusted("iss")
        if claims.get("aud") not in (self._client_id, [self._client_id]):
            raise FranceConnectMistrusted("aud")

    def _in_time(self, claims: Claims) -> None:
        now = self._now().timestamp()
        exp, iat = _epoch(claims.get("exp")), _epoch(claims.get("iat"))
        if exp is None or exp <= now - LEEWAY.total_seconds():
            raise FranceConnectMistrusted("exp")
        if iat is None or not -OLDEST.total_seconds() <= iat - now <= LEEWAY.total_seconds():
            raise FranceConnectMistrusted("iat")


def _is_same(said: object, expected: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(
        said.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def _half_hash(access_token: str) -> str:
    """Write what an ID token says of its access token. Spec: OIDC Core 1.0 §3.1.3.6."""
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return urlsafe_b64encode(digest[:16]).rstrip(b"=").decode("ascii")


def _epoch(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 253_402_300_799 else None  # NaN is refused here too


def _text(value: object) -> str:
    """Read a claim as it is written: a presumed date is no date, and a birthplace may be empty."""
    if not isinstance(value, str) or len(value) > CLAIM_LIMIT:
        raise FranceConnectMistrusted("claims")
    if any(one < " " or one == "\x7f" or "\ud800" <= one <= "\udfff" for one in value):
        raise FranceConnectMistrusted("claims")
    return value


def _json_object(text: bytes) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FranceConnectMistrusted("jwt")
    return value
