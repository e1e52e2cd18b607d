"""The chain of the audit log: whatever a hand changes is found, and told for what it is."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.audit_chain import SealedRow
from idp.audit_chain import canonical
from idp.audit_chain import seal
from idp.audit_chain import written
from idp.audit_export import Wanted
from idp.audit_export import export
from idp.audit_sealing import ChainBroken
from idp.audit_sealing import HeadFacts
from idp.audit_sealing import Sealing
from idp.audit_walk import FaultKind
from idp.audit_walk import Walk
from tests.fake_audit_seals import MemoryAuditSeals
from tests.fake_audit_seals import PlainHeads
from tests.fake_audit_seals import row
from tests.fakes import MemoryAuditLog
from tests.instance import Clock

ACCOUNT = "a" * 22
YEAR = timedelta(days=365)


class Chain:
    """A log in memory, what seals it, and what verifies it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.desk = MemoryAuditSeals()
        self.keys = PlainHeads()
        self.audit = MemoryAuditLog()
        self.sealing = Sealing(self.desk, self.keys, self.audit, nullcontext, self.clock)

    def write(self, count: int = 1, **facts: object) -> None:
        for _ in range(count):
            number = max((kept.id for kept in self.desk.log), default=self._last_sealed()) + 1
            self.desk.log.append(row(number, **{"at": self.clock(), **facts}))
            self.clock.advance(timedelta(seconds=1))

    def seal(self) -> int:
        sealed = 0
        while batch := self.sealing.seal_next():
            sealed += batch
        return sealed

    def sign(self) -> list[int]:
        signed = []
        while head := self.sealing.sign_head():
            signed.append(head.number)
        return signed

    def days(self, count: int, batches: int = 2, rows: int = 3) -> None:
        """So many days of work: batches, each sealed, and a head after midnight."""
        for _ in range(count):
            for _ in range(batches):
                self.write(rows)
                self.seal()
            self.clock.advance(timedelta(days=1))
            self.sign()

    def forget(self) -> int:
        gone = self.sealing.forget(self.clock() - YEAR)
        if gone:  # the event goes into the same table
            self.write(event="audit.forgotten", detail=dict(self.audit.events[-1].detail))
        return gone

    def walk(self, **options: object):
        return Walk(self.desk, self.keys, now=self.clock(), **options).run()

    def faults(self, **options: object) -> dict[FaultKind, str]:
        return self.walk(**options).faults

    def _last_sealed(self) -> int:
        last = self.desk.last()
        return 0 if last is None else last.last_id


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.days(3)
    return made


def test_what_nobody_touched_is_found_whole(chain):
    chain.write(2)

    verdict = chain.walk()

    assert (verdict.faults, verdict.seals, verdict.rows) == ({}, 6, 18)
    assert (verdict.unsealed, verdict.heads, verdict.forgotten) == (2, 3, 0)


def test_a_log_without_a_row_is_whole():
    empty = Chain()

    assert (empty.seal(), empty.sign(), empty.forget(), empty.faults()) == (0, [], 0, {})


ALTERATIONS = [
    {"at": datetime(2020, 1, 1, tzinfo=UTC)},
    {"at": "no instant"},
    {"event": "sign_in.refused"},
    {"account_id": ACCOUNT},
    {"account_id": ""},
    {"client_id": "demo"},
    {"client_id": ""},
    {"network": ""},
    {"operator": "jeanne"},
    {"request_id": "other"},
    {"detail": {"cause": "x"}},
    {"detail": None},
    {"detail": "not what JSON holds"},
]


@pytest.mark.parametrize("altered", ALTERATIONS, ids=lambda altered: str(sorted(altered.items())))
def test_a_row_that_was_changed_is_named_with_its_seal(chain, altered):
    chain.desk.log[7] = replace(chain.desk.log[7], **altered)

    assert list(chain.faults()) == [FaultKind.CHANGED]
    assert chain.faults()[FaultKind.CHANGED].startswith("row 8, in seal 3 (rows 7 to 9, ")


def test_a_row_that_was_removed_is_named(chain):
    del chain.desk.log[4]

    assert chain.faults() == {
        FaultKind.REMOVED: "row 5, in seal 2 (rows 4 to 6, 2026-11-24 12:00:06Z)"
    }


