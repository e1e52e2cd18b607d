"""Child processes that do not outlive the program that started them, even when it is killed."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(stop: signal.Signals) -> Callable[[], None]:
    """Make what runs between fork and exec: the kernel sends ``stop`` when the parent dies.

    Linux only; elsewhere a parent that is killed leaves its children behind.
    """
    parent = os.getpid()

    def ask_the_kernel() -> None:
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask_the_kernel


class Child:
    """A server of ours, in a session of its own so that Ctrl-C reaches the program alone."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        stop: signal.Signals = signal.SIGTERM,
        user: str | None = None,
        cwd: Path | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self._stop = stop
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                pass_fds=keep,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                start_new_session=True,
                # No thread runs here when children start, and a kernel call is all it does.
                preexec_fn=die_with_parent(stop),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """What it ended with, None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """What it wrote to its log since this start."""
        with self.log.open("rb") as output:
            output.seek(self._log_start)
            return output.read().decode("utf-8", "replace")

    def ask_to_end(self) -> None:
        """Ask it to stop, without waiting."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop)

    def end(self, patience: float = 10) -> None:
        """Ask it to stop, wait, and kill it when it does not."""
        self.ask_to_end()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
