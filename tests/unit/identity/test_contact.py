"""From when a new address may receive a reset, as the member's page tells it."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

from idp.identity.account import Account
from idp.identity.contact import LETTER_ARRIVES
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryContacts
from tests.fakes import subject

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def contact_at(confirmed_at, **person):
    accounts = MemoryAccounts()
    account = Account("account", DossierStatus.ACTIVE, None, 1, None)
    entry = DirectoryEntry(
        account,
        Qualite.AFFILIE,
        NumeroDossier("1234567"),
        subject(**person),
        email_confirmed_at=confirmed_at,
    )
    accounts.add(entry)
    return MemoryContacts(accounts, now=lambda: NOON).get("account")


def test_an_address_that_was_never_confirmed_stands_at_no_instant():
    assert contact_at(None).stands_at is None


@pytest.mark.parametrize(
    ("former", "wait"),
    [("anne@example.org", timedelta(0)), ("", LETTER_ARRIVES)],
    ids=["told by mail", "told by letter"],
)
def test_a_new_address_stands_when_its_member_was_told_for_three_days(former, wait):
    assert contact_at(NOON, email=former).stands_at == NOON + NEW_ADDRESS_WAIT + wait


def test_a_contact_in_a_traceback_shows_no_address():
    shown = repr(contact_at(None))

    assert shown.startswith("Contact(")
    assert "@" not in shown
