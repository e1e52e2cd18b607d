"""What a chosen password must be: long, hard to guess for who knows its owner, never leaked.

Strength is the number of guesses that zxcvbn estimates (ADR 0012). It knows English words, dates,
keyboard rows and repetitions; here it is told the person's own data, the fund's words and the
French words that it finds in the password, each at the rank a guesser would try it.

Spec: NIST SP 800-63B §3.1.1.2 (length, no composition rules, a blocklist).
"""

import re
import unicodedata
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from idp.identity import password_lists
from idp.identity import temporary_password
from idp.identity.contact import Contact
from idp.identity.password_lists import fold

GUESSED_LENGTH = 72
"""Characters that are estimated: the time of an estimate grows faster than their number."""

_RANK_LIMIT = 2_000
"""Rarer words count as if they had this rank: the list is long, a guesser's is too."""

_WORD_LENGTHS = range(3, 21)
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_WORDS = re.compile(r"[^\W_]+")
_SEPARATORS = re.compile(r"(?<=[^\W_])[\s‐-―'’._-]+(?=[^\W_])")
"""Between words. At other places they are symbols as good as any, in a password drawn at random."""
_LEET = str.maketrans("@4830157$!", "aabeoisssi")
_MONTHS = (
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
)


class PolicyFault(StrEnum):
    """What is wrong with a proposal: stable words, which a page turns into sentences."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    UNREADABLE = "unreadable"
    """Holds what no keyboard types: a control character, or half of a character."""
    HOLDS_NUMBER = "holds_number"
    HOLDS_TEMPORARY = "holds_temporary"
    """Only the hashes of the temporary ones can tell, so the caller finds this one."""
    TEMPORARY_SHAPE = "temporary_shape"
    LEAKED = "leaked"
    PERSONAL = "personal"
    """Guessable because of what is known of this person, or of the fund."""
    GUESSABLE = "guessable"
    FORMER = "former"
    """The password in use: as above."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """The limits of the values table, product.md. Lengths in characters, after NFC."""

    minimum: int = 12
    maximum: int = 128
    guesses: int = 10**10

    def faults(self, clear: str, *, about: Contact) -> tuple[PolicyFault, ...]:
        """Everything that is wrong with a proposal; () when it is good. Safe on any text.

        Args:
            clear: as typed.
            about: whose password it will be.
        """
        # Normal form costs as much as the text is long, and shortens three characters to one.
        if len(clear) > 3 * self.maximum:
            return (PolicyFault.TOO_LONG,)
        normal = unicodedata.normalize("NFC", clear)
        if len(normal) > self.maximum:
            return (PolicyFault.TOO_LONG,)
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in normal):
            return (PolicyFault.UNREADABLE,)
        faults = [PolicyFault.TOO_SHORT] if len(normal) < self.minimum else []
        if about.numero.value in _compact(normal):
            faults.append(PolicyFault.HOLDS_NUMBER)
        if temporary_password.has_shape(normal):
            faults.append(PolicyFault.TEMPORARY_SHAPE)
        if not faults and (weak := self._weakness(fold(normal), about)):
            faults.append(weak)
        return tuple(faults)

    def _weakness(self, folded: str, about: Contact) -> PolicyFault | None:
        # A guesser tries words with and without separators; the estimate would take each one for
        # a word of its own, and make three common words as good as five.
        joined = _SEPARATORS.sub("", folded)
        if any(written in password_lists.leaked() for written in (folded, joined)):
            return PolicyFault.LEAKED
        guessed = joined[:GUESSED_LENGTH]
        french = sorted(_french_ranks(guessed))
        if _guesses(guessed, (), french) < self.guesses:
            return PolicyFault.GUESSABLE
        # What is known of the person takes the first ranks and pushes the common words back, so
        # this estimate does not replace the other one.
        known = (*_personal_words(about), *password_lists.fund_words())
        return PolicyFault.PERSONAL if _guesses(guessed, known, french) < self.guesses else None


def _guesses(folded: str, known: Iterable[str], french: Iterable[tuple[int, str]]) -> int:
    """Estimate. The place of a word among the inputs is its rank: "" fills the places between."""
    places = list(dict.fromkeys(known))
    for rank, word in french:
        places.extend([""] * (rank - len(places) - 1))
        places.append(word)
    # Three MiB that a worker which judges no password does without.
    from zxcvbn_rs_py import zxcvbn

    return zxcvbn(folded, places).guesses


def _french_ranks(folded: str) -> Iterator[tuple[int, str]]:
    """The French words in a folded password, plain or in figures (``ch0c0lat``)."""
    words = password_lists.french()
    seen: set[str] = set()
    for written in (folded, folded.translate(_LEET)):
        for match in _LETTERS.finditer(written):
            for piece in _pieces(match.group()):
                if piece in seen:
                    continue
                seen.add(piece)
                if rank := words.rank(piece):
                    yield min(rank, _RANK_LIMIT), piece


def _pieces(letters: str) -> Iterator[str]:
    for start in range(len(letters)):
        ends = (start + length for length in _WORD_LENGTHS)
        for end in takewhile(lambda end: end <= len(letters), ends):
            yield letters[start:end]


def _personal_words(about: Contact) -> Iterator[str]:
    """What a guesser who knows the person tries first: names, dates, number, addresses."""
    local_parts = (address.rpartition("@")[0] for address in (about.email, about.confirmed_email))
    names = (about.usage_name, about.given_names, about.family_name)
    for text in (*names, *local_parts, *about.address):
        words = _WORDS.findall(fold(text))
        yield from (word for word in words if len(word) >= 3)
        if len(words) > 1:
            yield "".join(words)
    yield from _dates(about.birthdate)
    yield about.numero.value


def _dates(birthdate: str) -> Iterator[str]:
    """A date of birth as people write it. An unknown month or day is ``00``."""
    if not (match := re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", birthdate)):
        return
    year, month, day = match.groups()
    yield year
    if 1 <= int(month) <= 12:
        named = _MONTHS[int(month) - 1]
        for written in (year, year[2:]):
            yield from (month + written, written + month, named + written)
            yield from (day + month + written, written + month + day, month + day + written)
            for mark in "/-. ":
                yield mark.join((day, month, written))
                yield mark.join((str(int(day)), str(int(month)), written))
            yield from (day + named + written, f"{int(day)}{named}{written}")
        yield from (day + month, month + day, f"{day}/{month}", f"{day}-{month}", named)


def _compact(text: str) -> str:
    """Only letters and digits, in capitals: separators hide nothing. ``①`` and ``１`` are 1."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(character for character in plain if character.isalnum()).upper()
