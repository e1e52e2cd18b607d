"""Signing keys and secrets in one sealed file, for the day when a machine is lost.

It is encrypted to a recovery key whose private half lies in a safe: who makes the copy cannot read
it, nor can who steals it. Spec: RFC 7516 (JWE, compact), ECDH-ES+A256KW and A256GCM on P-256 or
P-384, which any JOSE library opens should this program be gone.
"""

import json
import os
from base64 import b64decode
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from idp import IdpError
from idp.infra.private_files import ABANDONED_SUFFIX
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import write_private_file

_ALGORITHMS = ("ECDH-ES+A256KW", "A256GCM")
_HEADER = {"alg": _ALGORITHMS[0], "enc": _ALGORITHMS[1], "typ": "idp-secrets"}


class WrongRecoveryKey(IdpError):
    """The recovery key is no such key, or the file is sealed to another one, or was changed."""

    code = "wrong_recovery_key"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files lie: the signing keys, the secrets, the passphrase of the keys."""

    keys: Path
    secrets: Path
    passphrase: Path


def seal_secrets(places: Places, recovery_key: bytes) -> tuple[bytes, list[str]]:
    """Seal every file; give what was sealed and its names.

    Args:
        places: where they lie.
        recovery_key: the public half, PEM.

    Raises:
        WrongRecoveryKey: it is no EC key.
        OSError: a file cannot be read.
    """
    found = {}
    for name, path in _files(places):
        found[name] = {
            "content": b64encode(path.read_bytes()).decode("ascii"),
            "mtime_ns": path.stat().st_mtime_ns,
        }
    key = _key(recovery_key, None)
    if key.is_private:
        raise WrongRecoveryKey(
            "this is the private half: it belongs into a safe, and the public half here"
        )
    sealed = jwe.encrypt_compact(dict(_HEADER), json.dumps(found).encode(), key)
    return sealed.encode("ascii"), sorted(found)


def open_secrets(
    sealed: bytes, recovery_key: bytes, password: bytes | None, places: Places
) -> list[Path]:
    """Write the files of a sealed copy, each over no other; give where.

    A key file keeps its time of change: it says since when the key is published.

    Raises:
        WrongRecoveryKey: see there.
        FileExistsError: a file is there already; those before it were written.
    """
    try:
        opened = jwe.decrypt_compact(
            sealed.strip(),
            _key(recovery_key, password),
            algorithms=[_HEADER["alg"], _HEADER["enc"]],
        )
        found = json.loads(opened.plaintext or b"")
    except (JoseError, ValueError):
        raise WrongRecoveryKey(
            "sealed to another recovery key, or changed since: nothing was written"
        ) from None
    folders = {"keys": places.keys, "secrets": places.secrets}
    written = []
    for name, file in sorted(found.items()):
        folder, _, base = name.partition("/")
        path = places.passphrase if not base else folders[folder] / Path(base).name
        make_private_folder(path.parent)
        write_private_file(path, b64decode(file["content"]))
        os.utime(path, ns=(file["mtime_ns"], file["mtime_ns"]))
        written.append(path)
    return written


def _files(places: Places) -> list[tuple[str, Path]]:
    found = []
    for folder, name in ((places.keys, "keys"), (places.secrets, "secrets")):
        for path in sorted(folder.iterdir()):
            hidden = path.name.startswith(".") or path.name.endswith(ABANDONED_SUFFIX)
            if path.is_file() and not hidden and path != places.passphrase:
                found.append((f"{name}/{path.name}", path))
    if places.passphrase.is_file():
        found.append(("keys_passphrase", places.passphrase))
    return found


def _key(pem: bytes, password: bytes | None) -> ECKey:
    try:
        return ECKey.import_key(pem, password=password)
    except (JoseError, ValueError, TypeError):
        raise WrongRecoveryKey("no EC key in PEM, or another password opens it") from None
