import re
import unicodedata
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.identity.directory import COLUMNS
from idp.identity.directory import DirectoryRow
from idp.identity.directory import RefusedRow
from idp.identity.directory import RowRules
from idp.identity.directory import read_row
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import NumeroPatterns
from idp.identity.dossier import Qualite
from idp.identity.dossier import Situation

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES = RowRules(NumeroPatterns(), NOON)
BCRYPT = "$2b$12$7bk8xNCSY2kW3cfXpjnwu.546RN/ZdedTo54oMYik8T0DsXvepIgW"
GOOD = {
    "qualite": "affilie",
    "numero_dossier": "0000042",
    "family_name": "N'GUYEN-D'ALMEIDA",
    "usage_name": "DUPONT",
    "given_names": "Thị-Hoa",
    "gender": "female",
    "birthdate": "1961-12-31",
    "birthplace": "2A004",
    "birthcountry": "99100",
    "email": "hoa@exemple.fr",
    "phone": "+33 6 12 34 56 78",
    "address_1": "MME THI-HOA DUPONT",
    "address_4": "3 BIS AVENUE DU GENERAL DE GAULLE",
    "address_6": "97400 SAINT DENIS",
    "situations": "cotisant|cumul_emploi_retraite",
    "profession": "infirmier",
    "status": "active",
    "password_hash": BCRYPT,
    "last_sign_in_at": "2019-05-02T08:00:00Z",
}


def read(rules=RULES, **changed):
    values = GOOD | changed
    assert set(values) <= set(COLUMNS)
    return read_row([values.get(column, "") for column in COLUMNS], rules)


def good(**changed):
    row = read(**changed)
    assert isinstance(row, DirectoryRow), row
    return row


def faults(**changed):
    row = read(**changed)
    assert isinstance(row, RefusedRow), row
    return [str(fault) for fault in row.faults]


def fault(**changed):
    (only,) = faults(**changed)
    return only


def test_a_good_row_is_the_dossier_and_what_the_old_system_knew_of_its_account():
    row = good()

    assert row.dossier.qualite is Qualite.AFFILIE
    assert row.dossier.numero == NumeroDossier("0000042")
    assert row.dossier.given_names == "Thị-Hoa"
    assert row.dossier.address == (
        "MME THI-HOA DUPONT", "", "", "3 BIS AVENUE DU GENERAL DE GAULLE", "", "97400 SAINT DENIS",
    )  # fmt: skip
    assert row.dossier.situations == (Situation.COTISANT, Situation.CUMUL_EMPLOI_RETRAITE)
    assert row.dossier.status is DossierStatus.ACTIVE
    assert row.password.phc == BCRYPT
    assert row.last_sign_in_at == datetime(2019, 5, 2, 8, tzinfo=UTC)


def test_only_qualite_number_name_situations_and_status_are_needed():
    needed = ("qualite", "numero_dossier", "family_name", "situations", "status")

    row = good(**{column: "" for column in GOOD if column not in needed})

    assert (row.dossier.email, row.password, row.last_sign_in_at) == ("", None, None)


def test_every_fault_of_a_row_is_told_in_the_order_of_the_columns():
    told = faults(status="", birthdate="1978-02-30", numero_dossier="42", gender="f")

    assert [fault.partition(":")[0] for fault in told] == [
        "numero_dossier", "gender", "birthdate", "status",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("qualite", "numero", "told"),
    [
        ("affilie", "100001", "numero_dossier: 6 digits, 7 expected"),
        ("affilie", "123456789", "numero_dossier: 9 digits, 7 expected"),
        ("affilie", "", "numero_dossier: missing, 7 expected"),
        ("affilie", "123 4567", "numero_dossier: characters other than digits, 7 expected"),
        ("affilie", "１２３４５６７", "numero_dossier: characters other than digits, 7 expected"),
        ("affilie", "1" * 33, "numero_dossier: 33 digits, 7 expected"),
    ],
)
def test_a_number_is_exact_here_and_a_wrong_one_is_never_shown(qualite, numero, told):
    assert fault(qualite=qualite, numero_dossier=numero) == told


def test_an_ayant_droit_has_7_or_9_digits():
    other = {"qualite": "ayant_droit", "situations": "reversion"}

    assert good(**other, numero_dossier="100001701").dossier.numero.value == "100001701"
    assert fault(**other, numero_dossier="12345678") == (
        "numero_dossier: 8 digits, 7 or 9 expected"
    )


