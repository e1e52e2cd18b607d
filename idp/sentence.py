"""A sentence of ours before it is known who reads it: French words, and what they are filled with.

Rules and views say what is to be said; the page or the mail says it in its reader's language. The
French words are the key under which a catalogue has the others (ADR 0033).
"""

from dataclasses import dataclass
from typing import Protocol

LANGUAGES = ("fr", "en")
"""What pages speak, by the tags of RFC 5646; the first is the one they are written in."""


class Catalogue(Protocol):
    """The words of one language, as ``gettext`` names its methods."""

    def gettext(self, message: str, /) -> str:
        """Give the words for a French sentence, or the sentence where there are none."""

    def ngettext(self, one: str, many: str, count: int, /) -> str:
        """Give the words for a count."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence; ``say`` and ``counted`` make them, and are what catalogues are drawn from.

    Attributes:
        many: of a count: the French words for more than one; "" of any other sentence.
        values: by name, what ``%(name)s`` stands for; a sentence is said in the same language.
    """

    words: str
    many: str = ""
    count: int = 1
    values: tuple[tuple[str, "Sentence | str | int"], ...] = ()

    def told(self, catalogue: Catalogue) -> str:
        """Say it in the language of a catalogue."""
        if self.many:
            words = catalogue.ngettext(self.words, self.many, self.count)
        else:
            words = catalogue.gettext(self.words)
        values = {
            name: value.told(catalogue) if isinstance(value, Sentence) else value
            for name, value in self.values
        }
        return words % values if values else words

    def __str__(self) -> str:
        return self.told(FRENCH)


class _French:
    """The language that sentences are written in."""

    def gettext(self, message: str, /) -> str:
        return message

    def ngettext(self, one: str, many: str, count: int, /) -> str:
        return many if count > 1 else one


FRENCH: Catalogue = _French()


def say(words: str, /, **values: Sentence | str | int) -> Sentence:
    """Write a sentence in French, with a ``%(name)s`` for each value."""
    return Sentence(words, values=tuple(values.items()))


def counted(one: str, many: str, count: int, /, **values: Sentence | str | int) -> Sentence:
    """Write a sentence about a count, which stands in it as ``%(count)s``."""
    return Sentence(one, many, count, (("count", count), *values.items()))
