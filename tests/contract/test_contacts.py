"""Contacts and the mix of their addresses: the same in memory, on SQLite and on PostgreSQL."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from idp import StoreUnavailable
from idp.identity.account import Account
from idp.identity.contact import Contact
from idp.identity.contact import MailMix
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.mask import Decoys
from idp.identity.mask import mask_email
from idp.identity.password import PasswordHash
from idp.infra.accounts import SqlAccounts
from idp.infra.contacts import SqlContacts
from idp.infra.kept_counts import COUNTS_AGE_SECONDS
from idp.infra.mail_mix import count_mail_mixes
from idp.infra.mail_mix import store_mail_mixes
from idp.infra.mail_mix import stored_mail_mixes
from idp.infra.registry import raise_version
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.usual_mail_mix import USUAL
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryContacts
from tests.fakes import subject
from tests.instance import NOON
from tests.schema import migrate

NUMERO = NumeroDossier("0234567")
OURS = PasswordHash("ours:m=19456,t=2,p=1", "$argon2id$ours")
WAIT = timedelta(hours=72)
BY_LETTER = timedelta(days=10)
INSTANT = timedelta(microseconds=1)
PERSON = subject()
ODD_ADDRESSES = (
    "j@example.org",
    "bob@example.org",
    "anne@example.org",
    "Anne.Martin@Example.ORG",
    "anne+impots@sub.example.co.uk",
    "odd@localhost",
    "two@at@example.org",
    "élise@école.fr",
    "trailing@example.org.",
    "nobody",
    "@example.org",
    "anne@",
    "@",
    "@@@",
)


@dataclass
class Directory:
    """Contacts under a clock, and how a test writes to them."""

    contacts: MemoryContacts | SqlContacts
    accounts: MemoryAccounts | SqlAccounts
    transaction: Callable[[], AbstractContextManager[None]]
    clock: object
    add: Callable[..., None]
    close: Callable[[str], None]

    def find(self, qualite=Qualite.AFFILIE, numero=NUMERO):
        with self.transaction():
            return self.contacts.find(qualite, numero)

    def get(self, account_id="account"):
        with self.transaction():
            return self.contacts.get(account_id)

    def record(self, address):
        with self.transaction():
            assert self.accounts.record_email("account", address, at=self.clock())

    def mix(self, qualite=Qualite.AFFILIE):
        with self.transaction():
            return self.contacts.mail_mix(qualite)


def in_memory(clock):
    accounts = MemoryAccounts()

    def add(account_id="account", numero=NUMERO, qualite=Qualite.AFFILIE, password=OURS, **person):
        account = Account(account_id, DossierStatus.ACTIVE, password, 1, None)
        accounts.add(DirectoryEntry(account, qualite, numero, subject(**person)))

    def close(account_id):
        accounts.change(account_id, dossier_status=DossierStatus.CLOSED)

    contacts = MemoryContacts(accounts, now=clock)
    return Directory(contacts, accounts, nullcontext, clock, add, close)


def in_sql(database, clock):
    def add(account_id="account", numero=NUMERO, qualite=Qualite.AFFILIE, password=OURS, **person):
        spoken_of = subject(**person)
        names = "family_name usage_name given_names gender birthdate email phone updated_at"
        with database.transaction():
            made = database.execute(
                insert(DossierRow).values(
                    qualite=str(qualite),
                    numero_dossier=numero.value,
                    **{name: getattr(spoken_of, name) for name in names.split()},
                    **{f"address_{n}": line for n, line in enumerate(spoken_of.address, 1)},
                    status="active",
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

    def close(account_id):
        dossier = select(AccountRow.dossier_id).where(AccountRow.id == account_id)
        with database.transaction():
            database.execute(
                update(DossierRow).where(DossierRow.id.in_(dossier)).values(status="closed")
            )

    contacts = SqlContacts(database, now=clock)
    return Directory(contacts, SqlAccounts(database), database.transaction, clock, add, close)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def directory(request, clock):
    if request.param == "memory":
        yield in_memory(clock)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    migrate(url)
    with Flask("contacts").app_context() as context:
        database = Database(context.app, url)
        yield in_sql(database, clock)
        database.engine.dispose()


class TestContact:
    def test_a_contact_is_found_by_qualite_and_number_and_by_account(self, directory):
        directory.add()

        expected = Contact(
            account_id="account",
            qualite=Qualite.AFFILIE,
            numero=NUMERO,
            status=DossierStatus.ACTIVE,
            credential_version=1,
            has_password=True,
            email=PERSON.email,
            confirmed_email="",
            former_email=PERSON.email,
            given_names=PERSON.given_names,
            usage_name=PERSON.usage_name,
            family_name=PERSON.family_name,
            birthdate=PERSON.birthdate,
            address=PERSON.address,
        )
        assert directory.find() == directory.get() == expected

    @pytest.mark.parametrize("unknown", ["0000001", "0300000", "9999999"])
    def test_a_neighbour_is_not_taken_for_an_unknown_number(self, directory, unknown):
        directory.add("one", NumeroDossier("0234567"))
        directory.add("other", NumeroDossier("0734567"))

        assert directory.find(numero=NumeroDossier(unknown)) is None

    def test_nobody_is_found_under_an_unknown_number_the_other_box_or_identifier(self, directory):
        directory.add()

        assert directory.find(numero=NumeroDossier("7654321")) is None
        assert directory.find(Qualite.AYANT_DROIT) is None
        assert directory.get("nobody") is None

    def test_an_account_without_a_password_says_so(self, directory):
        directory.add(password=None)

        assert directory.find().has_password is False

    def test_a_closed_dossier_is_found_with_its_status(self, directory):
        directory.add()
        directory.close("account")

        assert directory.find().status is DossierStatus.CLOSED


class TestWhoReceivesAReset:
    def test_a_new_address_receives_one_after_72_hours_and_the_former_one_until_then(
        self, directory, clock
    ):
        directory.add(email="import@example.org")
        directory.record("mine@example.org")
        at_once = directory.get()
        clock.advance(WAIT - INSTANT)
        just_before = directory.get()
        clock.advance(INSTANT)
        then = directory.get()

        assert (at_once.email, at_once.confirmed_email) == (
            "import@example.org",
            "mine@example.org",
        )
        assert just_before.email == "import@example.org"
        assert then.email == "mine@example.org"

    def test_a_first_address_receives_none_before_the_letter_arrived_and_72_hours_passed(
        self, directory, clock
    ):
        directory.add(email="")
        directory.record("mine@example.org")
        clock.advance(BY_LETTER - INSTANT)
        before = directory.get().email
        clock.advance(INSTANT)

        assert (before, directory.get().email) == ("", "mine@example.org")

    def test_a_thief_who_records_a_second_first_address_does_not_shorten_the_wait(
        self, directory, clock
    ):
        directory.add(email="")
        directory.record("thief@example.org")
        clock.advance(BY_LETTER - INSTANT)
        directory.record("thief-again@example.org")
        clock.advance(WAIT)

        found = directory.get()
        assert (found.email, found.former_email) == ("", "")

    def test_the_former_address_is_the_one_that_received_until_the_newest_was_recorded(
        self, directory, clock
    ):
        def former():
            return directory.get().former_email

        directory.add(email="import@example.org")
        directory.record("first@example.org")
        at_once = former()
        clock.advance(WAIT)
        stood = former()
        directory.record("second@example.org")
        clock.advance(WAIT)

        assert (at_once, stood) == ("import@example.org", "import@example.org")
        assert former() == "first@example.org"

    def test_a_confirmed_address_goes_on_receiving_while_its_successor_waits(
        self, directory, clock
    ):
        directory.add(email="import@example.org")
        directory.record("first@example.org")
        clock.advance(WAIT)
        directory.record("second@example.org")
        meanwhile = directory.get().email
        clock.advance(WAIT)

        assert (meanwhile, directory.get().email) == ("first@example.org", "second@example.org")

    def test_a_thief_who_records_two_addresses_in_a_row_receives_no_reset(self, directory, clock):
        directory.add(email="import@example.org")
        directory.record("thief@example.org")
        clock.advance(WAIT - INSTANT)
        directory.record("thief-again@example.org")
        clock.advance(INSTANT)

        assert directory.get().email == "import@example.org"

    def test_an_address_that_the_fund_corrects_meanwhile_is_used_at_once(self, directory):
        # The import is the fund's word; nothing recorded here but a confirmed address outranks it.
        directory.add("account", email="import@example.org")
        directory.record("mine@example.org")

        assert directory.get().email == "import@example.org"


class TestMailMix:
    def test_an_empty_directory_has_no_address_at_all(self, directory):
        assert directory.mix() == MailMix(1.0, {}, {}, {})

    def test_every_fragment_of_a_mask_is_counted(self, directory):
        addresses = ["Anne@gmail.com", "andre@GMAIL.com", "bob@orange.fr", ""]
        for n, address in enumerate(addresses):
            directory.add(f"account-{n}", NumeroDossier(f"123456{n}"), email=address)

        assert directory.mix() == MailMix(
            post_only=0.25,
            domains={"g*****.com": 2, "o*****.fr": 1},
            firsts={"a": 2, "b": 1},
            lasts={"ne": 1, "re": 1, "": 1},
        )

    def test_each_qualite_has_its_own_and_a_closed_dossier_has_no_part(self, directory):
        directory.add("one", email="anne@gmail.com")
        directory.add("closed", NumeroDossier("7654321"), email="zoe@free.fr")
        directory.add("other", qualite=Qualite.AYANT_DROIT, email="")
        directory.close("closed")

        assert directory.mix().domains == {"g*****.com": 1}
        assert directory.mix(Qualite.AYANT_DROIT) == MailMix(1.0, {}, {}, {})

    def test_only_an_address_that_may_receive_a_reset_has_a_part(self, directory):
        directory.add(email="anne@gmail.com")
        directory.record("anne@free.fr")

        assert directory.mix().domains == {"g*****.com": 1}

    @pytest.mark.parametrize("address", ODD_ADDRESSES)
    def test_a_decoy_of_a_directory_of_one_is_its_own_mask(self, directory, address):
        # Every fragment that SQL counts is one that the mask of a person shows: no decoy betrays
        # itself by its alphabet, and no person either.
        directory.add(email=address)
        decoys = Decoys(b"k" * 32, directory.contacts, post_only_share=None)

        with directory.transaction():
            assert decoys.contact_mask("subject", Qualite.AFFILIE) == mask_email(address)


def test_the_mix_is_counted_each_hour_and_when_an_import_raised_the_version(sqlite_url, clock):
    migrate(sqlite_url)
    with Flask("contacts").app_context() as context:
        database = Database(context.app, sqlite_url)
        directory = in_sql(database, clock)
        at = [0.0]
        contacts = SqlContacts(database, now=clock, monotonic=lambda: at[0])

        def counted(seconds):
            at[0] += seconds
            with database.transaction():
                return sum(contacts.mail_mix(Qualite.AFFILIE).firsts.values())

        directory.add()
        first = counted(0)
        directory.add("another", NumeroDossier("7654321"))
        assert (first, counted(3599), counted(2)) == (1, 1, 2)
        directory.add("third", NumeroDossier("7654322"))
        with database.transaction():
            raise_version(database)
        assert (counted(0.9), counted(0.2)) == (2, 3)
        database.engine.dispose()


class Process:
    """One process on a directory in SQL: its contacts, and the statements it ran."""

    def __init__(self, database, clock):
        self.database = database
        self.directory = in_sql(database, clock)
        self.at = 0.0
        self.contacts = SqlContacts(database, now=clock, monotonic=lambda: self.at)
        self.ran = []
        event.listen(
            database.engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_rest: self.ran.append(statement),
        )

    def mix(self, *, seconds_later=0):
        """Read the mix as a page does, which goes on in the same transaction."""
        self.at += seconds_later
        self.ran.clear()
        with self.database.transaction():
            if not self.database.is_sqlite:
                self.database.execute(text("SET LOCAL lock_timeout = 50"))
            mix = self.contacts.mail_mix(Qualite.AFFILIE)
            assert self.database.execute(text("SELECT 1")).scalar() == 1
        return mix

    @property
    def counted(self):
        """True when the last reading looked at the directory itself."""
        return any("dossiers" in statement for statement in self.ran)

    @contextmanager
    def nobody_can_count(self):
        """Hold the directory, so that a count runs into its time-out."""
        with self.database.engine.connect() as holder:
            holder.execute(text("LOCK TABLE dossiers IN ACCESS EXCLUSIVE MODE"))
            yield

    def store(self):
        with self.database.transaction():
            store_mail_mixes(self.database, stood_since=NOON - WAIT)
            raise_version(self.database)


def process_on(url, clock):
    migrate(url)
    with Flask("contacts").app_context() as context:
        process = Process(Database(context.app, url), clock)
        yield process
        process.database.engine.dispose()


@pytest.fixture
def process(sql_url, clock):
    yield from process_on(sql_url, clock)


@pytest.fixture
def postgres_process(postgres_url, clock):
    yield from process_on(postgres_url, clock)


class TestStoredMix:
    def test_what_is_stored_is_read_back_as_it_was_counted(self, process):
        for n, address in enumerate((*ODD_ADDRESSES, "")):
            process.directory.add(f"account-{n}", NumeroDossier(f"12345{n:02d}"), email=address)

        process.store()

        with process.database.transaction():
            counted = count_mail_mixes(process.database, stood_since=NOON - WAIT)
            assert stored_mail_mixes(process.database) == counted
        assert counted[Qualite.AFFILIE].domains
        assert counted[Qualite.AYANT_DROIT] == MailMix(1.0, {}, {}, {})

    def test_no_page_counts_once_a_mix_is_stored(self, process):
        process.directory.add(email="anne@gmail.com")
        process.store()

        first = process.mix()
        assert (first.firsts, process.counted) == ({"a": 1}, False)
        assert process.mix(seconds_later=COUNTS_AGE_SECONDS + 1) == first
        assert not process.counted

    def test_a_mix_stored_later_takes_the_place_of_the_former_and_of_a_counted_one(self, process):
        process.directory.add(email="anne@gmail.com")
        assert process.mix().firsts == {"a": 1}
        assert process.counted

        for n, initial in enumerate("bc"):
            numero = NumeroDossier(f"765432{n}")
            process.directory.add(initial, numero, email=f"{initial}enoit@free.fr")
            process.store()

        assert process.mix(seconds_later=1).firsts == {"a": 1, "b": 1, "c": 1}
        assert not process.counted

    def test_a_count_without_an_end_costs_no_page_its_answer_and_is_not_tried_at_each(
        self, postgres_process, caplog
    ):
        process = postgres_process
        process.directory.add(email="anne@gmail.com")

        with process.nobody_can_count():
            assert process.mix() == USUAL[Qualite.AFFILIE]
            assert process.counted
            assert "decoys do without the directory's mix" in caplog.text
            assert process.mix(seconds_later=COUNTS_AGE_SECONDS) == USUAL[Qualite.AFFILIE]
            assert not process.counted

        process.store()
        assert process.mix(seconds_later=1).firsts == {"a": 1}

    def test_a_count_that_fails_leaves_the_one_before_in_place(self, postgres_process):
        # Decoys that changed to the built-in mix, and back, would tell themselves from members.
        process = postgres_process
        process.directory.add(email="anne@gmail.com")
        before = process.mix()

        with process.nobody_can_count():
            assert process.mix(seconds_later=COUNTS_AGE_SECONDS + 1) == before
            assert process.counted


class TestUsualMix:
    @pytest.mark.parametrize("qualite", Qualite)
    def test_its_fragments_are_those_of_masks(self, qualite):
        mix = USUAL[qualite]

        assert all(re.fullmatch(r"[a-z]", first) for first in mix.firsts)
        assert all(re.fullmatch(r"([a-z0-9]{2})?", last) for last in mix.lasts)
        for domain in mix.domains:
            assert mask_email(f"anne.martin@{domain}") == f"a***in@{domain}"

    @pytest.mark.parametrize("qualite", Qualite)
    def test_its_decoys_are_masks_and_some_are_for_the_post_alone(self, qualite):
        class Usual:
            def mail_mix(self, qualite):
                return USUAL[qualite]

        decoys = Decoys(b"k" * 32, Usual(), post_only_share=None)

        masks = [decoys.contact_mask(f"subject-{n}", qualite) for n in range(400)]

        by_mail = [mask for mask in masks if mask]
        by_post = 1 - len(by_mail) / len(masks)
        assert abs(by_post - USUAL[qualite].post_only) < 0.1
        shape = r"[a-z]\*{3}([a-z0-9]{2})?@[a-z]\*{5}\.(com|fr|net)"
        assert all(re.fullmatch(shape, mask) for mask in by_mail)
        assert len(set(by_mail)) > 200


def test_a_known_and_an_unknown_number_cost_one_and_the_same_statement(sqlite_url, clock):
    # Timing: what runs must not depend on whether somebody is there.
    migrate(sqlite_url)
    with Flask("contacts").app_context() as context:
        database = Database(context.app, sqlite_url)
        directory = in_sql(database, clock)
        directory.add()
        ran = []
        event.listen(
            database.engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_rest: ran.append(statement),
        )

        assert directory.find() is not None
        assert directory.find(numero=NumeroDossier("7654321")) is None

        assert len(ran) == 2
        assert ran[0] == ran[1]
        database.engine.dispose()


def test_a_store_that_is_not_ready_is_not_an_unknown_number(tmp_path, clock):
    with Flask("contacts").app_context() as context:
        database = Database(context.app, f"sqlite:///{tmp_path / 'empty.sqlite'}")
        contacts = SqlContacts(database, now=clock)

        with pytest.raises(StoreUnavailable):
            contacts.find(Qualite.AFFILIE, NUMERO)
        with pytest.raises(StoreUnavailable):
            contacts.get("account")
        with pytest.raises(StoreUnavailable):
            contacts.mail_mix(Qualite.AFFILIE)
        database.engine.dispose()


def test_a_contact_says_no_name_and_no_address_in_a_log(clock):
    directory = in_memory(clock)
    directory.add()

    assert repr(directory.get()) == "Contact(account)"
