"""The keys that FranceConnect signs with: published, rotated, and sometimes misused on purpose."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jwk import Key
from joserfc.jwk import KeySet
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

ALGS = ("ES256", "RS256")


def draw(alg: str) -> ECKey | RSAKey:
    """Draw a signing key with a name of its own."""
    if alg == "ES256":
        key: ECKey | RSAKey = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    else:
        key = RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return _named(key, alg)


def drawn_pem() -> str:
    """Draw an ES256 key to keep."""
    return draw("ES256").as_pem(private=True).decode()


@cache
def _first_rsa_key() -> RSAKey:
    """One for the whole process: drawing it takes a tenth of a second."""
    key = draw("RS256")
    assert isinstance(key, RSAKey)  # noqa: S101 - for the types
    return key


class SigningKeys:
    """One key of each algorithm signs; those before it may still be published.

    ``kept`` is the first ES256 key, as PEM; with none it is drawn.
    """

    def __init__(self, kept: str = "") -> None:
        first = _named(ECKey.import_key(kept), "ES256") if kept else draw("ES256")
        self._keys: dict[str, list[ECKey | RSAKey]] = {
            "ES256": [first],
            "RS256": [_first_rsa_key()],
        }
        self._published = {key.kid for keys in self._keys.values() for key in keys}

    def rotate(self, alg: str = "ES256", *, publish_old: bool = True) -> None:
        """Sign with another key from now on."""
        old = self.current(alg)
        new = draw(alg)
        self._keys[alg].append(new)
        self._published.add(new.kid)
        if not publish_old:
            self._published.discard(old.kid)

    def current(self, alg: str) -> ECKey | RSAKey:
        """The key that signs."""
        return self._keys[alg][-1]

    def jwks(self) -> dict[str, Any]:
        """What ``/jwks`` publishes."""
        every = [(alg, key) for alg, keys in self._keys.items() for key in keys]
        return {
            "keys": [
                {**key.as_dict(private=False), "use": "sig", "alg": alg}
                for alg, key in every
                if key.kid in self._published
            ]
        }

    def read_own(self, token: str) -> dict[str, Any] | None:
        """Give the claims of a token that was signed here, however long ago; None otherwise."""
        every: list[Key] = [key for keys in self._keys.values() for key in keys]
        try:
            return dict(jwt.decode(token, KeySet(every), algorithms=list(ALGS)).claims)
        except (JoseError, ValueError):
            return None


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key | bytes) -> str:
    """Write a JWS with this very header, however wrong.

    ``alg`` "none" leaves the signature empty, and bytes are a secret of HS256: the library would
    refuse both, and an extension that it does not know.
    """
    parts = (json.dumps(dict(part)).encode() for part in (header, claims))
    message = ".".join(map(_coded, parts))
    if header["alg"] == "none":
        return f"{message}."
    if isinstance(key, bytes):
        signature = hmac.digest(key, message.encode(), hashlib.sha256)
    else:
        signature = JWSRegistry.algorithms[str(header["alg"])].sign(message.encode(), key)
    return f"{message}.{_coded(signature)}"


def _named(key: ECKey | RSAKey, alg: str) -> ECKey | RSAKey:
    kid = f"{alg.lower()}-{key.thumbprint()[:16]}"
    members = {**key.as_dict(private=True), "kid": kid}
    return ECKey.import_key(members) if isinstance(key, ECKey) else RSAKey.import_key(members)


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
