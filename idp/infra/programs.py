"""Programs of others that a backup runs: found on the path, told in a sentence when they fail."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from idp import IdpError

_POSTGRES_FOLDERS = "/usr/lib/postgresql"
"""Where Debian keeps what its wrappers on the path choose from."""


class ProgramFailed(IdpError):
    """A program is not installed, or refused; the text is its own last line."""

    code = "program_failed"


def find_program(*names: str, package: str) -> Path:
    """Find the first of these programs that is installed.

    Raises:
        ProgramFailed: none is; names the package.
    """
    newest_first = sorted(
        (path for path in Path(_POSTGRES_FOLDERS).glob("*/bin") if path.parent.name.isdigit()),
        key=lambda path: -int(path.parent.name),
    )
    path = os.pathsep.join([*map(str, newest_first), os.environ.get("PATH", os.defpath)])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    raise ProgramFailed(f"{names[0]} is not installed here: it is in the package {package}")


def run(command: Sequence[str], *, environment: Mapping[str, str]) -> None:
    """Run a program to its end; what it writes is for us alone.

    Raises:
        ProgramFailed: it ended with an error.
    """
    done = subprocess.run(  # noqa: S603 - our own words, and no shell
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=0o077,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        last = said[-1] if said else f"ended with {done.returncode}"
        raise ProgramFailed(f"{Path(command[0]).name}: {last}")
