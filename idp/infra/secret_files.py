"""The long-lived secrets that are files: pepper, pairwise salt, decoy key, cookie keys.

Each is 32 random bytes in base64url, in a file of its own, mode 0600. They are backed up together,
and apart from the database: without the pepper no password verifies, without the salt every ``sub``
changes. ``cookie_key`` holds one key a line: the first seals, the others still open. To rotate
without an outage, put a new key on the second line and restart, swap the two and restart, drop the
old one a day later.
"""

import secrets
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from dataclasses import field
from os import fstat
from pathlib import Path

from idp import IdpError
from idp.infra.private_files import check_private
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import write_private_file

LENGTH = 32
NAMES = ("pepper", "pairwise_salt", "decoy_key", "cookie_key")


class InvalidSecret(IdpError):
    """A secret file is missing or wrong; the text names it and says why, and never quotes it."""

    code = "invalid_secret"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files hold. ``repr`` shows nothing of it.

    Attributes:
        pepper: keys every password hash of ours; never rotated without a plan for the hashes.
        pairwise_salt: every pairwise ``sub`` depends on it; never rotated.
        decoy_key: what unknown numbers are answered with depends on it; never rotated.
        cookie_keys: the first seals, all open.
    """

    pepper: bytes = field(repr=False)
    pairwise_salt: bytes = field(repr=False)
    decoy_key: bytes = field(repr=False)
    cookie_keys: tuple[bytes, ...] = field(repr=False)


def generate_missing_secrets(folder: Path) -> list[Path]:
    """Make the folder and draw each secret that has no file; give the paths of those drawn."""
    make_private_folder(folder)
    drawn = []
    for name in NAMES:
        path = folder / name
        if path.exists():
            continue
        try:
            write_private_file(path, urlsafe_b64encode(secrets.token_bytes(LENGTH)) + b"\n")
        except FileExistsError:
            continue  # another start was faster, and its secret is as good
        drawn.append(path)
    return drawn


def read_secrets(folder: Path) -> Secrets:
    """Read them all.

    Raises:
        InvalidSecret: a file is missing or unreadable, or holds no secret of its own.
        ExposedFile: the group or others can touch it.
    """
    found = {name: _read(folder / name) for name in NAMES}
    owners: dict[bytes, str] = {}
    for name, values in found.items():
        for value in values:
            if value in owners:
                message = (
                    f"{folder / name} holds the same secret as {owners[value]}: draw another one"
                )
                raise InvalidSecret(message)
            owners[value] = name
    single = {name: values[0] for name, values in found.items() if name != "cookie_key"}
    return Secrets(**single, cookie_keys=found["cookie_key"])


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        with path.open("rb") as file:
            check_private(path, fstat(file.fileno()))
            lines = file.read().split()
    except FileNotFoundError:
        message = (
            f"{path} is missing: restore it from the backup, or `idp secrets` on a new service"
        )
        raise InvalidSecret(message) from None
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise InvalidSecret(message) from None
    if not lines or (len(lines) > 1 and path.name != "cookie_key"):
        message = f"{path} holds {len(lines)} lines: expected one secret"
        raise InvalidSecret(message)
    return tuple(_decoded(path, line) for line in lines)


def _decoded(path: Path, line: bytes) -> bytes:
    padded = line.rstrip(b"=") + b"=" * (-len(line.rstrip(b"=")) % 4)
    try:
        # urlsafe_b64decode skips what it does not know; a secret cut short by it would go unseen.
        value = urlsafe_b64decode(padded)
        whole = urlsafe_b64encode(value) == padded
    except ValueError:
        whole = False
    if not whole:
        message = f"{path} is not base64url: restore it from the backup"
        raise InvalidSecret(message)
    if len(value) != LENGTH:
        message = (
            f"{path} holds a secret of {len(value)} bytes: expected {LENGTH}; restore it from the"
            " backup"
        )
        raise InvalidSecret(message)
    if len(set(value)) < LENGTH // 2:
        # Random bytes fall this low less than once in 10^15 draws: somebody typed these.
        message = f"{path} is not random: draw another one"
        raise InvalidSecret(message)
    return value
