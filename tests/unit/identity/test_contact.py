import pytest

from tests.fake_outbox import contact

RECIPIENT = "MME ANNE MARTIN"


@pytest.mark.parametrize(
    "below",
    [
        ("", "12 RUE DES LILAS", "", "75012 PARIS", ""),
        ("", "", "", "97133 SAINT BARTHELEMY", "FRANCE"),
        ("RESIDENCE DES PINS", "", "BP 12", "13001 MARSEILLE", ""),
    ],
)
def test_a_letter_can_be_addressed_with_two_lines_below_the_recipient(below):
    assert contact(address=(RECIPIENT, *below)).has_postal_address is True


@pytest.mark.parametrize(
    "below",
    [
        ("", "", "", "", ""),
        ("", "", "", "75012 PARIS", ""),
        (" ", "\t", "", "75012 PARIS", "  "),
    ],
)
def test_a_recipient_and_a_town_alone_are_no_address_for_a_letter(below):
    assert contact(address=(RECIPIENT, *below)).has_postal_address is False


def test_a_contact_in_a_log_line_shows_the_account_and_nothing_of_the_person():
    assert repr(contact()) == "Contact(account)"
    assert str(contact()) == "Contact(account)"