def test_a_pattern_that_is_more_than_a_length_is_told_as_it_is():
    rules = RowRules(NumeroPatterns(affilie=re.compile("2[0-9]{6}")), NOON)

    (told,) = read(rules, numero_dossier="1234567").faults

    assert str(told) == "numero_dossier: 7 digits, the pattern 2[0-9]{6} expected"


@pytest.mark.parametrize("qualite", ["affilié", "AFFILIE", "", " affilie"])
def test_a_qualite_is_one_of_two_words(qualite):
    assert fault(qualite=qualite).endswith(", affilie or ayant_droit expected")


def test_a_situation_that_contradicts_the_qualite_is_told():
    assert fault(situations="cotisant|reversion").startswith(
        "situations: reversion is not one of an affilié, "
    )
    assert "cotisant is not one of an ayant droit" in fault(
        qualite="ayant_droit", situations="reversion|cotisant"
    )


@pytest.mark.parametrize("situations", ["", "cotisant|", "Cotisant", "cotisant|cotisant", "x;y"])
def test_situations_are_known_words_each_once_and_at_least_one(situations):
    assert fault(situations=situations).startswith("situations: ")


def test_a_row_of_unknown_qualite_is_not_told_that_its_situations_contradict_it():
    assert len(faults(qualite="autre", situations="reversion")) == 1


@pytest.mark.parametrize(
    "birthdate", ["", "1949-00-00", "1978-05-00", "2024-02-29", "2026-11-23", "1929-01-05"]
)
def test_a_birthdate_may_be_partial_or_absent(birthdate):
    assert good(birthdate=birthdate).dossier.birthdate == birthdate


@pytest.mark.parametrize(
    ("birthdate", "found"),
    [
        ("1978-02-30", "no such day (1978-02-30)"),
        ("2023-02-29", "no such day (2023-02-29)"),
        ("1978-13-00", "no such day (1978-13-00)"),
        ("1978-00-12", "no such day (1978-00-12)"),
        ("0000-00-00", "before 1850 (0000-00-00)"),
        ("2026-11-24", "in the future (2026-11-24)"),
        ("2026-12-00", "in the future (2026-12-00)"),
        ("2027-00-00", "in the future (2027-00-00)"),
        ("09/03/1978", "'09/03/1978'"),
        ("1978-3-9", "'1978-3-9'"),
        ("١٩٧٨-٠٣-٠٩", "'١٩٧٨-٠٣-٠٩'"),
    ],
)
def test_an_impossible_birthdate_is_told(birthdate, found):
    assert fault(birthdate=birthdate).startswith(f"birthdate: {found}, YYYY-MM-DD expected")


@pytest.mark.parametrize("birthplace", ["35238", "2A004", "2B033", "97411", ""])
def test_a_birthplace_is_an_insee_code_or_nothing(birthplace):
    assert good(birthplace=birthplace).dossier.birthplace == birthplace


@pytest.mark.parametrize("birthplace", ["99999X", "2C004", "3523", "2a004", "35 238"])
def test_another_birthplace_is_refused(birthplace):
    assert fault(birthplace=birthplace).endswith(
        ", an INSEE code of 5 characters or nothing expected"
    )


def test_a_birthcountry_begins_with_99():
    assert good(birthcountry="99243").dossier.birthcountry == "99243"
    assert fault(birthcountry="FR").startswith("birthcountry: 'FR', ")


@pytest.mark.parametrize(
    "email",
    ["MAEL.OSTERGARD+PRO@EXEMPLE.FR", "a@b.fr", "o'brien@x-y.example.org", "a@xn--caf-dma.fr", ""],
)
def test_an_email_address_is_kept_as_it_is_written(email):
    assert good(email=email).dossier.email == email


@pytest.mark.parametrize(
    "email",
    [
        "pas-une-adresse", "a@b", "a@@b.fr", "a b@c.fr", ".a@b.fr", "a.@b.fr", "a..b@c.fr",
        "a@-b.fr", "a@b-.fr", "a@b.f", "a@1.2.3.4", "rené@exemple.fr", "a@b.fr,c@d.fr",
        "Anne <a@b.fr>", "a" * 65 + "@b.fr", "a@" + "b." * 130 + "fr",
    ],
)  # fmt: skip
def test_what_is_no_email_address_is_refused(email):
    assert fault(email=email).startswith("email: not an address (")


def test_an_address_line_has_38_characters_at_most_counted_as_letters():
    decomposed = unicodedata.normalize("NFD", "É" * 38)

    assert good(address_4="A" * 38).dossier.address[3] == "A" * 38
    assert good(address_4=decomposed).dossier.address[3] == "É" * 38
    assert fault(address_4="A" * 39) == "address_4: 39 characters, 38 at most"


