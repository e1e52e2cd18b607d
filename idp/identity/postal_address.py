"""The address block of a letter as the post's machines read it.

At most six lines of 38 characters, no empty one between, the last three in capitals, no punctuation
from the fourth line on, nor in the last two; the last without accents. What is too long is
abbreviated by the standard's words, then by initials of given names, then wrapped where a line is
free; it is never cut. What cannot be written so is refused: an operator looks at it.

Spec: NF Z 10-011 (AFNOR, 2013).
"""

import re
import unicodedata
from collections.abc import Callable
from collections.abc import Iterator

from idp import IdpError

LINES = 6
COLUMNS = 38

_ALSO_PRINTED = frozenset("ŒœŸŠšŽžıŁłĐđ")
_BASE_LETTERS = str.maketrans(
    {
        "Œ": "OE",
        "œ": "oe",
        "Æ": "AE",
        "æ": "ae",
        "Ø": "O",
        "ø": "o",
        "Ð": "D",
        "ð": "d",
        "Đ": "D",
        "đ": "d",
        "Þ": "TH",
        "þ": "th",
        "Ł": "L",
        "ł": "l",
        "ß": "ss",
        "ẞ": "SS",
        "ı": "i",
        "Ħ": "H",
        "ħ": "h",
    }
)
_AS_TYPED = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "´": "'", "`": "'"} | dict.fromkeys("‐‑‒–—―−", "-")
)
_FRENCH_TOWN = re.compile(r"(?:F[- ])?[0-9]{5} \S.*")
_FRENCH_TOWN_PREFIX = re.compile(r"F[- ](?=[0-9]{5} )")
_PUNCTUATION = re.compile(r"[^\w ]|_")

_ABBREVIATIONS = (
    ("REPRESENTANT LEGAL", "REP LEGAL"),
    ("REPRÉSENTANT LÉGAL", "REP LEGAL"),
    ("MONSIEUR", "M"),
    ("MADAME", "MME"),
    ("MADEMOISELLE", "MLLE"),
    ("APPARTEMENT", "APP"),
    ("BATIMENT", "BAT"),
    ("BÂTIMENT", "BAT"),
    ("ENTREE", "ENT"),
    ("ENTRÉE", "ENT"),
    ("ESCALIER", "ESC"),
    ("ETAGE", "ETG"),
    ("ÉTAGE", "ETG"),
    ("IMMEUBLE", "IMM"),
    ("RESIDENCE", "RES"),
    ("RÉSIDENCE", "RES"),
    ("LOTISSEMENT", "LOT"),
    ("ALLEE", "ALL"),
    ("ALLÉE", "ALL"),
    ("AVENUE", "AV"),
    ("BOULEVARD", "BD"),
    ("CHEMIN", "CHE"),
    ("COURS", "CRS"),
    ("FAUBOURG", "FG"),
    ("HAMEAU", "HAM"),
    ("IMPASSE", "IMP"),
    ("LIEU DIT", "LD"),
    ("MONTEE", "MTE"),
    ("MONTÉE", "MTE"),
    ("PASSAGE", "PAS"),
    ("PLACE", "PL"),
    ("PROMENADE", "PROM"),
    ("QUARTIER", "QUA"),
    ("ROND POINT", "RPT"),
    ("ROUTE", "RTE"),
    ("SQUARE", "SQ"),
    ("TRAVERSE", "TRA"),
    ("ZONE ARTISANALE", "ZA"),
    ("ZONE D ACTIVITES", "ZA"),
    ("ZONE INDUSTRIELLE", "ZI"),
    ("CAPITAINE", "CNE"),
    ("COLONEL", "CNL"),
    ("COMMANDANT", "CDT"),
    ("DOCTEUR", "DR"),
    ("GENERAL", "GAL"),
    ("GÉNÉRAL", "GAL"),
    ("LIEUTENANT", "LTT"),
    ("MARECHAL", "MAL"),
    ("MARÉCHAL", "MAL"),
    ("MONSEIGNEUR", "MGR"),
    ("PRESIDENT", "PDT"),
    ("PRÉSIDENT", "PDT"),
    ("PROFESSEUR", "PR"),
    ("SAINTE", "STE"),
    ("SAINT", "ST"),
)
"""In the order in which they give way: the words of a street before those of a town."""

_CIVILITIES = frozenset({"M", "MR", "MME", "MLLE", "DR", "PR", "ME"})


class UnprintableAddress(IdpError):
    """No letter can carry it: nothing but a name, letters no face has, or no room.

    ``fault`` is a stable word, without the address.
    """

    code = "unprintable_address"

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


