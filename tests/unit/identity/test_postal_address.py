import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.identity.postal_address import COLUMNS
from idp.identity.postal_address import LINES
from idp.identity.postal_address import UnprintableAddress
from idp.identity.postal_address import postal_lines


def written(*address, given_names="Anne Marie", name="LEFÈVRE"):
    padded = (*address, *[""] * (6 - len(address)))
    return postal_lines(padded, given_names=given_names, name=name)


def test_empty_lines_are_closed_up_and_the_town_loses_its_accents():
    lines = written("MME ANNE LEFÈVRE", "", "", "12 rue des Lilas", "", "38000 Grenoble Hélène")

    assert lines == ("MME ANNE LEFÈVRE", "12 RUE DES LILAS", "38000 GRENOBLE HELENE")


def test_the_last_three_lines_are_in_capitals_and_those_above_as_the_directory_has_them():
    lines = written(
        "Mme Anne Lefèvre",
        "Appartement 12, escalier B",
        "Résidence L'Étoile",
        "3 bis, avenue de l'Église",
        "BP 40122",
        "97400 Saint-Denis",
    )

    assert lines == (
        "Mme Anne Lefèvre",
        "Appartement 12, escalier B",
        "Résidence L'Étoile",
        "3 BIS AVENUE DE L ÉGLISE",
        "BP 40122",
        "97400 SAINT DENIS",
    )


def test_a_street_has_no_punctuation_wherever_it_comes_to_stand():
    lines = written("M PAUL MARTIN", "", "", "12/14, RUE D'ALSACE (COUR)", "", "75010 PARIS")

    assert lines == ("M PAUL MARTIN", "12 14 RUE D ALSACE COUR", "75010 PARIS")


def test_a_name_keeps_its_apostrophe_and_its_hyphen():
    assert written("MME N’GUYEN–D’ALMEIDA", "", "", "1 RUE A", "", "13001 MARSEILLE")[0] == (
        "MME N'GUYEN-D'ALMEIDA"
    )


def test_an_address_abroad_ends_with_its_country():
    lines = written("M JEAN MÜLLER", "", "", "Hauptstraße 5", "10115 Köln-Süd", "Allemagne")

    assert lines == ("M JEAN MÜLLER", "HAUPTSTRASSE 5", "10115 KOLN SUD", "ALLEMAGNE")


@pytest.mark.parametrize("country", ["FRANCE", "France "])
def test_france_is_no_country_to_post_to(country):
    lines = written("MME ANNE LEFEVRE", "", "", "1 RUE A", "F-35000 RENNES", country)

    assert lines == ("MME ANNE LEFEVRE", "1 RUE A", "35000 RENNES")


def test_a_first_line_that_is_empty_is_made_from_the_names():
    assert written("", "", "", "1 RUE A", "", "35000 RENNES")[0] == "ANNE MARIE LEFÈVRE"


def test_letters_that_the_face_lacks_lose_their_marks():
    lines = written("MME THỊ-HOA ŐRSI ȘTEFAN ŁUKASZ", "", "", "1 RUE A", "", "35000 RENNES")

    assert lines[0] == "MME THI-HOA ORSI STEFAN ŁUKASZ"


def test_hidden_characters_and_odd_spaces_leave_no_trace():
    lines = written("MME\u00a0ANNE\u202e  LEFEVRE\n", "", "", "1\tRUE A\x00", "", "35000 RENNES")

    assert lines == ("MME ANNE LEFEVRE", "1 RUE A", "35000 RENNES")


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("3 BIS AVENUE DU GENERAL DE GAULLE PROLONGEE", "3 BIS AV DU GENERAL DE GAULLE PROLONGEE"),
        ("127 BOULEVARD DU MARÉCHAL DE LATTRE DE TASSIGNY", "127 BD DU MAL DE LATTRE DE TASSIGNY"),
        ("14 RUE SAINTE CATHERINE DE SIENNE ET MAUR", "14 RUE STE CATHERINE DE SIENNE ET MAUR"),
    ],
)
def test_a_long_street_is_abbreviated_by_the_words_of_the_standard(long, short):
    lines = written("MME A", "", "RESIDENCE B", long, "", "35000 RENNES")

    assert lines[2] == short if len(short) <= COLUMNS else len(lines[2]) <= COLUMNS


