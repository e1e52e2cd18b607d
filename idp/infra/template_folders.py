"""Templates as they stand when a process begins: it goes on with these, whatever is put in place.

An installation replaces files under a running worker. A template of the next version asks for words
that this one does not give, and one that is half written is none: both would hold up mails until
the restart.
"""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import BaseLoader
from jinja2 import FunctionLoader

_SUFFIXES = frozenset({".html", ".txt"})


def read_templates(folders: Path | Sequence[Path]) -> BaseLoader:
    """Read the templates of a folder, or of several: the first one that has a name counts."""
    read = {}
    for folder in reversed([folders] if isinstance(folders, Path) else folders):
        for path in folder.rglob("*"):
            if path.suffix in _SUFFIXES and path.is_file():
                # With its path, which a traceback tells, and always up to date.
                text = path.read_text(encoding="utf-8")
                read[path.relative_to(folder).as_posix()] = (text, str(path), lambda: True)
    return FunctionLoader(read.get)
