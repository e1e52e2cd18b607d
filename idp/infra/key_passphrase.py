"""The passphrase that signing keys are encrypted with on disk: a secret file of its own.

It lies apart from the keys: whoever has a copy of their folder, or of a backup of it, can sign
nothing. The first line encrypts, every line opens: so a passphrase is changed while processes run,
on several hosts one after the other. A file that is not there is no passphrase, and keys are
written in clear, for the owner of the folder alone.
"""

import secrets
from os import fstat
from pathlib import Path

from idp.infra.key_files import KeyFiles
from idp.infra.private_files import check_private
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import replace_private_file
from idp.infra.private_files import write_private_file
from idp.infra.secret_files import InvalidSecret
from idp.oidc.keys import KeyRing
from idp.oidc.signer import encrypted_anew
from idp.oidc.signer import is_encrypted
from idp.oidc.signer import opens

SHORTEST = 20
MOST_LINES = 2
_LARGEST_FILE = 4096


def draw_passphrase() -> bytes:
    """Draw 32 random bytes, in letters."""
    return secrets.token_urlsafe(32).encode("ascii")


def generate_missing_passphrase(path: Path) -> bool:
    """Draw the passphrase if it has no file; tell whether it was."""
    make_private_folder(path.parent)
    try:
        write_private_file(path, draw_passphrase() + b"\n")
    except FileExistsError:
        return False
    return True


def read_passphrases(path: Path, *, needed: bool = False) -> tuple[bytes, ...]:
    """Read what encrypts, and what opens beside it; empty where there is no file.

    Raises:
        InvalidSecret: the file cannot be read, or what it holds is no passphrase; or it is not
            there and ``needed``.
        ExposedFile: the group or others can touch it.
    """
    try:
        with path.open("rb") as file:
            check_private(path, fstat(file.fileno()))
            lines = tuple(line.strip() for line in file.read(_LARGEST_FILE).splitlines())
    except FileNotFoundError:
        if not needed:
            return ()
        message = f"{path} is missing: restore it from the backup, or `idp secrets` draws it"
        raise InvalidSecret(message) from None
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise InvalidSecret(message) from None
    if not 1 <= len(lines) <= MOST_LINES or any(len(line) < SHORTEST for line in lines):
        message = (
            f"{path}: expected one passphrase of {SHORTEST} characters at least, and while it is"
            " changed the former one on a second line"
        )
        raise InvalidSecret(message)
    return lines


def unencrypted(files: KeyFiles) -> list[Path]:
    """Name the files of the ring that open without a passphrase."""
    paths = [files.path_of(key) for key in files.ring()]
    return [path for path in paths if not is_encrypted(path.read_bytes())]


def rewrap(files: KeyFiles, path: Path) -> list[Path]:
    """Encrypt every key with the passphrase in force; give the files that were another way.

    Each is replaced in one step, by the same key: nothing changes for processes that run.

    Raises:
        InvalidSecret: there is no passphrase.
        UnusableKey: a key does not open, and it and those after it are as they were.
    """
    with files.alone() as ring:
        return _rewrap(files, ring, path)


def change_passphrase(files: KeyFiles, path: Path) -> list[Path]:
    """Draw another passphrase, encrypt every key with it, and forget the former one.

    Killed at any point, both are in the file and every key opens; the next call ends it.

    Raises:
        InvalidSecret: what stands in the file is no passphrase.
        UnusableKey: as ``rewrap``; the former passphrase is kept.
    """
    # One after the other: of two at once, one would forget what the other encrypts with.
    with files.alone() as ring:
        drawn, former = draw_passphrase(), read_passphrases(path)
        if len(former) == MOST_LINES:
            _rewrap(files, ring, path)  # a change that was cut short: all are under the first now
        make_private_folder(path.parent)
        replace_private_file(path, b"\n".join((drawn, *former[:1])) + b"\n")
        changed = _rewrap(files, ring, path)
        replace_private_file(path, drawn + b"\n")
        return changed


def _rewrap(files: KeyFiles, ring: KeyRing, path: Path) -> list[Path]:
    changed = []
    passphrases = read_passphrases(path, needed=True)
    for key in ring:
        file = files.path_of(key)
        pem = file.read_bytes()
        if is_encrypted(pem) and opens(pem, passphrases[0]):
            continue
        replace_private_file(file, encrypted_anew(pem, passphrases))
        changed.append(file)
    return changed
