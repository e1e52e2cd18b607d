"""The catalogues of every language but French, read from their sources at the start.

Nothing is compiled beforehand: what a translator mends is what a page says.
"""

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
    with (folder / language / "LC_MESSAGES" / "messages.po").open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
