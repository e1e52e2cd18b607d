"""Signing keys: what one is, and the ring that tells which one signs and which ones are published.

A key has one fact of its own, ``signs_from``; its state is that instant, its successor's and the
clock (ADR 0003)::

    file appears      signs_from         successor.signs_from   + longest token
         | published only |  published, signs  | published, signs no more | on disk only
    -----+----------------+--------------------+--------------------------+-------------> time
                                                        until ``idp keys prune`` erases the file

Nothing runs at these instants: no job can be late, and every process sees the same ring.
"""

from bisect import bisect_right
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp import IdpError
from idp.oidc.clients import SIGNING_ALGS

RSA_BITS = 3072


class NoSigningKey(IdpError):
    """No key of an algorithm signs yet; the text says which algorithm and what to do."""

    code = "no_signing_key"


class UnusableKey(IdpError):
    """What a file holds is not a key we sign with; the text says why, and never quotes it."""

    code = "unusable_key"


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """One private key, parsed once (parsing an RSA key costs as much as twenty signatures).

    Attributes:
        kid: the RFC 7638 thumbprint: it cannot disagree with the key, and nobody has to choose it.
        alg: ``RS256`` or ``ES256``; a key never serves two algorithms.
        signs_from: the instant of its first signature.
        private: ready for joserfc, with ``kid``, ``use`` and ``alg`` set.
        public_jwk: its entry in the JWKS.
    """

    kid: str
    alg: str
    signs_from: datetime
    private: RSAKey | ECKey = field(repr=False)
    public_jwk: dict[str, str] = field(repr=False)


class KeyRing:
    """Every key there is, immutable; a rotation builds another ring."""

    def __init__(self, keys: Sequence[SigningKey], *, longest_token: timedelta) -> None:
        self._keys = tuple(sorted(keys, key=lambda key: (key.signs_from, key.alg)))
        self._by_kid = {key.kid: key for key in self._keys}
        self._by_alg = {alg: [k for k in self._keys if k.alg == alg] for alg in SIGNING_ALGS}
        self._starts = {alg: [k.signs_from for k in ks] for alg, ks in self._by_alg.items()}
        self._longest_token = longest_token
        if len(self._by_kid) != len(self._keys):
            message = "the same key stands in two files"
            raise UnusableKey(message)
        if any(len(set(starts)) != len(starts) for starts in self._starts.values()):
            message = "two keys of one algorithm sign from the same instant"
            raise UnusableKey(message)

    def __iter__(self) -> Iterator[SigningKey]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def signing_key(self, alg: str, *, now: datetime) -> SigningKey:
        """The one key that signs with ``alg`` at ``now``: the newest that has begun.

        Always one key, never a set: of a set, joserfc takes one at random, retired and future ones
        included (authlib.md, trap 1).

        Raises:
            NoSigningKey: none has begun, or the algorithm is not ours.
        """
        begun = bisect_right(self._starts.get(alg, ()), now)
        if not begun:
            message = f"no {alg} key signs now; see `idp keys list`"
            raise NoSigningKey(message)
        return self._by_alg[alg][begun - 1]

    def published(self, *, now: datetime) -> list[SigningKey]:
        """The keys whose public half belongs in the JWKS at ``now``, oldest first.

        A key is there as soon as its file is, before it signs, so that relying
        parties can cache it; it stays until the last token it signed has expired.

        Spec: OIDC Core 1.0 §10.1.1 (rotation of signing keys), RFC 7517 §5.
        """
        return [key for key in self._keys if not self._expired(key, now)]

    def verification_key(self, kid: str, alg: str) -> SigningKey | None:
        """The key that may have signed a token of ours, published or not.

        An ``id_token_hint`` comes back hours after it expired, when its key has left the JWKS.

        Spec: OIDC RP-Initiated Logout 1.0 §2 (accept a hint whose ``exp`` has passed).
        """
        key = self._by_kid.get(kid)
        return key if key is not None and key.alg == alg else None

    def signs_until(self, key: SigningKey) -> datetime | None:
        """When the successor of ``key`` takes over; None while it has none."""
        starts = self._starts[key.alg]
        after = bisect_right(starts, key.signs_from)
        return starts[after] if after < len(starts) else None

    def published_until(self, key: SigningKey) -> datetime | None:
        """When ``key`` leaves the JWKS, its last token expired; None while it has no successor."""
        ends = self.signs_until(key)
        return None if ends is None else ends + self._longest_token

    def published_changes_at(self, now: datetime) -> datetime | None:
        """The next instant at which ``published`` answers otherwise; None when only a new ring can.

        Whoever keeps the JWKS as ready bytes keeps them until then.
        """
        ends = (self.published_until(key) for key in self._keys)
        return min((end for end in ends if end is not None and end > now), default=None)

    def _expired(self, key: SigningKey, now: datetime) -> bool:
        until = self.published_until(key)
        return until is not None and until <= now


class KeyRings(Protocol):
    """Where the current ring is."""

    def ring(self) -> KeyRing:
        """The ring in force: the same object until the keys change."""


def generate(alg: str) -> bytes:
    """Draw a private key, as unencrypted PKCS#8 PEM: ES256 on P-256, RS256 of 3072 bits.

    Raises:
        UnusableKey: another algorithm.
    """
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if alg == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    elif alg == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        message = f"algorithm {alg}: expected one of {', '.join(SIGNING_ALGS)}"
        raise UnusableKey(message)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(pem: bytes, *, alg: str, signs_from: datetime) -> SigningKey:
    """Parse a PEM private key, once for the life of the ring.

    Raises:
        UnusableKey: not a key, encrypted, or not one for ``alg``.
    """
    try:
        native = load_pem_private_key(pem, password=None)
    except TypeError:
        message = "the key is encrypted with a passphrase, which nobody would be there to type"
        raise UnusableKey(message) from None
    except (ValueError, UnsupportedAlgorithm):
        # The cause of the library may quote the content.
        message = "not a PEM private key"
        raise UnusableKey(message) from None
    key: RSAKey | ECKey
    if alg == "ES256" and isinstance(native, ec.EllipticCurvePrivateKey):
        if not isinstance(native.curve, ec.SECP256R1):
            message = f"an ES256 key is on P-256 (RFC 7518 §3.4), this one on {native.curve.name}"
            raise UnusableKey(message)
        kid = ECKey.import_key(native).thumbprint()
        key = ECKey.import_key(native, {"kid": kid, "use": "sig", "alg": alg})
    elif alg == "RS256" and isinstance(native, rsa.RSAPrivateKey):
        if native.key_size < RSA_BITS:
            message = f"an RS256 key of {native.key_size} bits: {RSA_BITS} at least"
            raise UnusableKey(message)
        kid = RSAKey.import_key(native).thumbprint()
        key = RSAKey.import_key(native, {"kid": kid, "use": "sig", "alg": alg})
    else:
        message = f"not a key for {alg}"
        raise UnusableKey(message)
    public_jwk = {name: str(value) for name, value in key.as_dict(private=False).items()}
    return SigningKey(kid, alg, signs_from.astimezone(UTC), key, public_jwk)