def test_a_row_that_was_inserted_is_named(chain):
    gap = chain.desk
    del gap.log[10]
    gap.chain.clear()
    gap.signed.clear()
    gap.marked.clear()
    chain.seal()  # sealed with a gap, as a transaction rolled back leaves it
    gap.log.append(row(11, chain.clock()))

    faults = chain.faults()

    assert list(faults) == [FaultKind.INSERTED]
    assert faults[FaultKind.INSERTED].startswith("row 11, in seal ")


def test_a_row_before_the_first_is_inserted(chain):
    chain.desk.log.append(row(-5, chain.clock()))

    assert list(chain.faults()) == [FaultKind.INSERTED]


def test_contents_that_were_swapped_are_two_changed_rows(chain):
    log = chain.desk.log
    log[0], log[1] = replace(log[0], at=log[1].at), replace(log[1], at=log[0].at)

    assert chain.faults()[FaultKind.CHANGED].startswith("row 1, ")


@given(data=st.data())
def test_any_single_change_removal_insertion_or_swap_is_found(data):
    made = Chain()
    made.days(2)
    log = made.desk.log
    at = data.draw(st.integers(0, len(log) - 1))
    other = data.draw(st.integers(0, len(log) - 1).filter(lambda index: index != at))
    act = data.draw(st.sampled_from(["change", "remove", "insert", "swap", "renumber"]))
    if act == "change":
        name = data.draw(st.sampled_from(["event", "network", "operator", "request_id", "detail"]))
        value = data.draw(st.text(min_size=2))
        log[at] = replace(log[at], **{name: value})
    elif act == "remove":
        del log[at]
    elif act == "insert":
        log.append(replace(log[at], id=data.draw(st.integers(-9, 0))))
    elif act == "swap":
        log[at], log[other] = replace(log[at], id=log[other].id), replace(log[other], id=log[at].id)
    else:
        log[at] = replace(log[at], id=-log[at].id)

    assert made.faults()


@given(data=st.data())
def test_any_change_of_a_seal_is_found(data):
    made = Chain()
    made.days(2)
    at = data.draw(st.integers(0, 3))
    kept = made.desk.chain[at]
    name = data.draw(st.sampled_from(sorted(kept.facts | {"hash": ""})))
    value = getattr(kept, name)
    if isinstance(value, datetime):
        changed = value + timedelta(microseconds=data.draw(st.integers(1, 10**9)))
    elif isinstance(value, int):
        changed = value + data.draw(st.integers(1, 50))
    else:
        changed = data.draw(st.text("0123456789abcdef", min_size=64, max_size=64))
    if data.draw(st.booleans()):
        made.desk.chain[at] = replace(kept, **{name: changed})
    else:
        del made.desk.chain[at]

    assert FaultKind.BROKEN in made.faults()


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none(), st.booleans())))
def test_the_order_in_which_a_store_gives_the_keys_does_not_matter(detail):
    turned = dict(reversed(detail.items()))

    assert canonical(detail) == canonical(turned)


def test_the_bytes_that_are_hashed_never_change():
    plain = SealedRow(
        7,
        datetime(2026, 12, 1, 13, 0, 0, 5, tzinfo=UTC),
        "sign_in.refused",
        None,
        "démo",
        "",
        "",
        "r1",
        {"streak": 2, "cause": "wrong_password"},
    )

    assert canonical(plain.facts).decode() == (
        '{"account_id":null,"at":"2026-12-01T13:00:00.000005+00:00","client_id":"démo",'
        '"detail":{"cause":"wrong_password","streak":2},"event":"sign_in.refused","id":7,'
        '"network":"","operator":"","request_id":"r1"}'
    )
    made, _ = seal(None, [plain], now=plain.at)
    assert made.hash == "ade8760766d5b80dc884e3f9cc01d9c70c35b1d0341232029dfa7fa10956f9ac"


@pytest.mark.parametrize(
    "hostile", [float("nan"), b"bytes", "\ud800", 10**400, [[[]]] * 3], ids=lambda _: ""
)
def test_what_no_event_holds_is_written_too(hostile):
    assert canonical({"a": hostile})


def test_a_value_nested_too_deep_is_told_and_stops_nobody(chain):
    deep: object = {}
    for _ in range(100_000):
        deep = [deep]
    chain.desk.log[0] = replace(chain.desk.log[0], detail=deep)

    assert list(chain.faults()) == [FaultKind.CHANGED]


