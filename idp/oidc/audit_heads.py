"""Heads of the audit log, signed with the keys that sign tokens.

A type of its own keeps a head from passing for a token, and a token for a head. The public key
stands beside the signature, since heads are read years after their key has left the JWKS. Alone it
proves only that both belong together: that the key was ours is known while its file is in the
folder, and afterwards because the head that came next was signed by one that knew it.

Spec: RFC 7515; RFC 8725 §3.11 (explicit typing).
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from datetime import date
from datetime import datetime

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp.audit_sealing import BadSignature
from idp.audit_sealing import Head
from idp.audit_sealing import HeadFacts
from idp.audit_sealing import ReadHead
from idp.oidc.keys import KeyRing
from idp.oidc.keys import KeyRings
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import SigningKey
from idp.oidc.signer import signed_jwt

HEAD_TYPE = "audit-head+jwt"
HEAD_LIMIT = 4096
_ALGS = ("ES256", "RS256")
"""The first that has a key signs: ES256 is shorter, and a head may be printed."""


class SignedHeads:
    """The port ``HeadKeys`` on the ring of signing keys."""

    def __init__(
        self,
        issuer: str,
        rings: KeyRings,
        now: Callable[[], datetime],
        *,
        trusted: Collection[str] = (),
    ) -> None:
        """Sign and read nothing yet.

        Args:
            issuer: who we are: heads of others are none.
            rings: the keys.
            now: the clock.
            trusted: names of keys that are gone and were ours all the same.
        """
        self._trusted = trusted
        self._issuer = issuer
        self._rings = rings
        self._now = now

    def sign(self, facts: HeadFacts) -> Head:
        """Sign with the key that signs today.

        Raises:
            NoSigningKey: there is none.
        """
        now = self._now()
        key = _key_of_the_day(self._rings.ring(), now)
        claims = {
            "iss": self._issuer,
            "iat": int(now.timestamp()),
            "head": facts.number,
            "day": facts.day.isoformat(),
            "seal": facts.seal,
            "hash": facts.seal_hash,
            "previous": facts.previous,
            "vouches": facts.vouches,
        }
        jws = signed_jwt(key.signer, HEAD_TYPE, claims)
        return Head(facts.number, facts.day, facts.seal, jws, dict(key.public_jwk))

    def read(self, head: Head) -> ReadHead:
        """Verify a head and read what it says.

        Raises:
            BadSignature: it is not what its key signed, or not what its row says.
        """
        if len(head.jws) > HEAD_LIMIT:
            message = "longer than any head"
            raise BadSignature(message)
        public = _public_key(head.public_jwk)
        try:
            token = jwt.decode(head.jws, public, algorithms=list(_ALGS))
        except (JoseError, ValueError):
            message = "the signature does not verify"
            raise BadSignature(message) from None
        kid, alg = token.header.get("kid"), token.header.get("alg")
        # The name of a key is its thumbprint: who changes the key changes its name.
        if token.header.get("typ") != HEAD_TYPE or kid != public.thumbprint():
            message = "not a head, or not signed by the key that it names"
            raise BadSignature(message)
        facts = _facts_of(token.claims)
        if facts is None or token.claims.get("iss") != self._issuer:
            message = "what was signed is no head of this provider"
            raise BadSignature(message)
        if (facts.number, facts.day, facts.seal) != (head.number, head.day, head.seal):
            message = "it was signed with another number, day or seal"
            raise BadSignature(message)
        in_ring = any((key.kid, key.alg) == (kid, alg) for key in self._rings.ring())
        return ReadHead(facts, key_is_ours=in_ring or kid in self._trusted)

    def is_of_today(self, head: Head) -> bool:
        """Whether the key that signs today is the one that a head names.

        Raises:
            NoSigningKey: no key signs.
        """
        return head.public_jwk.get("kid") == _key_of_the_day(self._rings.ring(), self._now()).kid


def _key_of_the_day(ring: KeyRing, now: datetime) -> SigningKey:
    *others, last = _ALGS
    for alg in others:
        try:
            return ring.signing_key(alg, now=now)
        except NoSigningKey:
            continue
    return ring.signing_key(last, now=now)


def _public_key(jwk: Mapping[str, str]) -> ECKey | RSAKey:
    kinds: dict[object, type[ECKey | RSAKey]] = {"EC": ECKey, "RSA": RSAKey}
    try:
        kind = kinds[jwk["kty"]]
        members: dict[str, str | list[str]] = {
            name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk
        }
        return kind.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        message = "the public key beside it is none"
        raise BadSignature(message) from None


def _facts_of(claims: Mapping[str, object]) -> HeadFacts | None:
    number, seal, vouches = claims.get("head"), claims.get("seal"), claims.get("vouches")
    seal_hash, previous = claims.get("hash"), claims.get("previous")
    if (
        not isinstance(number, int)
        or not isinstance(seal, int)
        or not isinstance(vouches, bool)
        or not isinstance(seal_hash, str)
        or not isinstance(previous, str)
    ):
        return None
    try:
        day = date.fromisoformat(str(claims.get("day")))
    except ValueError:
        return None
    return HeadFacts(number, day, seal, seal_hash, previous, vouches)
