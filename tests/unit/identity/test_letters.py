import io
from contextlib import contextmanager
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.audit import Actor
from idp.identity.contact import Contact
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.letter_batch import Batch
from idp.identity.letter_batch import Unsettled
from idp.identity.letters import PrintLetters
from idp.identity.letters_again import NoSuchBatch
from idp.identity.letters_again import ReissueLetters
from idp.identity.outbox import Kind
from idp.identity.password import PasswordHash
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TryPolicy
from idp.promise import PromiseState
from tests.fake_outbox import MemoryOutbox
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import MemoryAuditLog

JEANNE = Actor(operator="jeanne")
NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)


class Contacts:
    """The port ``Contacts``: everybody is there but who was told not to be."""

    def __init__(self):
        self.changes = {}
        self.missing = set()

    def get(self, account_id):
        if account_id in self.missing:
            return None
        known = Contact(
            account_id=account_id,
            qualite=Qualite.AFFILIE,
            numero=NumeroDossier("1234567"),
            status=DossierStatus.ACTIVE,
            credential_version=1,
            has_password=True,
            email="",
            confirmed_email="",
            former_email="",
            given_names="Anne",
            usage_name="",
            family_name=f"LEFÈVRE {account_id}",
            birthdate="",
            address=("", "", "", "1 RUE A", "", "35000 RENNES"),
        )
        return replace(known, **self.changes.get(account_id, {}))


class MemorySpool:
    """The port ``Spool``."""

    def __init__(self):
        self.noted, self.committed, self.batches = {}, {}, 0

    def locked(self):
        return nullcontext()

    def unsettled(self):
        return [
            Unsettled(batch, tuple(claimed), self.committed.get(batch))
            for batch, claimed in self.noted.items()
        ]

    def new_batch(self, at):
        self.batches += 1
        return Batch(f"batch{self.batches}", at)

    def note(self, batch, claimed):
        self.noted[batch.id] = claimed

    @contextmanager
    def sheet(self, _batch):
        yield io.BytesIO()

    def commit(self, batch, printed):
        self.committed[batch.id] = frozenset(promise.id for promise in printed)

    def erase(self, batch):
        del self.noted[batch]

    def settle(self, batch):
        del self.noted[batch]


class MemoryPress:
    """The port ``Press``: a heap of paper."""

    def __init__(self):
        self.paper = []
        self.meanwhile = None

    def lay_out(self, _batch, letters, _sheet):
        for letter in letters:
            self.paper.append(letter)
            if self.meanwhile:
                self.meanwhile()


class Office:
    """Everything around the two use cases."""

    def __init__(self, now):
        self.contacts, self.spool, self.press = Contacts(), MemorySpool(), MemoryPress()
        self.outbox, self.audit = MemoryOutbox(now), MemoryAuditLog()
        self.temporaries = MemoryTemporaryPasswords(TryPolicy(), now=now)
        self.print = PrintLetters(
            contacts=self.contacts,
            temporaries=self.temporaries,
            outbox=self.outbox,
            spool=self.spool,
            press=self.press,
            hash=lambda secret: PasswordHash("ours:", secret),
            threads=2,
            audit=self.audit,
            transaction=nullcontext,
            now=now,
        )
        self.again = ReissueLetters(
            printed=self,
            outbox=self.outbox,
            temporaries=self.temporaries,
            spool=self.spool,
            audit=self.audit,
            transaction=nullcontext,
            now=now,
        )

    def unused(self, *, since, batch=""):
        done = self.outbox.rows(states=[PromiseState.DONE], batch=batch, limit=100)
        waiting = self.outbox.rows(states=[PromiseState.WAITING], limit=100)
        busy = {row.account_id for row in waiting}
        return [row for row in done if row.done_at >= since and row.account_id not in busy]

    def promise(self, account_id, kind=Kind.TEMPORARY_PASSWORD, version=1):
        return self.outbox.add(
            kind, Channel.LETTER, account_id=account_id, credential_version=version
        )

    def run(self, limit=100):
        return self.print.run(limit=limit, actor=JEANNE)

    def rows(self):
        listed = self.outbox.rows(states=list(PromiseState), limit=100)
        return [(row.state, row.fault) for row in listed]


@pytest.fixture
def clock():
    class Clock:
        at = NOON

        def __call__(self):
            return self.at

    return Clock()


@pytest.fixture
def office(clock):
    return Office(clock)


def test_a_batch_says_its_last_day_and_ends_with_it():
    batch = Batch("b", datetime(2026, 11, 24, 23, 30, tzinfo=UTC))

    assert batch.day == date(2026, 11, 25)
    assert batch.valid_until == date(2026, 12, 25)
    assert batch.expires_at == datetime(2026, 12, 25, 23, tzinfo=UTC)


def test_no_secret_and_no_address_is_shown_by_a_letter(office):
    office.promise("anne")
    office.run()

    (letter,) = office.press.paper
    assert letter.secret not in repr(letter)
    assert "RENNES" not in repr(letter)


def test_who_watches_is_told_how_many_were_taken(office):
    for number in range(120):
        office.promise(f"account{number}")
    told = []

    office.print.run(limit=110, actor=JEANNE, on_letter=told.append)

    assert told == [50, 50, 10]