def test_seals_follow_each_other_and_rows_of_two_days_are_never_under_one():
    made = Chain()
    made.clock.at = datetime(2026, 11, 24, 23, 59, 58, tzinfo=UTC)
    made.write(4)

    assert made.seal() == 4
    assert [kept.events for kept in made.desk.chain] == [2, 2]
    assert made.desk.chain[1].previous == made.desk.chain[0].hash


def test_a_host_whose_clock_is_behind_seals_no_earlier_than_the_seal_before(chain):
    before = chain.desk.chain[-1].sealed_at
    chain.clock.at = before - timedelta(hours=3)
    chain.write()
    chain.seal()

    assert chain.desk.chain[-1].sealed_at == before


def test_whoever_seals_second_seals_nothing(chain):
    class Slow(MemoryAuditSeals):
        def batch(self, after, until, limit):
            rows = super().batch(after, until, limit)
            chain.seal()  # another worker, meanwhile
            return rows

    chain.write(3)
    slow = Slow()
    slow.__dict__ = chain.desk.__dict__
    second = Sealing(slow, chain.keys, chain.audit, nullcontext, chain.clock)

    assert second.seal_next() == 0
    assert (len(chain.desk.chain), chain.faults()) == (7, {})


def test_a_seal_that_was_changed_breaks_the_chain_there_and_nothing_else_is_said(chain):
    kept = chain.desk.chain[2]
    chain.desk.chain[2] = replace(kept, last_id=kept.last_id + 4)

    faults = chain.faults()

    assert list(faults) == [FaultKind.BROKEN]
    assert faults[FaultKind.BROKEN].endswith("is not what was made after seal 2")


def test_a_seal_that_is_missing_is_named(chain):
    del chain.desk.chain[1]

    assert chain.faults() == {FaultKind.BROKEN: "seal 2 is missing"}


def test_a_history_written_anew_does_not_fit_its_heads(chain):
    chain.desk.log[0] = replace(chain.desk.log[0], event="sign_in.refused")
    chain.desk.chain.clear()
    chain.desk.marked.clear()
    for day in range(3):  # the same days, batches and instants
        for batch in range(2):
            first = (day * 2 + batch) * 3
            rows = chain.desk.log[first : first + 3]
            made, marks = seal(chain.desk.last(), rows, now=rows[-1].at + timedelta(seconds=1))
            chain.desk.add(made, marks)

    assert chain.faults() == {FaultKind.BROKEN: "head 1 signed another seal 2"}


def test_a_history_written_anew_is_never_signed_by_us(chain):
    chain.desk.chain.clear()
    chain.desk.marked.clear()
    chain.seal()
    chain.clock.advance(timedelta(days=1))

    with pytest.raises(ChainBroken, match="seal 6, which head 3 signed, is not there"):
        chain.sign()
    for _ in range(4):
        chain.write()
        chain.seal()
    chain.clock.advance(timedelta(days=1))
    with pytest.raises(ChainBroken, match="seal 6 is not the one that head 3 signed"):
        chain.sign()


def test_nothing_is_signed_over_a_chain_that_is_broken_since_the_head_before(chain):
    chain.write()
    chain.seal()
    chain.write()
    chain.seal()
    chain.desk.chain[6] = replace(chain.desk.chain[6], rows_hash="0" * 64)
    chain.clock.advance(timedelta(days=1))

    with pytest.raises(ChainBroken, match="seal 7 does not continue"):
        chain.sign()


def test_nothing_is_signed_over_a_seal_that_was_moved_to_another_day(chain):
    chain.write()
    chain.seal()
    first_day = chain.desk.chain[0].sealed_at.replace(hour=0)
    chain.desk.chain[6] = replace(chain.desk.chain[6], sealed_at=first_day)

    with pytest.raises(ChainBroken, match="seal 2 cannot be reached from seal 6"):
        chain.sign()


def test_nothing_is_signed_after_a_head_that_is_none_of_ours(chain):
    chain.desk.signed[-1] = replace(chain.desk.signed[-1], jws="forged")
    chain.write()
    chain.seal()
    chain.clock.advance(timedelta(days=1))

    with pytest.raises(ChainBroken, match="head 3: the signature does not verify"):
        chain.sign()


