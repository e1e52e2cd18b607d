"""Links to FranceConnect, and dossiers by date of birth: in memory, SQLite and PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect import ACR_FRANCECONNECT
from idp.identity.franceconnect import FranceConnectSignIn
from idp.identity.franceconnect_finding import Finding
from idp.identity.franceconnect_linking import Linking
from idp.identity.franceconnect_links import CANDIDATES
from idp.identity.franceconnect_links import LINKS_OF_SUB
from idp.identity.franceconnect_links import EndedLink
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import PivotDossier
from idp.identity.franceconnect_links import Rule
from idp.identity.pivot import Arrival
from idp.identity.pivot import PivotIdentity
from idp.infra.accounts import SqlAccounts
from idp.infra.contacts import SqlContacts
from idp.infra.franceconnect_links import SqlLinks
from idp.infra.franceconnect_links import SqlPivotDirectory
from idp.infra.outbox import SqlOutbox
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.limits import AttemptPolicy
from idp.session import SignedIn
from tests.fake_counters import MemoryAttempts
from tests.fake_franceconnect_links import MemoryLinks
from tests.fake_franceconnect_links import MemoryPivotDirectory
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import subject
from tests.instance import NOON
from tests.schema import migrate
from tests.sign_in_scene import DECOY_KEY

pytestmark = pytest.mark.stores

LATER = NOON + timedelta(hours=1)
SUB = "7" * 64 + "v1"
PIVOT = PivotIdentity("LEFÈVRE", "Anne Marie", "female", "1950-05-12", "75112", "99100")


def link(account_id="one", **changes):
    values = {
        "account_id": account_id,
        "sub": SUB,
        "rule": Rule.PIVOT,
        "pivot_digest": "d" * 64,
        "credential_version": 1,
        "linked_at": NOON,
        "used_at": NOON,
        **changes,
    }
    return Link(**values)


@dataclass
class Kept:
    """Links and a directory, each act in a transaction of its own."""

    links: MemoryLinks | SqlLinks
    directory: MemoryPivotDirectory | SqlPivotDirectory
    transaction: Callable[[], AbstractContextManager[None]]
    add: Callable[..., None]
    raise_version: Callable[[str], None]

    def act(self, name, *words, **named):
        with self.transaction():
            return getattr(self.links, name)(*words, **named)

    def end(self, account_id="one", why=Ending.MEMBER):
        return self.act("end", account_id, at=LATER, why=why)

    def look(self, name, *words):
        with self.transaction():
            return getattr(self.directory, name)(*words)


def memory_kept():
    accounts = MemoryAccounts()
    directory = MemoryPivotDirectory(accounts)

    def add(account_id, numero, pivot=PIVOT, **changes):
        account = Account(account_id, DossierStatus.ACTIVE, None, 1, None)
        qualite = Qualite.AFFILIE
        accounts.add(
            DirectoryEntry(replace(account, **changes), qualite, NumeroDossier(numero), subject())
        )
        directory.pivots[account_id] = pivot

    def raise_version(account_id):
        accounts.change(account_id, credential_version=2)

    return Kept(MemoryLinks(accounts), directory, nullcontext, add, raise_version)


def sql_kept(app: Flask, url: str) -> tuple[Kept, Database]:
    migrate(url)
    database = Database(app, url)

    def add(account_id, numero, pivot=PIVOT, **changes):
        with database.transaction():
            made = database.execute(
                insert(DossierRow).values(
                    qualite="affilie",
                    numero_dossier=numero,
                    family_name=pivot.family_name,
                    given_names=pivot.given_names,
                    gender=pivot.gender,
                    birthdate=pivot.birthdate,
                    birthplace=pivot.birthplace,
                    birthcountry=pivot.birthcountry,
                    status=str(changes.get("dossier_status", "active")),
                    updated_at=NOON,
                )
            )
            database.execute(
                insert(AccountRow).values(
                    id=account_id,
                    dossier_id=made.inserted_primary_key[0],  # type: ignore[attr-defined]
                    credential_version=1,
                    protection=str(changes.get("protection", "none")),
                    created_at=NOON,
                )
            )

    def raise_version(account_id):
        with database.transaction():
            database.execute(
                update(AccountRow).where(AccountRow.id == account_id).values(credential_version=2)
            )

    transaction = database.transaction
    kept = Kept(SqlLinks(database), SqlPivotDirectory(database), transaction, add, raise_version)
    return kept, database


@pytest.fixture
def app():
    with Flask("franceconnect-links").app_context() as context:
        yield context.app


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kept(request, app):
    if request.param == "memory":
        made, database = memory_kept(), None
    else:
        made, database = sql_kept(app, request.getfixturevalue(f"{request.param}_url"))
    made.add("one", "1234561")
    made.add("two", "1234562")
    yield made
    if database is not None:
        database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def in_sql(request, app):
    made, database = sql_kept(app, request.getfixturevalue(f"{request.param}_url"))
    made.add("one", "1234561")
    yield made, database
    database.engine.dispose()


def test_a_link_is_found_by_its_account_and_by_its_person(kept):
    assert kept.act("of_account", "one") is None
    assert kept.act("of_sub", SUB) == []

    assert kept.act("put", link())
    assert kept.act("put", link("two"))

    assert kept.act("of_account", "one") == link()
    assert kept.act("of_sub", SUB) == [link(), link("two")]
    assert kept.act("of_sub", SUB[::-1]) == []
    assert SUB not in repr(link())


def test_an_account_has_one_link_that_stands(kept):
    assert kept.act("put", link())

    assert not kept.act("put", link(sub="other"))

    assert kept.act("of_account", "one") == link()


def test_a_link_that_ended_is_history_and_another_may_take_its_place(kept):
    kept.act("put", link())

    assert kept.end(why=Ending.RELINKED) == link()
    assert kept.end() is None
    assert kept.act("of_account", "one") is None
    assert kept.act("of_sub", SUB) == []
    assert kept.act("put", link(sub="other"))
    assert kept.end(why=Ending.HELP_DESK) == link(sub="other")

    assert kept.act("history", "one") == [
        EndedLink(link(sub="other"), LATER, Ending.HELP_DESK),
        EndedLink(link(), LATER, Ending.RELINKED),
    ]
    assert kept.act("history", "two") == []


def test_its_use_is_noted_on_the_link_that_stands(kept):
    kept.act("put", link())
    kept.act("put", link("two"))

    kept.act("used", "one", at=LATER)

    assert kept.act("of_account", "one") == link(used_at=LATER)
    assert kept.act("of_account", "two") == link("two")


def test_a_link_by_proof_dies_with_the_version_it_was_proven_under_and_one_by_pivot_does_not(kept):
    kept.act("put", link(rule=Rule.PROOF))
    kept.act("put", link("two"))

    kept.raise_version("one")
    kept.raise_version("two")

    assert kept.act("of_account", "one") is None
    assert kept.act("of_sub", SUB) == [link("two")]
    # It stands in the way of no other, once it was ended.
    assert kept.end(why=Ending.RELINKED) == link(rule=Rule.PROOF)
    assert kept.act("put", link(rule=Rule.PROOF, credential_version=2))
    assert kept.act("of_account", "one") == link(rule=Rule.PROOF, credential_version=2)


@pytest.mark.parametrize(("why", "barred"), [(why, why is not Ending.RELINKED) for why in Ending])
def test_an_account_is_barred_once_somebody_wanted_its_last_link_to_end(kept, why, barred):
    assert kept.act("barred", ("one", "two")) == frozenset()
    kept.act("put", link())
    assert kept.act("barred", ("one", "two")) == frozenset()

    kept.end(why=why)

    assert kept.act("barred", ("one", "two")) == (frozenset({"one"}) if barred else frozenset())
    assert kept.act("barred", ()) == frozenset()
    kept.act("put", link())
    assert kept.act("barred", ("one", "two")) == frozenset()


def test_no_more_links_of_one_person_are_read_than_one_may_have(kept):
    for number in range(LINKS_OF_SUB + 1):
        kept.add(f"more{number}", f"22222{number:02}")
        kept.act("put", link(f"more{number}"))

    found = kept.act("of_sub", SUB)

    assert [one.account_id for one in found] == [f"more{number}" for number in range(LINKS_OF_SUB)]


def test_dossiers_are_found_by_their_dates_of_birth_as_written_whatever_their_status(kept):
    presumed = replace(PIVOT, birthdate="1950-00-00")
    kept.add("three", "1234563", presumed, dossier_status=DossierStatus.CLOSED)
    kept.add("four", "1234564", replace(PIVOT, birthdate="1951-01-01"))
    kept.raise_version("two")

    found = kept.look("candidates", ("1950-05-12", "1950-00-00"))

    assert {one.account_id for one in found} == {"one", "two", "three"}
    (three,) = (one for one in found if one.account_id == "three")
    assert three == PivotDossier(
        "three",
        Qualite.AFFILIE,
        NumeroDossier("1234563"),
        DossierStatus.CLOSED,
        Protection.NONE,
        presumed,
    )
    assert not three.may_open
    assert kept.look("candidates", ("1949-05-12",)) == []


def test_dossiers_are_read_by_account(kept):
    kept.add("three", "1234563", protection=Protection.FROZEN)

    (three,) = kept.look("of_accounts", ("three", "nobody"))

    assert (three.account_id, three.may_open) == ("three", False)
    assert not kept.look("of_accounts", ())


def test_no_more_dossiers_are_read_than_can_be_compared(in_sql):
    kept, database = in_sql
    with database.transaction():
        database.execute(
            insert(DossierRow),
            [
                {
                    "qualite": "affilie",
                    "numero_dossier": f"{number:07}",
                    "family_name": "X",
                    "birthdate": "1960-00-00",
                    "updated_at": NOON,
                }
                for number in range(CANDIDATES + 10)
            ],
        )
        rows = database.execute(select(DossierRow.id).where(DossierRow.birthdate == "1960-00-00"))
        database.execute(
            insert(AccountRow),
            [{"id": f"a{row.id}", "dossier_id": row.id, "created_at": NOON} for row in rows.all()],
        )

    assert len(kept.look("candidates", ("1960-00-00",))) == CANDIDATES + 1


def test_dossiers_of_a_date_are_read_by_the_index_and_not_one_by_one(in_sql):
    _, database = in_sql
    asked = "SELECT id FROM dossiers WHERE birthdate IN ('1950-05-12', '1950-00-00')"
    with database.transaction():
        if database.is_sqlite:
            plan = database.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
        else:
            # So few rows are read faster one by one.
            database.execute(text("SET LOCAL enable_seqscan = off"))
            plan = database.execute(text(f"EXPLAIN {asked}")).all()

    assert "ix_dossiers_birthdate" in str(plan)


def test_two_links_at_once_are_one(in_sql, app, at_once):
    kept, _ = in_sql

    def put():
        with app.app_context():
            return kept.act("put", link())

    assert sorted(at_once(put, 4)) == [False, False, False, True]
    assert kept.act("of_account", "one") == link()


def test_arrivals_at_once_all_sign_in_and_make_one_link(in_sql, app, at_once, clock):
    kept, database = in_sql
    audit, attempts = MemoryAuditLog(), MemoryAttempts(AttemptPolicy(), now=clock)
    linking = Linking(
        kept.links,
        SqlContacts(database, now=clock),
        SqlOutbox(database, clock),
        audit,
        DECOY_KEY,
        clock,
    )
    franceconnect = FranceConnectSignIn(
        accounts=SqlAccounts(database),
        finding=Finding(kept.directory, kept.links),
        linking=linking,
        attempts=attempts,
        notices=None,
        audit=audit,
        decoy_key=DECOY_KEY,
        redesign_at=NOON,
        now=clock,
    )

    def arrive():
        with app.app_context(), database.transaction():
            return franceconnect.arrive(Arrival(SUB, PIVOT), device="", actor=Actor())

    signed_in = SignedIn("one", 1, ("franceconnect",), ACR_FRANCECONNECT)
    assert at_once(arrive, 4) == [signed_in] * 4
    assert [event.event for event in audit.events].count(Event.FRANCECONNECT_LINKED) == 1
    assert kept.act("history", "one") == []


def test_two_who_end_a_link_at_once_end_it_once(in_sql, app, at_once):
    kept, _ = in_sql
    kept.act("put", link())

    def end():
        with app.app_context():
            return kept.end()

    assert at_once(end, 4).count(None) == 3
    assert len(kept.act("history", "one")) == 1
