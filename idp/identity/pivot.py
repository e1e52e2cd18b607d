"""The pivot identity: the six fields of the civil status by which FranceConnect tells people apart.

They come from the national register (RNIPP), whatever identity provider a person used. All are
text, as FranceConnect says them: a presumed date is no date, and who was born abroad has no commune
of birth.

Equality with a dossier, field by field (ADR 0035); nothing is likened, scored or guessed, and a
field that the dossier lacks makes it nobody's:

===============  =================================================================================
names            without case, accents, ligatures; a letter of another alphabet stays what it is
``family_name``  spaces, hyphens and apostrophes of every sort fall away: ``D ALMEIDA``
``given_names``  words between spaces and hyphens, apostrophes fall away; in the same order, or the
                 same words in another order (``Match.reordered``)
``gender``       ``male`` or ``female``
``birthdate``    the same text; where the dossier has ``00`` (unknown), FranceConnect may have
                 ``01``, as the register presumes, or ``00`` (``Match.presumed``)
``birthcountry`` the same code
``birthplace``   born in France: the same commune, ``2a004`` is ``2A004``. Born abroad: the same, or
                 one of the two empty
===============  =================================================================================
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from itertools import product

FRANCE = "99100"

_GENDERS = frozenset({"female", "male"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNTRY = re.compile(r"99[0-9]{3}")
_COMMUNE = re.compile(r"[0-9][0-9AB][0-9]{3}")

# Some are letters to Unicode (ʼ, ʻ, ʹ, ꞌ), some fall apart into a space and an accent (´).
_APOSTROPHES = "'`´‘’‚‛′‵ʹʻʼʽʾʿˈˊˋ՚׳ꞌ＇｀"
_HYPHENS = "\N{SOFT HYPHEN}\N{MINUS SIGN}\N{HYPHEN BULLET}\N{MIDDLE DOT}_"
_LETTERS = {"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h",
            "ı": "i"}  # fmt: skip
_FOLDED = str.maketrans(
    {**dict.fromkeys(_APOSTROPHES, ""), **dict.fromkeys(_HYPHENS, " "), **_LETTERS}
)


@dataclass(frozen=True, slots=True)
class PivotIdentity:
    """Six texts; in a traceback it shows nothing.

    Attributes:
        family_name: the name at birth.
        given_names: every one of them, separated by spaces.
        gender: ``male`` or ``female``.
        birthdate: ``YYYY-MM-DD``; a presumed one may end in ``-00``.
        birthplace: the INSEE code of the commune, "" if born abroad.
        birthcountry: the INSEE code of the country, 99100 for France.
    """

    family_name: str = field(repr=False)
    given_names: str = field(repr=False)
    gender: str = field(repr=False)
    birthdate: str = field(repr=False)
    birthplace: str = field(repr=False)
    birthcountry: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whom FranceConnect vouched for; exists only after every check; shows nothing.

    Attributes:
        sub: pairwise, and another one once the civil status was corrected.
        pivot: what the register says of the person.
    """

    sub: str = field(repr=False)
    pivot: PivotIdentity = field(repr=False)


@dataclass(frozen=True, slots=True)
class Match:
    """How a dossier equals a pivot identity; neither of the two: exactly."""

    reordered: bool = False
    presumed: bool = False

    @property
    def is_exact(self) -> bool:
        """Tell whether the first names stand in order and the date is whole on both sides."""
        return not (self.reordered or self.presumed)


def compare(vouched: PivotIdentity, known: PivotIdentity) -> Match | None:
    """Tell how what FranceConnect vouched for equals what a dossier says; None when it does not."""
    return None if differing(vouched, known) else Match(
        reordered=_words(vouched.given_names) != _words(known.given_names),
        presumed=known.birthdate.strip().endswith("-00"),
    )  # fmt: skip


def differing(vouched: PivotIdentity, known: PivotIdentity) -> tuple[str, ...]:
    """Name the fields that are not equal, or missing: for the audit log, never their values."""
    country, known_country = _code(vouched.birthcountry), _code(known.birthcountry)
    equal = {
        "family_name": _same(_letters(vouched.family_name), _letters(known.family_name)),
        "given_names": _same(
            " ".join(sorted(_words(vouched.given_names))),
            " ".join(sorted(_words(known.given_names))),
        ),
        "gender": vouched.gender in _GENDERS and vouched.gender == known.gender,
        "birthdate": known.birthdate.strip() in birthdates(vouched),
        "birthplace": _same_place(
            _code(vouched.birthplace),
            _code(known.birthplace),
            in_france=FRANCE in (country, known_country),
        ),
        "birthcountry": bool(_COUNTRY.fullmatch(country)) and country == known_country,
    }
    return tuple(name for name, is_equal in equal.items() if not is_equal)


def birthdates(vouched: PivotIdentity) -> tuple[str, ...]:
    """Write the date of birth as a dossier may have it: four ways at most, () for no date."""
    written = vouched.birthdate.strip()
    if not _DATE.fullmatch(written):
        return ()
    year, month, day = written.split("-")
    parts = product((year,), _unknown_too(month), _unknown_too(day))
    # A day of an unknown month is no date, in the directory neither.
    return tuple("-".join(part) for part in parts if part[1] != "00" or part[2] == "00")


def normalised(pivot: PivotIdentity) -> tuple[str, ...]:
    """Write it as it is compared, its first names in their order."""
    return (
        _letters(pivot.family_name),
        " ".join(_words(pivot.given_names)),
        pivot.gender,
        pivot.birthdate.strip(),
        _code(pivot.birthplace),
        _code(pivot.birthcountry),
    )


def agree(known: Sequence[PivotIdentity]) -> bool:
    """Tell whether dossiers say one thing of the order of first names and of the date."""
    return len({normalised(pivot)[1:4] for pivot in known}) <= 1


def _folded(name: str) -> str:
    """Take case, accents, ligatures and apostrophes away; hyphens become spaces."""
    # Before the decomposition, which would tear some apostrophes apart; and after it.
    plain = unicodedata.normalize("NFKD", name.translate(_FOLDED)).casefold().translate(_FOLDED)
    plain = unicodedata.normalize("NFKD", plain)
    return "".join(
        " " if unicodedata.category(character) == "Pd" else character
        for character in plain
        if not unicodedata.combining(character)
    )


def _words(name: str) -> list[str]:
    return _folded(name).split()


def _letters(name: str) -> str:
    return "".join(_words(name))


def _code(code: str) -> str:
    return code.strip().upper()


def _same(one: str, other: str) -> bool:
    return bool(one) and one == other


def _same_place(one: str, other: str, *, in_france: bool) -> bool:
    if in_france:
        return bool(_COMMUNE.fullmatch(one)) and one == other
    return not one or not other or one == other


def _unknown_too(part: str) -> tuple[str, ...]:
    return (part, "00") if part == "01" else (part,)
