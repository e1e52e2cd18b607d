"""When a dossier equals a pivot identity: what is normalised, and every difference that is not."""

import unicodedata
from dataclasses import fields
from dataclasses import replace

import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st

from idp.identity.pivot import Match
from idp.identity.pivot import PivotIdentity
from idp.identity.pivot import agree
from idp.identity.pivot import birthdates
from idp.identity.pivot import compare
from idp.identity.pivot import differing
from idp.identity.pivot import normalised

EXACT = Match()
ANNE = PivotIdentity("LEFÈVRE", "Anne Marie", "female", "1950-05-12", "75112", "99100")
APOSTROPHES = "'’‘ʼ`´′ʹ＇"
HYPHENS = "-‐‑‒–—−\u00ad"

# A register's letters, and what they are without their accents: two lists that nothing computes.
ACCENTED = "ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸÑ"
PLAIN = "AAACEEEEIIOOUUUYN"

words = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ" + ACCENTED, min_size=1, max_size=9)
names = st.lists(words, min_size=1, max_size=4)
days = st.dates().map(lambda day: day.isoformat())
communes = st.sampled_from(["75112", "13055", "2A004", "2B033", "97411", "98735"])
abroad = st.sampled_from(["99109", "99352", "99139"])
places = st.tuples(communes, st.just("99100")) | st.tuples(st.just(""), abroad)


@st.composite
def people(draw):
    """Anybody, as the register writes them."""
    birthplace, birthcountry = draw(places)
    return PivotIdentity(
        family_name="-".join(draw(names)),
        given_names=" ".join(draw(names)),
        gender=draw(st.sampled_from(["female", "male"])),
        birthdate=draw(days),
        birthplace=birthplace,
        birthcountry=birthcountry,
    )


def unaccented(name):
    return name.translate(str.maketrans(ACCENTED, PLAIN))


@given(people())
def test_everybody_equals_a_dossier_that_says_the_same(person):
    assert compare(person, person) == EXACT
    assert differing(person, person) == ()


@given(people(), people())
def test_who_is_not_equal_one_way_round_is_not_the_other_way_but_for_presumed_dates(one, other):
    assume("-01" not in one.birthdate[4:] and "-01" not in other.birthdate[4:])

    assert compare(one, other) == compare(other, one)
    assert differing(one, other) == differing(other, one)


@given(people(), st.data())
def test_case_accents_hyphens_and_spaces_are_no_difference(person, data):
    def dressed(name, separators):
        name = "".join(
            data.draw(st.sampled_from(separators)) if letter in "- " else letter for letter in name
        )
        shape = data.draw(
            st.sampled_from([str.lower, str.title, unaccented, lambda n: f"  {n}\u00a0"])
        )
        form = data.draw(st.sampled_from(["NFC", "NFD"]))
        return unicodedata.normalize(form, shape(name))

    known = replace(
        person,
        family_name=dressed(person.family_name, [*HYPHENS, " ", "  ", "\u00a0", *APOSTROPHES]),
        given_names=dressed(person.given_names, [*HYPHENS, " ", "  ", "\u202f"]),
        birthplace=person.birthplace.lower(),
    )

    assert compare(person, known) == EXACT
    assert compare(known, person) == EXACT
    assert normalised(person) == normalised(known)


@pytest.mark.parametrize(
    ("vouched", "known"),
    [
        ("D'ALMEIDA", "d’Alméida"),
        ("D'ALMEIDA", "D ALMEIDA"),
        ("D'ALMEIDA", "DALMEIDA"),
        ("LE GOFF", "LEGOFF"),
        ("N'DIAYE", "N`Diaye"),
        ("BOEUF", "Bœuf"),
        ("LAETITIA", "Lætitia"),
        ("STRASSER", "Straßer"),
        ("LUKASIEWICZ", "Łukasiewicz"),
        ("SORENSEN", "Sørensen"),
        ("IPEK", "İpek"),
        ("MARTIN-DUPONT", "Martin‐Dupont"),
    ],
)
def test_ligatures_apostrophes_and_joined_names_are_no_difference(vouched, known):
    assert compare(replace(ANNE, family_name=vouched), replace(ANNE, family_name=known)) == EXACT


@given(people(), st.permutations(range(4)))
def test_first_names_in_another_order_are_equal_and_told(person, order):
    given_names = person.given_names.split()
    shuffled = [given_names[place] for place in order if place < len(given_names)]
    assume([unaccented(name) for name in shuffled] != [unaccented(name) for name in given_names])

    assert compare(person, replace(person, given_names=" ".join(shuffled))) == Match(reordered=True)


@pytest.mark.parametrize(
    ("vouched", "known"),
    [
        ("Anne Marie", "Anne"),
        ("Anne", "Anne Marie"),
        ("Anne Marie", "Anne Marie Marie"),
        ("Anne Anne Marie", "Anne Marie Marie"),
        ("Anna Lise", "Ann Alise"),
        ("Marie Anne", "Marieanne"),
        ("Anne Marie", ""),
        ("", ""),
        ("-", "-"),
    ],
)
def test_other_first_names_are_a_difference(vouched, known):
    person, dossier = replace(ANNE, given_names=vouched), replace(ANNE, given_names=known)

    assert compare(person, dossier) is None
    assert differing(person, dossier) == ("given_names",)


