"""The folder that keeps everything of an embedded start: one at a time, for its owner alone."""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.valkey import SOCKET_PATH_LIMIT

PATIENCE_SECONDS = 8
"""How long the servers of a start that was killed may take to end."""


class FolderInUse(Exception):
    """Another start holds the folder; the text says which."""


class UnusableFolder(Exception):
    """The folder cannot be made or written to; the text says why."""


class DataFolder:
    """What stands where below ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.env_file = self.path / "env"
        self.demo_file = self.path / "demo.json"
        self.franceconnect_file = self.path / "franceconnect.json"
        self.franceconnect_secret = self.path / "franceconnect_client_secret"
        self.valkey = self.path / "valkey"
        self.logs = self.path / "logs"
        self.mailbox = self.path / "mailbox"

    def make(self) -> None:
        """Make what is missing.

        Raises:
            UnusableFolder: it cannot be made, or is not a folder.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            for folder in (self.valkey, self.logs, self.mailbox):
                folder.mkdir(mode=0o700, exist_ok=True)
            for log in self.logs.glob("*.log"):
                log.unlink()  # logs are those of the last start
        except OSError as error:
            message = f"The data folder {self.path} cannot be used: {error.strerror}."
            raise UnusableFolder(message) from None

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold the folder; the file descriptor given goes to the store's server.

        The server of a killed start keeps the lock until it has written what it holds, so that two
        servers never write to one append-only file.

        Raises:
            FolderInUse: another start runs on it.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                if _is_alive(holder) or time.monotonic() > end:
                    message = (
                        f"The data folder {self.path} is in use by another start (process "
                        f"{holder or 'unknown'}). Stop that one with Ctrl-C, or give this one a "
                        "folder and ports of its own: bin/start --data DIR --port N --demo-port N"
                    )
                    raise FolderInUse(message) from None
                time.sleep(0.1)
            else:
                return

    @contextmanager
    def valkey_socket(self) -> Iterator[Path]:
        """Where the store listens: in the folder, or elsewhere when that path is too long."""
        inside = self.valkey / "valkey.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            yield inside
            return
        with tempfile.TemporaryDirectory(prefix="idp-") as short:  # mode 0700, a name of its own
            yield Path(short) / "valkey.sock"

    def write_env(self, values: Mapping[str, str]) -> None:
        """Write the settings of this start, for the servers and for ``bin/idp``."""
        part = self.env_file.with_suffix(".part")
        part.unlink(missing_ok=True)
        lines = [
            "# Written by bin/start at each start; bin/idp reads it too.\n",
            *(f"{name}='{_quoted(value)}'\n" for name, value in values.items()),
        ]
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(lines)
        part.replace(self.env_file)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _is_alive(holder: str) -> bool:
    with contextlib.suppress(ValueError, ProcessLookupError):
        try:
            os.kill(int(holder), 0)
        except PermissionError:
            return True  # somebody else's
        return True
    return False