def postal_lines(address: tuple[str, ...], *, given_names: str, name: str) -> tuple[str, ...]:
    """Write the address block of a letter: two to six lines.

    Args:
        address: six lines of the directory, "" where empty; the first names the recipient.
        given_names: of the recipient, where the first line is empty or too long.
        name: usage or family name, likewise.

    Raises:
        UnprintableAddress: it cannot be written by the standard.
    """
    cleaned = [_cleaned(line) for line in address]
    recipient = cleaned[0] or _cleaned(f"{given_names} {name}")
    # A line's place in the directory is its place in the standard, whatever stands empty above it.
    rest = [(place, line) for place, line in enumerate(cleaned[1:], 2) if line]
    if rest and _without_accents(rest[-1][1]).upper() == "FRANCE":
        del rest[-1]  # it is posted in France: a last line that is no town misleads the machines
    if not any(c.isalpha() for c in recipient) or not rest:
        raise UnprintableAddress("address_incomplete")
    places = [1, *(place for place, _ in rest)]
    lines = [recipient, *(line for _, line in rest)]
    count, foreign = len(lines), not _is_french_town(lines[-1])
    for index, place in enumerate(places):
        from_end = count - index
        if from_end <= 3:
            lines[index] = lines[index].upper()
        if index and (place >= 4 or index >= 3 or from_end <= 2):
            lines[index] = _without_punctuation(lines[index])
        if from_end == 1 or (from_end == 2 and foreign and index):
            lines[index] = _without_accents(lines[index])
    if not all(lines):
        raise UnprintableAddress("address_incomplete")
    names = (_cleaned(given_names), _cleaned(name))
    wrapped = list(_wrapped([_shortened(lines[0], names), *map(_abbreviated, lines[1:])]))
    return (*wrapped[:3], *map(_without_punctuation, wrapped[3:]))


def _cleaned(line: str) -> str:
    text = unicodedata.normalize("NFC", line).translate(_AS_TYPED)
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or c.isprintable())
    return " ".join("".join(map(_printed, text)).split())


def _printed(character: str) -> str:
    """Give a character that the letter's face has, or the letters that stand under its accents."""
    if character <= "ÿ" or character in _ALSO_PRINTED:
        return character
    folded = _without_accents(character)
    if not folded.isascii():
        raise UnprintableAddress("address_script")
    return folded


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_BASE_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _without_punctuation(line: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", _FRENCH_TOWN_PREFIX.sub("", line)).split())


def _is_french_town(line: str) -> bool:
    return _FRENCH_TOWN.fullmatch(line.upper()) is not None


def _abbreviated(line: str) -> str:
    for long, short in _ABBREVIATIONS:
        if len(line) <= COLUMNS:
            break
        line = re.sub(rf"(?<!\w){long}(?!\w)", short, line, flags=re.IGNORECASE)
    return line


def _shortened(recipient: str, names: tuple[str, str]) -> str:
    """Find the fullest way to write a recipient that fits; the fullest of all where none does."""
    line = _abbreviated(recipient)
    for attempt in _other_ways(line, names):
        if len(line) <= COLUMNS:
            break
        if len(attempt) <= COLUMNS:
            return attempt
    return line


def _other_ways(line: str, names: tuple[str, str]) -> Iterator[str]:
    given, name = names
    first, _, _ = line.partition(" ")
    civility = f"{first} " if first.upper().rstrip(".") in _CIVILITIES else ""
    in_case: Callable[[str], str] = str.upper if line.isupper() else str
    if not _names_the_same(line.removeprefix(civility), given, name):
        return  # somebody else receives it: a guardian, a firm
    firsts = given.split()
    initials = " ".join(word[0] for word in firsts)
    yield in_case(f"{civility}{firsts[0]} {name}")
    yield in_case(f"{civility}{initials} {name}")
    yield in_case(f"{civility}{firsts[0][0]} {name}")


def _names_the_same(line: str, given: str, name: str) -> bool:
    def words(text: str) -> set[str]:
        return set(_without_punctuation(_without_accents(text).upper()).split())

    return bool(given and name) and words(line) <= words(f"{given} {name}")


def _wrapped(lines: list[str]) -> Iterator[str]:
    """Break what is still too long between words, while lines are free; never town or country."""
    free = LINES - len(lines)
    for place, line in enumerate(lines, 1):
        rest = line
        while len(rest) > COLUMNS:
            cut = rest.rfind(" ", 0, COLUMNS + 1)
            if free <= 0 or cut <= 0 or place == len(lines):
                raise UnprintableAddress("address_too_long")
            yield rest[:cut]
            rest, free = rest[cut + 1 :], free - 1
        yield rest
