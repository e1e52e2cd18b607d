"""The public keys of a relying service (JWK): which of them verify its signatures, and why not.

An operator who registers ``jwks`` is told what is wrong with each key. In a set that was fetched
from ``jwks_uri``, what does not serve is left out, as RFC 7517 §5 has it.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import lru_cache

from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp import IdpError

ASSERTION_ALGS = ("ES256", "PS256", "RS256")
MOST_KEYS = 20
"""Of a set: an assertion without ``kid`` is tried with each of them."""

SMALLEST_RSA_BITS = 2048
LARGEST_RSA_BITS = 8192
_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth")
_OF_TYPE = {"EC": ("ES256",), "RSA": ("PS256", "RS256")}


class UnusableServiceKey(IdpError):
    """A key that verifies nothing here; the text says why, and never quotes it."""

    code = "unusable_service_key"


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """One public key that verifies signatures.

    Attributes:
        kid: the service's name for it, or "".
        algs: what it verifies; by its own ``alg`` one alone.
        public: ready for joserfc: the key and none of its other members.
    """

    kid: str
    algs: tuple[str, ...]
    public: RSAKey | ECKey = field(repr=False)

    def serves(self, alg: str, kid: str) -> bool:
        """Tell whether it may have signed what names ``alg`` and ``kid``, or no ``kid``."""
        return alg in self.algs and (not kid or self.kid in ("", kid))


def read_service_keys(jwks: object) -> tuple[ServiceKey, ...]:
    """Take out of a set the keys that verify signatures.

    Raises:
        UnusableServiceKey: it is no JWK set.
    """
    keys = []
    for jwk in _members(jwks)[:MOST_KEYS]:
        try:
            keys.append(read_service_key(jwk))
        except UnusableServiceKey:
            continue
    return tuple(keys)


@lru_cache(maxsize=512)
def registered_keys(jwks: str) -> tuple[ServiceKey, ...]:
    """Read the keys of a registered set; the same text is parsed once."""
    return read_service_keys(json.loads(jwks))


def faults_of_jwks(jwks: object) -> list[str]:
    """Say in plain words what is wrong with a set that an operator registers, key by key.

    A key for encryption is nobody's fault and is left alone, unless its private half came with it.
    """
    try:
        members = _members(jwks)
    except UnusableServiceKey as refusal:
        return [str(refusal)]
    if not 1 <= len(members) <= MOST_KEYS:
        return [f"expected 1 to {MOST_KEYS} keys"]
    faults, kids = [], []
    for index, jwk in enumerate(members):
        try:
            kid = read_service_key(jwk).kid
        except UnusableServiceKey as refusal:
            if not _is_for_encryption_only(jwk):
                faults.append(f"keys[{index}]: {refusal}")
            continue
        if kid and kid in kids:
            faults.append(f"keys[{index}]: another key of the set has the same kid")
        kids.append(kid)
    return faults


def read_service_key(jwk: object) -> ServiceKey:
    """Read one key.

    Raises:
        UnusableServiceKey: it is private, symmetric, too short, for something else, or no key.
    """
    if not isinstance(jwk, dict):
        raise UnusableServiceKey("expected a JSON object (RFC 7517 §4)")
    if part := _private_part_of(jwk):
        raise UnusableServiceKey(part)
    kty, kid = jwk.get("kty"), jwk.get("kid", "")
    if not isinstance(kid, str):
        raise UnusableServiceKey("kid: expected a text")
    if kty not in ("EC", "RSA"):
        raise UnusableServiceKey("kty: expected EC (on P-256) or RSA")
    if jwk.get("use", "sig") != "sig":
        raise UnusableServiceKey('use: expected "sig": this key is for something else')
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableServiceKey('key_ops: expected "verify" in it: this key is for something else')
    algs = _OF_TYPE[kty]
    if "alg" in jwk:
        algs = tuple(alg for alg in algs if alg == jwk["alg"])
    if not algs:
        raise UnusableServiceKey(f"alg: expected {' or '.join(_OF_TYPE[kty])} for this kind of key")
    return ServiceKey(kid, algs, _ec_key(jwk) if kty == "EC" else _rsa_key(jwk))


def _members(jwks: object) -> list[object]:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list):
        raise UnusableServiceKey('expected {"keys": […]} (RFC 7517 §5)')
    return keys


def _is_for_encryption_only(jwk: object) -> bool:
    return isinstance(jwk, dict) and jwk.get("use") == "enc" and not _private_part_of(jwk)


def _private_part_of(jwk: Mapping[str, object]) -> str:
    """Tell what makes a key dangerous to hand over, or ""."""
    if jwk.get("kty") == "oct" or "k" in jwk:
        return (
            "it is symmetric: whoever verifies with it could sign with it; register the public"
            " half of an EC or RSA key"
        )
    shown = [name for name in _PRIVATE_MEMBERS if name in jwk]
    if shown:
        return (
            f"it holds its private half ({', '.join(shown)}), which has left the service by now:"
            " draw another key, and register its public half alone"
        )
    return ""


def _ec_key(jwk: Mapping[str, object]) -> ECKey:
    if jwk.get("crv") != "P-256":
        raise UnusableServiceKey("crv: expected P-256, the curve of ES256")
    # The types are looked at by the library, which says so in a JoseError.
    point = {name: jwk.get(name) for name in ("kty", "crv", "x", "y")}
    try:
        return ECKey.import_key(point)  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError):
        raise UnusableServiceKey("x, y: not a point of P-256") from None


def _rsa_key(jwk: Mapping[str, object]) -> RSAKey:
    modulus, exponent = jwk.get("n"), jwk.get("e")
    bits = _bits_of(modulus)
    # Looked at first: of a short key the library makes a warning, and of a huge one a long wait.
    if not SMALLEST_RSA_BITS <= bits <= LARGEST_RSA_BITS:
        raise UnusableServiceKey(
            f"n: {bits} bits, expected {SMALLEST_RSA_BITS} to {LARGEST_RSA_BITS}"
        )
    try:
        return RSAKey.import_key({"kty": "RSA", "n": modulus, "e": exponent})  # type: ignore[dict-item]
    except (JoseError, ValueError, TypeError):
        raise UnusableServiceKey("n, e: not an RSA public key") from None


def _bits_of(encoded: object) -> int:
    if not isinstance(encoded, str):
        return 0
    try:
        padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
        return int.from_bytes(urlsafe_b64decode(padded)).bit_length()
    except ValueError:
        return 0
