"""Invented people, as the civil status register has them; most have a dossier in ``dossiers.csv``.

The register writes in capitals or not, with accents or not, an apostrophe or a blank, and a first
day or month where it knows none: what the fund's directory writes otherwise is the point of many.
"""

from collections.abc import Iterable
from dataclasses import dataclass

BIRTH = ("birthplace", "birthcountry")
GIVEN = ("given_name", "given_name_array")
CLAIMS_OF_SCOPES = {
    "given_name": GIVEN,
    "birth": BIRTH,
    "profile": (*GIVEN, "family_name", "birthdate", "gender", "preferred_username"),
    "identite_pivot": (*GIVEN, "family_name", "birthdate", "gender", *BIRTH),
}
"""Of the scopes that give more than the claim of their own name."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom an identity provider knows.

    Attributes:
        key: their name in an address of the simulator.
        story: what one sees with them.
        family_name: at birth.
        birthdate: ``YYYY-MM-DD``; where a day or a month is not known, ``01``.
        birthplace: of the commune, "" when born abroad.
        usage_name: "" when there is none.
        refusal: why FranceConnect says no after the sign-in; "" when it does not.
        record: which version of their civil status record: another makes another ``sub``.
    """

    key: str
    story: str
    family_name: str
    given_names: tuple[str, ...]
    gender: str
    birthdate: str
    birthplace: str
    birthcountry: str
    usage_name: str = ""
    email: str = ""
    refusal: str = ""
    record: int = 1

    @property
    def name(self) -> str:
        """How the page calls them."""
        family = self.usage_name or self.family_name
        return f"{self.given_names[0].title()} {family.title()}"


CAMILLE = Person(
    key="camille-durand",
    story="Affiliée, un dossier.",
    family_name="DURAND",
    given_names=("Camille", "Anne", "Louise"),
    gender="female",
    birthdate="1987-04-23",
    birthplace="44109",
    birthcountry="99100",
    email="camille.durand@exemple.fr",
)
MONIQUE = Person(
    key="monique-garnier",
    story="Deux dossiers : le sien, et celui de sa pension de réversion.",
    family_name="GARNIER",
    given_names=("Monique", "Hélène"),
    gender="female",
    birthdate="1955-02-08",
    birthplace="33063",
    birthcountry="99100",
    email="monique.garnier@exemple.fr",
)
PEOPLE = (CAMILLE, MONIQUE)


def pivot_of(person: Person) -> tuple[str, ...]:
    """The six fields that name a person, of which the e-mail address is none."""
    return (
        person.family_name,
        " ".join(person.given_names),
        person.gender,
        person.birthdate,
        person.birthplace,
        person.birthcountry,
    )


def claims_of(person: Person, scopes: Iterable[str]) -> dict[str, object]:
    """What the scopes let a service know of a person; what is not known is left out, or empty."""
    known: dict[str, object] = {
        "family_name": person.family_name,
        "given_name": " ".join(person.given_names),
        "given_name_array": list(person.given_names),
        "gender": person.gender,
        "birthdate": person.birthdate,
        "birthplace": person.birthplace,
        "birthcountry": person.birthcountry,
    }
    if person.usage_name:
        known["preferred_username"] = person.usage_name
    if person.email:
        known["email"] = person.email
    told = {name for scope in scopes for name in CLAIMS_OF_SCOPES.get(scope, (scope,))}
    return {name: value for name, value in known.items() if name in told}