def test_a_chain_cut_off_behind_a_head_is_missed(chain):
    del chain.desk.chain[4:]
    del chain.desk.log[12:]

    assert chain.faults() == {FaultKind.BROKEN: "seal 6, which head 3 signed, is not there"}


def test_a_chain_cut_off_with_its_heads_is_missed_by_who_kept_one(chain):
    kept = chain.keys.read(chain.desk.signed[-1]).facts
    del chain.desk.chain[4:]
    del chain.desk.log[12:]
    del chain.desk.signed[2:]

    assert chain.faults() == {}
    assert chain.faults(kept=[kept]) == {
        FaultKind.BROKEN: "seal 6, which head 3 signed, is not there"
    }


def test_a_head_that_is_no_signature_of_its_key_is_told(chain):
    chain.desk.signed[1] = replace(chain.desk.signed[1], jws="forged")

    assert chain.faults()[FaultKind.SIGNATURE] == "head 2: the signature does not verify"


def test_a_head_taken_away_is_missed(chain):
    del chain.desk.signed[1]

    assert chain.faults() == {FaultKind.HEAD_MISSING: "head 2 is gone"}


def test_a_head_replaced_by_another_of_the_same_number_is_missed(chain):
    first = chain.keys.read(chain.desk.signed[0]).facts
    chain.desk.signed[0] = chain.keys.sign(replace(first, vouches=True))

    assert chain.faults() == {FaultKind.HEAD_MISSING: "head 1 is not the one that head 2 follows"}


def test_a_day_whose_head_is_missing_is_told_two_hours_after_midnight(chain):
    chain.desk.signed.pop()
    chain.clock.at = datetime(2026, 11, 27, 1, 59, tzinfo=UTC)

    early = chain.faults()
    chain.clock.advance(timedelta(minutes=1))

    assert early == {}
    assert chain.faults() == {
        FaultKind.HEAD_MISSING: "seals were made on 2026-11-26, and no head was signed over them"
    }


def test_days_without_an_event_need_no_head_and_a_worker_that_was_away_signs_each_it_owes():
    made = Chain()
    for _ in range(3):
        made.write()
        made.seal()
        made.clock.advance(timedelta(days=5))

    assert made.sign() == [1, 2, 3]
    assert [head.seal for head in made.desk.signed] == [1, 2, 3]
    assert made.faults() == {}


def test_no_head_is_signed_of_a_day_that_is_not_over():
    made = Chain()
    made.write()
    made.seal()

    assert made.sign() == []


def test_when_another_key_signs_it_vouches_at_once_for_the_head_before(chain):
    chain.write()
    chain.seal()
    chain.keys.today = "key-2"
    chain.keys.ours = {"key-1", "key-2"}

    assert chain.sign() == [4]

    chain.keys.ours = {"key-2"}  # the old key is erased
    assert chain.faults() == {}


def test_heads_of_a_stranger_are_told_even_where_everything_fits():
    made = Chain()
    made.keys.today = "key of somebody who writes to the database"
    made.days(2)

    assert made.faults() == {
        FaultKind.SIGNATURE: "head 1: its key is none of ours, and no later head vouches for it"
    }


def test_our_key_does_not_vouch_for_a_stranger_it_was_given_to_follow(chain):
    chain.keys.today = "stranger"
    chain.days(1)
    chain.keys.today = "key-1"
    chain.days(1)

    assert list(chain.faults()) == [FaultKind.SIGNATURE]
    assert chain.faults()[FaultKind.SIGNATURE].startswith("head 4:")


def test_rows_removed_by_age_leave_the_proof_of_what_remains(chain):
    chain.clock.advance(YEAR - timedelta(days=2))
    chain.write(2)
    chain.seal()
    gone = chain.forget()
    unsealed = chain.walk()
    chain.seal()

    verdict = chain.walk()

    assert gone == 12
    assert (unsealed.faults, unsealed.forgotten) == ({}, 4)
    assert (verdict.faults, verdict.forgotten, verdict.rows) == ({}, 4, 9)


def test_a_row_that_is_not_sealed_is_never_removed_however_old():
    made = Chain()
    made.write(5)
    made.clock.advance(3 * YEAR)

    assert made.forget() == 0
    assert len(made.desk.log) == 5


