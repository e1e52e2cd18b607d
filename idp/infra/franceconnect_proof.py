"""How we prove ourselves at the token endpoint of FranceConnect.

Spec: OIDC Core 1.0 §9; FranceConnect takes ``client_secret_post`` and ``private_key_jwt``.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from idp.infra.private_files import check_private
from idp.infra.secret_files import InvalidSecret
from idp.oidc.assertions import ASSERTION_TYPE
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.signer import Signer
from idp.oidc.signer import UnusableKey
from idp.oidc.signer import read_signer
from idp.oidc.signer import signed_jwt

ASSERTION_LIFETIME = timedelta(seconds=60)
_LARGEST_FILE = 16_384


class Proof(Protocol):
    """What is added to the form that a code is exchanged with."""

    def fields(self, token_endpoint: str) -> dict[str, str]:
        """Give the fields of one exchange."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """``client_secret_post``."""

    secret: str = field(repr=False)

    def fields(self, token_endpoint: str) -> dict[str, str]:  # noqa: ARG002 - of the port
        """Give the secret."""
        return {"client_secret": self.secret}


@dataclass(frozen=True, slots=True)
class OwnKey:
    """``private_key_jwt``: an assertion for this one exchange, good for a minute."""

    client_id: str
    signer: Signer
    now: Callable[[], datetime]

    def fields(self, token_endpoint: str) -> dict[str, str]:
        """Sign an assertion. Spec: RFC 7523 §2.2, §3."""
        issued_at = self.now()
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": token_endpoint,
            "jti": secrets.token_urlsafe(32),
            "iat": int(issued_at.timestamp()),
            "exp": int((issued_at + ASSERTION_LIFETIME).timestamp()),
        }
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed_jwt(self.signer, "JWT", claims),
        }


def read_client_secret(path: Path) -> SharedSecret:
    """Read the secret that FranceConnect gave.

    Raises:
        InvalidSecret: the file is missing or holds no secret; the text names it.
        ExposedFile: the group or others can touch it.
    """
    try:
        secret = _read(path).decode("ascii").strip()
    except UnicodeDecodeError:
        secret = ""
    if not secret or not secret.isprintable() or " " in secret:
        message = f"{path} holds no secret: expected one word, as FranceConnect gave it"
        raise InvalidSecret(message)
    return SharedSecret(secret)


def read_own_key(path: Path) -> Signer:
    """Read a key of our own; its kind tells the algorithm.

    Raises:
        InvalidSecret: the file is missing or holds no such key; the text names it.
        ExposedFile: the group or others can touch it.
    """
    pem = _read(path)
    for alg in SIGNING_ALGS:
        try:
            return read_signer(pem, alg=alg)
        except UnusableKey:
            continue
    message = f"{path} holds no key that signs: expected PEM without a passphrase, P-256 or RSA"
    raise InvalidSecret(f"{message} of 3072 bits")


def _read(path: Path) -> bytes:
    try:
        # Links are followed, as mounted secrets need; a FIFO must not hold up the start.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            check_private(path, os.fstat(file.fileno()))
            return file.read(_LARGEST_FILE)
    except OSError as error:
        message = f"{path}: {error.strerror}; put there what docs/franceconnect.md says"
        raise InvalidSecret(message) from None
