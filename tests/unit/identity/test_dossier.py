import re

import pytest

from idp.identity.dossier import Dossier
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import InvalidNumeroDossier
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import NumeroOfOtherQualite
from idp.identity.dossier import NumeroPatterns
from idp.identity.dossier import Qualite
from idp.identity.dossier import Situation
from idp.identity.dossier import UnreadableNumeroDossier

PATTERNS = NumeroPatterns()


def parse(typed, qualite=Qualite.AFFILIE, patterns=PATTERNS):
    return NumeroDossier.parse(typed, qualite, patterns).value


@pytest.mark.parametrize(
    "typed",
    [
        "1234567",
        " 1234567 ",
        "123 45 67",
        "123\u00a045\u202f67",
        "12.345.67",
        "123-45-67",
        "123–45—67",
        "１２３４５６７",
        "123\t4567",
    ],
)
def test_separators_and_full_width_digits_are_folded(typed):
    assert parse(typed) == "1234567"


def test_leading_zeros_are_kept():
    assert parse("000 00 42") == "0000042"


@pytest.mark.parametrize("typed", ["123\u200b4567", "\u202e1234567", "123\u00ad4567", "1234567\0"])
def test_invisible_and_bidirectional_characters_are_refused(typed):
    with pytest.raises(UnreadableNumeroDossier):
        parse(typed)


def test_a_number_of_the_other_qualite_alone_says_so():
    with pytest.raises(NumeroOfOtherQualite):
        parse("123456789", Qualite.AFFILIE)


def test_a_number_that_fits_both_is_taken_as_the_one_chosen():
    assert parse("1234567", Qualite.AYANT_DROIT) == "1234567"


@pytest.mark.parametrize("typed", ["", "123456", "12345678", "1234567890", "12345a7", "²234567"])
def test_a_number_of_neither_pattern_is_refused(typed):
    with pytest.raises(InvalidNumeroDossier) as refused:
        parse(typed)

    assert refused.type is InvalidNumeroDossier


def test_digits_of_other_scripts_are_not_taken_even_when_the_pattern_would():
    patterns = NumeroPatterns(affilie=re.compile(r"[0-9]{7}"))

    with pytest.raises(InvalidNumeroDossier):
        parse("١٢٣٤٥٦٧", Qualite.AFFILIE, patterns)


def test_64_typed_characters_are_read_and_65_are_not():
    assert parse("1234567" + " " * 57) == "1234567"

    with pytest.raises(InvalidNumeroDossier):
        parse("1234567" + " " * 58)


def test_a_pattern_must_fit_the_whole_number():
    patterns = NumeroPatterns(affilie=re.compile(r"[0-9]{3}|[0-9]{7}"))

    assert patterns.fits("1234567", Qualite.AFFILIE)
    assert not patterns.fits("1234", Qualite.AFFILIE)


def test_a_number_never_shows_more_than_its_last_digits():
    numero = NumeroDossier("1234567")

    assert "12345" not in f"{numero} {numero!r}"
    assert numero.last_digits == "67"


def test_a_dossier_shows_neither_its_person_nor_its_number():
    dossier = Dossier(
        qualite=Qualite.AFFILIE,
        numero=NumeroDossier("1234567"),
        family_name="LEFÈVRE",
        usage_name="",
        given_names="Anne",
        gender="female",
        birthdate="1978-03-09",
        birthplace="35238",
        birthcountry="99100",
        email="anne@exemple.fr",
        phone="",
        address=("MME ANNE LEFEVRE", "", "", "12 RUE DES LILAS", "", "35000 RENNES"),
        situations=(Situation.COTISANT,),
        profession="",
        status=DossierStatus.ACTIVE,
    )

    assert repr(dossier) == "Dossier(affilie, NumeroDossier(…67))"


def test_four_situations_make_an_affilie_and_three_an_ayant_droit():
    by_qualite = {q: [str(s) for s in Situation if s.qualite is q] for q in Qualite}

    assert by_qualite == {
        Qualite.AFFILIE: [
            "cotisant",
            "rente_invalidite",
            "retraite_personnelle",
            "cumul_emploi_retraite",
        ],
        Qualite.AYANT_DROIT: ["reversion", "rente_survie", "rente_education"],
    }


def test_each_qualite_has_the_other():
    assert Qualite.AFFILIE.other is Qualite.AYANT_DROIT
    assert Qualite.AYANT_DROIT.other is Qualite.AFFILIE
