"""What ``idp doctor`` finds: one line each."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from idp import IdpError

NAME_WIDTH = 15


class Level(StrEnum):
    """How bad it is; only ``FAIL`` makes the exit status 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    what: str

    def __str__(self) -> str:
        indented = self.what.replace("\n", "\n" + " " * (NAME_WIDTH + 7))
        return f"{self.level:<4}  {self.name:<{NAME_WIDTH}} {indented}"


class Unusable(IdpError):
    """A part that others need cannot be used; the text says what mends it."""

    code = "unusable_part"


def exposed(name: str, path: Path, *, forbidden: int = 0o077) -> Iterator[Finding]:
    """Find that others can touch what is its owner's."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & forbidden:
        right = "700" if path.is_dir() else "600"
        yield Finding(
            Level.FAIL,
            name,
            f"{path} has mode {mode:04o}: others can touch it; run chmod {right} {path}",
        )
