"""Files that hold a secret: written whole or not at all, over no other, for their owner alone."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path

from idp import IdpError

ABANDONED_SUFFIX = ".writing"
"""Of a file being written. What a killed process leaves begins with a dot: no reader takes it."""


class ExposedFile(IdpError):
    """Others on this machine may touch a secret; the text names the file and what mends it."""

    code = "exposed_file"


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone; leave one that exists as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file and its folder for their owner alone; leave what exists as it is.

    What exists is not even opened: closing it would drop every lock that this process holds on it,
    and SQLite would believe that nobody uses its file.
    """
    make_private_folder(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path.resolve(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def write_private_file(path: Path, content: bytes) -> None:
    """Create ``path`` in one step, mode 0600, on disk when this returns.

    Raises:
        FileExistsError: there is such a file, and it is untouched.
    """
    with _written_aside(path, content) as temporary:
        # A link, not a rename: a rename would replace what stands there.
        os.link(temporary, path)
    sync_folder(path.parent)


def replace_private_file(path: Path, content: bytes) -> None:
    """Write ``path`` anew in one step, mode 0600, on disk when this returns.

    What stood there keeps its time of change: it says since when there is such a file.
    """
    with _written_aside(path, content) as temporary:
        with suppress(FileNotFoundError):
            before = path.stat()
            os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
        temporary.replace(path)
    sync_folder(path.parent)


@contextmanager
def _written_aside(path: Path, content: bytes) -> Iterator[Path]:
    # Not the process number: containers that share a volume are all number 1.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{ABANDONED_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk: content without its name is lost too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_private(path: Path, status: os.stat_result) -> None:
    """Refuse what is no file, is somebody else's, or can be touched by its group or others.

    Raises:
        ExposedFile: names the file and what to do.
    """
    if not stat.S_ISREG(status.st_mode):
        message = f"{path} is not a regular file; take it away"
        raise ExposedFile(message)
    if status.st_uid not in (os.geteuid(), 0):
        message = f"{path} belongs to user {status.st_uid}: neither to us ({os.geteuid()}) nor root"
        raise ExposedFile(message)
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        message = f"{path} has mode {mode:04o}: group or others can touch it; run chmod 600 {path}"
        raise ExposedFile(message)
