"""The sentences of the source and what the catalogues make of them: ``bin/catalogues``."""

import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message
from babel.messages.extract import DEFAULT_KEYWORDS
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from babel.messages.pofile import write_po

from idp.sentence import LANGUAGES

ROOT = Path(__file__).parents[1]
KEYWORDS = DEFAULT_KEYWORDS | {"say": None, "counted": (1, 2)}
"""Besides gettext's own: what ``idp.sentence`` makes sentences with."""
PLACEHOLDER = re.compile(r"%\((\w+)\)[0-9]*[sd]")
WIDTH = 100
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def drawn() -> Catalog:
    """Every sentence of templates/ and idp/, and where it stands."""
    catalog = Catalog(fuzzy=False)
    with (ROOT / "babel.cfg").open() as mapping:
        methods, options = parse_mapping_cfg(mapping)
    found = extract_from_dir(ROOT, methods, options, KEYWORDS)
    for name, _line, words, comments, context in sorted(found, key=lambda one: (one[0], one[1])):
        if not name.startswith(("templates/", "idp/")):
            continue
        catalog.add(words, None, [(name, None)], auto_comments=comments, context=context)
    return catalog


def path_of(language: str) -> Path:
    return ROOT / "idp" / "locales" / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    with path_of(language).open("rb") as source:
        return read_po(source, locale=language)


def faults_of(drawn_now: Catalog, catalog: Catalog) -> list[str]:
    """What is wrong with one catalogue, a line each."""
    faults = [f"not in the source any more: {key}" for key in catalog.obsolete]
    for message in drawn_now:
        if not message.id:
            continue
        translated = catalog.get(message.id, message.context)
        if translated is None:
            faults.append(f"not in the catalogue: {message.id}")
        elif translated.fuzzy:
            faults.append(f"fuzzy: {message.id}")
        else:
            faults += _faults_of_words(translated)
    for message in catalog:
        if message.id and drawn_now.get(message.id, message.context) is None:
            faults.append(f"not in the source any more: {message.id}")
    return faults


def _faults_of_words(message: Message) -> list[str]:
    french = message.id if isinstance(message.id, tuple) else (message.id,)
    words = message.string if isinstance(message.string, tuple) else (message.string,)
    if not all(words):
        return [f"not translated: {french[0]}"]
    wanted = set(PLACEHOLDER.findall(" ".join(french)))
    return [
        f"other placeholders than the French has: {text}"
        for text in words
        if not set(PLACEHOLDER.findall(text)) <= wanted
        or (len(words) == 1 and set(PLACEHOLDER.findall(text)) != wanted)
    ]


def update(language: str) -> list[str]:
    """Write one catalogue anew; gives what is left to do."""
    catalog, source = read(language), drawn()
    catalog.update(source, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with path_of(language).open("wb") as target:
        target.write(HEADER.format(language=language).encode())  # without dates: they only conflict
        write_po(target, catalog, width=WIDTH, sort_by_file=True, omit_header=True)
    return faults_of(source, catalog)


def main(arguments: list[str]) -> int:
    faults = []
    for language in LANGUAGES[1:]:
        found = faults_of(drawn(), read(language)) if "--check" in arguments else update(language)
        faults += [f"{language}: {fault}" for fault in found]
    sys.stdout.write("\n".join(faults or ["complete"]) + "\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
