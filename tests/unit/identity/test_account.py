from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

from idp.identity.account import Account
from idp.identity.dossier import DossierStatus
from idp.identity.password import PasswordHash

REDESIGN = datetime(2021, 3, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
OURS = PasswordHash("ours:m=19456,t=2,p=1", "phc")
IMPORTED = PasswordHash("bcrypt:10", "phc")


def account(password, last_sign_in_at):
    return Account("id", DossierStatus.ACTIVE, password, 1, last_sign_in_at)


@pytest.mark.parametrize("password", [OURS, IMPORTED])
@pytest.mark.parametrize(
    ("last_sign_in_at", "must"),
    [
        (REDESIGN - MOMENT, True),
        (REDESIGN, False),
        (REDESIGN + timedelta(days=2000), False),
        (datetime(1999, 1, 1, tzinfo=UTC), True),
    ],
)
def test_an_account_last_used_before_the_redesign_must_reset(password, last_sign_in_at, must):
    assert account(password, last_sign_in_at).must_reset(REDESIGN) is must


def test_an_imported_password_whose_last_use_nobody_knows_must_be_reset():
    assert account(IMPORTED, None).must_reset(REDESIGN) is True


def test_a_password_chosen_here_and_not_used_yet_is_good():
    assert account(OURS, None).must_reset(REDESIGN) is False


@pytest.mark.parametrize("last_sign_in_at", [None, REDESIGN + timedelta(days=1)])
def test_an_account_without_a_password_must_reset(last_sign_in_at):
    assert account(None, last_sign_in_at).must_reset(REDESIGN) is True
