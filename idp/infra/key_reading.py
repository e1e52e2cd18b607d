"""Reads one key from its file."""

import os
from collections.abc import Callable
from pathlib import Path

from idp.infra.key_names import BrokenKeyFile
from idp.infra.key_names import facts_of
from idp.infra.private_files import ExposedFile
from idp.infra.private_files import check_private
from idp.infra.secret_files import InvalidSecret
from idp.oidc.keys import SigningKey
from idp.oidc.keys import read_key
from idp.oidc.signer import LockedKey
from idp.oidc.signer import UnusableKey
from idp.oidc.signer import is_encrypted

LARGEST_FILE = 16_384

Passphrases = Callable[[], tuple[bytes, ...]]


def read_key_file(path: Path, passphrases: Passphrases) -> SigningKey:
    """Read a key; once more where it was encrypted anew between a look at it and at the passphrase.

    Raises:
        BrokenKeyFile: it cannot be used; the text names the file and says why.
    """
    try:
        return _read(path, passphrases)
    except LockedKey:
        pass
    try:
        return _read(path, passphrases)
    except LockedKey as error:
        message = f"{path}: {error}"
        raise BrokenKeyFile(message) from None


def told(error: OSError) -> str:
    """Write what the system refused, and of which file."""
    return f"{error.filename}: {error.strerror}"


def _read(path: Path, passphrases: Passphrases) -> SigningKey:
    signs_from, alg = facts_of(path)
    try:
        # Links are followed, as mounted secrets need; a FIFO must not hold up a rotation.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            check_private(path, os.fstat(file.fileno()))
            pem = file.read(LARGEST_FILE)
        opening = passphrases() if is_encrypted(pem) else ()
    except OSError as error:
        raise BrokenKeyFile(told(error)) from None
    except (ExposedFile, InvalidSecret) as error:
        raise BrokenKeyFile(str(error)) from None
    try:
        return read_key(pem, alg=alg, signs_from=signs_from, passphrases=opening)
    except LockedKey:
        raise
    except UnusableKey as error:
        message = f"{path}: {error}"
        raise BrokenKeyFile(message) from None
