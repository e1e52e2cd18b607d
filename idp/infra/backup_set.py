"""A set: the backup of both stores made together, a folder with a manifest.

It holds personal data and password hashes, and nothing that opens them: the pepper and the signing
keys travel apart (``key_escrow``). A set is written aside and takes its name when it is whole.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import asdict
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from idp import IdpError
from idp.infra.private_files import ABANDONED_SUFFIX
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import sync_folder
from idp.infra.private_files import write_private_file

MANIFEST = "manifest.json"
_NAME = "%Y-%m-%dT%H-%M-%SZ"
_FORMAT = 1
_ABANDONED_AFTER = timedelta(days=1)


class BrokenSet(IdpError):
    """A set cannot be restored as it is; the text names the file and what is wrong with it."""

    code = "broken_set"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a set. ``kind`` says who can read it: postgresql, sqlite or redis."""

    kind: str
    file: str
    bytes: int
    sha256: str
    taken_at: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a set holds. ``parts`` stand in the order in which they were taken."""

    issuer: str
    revision: str
    parts: tuple[Part, ...]

    def part(self, *kinds: str) -> Part | None:
        """Find the part of one of these kinds."""
        return next((part for part in self.parts if part.kind in kinds), None)


@contextmanager
def new_set(folder: Path, at: datetime) -> Iterator[Path]:
    """Give an empty folder to fill; it takes its name in ``folder`` when the block ends well."""
    make_private_folder(folder)
    for left in folder.glob(f".*{ABANDONED_SUFFIX}"):
        if left.stat().st_mtime < at.timestamp() - _ABANDONED_AFTER.total_seconds():
            shutil.rmtree(left)  # of one that was killed: personal data, which nobody would erase
    aside = folder / f".{secrets.token_hex(8)}{ABANDONED_SUFFIX}"
    aside.mkdir(mode=0o700)
    try:
        yield aside
        for path in aside.iterdir():
            path.chmod(0o600)
        sync_folder(aside)
        aside.rename(folder / at.strftime(_NAME))
        sync_folder(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def describe(path: Path, kind: str, taken_at: datetime) -> Part:
    """Tell what the manifest says of a file that was just written."""
    return Part(kind, path.name, path.stat().st_size, _sha256(path), taken_at.isoformat())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write down what the folder holds."""
    told = {"format": _FORMAT, **asdict(manifest)}
    write_private_file(folder / MANIFEST, json.dumps(told, indent=2).encode() + b"\n")


def read_set(folder: Path) -> Manifest:
    """Read a manifest and compare every file with it.

    Raises:
        BrokenSet: the manifest or a file is missing, or is not what was written.
    """
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        if told["format"] != _FORMAT:
            raise BrokenSet(f"{folder}: made by another version of this program")
        parts = tuple(Part(**part) for part in told["parts"])
        manifest = Manifest(told["issuer"], told["revision"], parts)
    except FileNotFoundError:
        raise BrokenSet(f"{folder}: no {MANIFEST}; is it a set of `idp backup data`?") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise BrokenSet(f"{folder / MANIFEST}: cannot be read") from None
    for part in manifest.parts:
        if Path(part.file).name != part.file or not (folder / part.file).is_file():
            raise BrokenSet(f"{folder / part.file}: missing")
        if _sha256(folder / part.file) != part.sha256:
            raise BrokenSet(f"{folder / part.file}: not what was saved; take another set")
    return manifest


def sets_in(folder: Path) -> list[Path]:
    """Name every whole set, oldest first."""
    return sorted(path for path in folder.iterdir() if _is_set(path))


def erase_older(folder: Path, keep: int) -> list[Path]:
    """Erase all sets but the last ``keep``; give what went."""
    old = sets_in(folder)[:-keep]
    for path in old:
        shutil.rmtree(path)
    return old


def _is_set(path: Path) -> bool:
    with suppress(ValueError):
        datetime.strptime(path.name, _NAME)  # noqa: DTZ007 - a name, not an instant
        return (path / MANIFEST).is_file()
    return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
