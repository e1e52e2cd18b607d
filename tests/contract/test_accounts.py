"""Accounts, subjects and the mix of schemes: the same in memory, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update

from idp import StoreUnavailable
from idp.identity.account import DOUBTED
from idp.identity.account import Account
from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.password import PasswordHash
from idp.infra.accounts import SqlAccounts
from idp.infra.registry import raise_version
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import subject
from tests.instance import NOON
from tests.schema import migrate

NUMERO = NumeroDossier("0234567")
OURS = PasswordHash("ours:m=19456,t=2,p=1", "$argon2id$ours")
IMPORTED = PasswordHash("bcrypt:10", "$2b$10$theirs")
CHOSEN = PasswordHash("ours:m=19456,t=2,p=1", "$argon2id$chosen")
LATER = NOON + timedelta(hours=1, microseconds=123456)


@dataclass
class Directory:
    """One store of accounts, and how a test writes to it."""

    accounts: MemoryAccounts | SqlAccounts
    transaction: Callable[[], AbstractContextManager[None]]
    add: Callable[..., Account]
    change: Callable[..., None]

    def find(self, qualite=Qualite.AFFILIE, numero=NUMERO):
        with self.transaction():
            return self.accounts.find(qualite, numero)

    def signed_in(self, account, replacement=None, at=LATER):
        with self.transaction():
            return self.accounts.signed_in(account, at=at, replacement=replacement)

    def choose(self, version=1, hashed=CHOSEN, account_id="account"):
        with self.transaction():
            return self.accounts.choose_password(
                account_id, version=version, hashed=hashed, at=LATER
            )

    def record(self, address, at=LATER, account_id="account"):
        with self.transaction():
            return self.accounts.record_email(account_id, address, at=at)

    def subject(self, account_id="account"):
        with self.transaction():
            return self.accounts.get(account_id)


def in_memory():
    accounts = MemoryAccounts()

    def add(account_id="account", numero=NUMERO, qualite=Qualite.AFFILIE, password=OURS, **person):
        account = Account(account_id, DossierStatus.ACTIVE, password, 1, None)
        spoken_of = subject(
            account_id=account_id, qualite=str(qualite), numero_dossier=numero.value, **person
        )
        accounts.add(DirectoryEntry(account, qualite, numero, spoken_of))
        return account

    def change(account_id="account", **changes):
        if confirmed := changes.pop("confirmed_email", None):
            accounts.entries[account_id].confirmed_email = confirmed
        accounts.change(account_id, **changes)

    return Directory(accounts, nullcontext, add, change)


def in_sql(database):
    def add(account_id="account", numero=NUMERO, qualite=Qualite.AFFILIE, password=OURS, **person):
        spoken_of = subject(qualite=str(qualite), numero_dossier=numero.value, **person)
        lines = {f"address_{n}": line for n, line in enumerate(spoken_of.address, 1)}
        names = (
            "qualite numero_dossier family_name usage_name given_names gender birthdate email phone"
        )
        with database.transaction():
            made = database.execute(
                insert(DossierRow).values(
                    **{name: getattr(spoken_of, name) for name in names.split()},
                    **lines,
                    situations="|".join(spoken_of.situations),
                    status="active",
                    updated_at=spoken_of.updated_at,
                )
            )
            database.execute(
                insert(AccountRow).values(
                    id=account_id,
                    dossier_id=made.inserted_primary_key[0],
                    password_hash=password.phc if password else None,
                    password_scheme=password.scheme if password else None,
                    credential_version=1,
                    created_at=NOON,
                )
            )
        return Account(account_id, DossierStatus.ACTIVE, password, 1, None)

    def change(account_id="account", **changes):
        with database.transaction():
            if status := changes.pop("dossier_status", None):
                dossier = select(AccountRow.dossier_id).where(AccountRow.id == account_id)
                database.execute(
                    update(DossierRow).where(DossierRow.id.in_(dossier)).values(status=str(status))
                )
            if password := changes.pop("password", None):
                changes |= {"password_hash": password.phc, "password_scheme": password.scheme}
            if confirmed := changes.pop("confirmed_email", None):
                changes |= {"email": confirmed}
            if changes:
                database.execute(
                    update(AccountRow).where(AccountRow.id == account_id).values(**changes)
                )

    return Directory(SqlAccounts(database), database.transaction, add, change)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def directory(request):
    if request.param == "memory":
        yield in_memory()
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrate(url)
    with Flask("accounts").app_context() as context:
        database = Database(context.app, url)
        yield in_sql(database)
        database.engine.dispose()


class TestFind:
    def test_an_account_is_found_by_qualite_and_number(self, directory):
        directory.add()

        assert directory.find() == Account("account", DossierStatus.ACTIVE, OURS, 1, None)

    def test_one_number_may_belong_to_two_people(self, directory):
        directory.add("affilie", qualite=Qualite.AFFILIE)
        directory.add("ayant-droit", qualite=Qualite.AYANT_DROIT)

        assert directory.find(Qualite.AFFILIE).id == "affilie"
        assert directory.find(Qualite.AYANT_DROIT).id == "ayant-droit"

    def test_a_leading_zero_is_part_of_the_number(self, directory):
        directory.add(numero=NumeroDossier("0234567"))

        assert directory.find(numero=NumeroDossier("234567")) is None

    def test_nobody_is_found_under_an_unknown_number_or_the_other_box(self, directory):
        directory.add()

        assert directory.find(numero=NumeroDossier("7654321")) is None
        assert directory.find(Qualite.AYANT_DROIT) is None

    def test_a_closed_dossier_is_found_with_its_status(self, directory):
        directory.add(password=None)
        directory.change(dossier_status=DossierStatus.DECEASED)

        found = directory.find()

        assert (found.dossier_status, found.password) == (DossierStatus.DECEASED, None)


class TestSignedIn:
    def test_without_an_instant_the_last_sign_in_stays_what_it_was(self, directory):
        account = directory.add()
        assert directory.signed_in(account, at=None)
        assert directory.find().last_sign_in_at is None
        directory.signed_in(account)

        assert directory.signed_in(account, at=None)
        directory.change(protection=str(Protection.FROZEN))

        assert directory.find().last_sign_in_at == LATER
        assert not directory.signed_in(account, at=None)

    def test_a_sign_in_is_noted_with_its_instant(self, directory):
        account = directory.add()

        assert directory.signed_in(account) is True

        assert directory.find() == replace(account, last_sign_in_at=LATER)

    def test_an_imported_hash_is_replaced_and_the_version_stays(self, directory):
        account = directory.add(password=IMPORTED)

        assert directory.signed_in(account, replacement=OURS) is True

        assert directory.find() == replace(account, password=OURS, last_sign_in_at=LATER)

    @pytest.mark.parametrize("replacement", [None, OURS], ids=["kept", "replaced"])
    def test_a_password_chosen_meanwhile_refuses_the_sign_in(self, directory, replacement):
        account = directory.add(password=IMPORTED)
        chosen = PasswordHash(OURS.scheme, "$argon2id$chosen")
        directory.change(password=chosen, credential_version=2)

        assert directory.signed_in(account, replacement) is False

        found = directory.find()
        assert (found.password, found.last_sign_in_at) == (chosen, None)

    @pytest.mark.parametrize("status", [DossierStatus.CLOSED, DossierStatus.DECEASED])
    @pytest.mark.parametrize("replacement", [None, OURS], ids=["kept", "replaced"])
    def test_a_dossier_closed_meanwhile_refuses_the_sign_in(self, directory, replacement, status):
        account = directory.add(password=IMPORTED)
        directory.change(dossier_status=status)

        assert directory.signed_in(account, replacement) is False

        found = directory.find()
        assert (found.password, found.last_sign_in_at) == (IMPORTED, None)

    def test_a_form_sent_twice_signs_in_twice_and_the_first_replacement_stays(self, directory):
        account = directory.add(password=IMPORTED)
        first, second = OURS, PasswordHash(OURS.scheme, "$argon2id$second")

        assert directory.signed_in(account, first) is True
        assert directory.signed_in(account, second) is True

        assert directory.find().password == first

    def test_a_hash_replaced_meanwhile_does_not_refuse_who_brings_none(self, directory):
        account = directory.add(password=IMPORTED)
        directory.change(password=OURS)

        assert directory.signed_in(account) is True

        assert directory.find().password == OURS

    def test_another_account_is_not_touched(self, directory):
        account = directory.add()
        other = directory.add("another", NumeroDossier("7654321"), password=IMPORTED)

        directory.signed_in(account, replacement=OURS)

        assert directory.find(numero=NumeroDossier("7654321")) == other


class TestChoosePassword:
    @pytest.mark.parametrize("former", [None, IMPORTED, OURS], ids=["none", "imported", "ours"])
    def test_a_chosen_password_is_in_force_under_the_next_version(self, directory, former):
        account = directory.add(password=former)

        assert directory.choose() is True

        assert directory.find() == replace(
            account, password=CHOSEN, credential_version=2, last_sign_in_at=LATER
        )

    def test_who_comes_second_under_one_version_changes_nothing(self, directory):
        directory.add()
        directory.choose()

        assert directory.choose(hashed=PasswordHash(OURS.scheme, "$argon2id$second")) is False

        assert directory.find().password == CHOSEN
        assert directory.find().credential_version == 2

    @pytest.mark.parametrize("status", [DossierStatus.CLOSED, DossierStatus.DECEASED])
    def test_a_dossier_that_is_not_active_takes_no_password(self, directory, status):
        directory.add()
        directory.change(dossier_status=status)

        assert directory.choose() is False

        assert directory.find().password == OURS

    def test_nobody_chooses_for_an_unknown_account_and_another_one_is_not_touched(self, directory):
        other = directory.add()

        assert directory.choose(account_id="nobody") is False

        assert directory.find() == other

    def test_a_sign_in_that_began_before_the_choice_is_refused(self, directory):
        before = directory.add()
        directory.choose()

        assert directory.signed_in(before) is False


class TestRecordEmail:
    def test_a_recorded_address_outranks_the_one_of_the_import(self, directory):
        directory.add(email="import@example.org")

        assert directory.record("mine@example.org") is True

        told = directory.subject()
        assert (told.email, told.email_verified) == ("mine@example.org", True)

    @pytest.mark.parametrize("status", [DossierStatus.CLOSED, DossierStatus.DECEASED])
    def test_a_dossier_that_is_not_active_records_nothing(self, directory, status):
        directory.add(email="import@example.org")
        directory.change(dossier_status=status)

        assert directory.record("mine@example.org") is False

        assert directory.subject().email == "import@example.org"

    def test_nothing_is_recorded_for_an_unknown_account(self, directory):
        directory.add(email="import@example.org")

        assert directory.record("mine@example.org", account_id="nobody") is False

        assert directory.subject().email == "import@example.org"


class TestSubject:
    def test_a_subject_is_what_the_directory_says_of_the_person(self, directory):
        directory.add(numero=NumeroDossier("1234567"), situations=("cotisant", "rente_invalidite"))

        assert directory.subject() == subject(
            credential_version=1, situations=("cotisant", "rente_invalidite")
        )

    def test_a_subject_without_situations_has_none(self, directory):
        directory.add(situations=())

        assert directory.subject().situations == ()

    def test_nobody_is_spoken_of_under_an_unknown_identifier(self, directory):
        assert directory.subject("nobody") is None

    def test_an_address_confirmed_here_outranks_the_one_of_the_import(self, directory):
        directory.add(email="import@example.org")
        before = directory.subject()
        directory.change(confirmed_email="mine@example.org")
        after = directory.subject()

        assert (before.email, before.email_verified) == ("import@example.org", False)
        assert (after.email, after.email_verified) == ("mine@example.org", True)

    def test_a_subject_knows_the_version_and_whether_it_signs_in(self, directory):
        directory.add()
        directory.change(credential_version=7, dossier_status=DossierStatus.CLOSED)

        told = directory.subject()

        assert (told.credential_version, told.signs_in) == (7, False)


class TestSchemeCounts:
    def counts(self, directory, qualite=Qualite.AFFILIE):
        with directory.transaction():
            return dict(directory.accounts.scheme_counts(qualite))

    def test_accounts_are_counted_by_scheme_and_those_without_a_password_are_not(self, directory):
        for n, password in enumerate([OURS, OURS, IMPORTED, None]):
            directory.add(f"account-{n}", NumeroDossier(f"123456{n}"), password=password)

        assert self.counts(directory) == {OURS.scheme: 2, IMPORTED.scheme: 1}

    def test_each_qualite_has_its_own_counts(self, directory):
        directory.add("one", password=OURS)
        directory.add("two", qualite=Qualite.AYANT_DROIT, password=IMPORTED)

        assert self.counts(directory) == {OURS.scheme: 1}
        assert self.counts(directory, Qualite.AYANT_DROIT) == {IMPORTED.scheme: 1}

    def test_an_empty_directory_has_no_scheme(self, directory):
        assert self.counts(directory) == {}


def test_the_mix_is_counted_each_hour_and_when_an_import_raised_the_version(sqlite_url):
    migrate(sqlite_url)
    with Flask("accounts").app_context() as context:
        database = Database(context.app, sqlite_url)
        directory = in_sql(database)
        at = [0.0]
        accounts = SqlAccounts(database, monotonic=lambda: at[0])

        def counted(seconds):
            at[0] += seconds
            with database.transaction():
                return accounts.scheme_counts(Qualite.AFFILIE)

        directory.add(password=IMPORTED)
        first = counted(0)
        directory.add("another", NumeroDossier("7654321"), password=OURS)
        assert counted(3599) == first == {IMPORTED.scheme: 1}
        assert counted(2) == {IMPORTED.scheme: 1, OURS.scheme: 1}
        directory.add("third", NumeroDossier("7654322"), password=OURS)
        with database.transaction():
            raise_version(database)
        assert counted(0.9) == {IMPORTED.scheme: 1, OURS.scheme: 1}
        assert counted(0.2) == {IMPORTED.scheme: 1, OURS.scheme: 2}
        database.engine.dispose()


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_of_two_forms_sent_at_once_one_chooses_the_password(request, store):
    url = request.getfixturevalue(f"{store}_url")
    migrate(url)
    app = Flask("accounts")
    with app.app_context():
        database = Database(app, url)
        directory = in_sql(database)
        directory.add()
        gate = threading.Barrier(2)

        def choose(name):
            with app.app_context():
                gate.wait(10)
                return directory.choose(hashed=PasswordHash(OURS.scheme, name))

        with ThreadPoolExecutor(2) as pool:
            chosen = dict(zip(["one", "two"], pool.map(choose, ["one", "two"]), strict=True))

        assert sorted(chosen.values()) == [False, True]
        assert chosen[directory.find().password.phc] is True
        assert directory.find().credential_version == 2
        database.engine.dispose()


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_of_a_freeze_and_a_new_password_at_once_one_wins_thief_and_member_race(request, store):
    url = request.getfixturevalue(f"{store}_url")
    migrate(url)
    app = Flask("accounts")
    with app.app_context():
        database = Database(app, url)
        directory = in_sql(database)
        account = directory.add()
        gate = threading.Barrier(3)

        def act(name):
            with app.app_context(), directory.transaction():
                gate.wait(10)
                if name == "choose":
                    return directory.accounts.choose_password(
                        "account", version=1, hashed=CHOSEN, at=LATER
                    )
                return directory.accounts.freeze("account", version=1, at=LATER)

        acts = ["choose", "freeze", "freeze again"]
        with ThreadPoolExecutor(3) as pool:
            done = dict(zip(acts, pool.map(act, acts), strict=True))

        assert sorted(done.values()) == [False, False, True]
        found = directory.find()
        expected = Protection.NONE if done["choose"] else Protection.FROZEN
        assert (found.protection, found.credential_version) == (expected, 2)
        assert not directory.signed_in(account)
        database.engine.dispose()


def test_a_store_that_is_not_ready_is_not_an_unknown_number(tmp_path):
    with Flask("accounts").app_context() as context:
        database = Database(context.app, f"sqlite:///{tmp_path / 'empty.sqlite'}")
        accounts = SqlAccounts(database)

        with pytest.raises(StoreUnavailable):
            accounts.find(Qualite.AFFILIE, NUMERO)
        with pytest.raises(StoreUnavailable):
            accounts.get("account")
        with pytest.raises(StoreUnavailable):
            accounts.scheme_counts(Qualite.AFFILIE)
        database.engine.dispose()


def test_a_freeze_raises_the_version_and_refuses_whoever_was_signing_in(directory):
    account = directory.add()

    with directory.transaction():
        assert directory.accounts.freeze("account", version=1, at=LATER)

    frozen = directory.find()
    assert (frozen.protection, frozen.credential_version) == (Protection.FROZEN, 2)
    assert not directory.subject().signs_in
    assert not directory.signed_in(account)
    assert not directory.signed_in(frozen)


@pytest.mark.parametrize(("account_id", "version"), [("account", 2), ("nobody", 1)])
def test_a_freeze_of_another_version_or_of_nobody_changes_nothing(directory, account_id, version):
    directory.add()

    with directory.transaction():
        assert not directory.accounts.freeze(account_id, version=version, at=LATER)
        assert not directory.accounts.reopen(account_id, to=Protection.NONE)

    assert directory.find() == Account("account", DossierStatus.ACTIVE, OURS, 1, None)


def test_a_frozen_account_is_frozen_once_and_goes_on_as_it_is_reopened(directory):
    directory.add()
    with directory.transaction():
        assert directory.accounts.freeze("account", version=1, at=LATER)
        assert not directory.accounts.freeze("account", version=2, at=LATER)
        assert directory.accounts.reopen("account", to=Protection.REOPENED)
        assert not directory.accounts.reopen("account", to=Protection.NONE)

    assert directory.find().protection is Protection.REOPENED
    assert not directory.signed_in(directory.find())
    assert not directory.subject().signs_in


def test_a_new_password_ends_a_freeze(directory):
    directory.add()
    with directory.transaction():
        directory.accounts.freeze("account", version=1, at=LATER)

    assert directory.choose(version=2)

    assert directory.find().protection is Protection.NONE
    assert directory.subject().signs_in


def test_a_freeze_sets_an_address_of_late_aside_and_keeps_one_of_long_ago(directory):
    directory.add()
    directory.record("thief@example.net", at=LATER - DOUBTED + timedelta(seconds=1))
    with directory.transaction():
        directory.accounts.freeze("account", version=1, at=LATER)
    assert (directory.subject().email, directory.subject().email_verified) == (
        subject().email,
        False,
    )

    directory.record("anne@new.example", at=LATER - DOUBTED)
    with directory.transaction():
        directory.accounts.reopen("account", to=Protection.NONE)
        directory.accounts.freeze("account", version=2, at=LATER)

    assert directory.subject().email == "anne@new.example"
