"""The pivot identity: the six fields of the civil status by which FranceConnect tells people apart.

They come from the national register (RNIPP), whatever identity provider a person used. All are
text, as FranceConnect says them: a presumed date is no date, and who was born abroad has no commune
of birth.
"""

from dataclasses import dataclass
from dataclasses import field


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
