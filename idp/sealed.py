"""Values that travel with a page: encrypted and authenticated, for one purpose, with no store.

AES-256-GCM under a key of the purpose; base64url text that fits an address.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp import IdpError

_NONCE_BYTES = 12
_TAG_BYTES = 16


class Unreadable(IdpError):
    """Not sealed here for this purpose, altered, or by a key that is gone."""

    code = "unreadable"


class Sealer:
    """Seals with the first key, opens with every key."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        self._purpose = purpose.encode("ascii")
        self._ciphers = [AESGCM(hmac.digest(key, self._purpose, hashlib.sha256)) for key in keys]

    def seal(self, clear: bytes) -> str:
        """Seal; never twice the same text."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ciphers[0].encrypt(nonce, clear, self._purpose)
        return urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, text: str) -> bytes:
        """Open what ``seal`` made.

        Raises:
            Unreadable: it is not ours.
        """
        try:
            written = text.encode("ascii")
            sealed = urlsafe_b64decode(written + b"=" * (-len(written) % 4))
        except ValueError:
            raise Unreadable("not base64url") from None
        if urlsafe_b64encode(sealed).rstrip(b"=") != written:
            # Python's decoder skips what it does not know: one value would have many texts.
            raise Unreadable("not base64url as we write it")
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        if len(encrypted) < _TAG_BYTES:
            raise Unreadable("too short")
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, encrypted, self._purpose)
            except InvalidTag:
                continue
        raise Unreadable("sealed by nobody here")