@pytest.mark.parametrize(
    "excuse",
    [
        None,
        {"seal": 2, "events": 6, "before": written(datetime(2026, 11, 24, tzinfo=UTC) + YEAR)},
        {"seal": 1, "events": 6, "before": written(datetime(2025, 1, 1, tzinfo=UTC))},
        {"seal": 2, "events": 6, "before": written(datetime(2025, 1, 1, tzinfo=UTC))},
        {"seal": "2", "before": written(datetime(2026, 1, 1, tzinfo=UTC))},
        {"seal": 2, "before": "yesterday"},
        {"seal": 2, "before": "2026-01-01"},
        "no detail",
    ],
)
def test_rows_removed_while_they_were_young_are_not_excused_by_an_event(chain, excuse):
    del chain.desk.log[:6]
    del chain.desk.marked[1], chain.desk.marked[2]
    if excuse is not None:
        chain.write(event="audit.forgotten", detail=excuse)
        chain.write(event="audit.forgotten", detail=excuse, at="no instant")

    assert chain.faults() == {
        FaultKind.REMOVED: (
            "the rows of every seal up to 2, and no event tells of a removal by age"
        )
    }


def test_rows_removed_from_the_middle_are_no_retention(chain):
    del chain.desk.log[3:6]
    del chain.desk.marked[2]

    faults = chain.faults()

    assert faults[FaultKind.REMOVED].startswith("seal 2 (rows 4 to 6, ")
    assert "0 rows where 3 were sealed" in faults[FaultKind.REMOVED]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda log: log.pop(4), FaultKind.REMOVED),
        (lambda log: log.append(row(0, "")), FaultKind.INSERTED),
        (lambda log: log.append(replace(log.pop(0), operator="x")), FaultKind.CHANGED),
    ],
)
def test_marks_that_were_touched_too_leave_the_seal_to_tell(chain, act, kind):
    act(chain.desk.log)
    chain.desk.marked[1] = chain.desk.marked[2] = b"x" * 48

    faults = chain.faults()

    assert list(faults) == [kind]
    assert "which, cannot be told" in faults[kind]


def test_a_walk_may_begin_behind_a_head(chain):
    since = chain.keys.read(chain.desk.signed[0]).facts
    chain.desk.log[0] = replace(chain.desk.log[0], operator="x")
    whole = chain.faults()

    verdict = chain.walk(since=since)
    chain.desk.log[-1] = replace(chain.desk.log[-1], operator="x")

    assert list(whole) == [FaultKind.CHANGED]
    assert (verdict.faults, verdict.seals) == ({}, 4)
    assert chain.faults(since=since)[FaultKind.CHANGED].startswith("row 18,")


def test_a_walk_that_cannot_begin_where_it_was_told_says_so(chain):
    facts = chain.keys.read(chain.desk.signed[0]).facts

    for strange in (replace(facts, seal_hash="0" * 64), replace(facts, seal=99)):
        assert "where the walk was to begin" in chain.faults(since=strange)[FaultKind.BROKEN]


def test_the_export_gives_what_was_asked_for_and_digests_of_the_rest(chain):
    chain.write(2)
    chain.write(account_id=ACCOUNT)
    chain.seal()
    chain.write(account_id=ACCOUNT)
    chain.write()

    lines = list(export(chain.desk, Wanted(account_id=ACCOUNT)))

    assert [(line["type"], line.get("seal")) for line in lines] == [
        ("seal", None),
        ("digest", 7),
        ("digest", 7),
        ("event", 7),
        ("event", None),
    ]


def test_the_export_of_a_day_goes_on_to_the_last_head(chain):
    begin = datetime(2026, 11, 25, tzinfo=UTC)
    chain.desk.log.append(row(19, "no instant"))
    wanted = Wanted(begin, begin + timedelta(days=1))

    lines = list(export(chain.desk, wanted))

    assert [line["type"] for line in lines] == [
        *(["seal", "event", "event", "event"] * 2),
        "head",
        *["seal", "seal", "head"],
        "event",
    ]


def test_a_head_says_no_more_than_its_facts():
    assert set(HeadFacts.__dataclass_fields__) == {
        "number",
        "day",
        "seal",
        "seal_hash",
        "previous",
        "vouches",
    }