@pytest.mark.parametrize(
    ("spoil", "fault", "state"),
    [
        (lambda o: o.contacts.missing.add("anne"), "no_account", PromiseState.DROPPED),
        (
            lambda o: o.contacts.changes.update(anne={"status": DossierStatus.CLOSED}),
            "dossier_not_active",
            PromiseState.DROPPED,
        ),
        (
            lambda o: o.contacts.changes.update(anne={"credential_version": 2}),
            "password_changed",
            PromiseState.DROPPED,
        ),
        (
            lambda o: o.contacts.changes.update(anne={"address": ("",) * 6}),
            "address_incomplete",
            PromiseState.DEAD,
        ),
        (
            lambda o: o.temporaries.request("anne", Channel.LETTER, 99, version=1),
            "superseded",
            PromiseState.DROPPED,
        ),
    ],
)
def test_a_promise_that_no_letter_keeps_tells_why(office, spoil, fault, state):
    office.promise("anne")
    spoil(office)

    printed = office.run()

    assert office.rows() == [(state, fault)]
    assert office.press.paper == []
    assert printed.batches == ()
    assert printed.dropped | printed.refused == {fault: 1}
    assert [event.account_id for event in office.audit.events] == ["anne"]


def test_a_promise_of_two_weeks_ago_is_too_old(office, clock):
    office.promise("anne")
    clock.at += timedelta(days=14)

    office.run()

    assert office.rows() == [(PromiseState.DROPPED, "too_old")]


def test_what_letters_cannot_say_is_put_before_an_operator(office):
    office.promise("anne", Kind.ADDRESS_CODE)

    office.run()

    assert office.rows() == [(PromiseState.DEAD, "no_such_letter")]


def test_a_decoy_has_no_story(office):
    office.promise(None)

    assert office.run().dropped == {"decoy": 1}

    assert office.audit.events == []


def test_what_was_printed_after_its_lease_was_lost_is_not_told_twice(office, clock):
    office.promise("anne")

    def another_takes_it():
        clock.at += timedelta(hours=1)
        office.outbox.claim(Channel.LETTER)

    office.press.meanwhile = another_takes_it

    office.run()

    assert office.audit.events == []


def test_what_a_broken_run_noted_goes_back_and_is_printed(office):
    office.promise("anne")
    claimed = office.outbox.claim(Channel.LETTER)
    office.spool.note(Batch("batch0", NOON), claimed)

    printed = office.run()

    assert (printed.drawn_again, printed.letters, printed.adopted) == (1, 1, 0)
    assert office.spool.noted == {}


def test_what_a_broken_run_committed_is_adopted_without_another_letter(office):
    office.promise("anne")
    office.promise("paul", Kind.PASSWORD_CHANGED)
    claimed = office.outbox.claim(Channel.LETTER, limit=2)
    batch = Batch("batch0", NOON)
    office.spool.note(batch, claimed)
    office.spool.commit(batch, claimed)

    printed = office.run()

    assert (printed.drawn_again, printed.letters, printed.adopted) == (0, 0, 2)
    assert office.press.paper == []
    assert [state for state, _ in office.rows()] == [PromiseState.DONE] * 2


def test_redis_away_in_the_middle_leaves_everything_to_the_next_run(office):
    office.promise("anne")
    office.temporaries.away = True
    with pytest.raises(StoreUnavailable):
        office.run()
    office.temporaries.away = False

    assert office.run().letters == 1
    assert office.temporaries.look("anne")[0].state is State.SENT


def test_only_letters_whose_secret_is_lost_are_promised_again(office):
    office.promise("anne")
    office.promise("paul")
    office.run()
    office.temporaries.use_up("paul")

    assert office.again.lost(actor=JEANNE) == 1
    assert office.again.lost(actor=JEANNE) == 0
    office.run()

    assert [letter.address[0][-4:] for letter in office.press.paper] == ["ANNE", "PAUL", "PAUL"]


def test_a_letter_stays_good_until_the_one_printed_in_its_place(office):
    office.promise("anne")
    office.run()
    (before,) = office.temporaries.look("anne")

    assert office.again.of_batch("batch1", actor=JEANNE) == 1

    (meanwhile,) = office.temporaries.look("anne")
    assert meanwhile.hash == before.hash
    office.run()
    (after,) = office.temporaries.look("anne")
    assert after.hash != before.hash


def test_a_batch_that_nobody_printed_is_told(office):
    with pytest.raises(NoSuchBatch, match="batch7"):
        office.again.of_batch("batch7", actor=JEANNE)


def test_a_letter_whose_newest_secret_alone_was_lost_is_promised_again(office):
    """A store that lost its last second holds the former letter's place still."""
    office.promise("anne")
    office.run()
    (former,) = office.temporaries.look("anne")
    office.again.of_batch("batch1", actor=JEANNE)
    office.run()
    office.temporaries.use_up("anne")
    office.temporaries.issue(
        "anne", Channel.LETTER, former.promise, version=1,
        hashed=former.hash, expires_at=former.expires_at,
    )  # fmt: skip

    assert office.again.lost(actor=JEANNE) == 1


def test_redis_away_after_the_commit_loses_no_promise_of_a_reissue(office):
    office.promise("anne")
    office.run()
    office.temporaries.away = True

    assert office.again.of_batch("batch1", actor=JEANNE) == 1
    office.temporaries.away = False

    assert office.run().letters == 1