def test_over_long_texts_are_refused():
    assert fault(family_name="A" * 201) == "family_name: 201 characters, 200 at most"
    assert fault(phone="1" * 41) == "phone: 41 characters, 40 at most"


def test_a_name_of_spaces_is_missing_and_spaces_around_a_text_are_cut():
    assert fault(family_name="  ") == "family_name: missing, a birth surname expected"
    assert good(family_name=" PETIT ").dossier.family_name == "PETIT"


def test_text_is_normalised_so_that_a_name_is_equal_to_itself():
    row = good(given_names=unicodedata.normalize("NFD", "Hélène"))

    assert row.dossier.given_names == unicodedata.normalize("NFC", "Hélène")


@pytest.mark.parametrize(
    ("name", "told"),
    [("A\x1b[2JB", "U+001B"), ("A\nB", "U+000A"), ("A\0B", "U+0000"), ("A\u202eB", "U+202E")],
)
def test_control_and_invisible_characters_are_refused_by_their_number(name, told):
    assert fault(family_name=name) == (
        f"family_name: a control or invisible character ({told}), plain text expected"
    )


def test_a_non_breaking_space_in_a_name_is_no_fault():
    assert good(usage_name="DE\u00a0LA TOUR").dossier.usage_name == "DE\u00a0LA TOUR"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2019-05-02", datetime(2019, 5, 2, tzinfo=UTC)),
        ("2019-05-02T08:00", datetime(2019, 5, 2, 8, tzinfo=UTC)),
        ("2019-05-02 08:00:30", datetime(2019, 5, 2, 8, 0, 30, tzinfo=UTC)),
        ("2019-05-02T10:00:00+02:00", datetime(2019, 5, 2, 8, tzinfo=UTC)),
        ("2019-05-02T08:00:00.25Z", datetime(2019, 5, 2, 8, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-23T12:00:00Z", NOON),
    ],
)
def test_a_last_sign_in_is_a_day_or_an_instant_in_utc_where_it_names_no_zone(text, instant):
    assert good(last_sign_in_at=text).last_sign_in_at == instant


@pytest.mark.parametrize(
    "text",
    ["09/03/2020", "2019", "20190502", "2019-05-02T25:00:00Z", "2019-02-30", "1980-01-01",
     "0001-01-01T00:00+23:59", "2026-11-23T12:00:01Z", "2019-05-02T08:00:00+99:00"],
)  # fmt: skip
def test_another_last_sign_in_is_refused(text):
    assert ", ISO 8601 expected" in fault(last_sign_in_at=text)


def test_a_refused_password_hash_is_never_shown():
    told = fault(password_hash="5f4dcc3b5aa765d61d8327deb882cf99")

    assert told.startswith("password_hash: not an Argon2id PHC or bcrypt string, ")
    assert "5f4dcc" not in told


def test_a_found_value_is_shortened_and_cannot_reach_a_terminal_raw():
    told = faults(status="\u009b" + "x" * 500)

    assert told == [
        "status: a control or invisible character (U+009B), plain text expected",
        f"status: '{'x' * 29}…', active, closed or deceased expected",
    ]


def test_a_refused_row_still_tells_its_number_when_it_can_be_read():
    assert read(status="x").key == (Qualite.AFFILIE, NumeroDossier("0000042"))
    assert read(status="x", qualite="x").key is None
    assert read(numero_dossier="4").key is None


@given(st.lists(st.text(max_size=45), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_whatever_a_row_holds_it_is_read_or_refused_in_words(values):
    row = read_row(values, RULES)

    assert isinstance(row, RefusedRow)
    assert row.faults
    assert all(str(fault).isprintable() and len(str(fault)) < 300 for fault in row.faults)


@given(st.sampled_from(sorted(set(COLUMNS) - {"qualite", "numero_dossier"})), st.text(max_size=60))
def test_whatever_one_value_is_the_row_is_read_or_that_column_alone_is_told(column, value):
    row = read(**{column: value})

    if isinstance(row, RefusedRow):
        assert {fault.column for fault in row.faults} == {column}


def test_an_instant_of_tomorrow_is_good_tomorrow():
    tomorrow = RowRules(NumeroPatterns(), NOON + timedelta(days=1))

    assert isinstance(read(last_sign_in_at="2026-11-24T12:00:00Z"), RefusedRow)
    assert isinstance(read(tomorrow, last_sign_in_at="2026-11-24T12:00:00Z"), DirectoryRow)
