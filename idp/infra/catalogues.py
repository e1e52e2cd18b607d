"""The catalogues of every language but French, read from their sources at the start.

Nothing is compiled beforehand: what a translator mends is what a page says.
"""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from idp.sentence import LANGUAGES


def read_catalogues(folder: Path) -> dict[str, Translations]:
    """Read ``LANGUAGE/LC_MESSAGES/messages.po`` of each language; French needs none."""
    french, *others = LANGUAGES
    return {french: Translations(), **{language: _read(folder, language) for language in others}}


def _read(folder: Path, language: str) -> Translations:
    path = folder / language / "LC_MESSAGES" / "messages.po"
    seen = path.stat()
    return _compiled(path, language, (seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=4)
def _compiled(path: Path, language: str, _seen: tuple[int, int]) -> Translations:
    # It takes 0.1 s: a process that builds the application twice reads an unchanged file once.
    with path.open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
