"""Invented people, as the civil status register has them; most have a dossier in ``dossiers.csv``.

The register writes in capitals or not, with accents or not, an apostrophe or a blank, and a first
day or month where it knows none: what the fund's directory writes otherwise is the point of many.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

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
        names = (self.given_names[0], self.usage_name or self.family_name)
        return " ".join(name.title() if name.isupper() else name for name in names)


def _born_in_france(key: str, story: str, **values: Any) -> Person:
    return Person(key=key, story=story, birthcountry="99100", **values)


CAMILLE = _born_in_france(
    "camille-durand",
    "Affiliée, avec un dossier.",
    family_name="DURAND",
    given_names=("Camille", "Anne", "Louise"),
    gender="female",
    birthdate="1987-04-23",
    birthplace="44109",
    email="camille.durand@exemple.fr",
)
LUC = _born_in_france(
    "luc-petit",
    "Affilié, qui ne s’est pas connecté depuis des années.",
    family_name="PETIT",
    given_names=("Luc", "Émile"),
    gender="male",
    birthdate="1948-06-17",
    birthplace="67482",
    email="luc.petit@exemple.fr",
)
PEOPLE = (
    CAMILLE,
    _born_in_france(
        "paulette-mercier",
        "Ayant droit. L’état civil la connaît sous son nom de naissance, Legrand.",
        family_name="LEGRAND",
        usage_name="MERCIER",
        given_names=("PAULETTE", "JEANNE"),
        gender="female",
        birthdate="1943-11-30",
        birthplace="29019",
    ),
    _born_in_france(
        "monique-garnier",
        "Deux dossiers : le sien, et celui de sa pension de réversion.",
        family_name="GARNIER",
        given_names=("Monique", "Hélène"),
        gender="female",
        birthdate="1955-02-08",
        birthplace="33063",
        email="monique.garnier@exemple.fr",
    ),
    Person(
        "moussa-ndiaye",
        "Né à l’étranger, date de naissance présumée, nom écrit sans apostrophe.",
        family_name="N DIAYE",
        given_names=("MOUSSA",),
        gender="male",
        birthdate="1979-01-01",
        birthplace="",
        birthcountry="99341",
        email="moussa.ndiaye@exemple.fr",
    ),
    Person(
        "ana-ferreira",
        "Née à l’étranger, connue sous le nom de Lopes.",
        family_name="FERREIRA",
        usage_name="LOPES",
        given_names=("ANA", "DA", "CONCEICAO"),
        gender="female",
        birthdate="1962-08-15",
        birthplace="",
        birthcountry="99139",
    ),
    _born_in_france(
        "anne-laure-le-goff",
        "Des traits d’union, un accent et une apostrophe que la caisse écrit autrement.",
        family_name="Le Goff d’Ornano",
        given_names=("Anne Laure", "Zoe"),
        gender="female",
        birthdate="1974-12-03",
        birthplace="56260",
        email="al.legoff@exemple.fr",
    ),
    _born_in_france(
        "henri-paoli",
        "Né en Corse ; la caisse écrit ses prénoms dans un autre ordre.",
        family_name="PAOLI",
        given_names=("Henri", "Jean", "Paul"),
        gender="male",
        birthdate="1951-07-09",
        birthplace="2A004",
    ),
    LUC,
    replace(
        LUC,
        key="luc-petit-corrige",
        story="Le même après la correction de son acte de naissance : son identifiant a changé.",
        given_names=("LUC", "EMILE"),
        record=LUC.record + 1,
    ),
    replace(
        CAMILLE,
        key="sacha-durand",
        story="Camille après son changement de prénom, que la caisse ne connaît pas encore.",
        given_names=("Sacha", "Anne", "Louise"),
        record=CAMILLE.record + 1,
    ),
    _born_in_france(
        "marie-martin-lyon",
        "A une homonyme née le même jour. Née à Lyon.",
        family_name="MARTIN",
        given_names=("Marie", "Claude"),
        gender="female",
        birthdate="1970-03-12",
        birthplace="69383",
    ),
    _born_in_france(
        "marie-martin-paris",
        "A une homonyme née le même jour. Née à Paris.",
        family_name="MARTIN",
        given_names=("Marie", "Claude"),
        gender="female",
        birthdate="1970-03-12",
        birthplace="75112",
    ),
    _born_in_france(
        "suzanne-faure",
        "Son dossier est clos.",
        family_name="FAURE",
        given_names=("Suzanne",),
        gender="female",
        birthdate="1939-10-21",
        birthplace="13055",
    ),
    _born_in_france(
        "claire-roussel",
        "Mère de Léo Roussel, mineur, qui a un dossier ; elle n’en a pas.",
        family_name="LAMBERT",
        usage_name="ROUSSEL",
        given_names=("Claire", "Sophie"),
        gender="female",
        birthdate="1981-01-27",
        birthplace="35238",
        email="claire.roussel@exemple.fr",
    ),
    _born_in_france(
        "ines-belkacem",
        "Inconnue de la caisse ; son adresse mail est celle d’une affiliée.",
        family_name="BELKACEM",
        given_names=("Inès",),
        gender="female",
        birthdate="1990-09-02",
        birthplace="59350",
        email=CAMILLE.email,
    ),
    Person(
        "theodora-papadimitrakopoulou",
        "Inconnue de la caisse, avec un très long nom.",
        family_name="PAPADIMITRAKOPOULOU-WINTERHALTER DE LA TOUR D’AUVERGNE",
        given_names=("Théodora", "Maria-Magdalena", "Élisabeth", "Apollonia"),
        gender="female",
        birthdate="1968-05-30",
        birthplace="",
        birthcountry="99126",
    ),
    _born_in_france(
        "jean-morel",
        "Décédé d’après l’état civil : FranceConnect refuse.",
        family_name="MOREL",
        given_names=("Jean", "Claude"),
        gender="male",
        birthdate="1931-01-05",
        birthplace="59350",
        refusal="deceased",
    ),
    _born_in_france(
        "paul-bernard",
        "Plusieurs personnes à l’état civil lui correspondent : FranceConnect refuse.",
        family_name="BERNARD",
        given_names=("Paul",),
        gender="male",
        birthdate="1960-06-06",
        birthplace="75056",
        refusal="homonym",
    ),
    _born_in_france(
        "yvette-blanc",
        "Introuvable à l’état civil : FranceConnect refuse.",
        family_name="BLANC",
        given_names=("Yvette",),
        gender="female",
        birthdate="1946-02-14",
        birthplace="63113",
        refusal="not_found",
    ),
)


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
