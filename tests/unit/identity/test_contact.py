from tests.fake_outbox import contact


def test_a_contact_in_a_log_line_shows_the_account_and_nothing_of_the_person():
    assert repr(contact()) == "Contact(account)"
    assert str(contact()) == "Contact(account)"