@given(people(), st.sampled_from([field.name for field in fields(PivotIdentity)]), st.data())
def test_one_real_difference_makes_another_person(person, name, data):
    other = data.draw(people())
    assume(unaccented(getattr(person, name)) != unaccented(getattr(other, name)))
    known = replace(person, **{name: getattr(other, name)})
    if name == "family_name":
        assume(
            unaccented(person.family_name).replace("-", "")
            != unaccented(other.family_name).replace("-", "")
        )
    if name == "given_names":
        assume(
            sorted(unaccented(person.given_names).split())
            != sorted(unaccented(other.given_names).split())
        )
    assume(name != "birthplace" or person.birthcountry == "99100")  # abroad, none says nothing

    assert compare(person, known) is None
    assert name in differing(person, known)


@given(people(), st.sampled_from([field.name for field in fields(PivotIdentity)]))
def test_what_the_dossier_lacks_is_never_guessed(person, name):
    known = replace(person, **{name: ""})
    assume(name != "birthplace" or person.birthcountry == "99100")

    assert compare(person, known) is None
    assert name in differing(person, known)


@given(people(), st.sampled_from([field.name for field in fields(PivotIdentity)]))
def test_what_franceconnect_did_not_say_is_never_guessed(person, name):
    vouched = replace(person, **{name: ""})
    assume(name != "birthplace" or person.birthcountry == "99100")

    assert compare(vouched, person) is None
    assert compare(vouched, vouched) is None


@pytest.mark.parametrize(
    ("vouched", "known"),
    [
        ("1950-01-01", "1950-00-00"),
        ("1950-05-01", "1950-05-00"),
        ("1950-01-01", "1950-01-00"),
        ("1950-00-00", "1950-00-00"),
        ("1950-05-00", "1950-05-00"),
        ("1950-01-00", "1950-00-00"),
    ],
)
def test_what_the_register_presumes_equals_what_the_dossier_does_not_know(vouched, known):
    person, dossier = replace(ANNE, birthdate=vouched), replace(ANNE, birthdate=known)

    assert compare(person, dossier) == Match(presumed=True)
    assert known in birthdates(person)


@pytest.mark.parametrize(
    ("vouched", "known"),
    [
        ("1950-05-12", "1950-05-00"),
        ("1950-05-12", "1950-00-00"),
        ("1950-05-01", "1950-00-00"),
        ("1950-00-00", "1950-01-01"),
        ("1950-05-00", "1950-05-01"),
        ("1950-05-12", "1950-12-05"),
        ("1950-5-12", "1950-5-12"),
        ("12/05/1950", "12/05/1950"),
        ("１９５０-05-12", "１９５０-05-12"),
        ("1950-01-01", "1950-00-01"),
        ("1950", "1950"),
    ],
)
def test_no_other_date_is_equal_and_what_is_no_date_is_equal_to_nothing(vouched, known):
    person, dossier = replace(ANNE, birthdate=vouched), replace(ANNE, birthdate=known)

    assert differing(person, dossier) == ("birthdate",)


@given(days)
def test_a_date_is_written_in_four_ways_at_most(day):
    written = birthdates(replace(ANNE, birthdate=day))

    assert written[0] == day
    assert len(set(written)) == len(written) <= 4
    assert all(other[:4] == day[:4] for other in written)


def test_born_in_france_needs_the_commune_and_corsica_may_be_written_small():
    ajaccio = replace(ANNE, birthplace="2A004")

    assert compare(ajaccio, replace(ANNE, birthplace="2a004 ")) == EXACT
    assert differing(ajaccio, replace(ANNE, birthplace="2B004")) == ("birthplace",)
    assert differing(ANNE, replace(ANNE, birthplace="")) == ("birthplace",)
    nowhere = replace(ANNE, birthplace="")
    assert differing(nowhere, nowhere) == ("birthplace",)
    odd = replace(ANNE, birthplace="Paris")
    assert differing(odd, odd) == ("birthplace",)


def test_born_abroad_the_commune_may_be_empty_on_either_side_and_never_another():
    algiers = replace(ANNE, birthplace="", birthcountry="99352")

    assert compare(algiers, replace(algiers, birthplace="99352")) == EXACT
    assert compare(replace(algiers, birthplace="99352"), algiers) == EXACT
    assert differing(
        replace(algiers, birthplace="99352"), replace(algiers, birthplace="99351")
    ) == ("birthplace",)
    assert differing(algiers, replace(algiers, birthcountry="99351")) == ("birthcountry",)


@pytest.mark.parametrize("name", ["family_name", "given_names"])
@pytest.mark.parametrize(
    ("vouched", "known"),
    [("DUPOND", "DUPONT"), ("МАРИН", "MAPИH"), ("DUPONT2", "DUPONT"), ("MÜLLER", "MUELLER")],
)
def test_names_that_only_look_alike_or_sound_alike_are_others(name, vouched, known):
    assert differing(replace(ANNE, **{name: vouched}), replace(ANNE, **{name: known})) == (name,)


def test_a_gender_of_no_list_equals_nothing():
    odd = replace(ANNE, gender="unknown")

    assert differing(odd, odd) == ("gender",)


def test_dossiers_agree_that_say_one_thing_of_first_names_and_date():
    assert agree([])
    assert agree([ANNE, replace(ANNE, given_names="ANNE-MARIE", family_name="X")])
    assert not agree([ANNE, replace(ANNE, given_names="Marie Anne")])
    assert not agree([ANNE, replace(ANNE, birthdate="1950-05-00")])


@given(st.text(max_size=40))
def test_whatever_is_written_in_a_name_is_read_without_an_accident(name):
    odd = PivotIdentity(name, name, name, name, name, name)

    assert differing(odd, ANNE)
    assert normalised(odd) == normalised(odd)
    assert repr(odd) == "PivotIdentity()"
