"""The dossier: one row of the fund's directory, unique by qualité and number."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from idp import IdpError

TYPED_NUMBER_LIMIT = 64
NUMERO_LIMIT = 32
"""Characters of a canonical number, whatever the patterns allow: the width of its column."""

_DASHES_AND_DOTS = frozenset(".-‐‑‒–—―−﹣－．。·•_/")
_FULL_WIDTH_DIGITS = {ord("０") + n: str(n) for n in range(10)}


class Qualite(StrEnum):
    """What the person is to the fund."""

    AFFILIE = "affilie"
    AYANT_DROIT = "ayant_droit"

    @property
    def other(self) -> "Qualite":
        """The other of the two."""
        return Qualite.AYANT_DROIT if self is Qualite.AFFILIE else Qualite.AFFILIE


class Situation(StrEnum):
    """Why there is a dossier. The first four make an affilié, the last three an ayant droit."""

    COTISANT = "cotisant"
    RENTE_INVALIDITE = "rente_invalidite"
    RETRAITE_PERSONNELLE = "retraite_personnelle"
    CUMUL_EMPLOI_RETRAITE = "cumul_emploi_retraite"
    REVERSION = "reversion"
    RENTE_SURVIE = "rente_survie"
    RENTE_EDUCATION = "rente_education"

    @property
    def qualite(self) -> Qualite:
        """The qualité that this situation makes."""
        return Qualite.AYANT_DROIT if self in _OF_AYANT_DROIT else Qualite.AFFILIE


_OF_AYANT_DROIT = frozenset(
    {Situation.REVERSION, Situation.RENTE_SURVIE, Situation.RENTE_EDUCATION}
)


class DossierStatus(StrEnum):
    """Only an active dossier signs in."""

    ACTIVE = "active"
    CLOSED = "closed"
    DECEASED = "deceased"


class InvalidNumeroDossier(IdpError):
    """What was typed is not a number of its qualité. Says nothing of the directory."""

    code = "invalid_numero_dossier"


class NumeroOfOtherQualite(InvalidNumeroDossier):
    """The pattern is that of the other qualité alone."""

    code = "numero_of_other_qualite"


class UnreadableNumeroDossier(InvalidNumeroDossier):
    """Holds invisible or bidirectional characters: pasted from somewhere that hides things."""

    code = "unreadable_numero_dossier"


@dataclass(frozen=True, slots=True)
class NumeroPatterns:
    """The pattern of a number, for each qualité (settings)."""

    affilie: re.Pattern[str] = re.compile(r"[0-9]{7}")
    ayant_droit: re.Pattern[str] = re.compile(r"[0-9]{7}|[0-9]{9}")

    def fits(self, digits: str, qualite: Qualite) -> bool:
        """Tell whether the whole of ``digits`` has the pattern of ``qualite``."""
        pattern = self.affilie if qualite is Qualite.AFFILIE else self.ayant_droit
        return pattern.fullmatch(digits) is not None

    def lengths(self, qualite: Qualite) -> tuple[int, ...]:
        """How many digits a number of ``qualite`` may have; () when its pattern says more."""
        return tuple(
            length
            for length in range(1, NUMERO_LIMIT + 1)
            if all(self.fits(digit * length, qualite) for digit in "0123456789")
        )


@dataclass(frozen=True, slots=True)
class NumeroDossier:
    """A dossier number in canonical form: ASCII digits, leading zeros kept."""

    value: str

    @classmethod
    def parse(cls, typed: str, qualite: Qualite, patterns: NumeroPatterns) -> "NumeroDossier":
        """Read what a person typed, forgiving separators and full-width digits.

        Raises:
            UnreadableNumeroDossier: invisible or bidirectional characters in it.
            NumeroOfOtherQualite: fits the other qualité and not this one.
            InvalidNumeroDossier: not the pattern of its qualité once folded.
        """
        digits = _fold(typed)
        if patterns.fits(digits, qualite):
            return cls(digits)
        if patterns.fits(digits, qualite.other):
            raise NumeroOfOtherQualite
        raise InvalidNumeroDossier

    @property
    def last_digits(self) -> str:
        """What a page or a log may show of it."""
        return self.value[-2:]

    def __repr__(self) -> str:
        # Log lines and tracebacks must not leak it whole.
        return f"NumeroDossier(…{self.last_digits})"

    __str__ = __repr__


def _fold(typed: str) -> str:
    if len(typed) > TYPED_NUMBER_LIMIT:
        raise InvalidNumeroDossier
    kept = []
    for character in typed:
        if character.isspace() or character in _DASHES_AND_DOTS:
            continue
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn"):
            raise UnreadableNumeroDossier
        kept.append(character)
    return "".join(kept).translate(_FULL_WIDTH_DIGITS)


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the business system says of one person in one qualité.

    Attributes:
        family_name: birth surname, as the register writes it.
        usage_name: name in use, or "".
        given_names: all first names, separated by spaces.
        gender: ``female``, ``male`` or "".
        birthdate: ``YYYY-MM-DD`` where an unknown month or day is ``00``, or "".
        birthplace: INSEE code of the commune (5 characters), "" if born abroad.
        birthcountry: INSEE code of the country (``99100`` is France), or "".
        email: what the business system knows, never confirmed here, or "".
        phone: as the business system writes it, or "".
        address: six postal lines of 38 characters at most (NF Z 10-011), "" where empty; the first
            names the recipient.
        profession: the fund's word, or "".
    """

    qualite: Qualite
    numero: NumeroDossier
    family_name: str
    usage_name: str
    given_names: str
    gender: str
    birthdate: str
    birthplace: str
    birthcountry: str
    email: str
    phone: str
    address: tuple[str, str, str, str, str, str]
    situations: tuple[Situation, ...]
    profession: str
    status: DossierStatus

    def __repr__(self) -> str:
        return f"Dossier({self.qualite}, {self.numero})"


@dataclass(frozen=True, slots=True)
class KnownDossier:
    """A dossier and what may be told of its account: never the hash, never the sessions."""

    dossier: Dossier
    updated_at: datetime
    account_id: str
    password_scheme: str | None
    last_sign_in_at: datetime | None
    confirmed_email: str | None
    confirmed_at: datetime | None
    former_email: str | None
    created_at: datetime


class KnownDossiers(Protocol):
    """Where the whole of a dossier is read. Raises StoreUnavailable."""

    def get(self, account_id: str) -> KnownDossier | None:
        """Read the dossier of an account."""
