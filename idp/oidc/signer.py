"""What signs for one key, behind one small interface; and keys in memory, the signer there is.

A hardware module or a remote service stands behind ``Signer`` the day the fund has one: whoever
signs asks for a signature over bytes, and never sees a private key.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import KeySerializationEncryption
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp import IdpError
from idp.oidc.clients import SIGNING_ALGS

RSA_BITS = 3072
_P256_BYTES = 32
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"

_MOST_FOUND_SOUND = 64
_found_sound: set[bytes] = set()
"""SHA-256 of each PEM text whose numbers were checked in this process."""

_Native = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class UnusableKey(IdpError):
    """What a file holds is not a key we sign with; the text says why, and never quotes it."""

    code = "unusable_key"


class LockedKey(UnusableKey):
    """A key is encrypted, and no passphrase at hand opens it."""

    code = "locked_key"


class Signer(Protocol):
    """Signs for one key, whose private half need not be in this process."""

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint: it cannot disagree with the key, and nobody has to choose it."""

    @property
    def alg(self) -> str:
        """``RS256`` or ``ES256``; a key never serves two algorithms."""

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """Its entry in the JWKS, with ``kid``, ``use`` and ``alg``."""

    def sign(self, message: bytes) -> bytes:
        """Give the signature of a JWS over ``message``. Spec: RFC 7518 §3.3, §3.4.

        Raises:
            StoreUnavailable: what holds the private half does not answer.
        """


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A private key in memory, parsed once: parsing an RSA key costs as much as twenty signatures.

    Its ``repr`` shows no part of the key.
    """

    kid: str
    alg: str
    public_jwk: Mapping[str, str] = field(repr=False)
    _sign: Callable[[bytes], bytes] = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign with the private key."""
        return self._sign(message)


def signed_jwt(signer: Signer, typ: str, claims: Mapping[str, object]) -> str:
    """Write a JWT in compact form; its header holds ``typ``, ``alg`` and ``kid``, and no more.

    Spec: RFC 7515 §7.1, RFC 7519 §7.1.
    """
    header = {"typ": typ, "alg": signer.alg, "kid": signer.kid}
    message = b".".join(
        _encoded(json.dumps(part, separators=(",", ":")).encode("ascii"))
        for part in (header, claims)
    )
    return b".".join((message, _encoded(signer.sign(message)))).decode("ascii")


def _encoded(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def generate(alg: str, passphrase: bytes = b"") -> bytes:
    """Draw a private key, as PKCS#8 PEM: ES256 on P-256, RS256 of 3072 bits.

    Args:
        alg: one of ours.
        passphrase: what it is encrypted with, or nothing.

    Raises:
        UnusableKey: another algorithm.
    """
    if alg == "ES256":
        return _written(ec.generate_private_key(ec.SECP256R1()), passphrase)
    if alg == "RS256":
        return _written(rsa.generate_private_key(65537, RSA_BITS), passphrase)
    message = f"algorithm {alg}: expected one of {', '.join(SIGNING_ALGS)}"
    raise UnusableKey(message)


def read_signer(pem: bytes, *, alg: str, passphrases: Sequence[bytes] = ()) -> LocalSigner:
    """Parse a PEM private key, encrypted with one of ``passphrases`` or not at all.

    Raises:
        LockedKey: none of the passphrases opens it.
        UnusableKey: not a key, or not one for ``alg``.
    """
    native = _opened(pem, passphrases)
    if alg == "ES256" and isinstance(native, ec.EllipticCurvePrivateKey):
        if not isinstance(native.curve, ec.SECP256R1):
            message = f"an ES256 key is on P-256 (RFC 7518 §3.4), this one on {native.curve.name}"
            raise UnusableKey(message)
        return _signer(alg, ECKey.import_key(native.public_key()), _es256(native))
    if alg == "RS256" and isinstance(native, rsa.RSAPrivateKey):
        if native.key_size < RSA_BITS:
            message = f"an RS256 key of {native.key_size} bits: {RSA_BITS} at least"
            raise UnusableKey(message)
        return _signer(alg, RSAKey.import_key(native.public_key()), _rs256(native))
    message = f"not a key for {alg}"
    raise UnusableKey(message)


def is_encrypted(pem: bytes) -> bool:
    """Tell whether a PEM key needs a passphrase."""
    return pem.lstrip().startswith(_ENCRYPTED)


def opens(pem: bytes, passphrase: bytes) -> bool:
    """Tell whether a passphrase opens an encrypted PEM key."""
    try:
        _loaded(pem, passphrase)
    except UnusableKey:
        return False
    return True


def encrypted_anew(pem: bytes, passphrases: Sequence[bytes]) -> bytes:
    """Encrypt a PEM key with the first passphrase, whichever of them opens it now.

    Raises:
        LockedKey: none of them does.
        UnusableKey: not a key.
    """
    return _written(_opened(pem, passphrases), passphrases[0])


def _opened(pem: bytes, passphrases: Sequence[bytes]) -> _Native:
    if not is_encrypted(pem):
        return _loaded(pem, None)
    if not passphrases:
        message = "the key is encrypted with a passphrase, and there is none to open it"
        raise LockedKey(message)
    for passphrase in passphrases:
        try:
            return _loaded(pem, passphrase)
        except UnusableKey:
            continue
    message = "the key is damaged, or encrypted with another passphrase"
    raise LockedKey(message)


def _loaded(pem: bytes, passphrase: bytes | None) -> _Native:
    # That p and q are primes takes 0.1 s to check, for the same text once: a command of an operator
    # reads each key several times, a process each time that the folder changes.
    digest = hashlib.sha256(pem).digest()
    try:
        native = load_pem_private_key(
            pem, password=passphrase, unsafe_skip_rsa_key_validation=digest in _found_sound
        )
    except TypeError:  # encrypted, in a format that does not say so in its first line
        message = "the key is encrypted, and not as PKCS#8"
        raise LockedKey(message) from None
    except (ValueError, UnsupportedAlgorithm):
        # The cause of the library may quote the content.
        message = "not a PEM private key"
        raise UnusableKey(message) from None
    if not isinstance(native, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        message = f"not a key for {' or '.join(SIGNING_ALGS)}"
        raise UnusableKey(message)
    if len(_found_sound) >= _MOST_FOUND_SOUND:
        _found_sound.clear()
    _found_sound.add(digest)
    return native


def _written(native: _Native, passphrase: bytes) -> bytes:
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    return native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _signer(alg: str, public: ECKey | RSAKey, sign: Callable[[bytes], bytes]) -> LocalSigner:
    kid = public.thumbprint()
    members = public.as_dict(private=False) | {"kid": kid, "use": "sig", "alg": alg}
    return LocalSigner(kid, alg, {name: str(value) for name, value in members.items()}, sign)


def _es256(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    algorithm = ec.ECDSA(SHA256())

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, algorithm))
        return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")

    return sign


def _rs256(key: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    return lambda message: key.sign(message, padding.PKCS1v15(), SHA256())