def test_a_town_is_shortened_only_where_it_must_be():
    fits = written("MME A", "", "", "1 RUE A", "", "97400 SAINT DENIS CEDEX")
    long = written("MME A", "", "", "1 RUE A", "", "17380 SAINT MARTIN DE LA COUDRE SAINTE MARIE")

    assert fits[-1] == "97400 SAINT DENIS CEDEX"
    assert long[-1] == "17380 ST MARTIN DE LA COUDRE STE MARIE"


@pytest.mark.parametrize(
    ("recipient", "given_names", "name", "short"),
    [
        (
            "MADAME ANNE MARIE LEFEVRE DE LA TOUR DU PIN",
            "Anne Marie",
            "LEFEVRE DE LA TOUR DU PIN",
            "MME ANNE LEFEVRE DE LA TOUR DU PIN",
        ),
        (
            "M JEAN-BAPTISTE MARIE COME DE LA TOUR DU PIN CHAMBLY",
            "Jean-Baptiste Marie Côme",
            "DE LA TOUR DU PIN CHAMBLY",
            "M J M C DE LA TOUR DU PIN CHAMBLY",
        ),
        (
            "M JEAN PAUL LOUIS MARIE DE LA TOUR DU PIN CHAMBLY DE X",
            "Jean Paul Louis Marie",
            "DE LA TOUR DU PIN CHAMBLY DE X Y Z",
            "M J DE LA TOUR DU PIN CHAMBLY DE X Y Z",
        ),
    ],
)
def test_a_long_recipient_gives_up_given_names_before_the_name(recipient, given_names, name, short):
    lines = written(
        recipient, "", "", "1 RUE A", "", "35000 RENNES", given_names=given_names, name=name
    )

    assert lines[0] == short


def test_a_guardian_is_never_replaced_by_the_child():
    lines = written(
        "REPRESENTANT LEGAL DE MADEMOISELLE ZOE LEFEVRE DU PIN",
        "",
        "",
        "1 RUE A",
        "",
        "35000 RENNES",
        given_names="Zoé",
        name="LEFÈVRE DU PIN",
    )

    assert lines[0] == "REP LEGAL DE MLLE ZOE LEFEVRE DU PIN"


def test_what_no_abbreviation_shortens_goes_on_in_a_free_line():
    lines = written(
        "ASSOCIATION DES ANCIENS INFIRMIERS DU VAL DE LOIRE", "", "", "1 RUE A", "", "35000 RENNES"
    )

    assert lines[:2] == ("ASSOCIATION DES ANCIENS INFIRMIERS DU", "VAL DE LOIRE")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        (("MME A", "", "", "", "", ""), "address_incomplete"),
        (("MME A", "", "", "-", "", "35000 RENNES"), "address_incomplete"),
        (("MME A", "", "", "", "", "FRANCE"), "address_incomplete"),
        (("АННА ПЕТРОВА", "", "", "1 RUE A", "", "35000 RENNES"), "address_script"),
        (("MME A", "", "", "X" * 39, "", "35000 RENNES"), "address_too_long"),
        (("MME A", "", "", "1 RUE A", "", "35000 " + "VILLE " * 6), "address_too_long"),
        (("MME A", "B" * 20, "C", "D E " * 10, "F", "35000 RENNES"), "address_too_long"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason_and_never_cut(address, fault):
    with pytest.raises(UnprintableAddress) as refused:
        written(*address)

    assert refused.value.fault == fault


def test_a_dossier_without_any_name_is_refused():
    with pytest.raises(UnprintableAddress) as refused:
        written("", "", "", "1 RUE A", "", "35000 RENNES", given_names="", name="")

    assert refused.value.fault == "address_incomplete"


@given(
    st.lists(
        st.text(alphabet="ABCDEéèçÉœß 0123456789-',./ĄЖ\u202e\u00a0", max_size=60),
        min_size=6,
        max_size=6,
    )
)
def test_whatever_the_directory_holds_the_block_is_by_the_standard_or_refused(address):
    try:
        lines = postal_lines(tuple(address), given_names="Anne", name="LEFÈVRE")
    except UnprintableAddress:
        return

    assert 2 <= len(lines) <= LINES
    assert all(line == line.strip() and 1 <= len(line) <= COLUMNS for line in lines)
    assert all(line == line.upper() for line in lines[-3:])
    assert lines[-1].isascii()
    assert not {*"-',./"} & {*"".join((*lines[3:], *lines[1:][-2:]))}
