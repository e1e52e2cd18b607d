"""Verifying: a walk along the chain that names the first fault of each kind, in plain words.

Memory does not grow with the log. What the walk cannot know stands in docs/operate/audit.md: rows
that no seal closed yet, and a chain cut off behind its last head, unless a head kept elsewhere is
given to compare with.
"""

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from idp.audit import Event
from idp.audit_chain import BEGINNING
from idp.audit_chain import Seal
from idp.audit_chain import SealedRow
from idp.audit_chain import read_marks
from idp.audit_sealing import BadSignature
from idp.audit_sealing import HeadFacts
from idp.audit_sealing import HeadKeys
from idp.audit_sealing import SealedLog

SHORTEST_RETENTION = timedelta(days=183)
"""No settings forget earlier: younger rows that are gone were not removed by age."""

HEAD_GRACE = timedelta(hours=2)
"""For so long after midnight the head of the day before may wait for the worker."""


class FaultKind(StrEnum):
    """What can be wrong."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    BROKEN = "broken chain"
    SIGNATURE = "bad signature"
    HEAD_MISSING = "head missing"


@dataclass(slots=True)
class Verdict:
    """What a walk found.

    Attributes:
        faults: the first of each kind.
        unsealed: rows that no seal closes yet: nothing can be said of them.
        forgotten: how many seals, from the oldest on, have no rows any more, by age.
        heads: how many heads have a good signature.
    """

    faults: dict[FaultKind, str] = field(default_factory=dict)
    seals: int = 0
    rows: int = 0
    unsealed: int = 0
    forgotten: int = 0
    heads: int = 0

    def found(self, kind: FaultKind, what: str) -> None:
        """Keep a fault, unless it is not the first of its kind."""
        self.faults.setdefault(kind, what)


@dataclass(frozen=True, slots=True)
class _Removal:
    """What an event ``audit.forgotten`` says."""

    seal: int
    before: datetime


class Walk:
    """One walk along a log."""

    def __init__(
        self,
        log: SealedLog,
        keys: HeadKeys,
        *,
        now: datetime,
        since: HeadFacts | None = None,
        kept: Sequence[HeadFacts] = (),
    ) -> None:
        """Begin nothing yet.

        Args:
            log: the log.
            keys: who reads heads.
            now: whether a day's head is due depends on it.
            since: begin behind this head, and take what it says for granted.
            kept: what heads say that were kept elsewhere; the chain must hold them.
        """
        self._log = log
        self._keys = keys
        self._now = now
        self._since = since
        self._kept = kept
        self._verdict = Verdict()
        self._previous: Seal | None = None
        self._after: int | None = None
        self._astray = False
        self._forgotten = 0
        self._peeked: SealedRow | None = None
        self._rows: Iterator[SealedRow] = iter(())
        self._covered = 0
        self._removal: _Removal | None = None
        self._newest_forgotten = datetime.min.replace(tzinfo=UTC)

    def run(self) -> Verdict:
        """Walk to the end.

        Raises:
            StoreUnavailable: SQL is away.
        """
        verdict = self._verdict
        named = self._named_by_heads()
        if self._since is not None:
            self._begin(self._since)
        if self._previous is not None:
            self._after, self._forgotten = self._previous.last_id, self._previous.number
        self._seek(self._after)
        for seal in self._log.seals(0 if self._previous is None else self._previous.number):
            self._take(seal)
            for facts in named.pop(seal.number, ()):
                if facts.seal_hash != seal.hash:
                    what = f"head {facts.number} signed another seal {seal.number}"
                    verdict.found(FaultKind.BROKEN, what)
            if self._previous is not None and self._previous.day < seal.day:
                self._look_for_head(self._previous)
            self._previous, self._after = seal, seal.last_id
        if self._previous is not None:
            self._look_for_head(self._previous)
        for number, others in sorted(named.items()):
            if self._since is None or number > self._since.seal:
                what = f"seal {number}, which head {others[0].number} signed, is not there"
                verdict.found(FaultKind.BROKEN, what)
        if self._astray and self._previous is not None:
            self._seek(self._previous.last_id)
        while (row := self._next()) is not None:
            verdict.unsealed += 1
            self._note(row)
        self._judge_forgotten()
        return verdict

    def _named_by_heads(self) -> dict[int, list[HeadFacts]]:
        """Check every head by itself; give what those with a good signature say, by seal."""
        named: dict[int, list[HeadFacts]] = defaultdict(list)
        before, number = BEGINNING, 0
        unknown: list[int] = []
        """Heads of keys that are gone, each vouched for by the next, the last by nobody yet."""
        for head in self._log.heads():
            number += 1
            try:
                read = self._keys.read(head)
            except BadSignature as error:
                self._verdict.found(FaultKind.SIGNATURE, f"head {head.number}: {error}")
                self._not_ours(unknown)
                unknown = []
            else:
                facts = read.facts
                self._verdict.heads += 1
                self._covered = max(self._covered, facts.seal)
                named[facts.seal].append(facts)
                linked = (facts.number, facts.previous) == (number, before)
                if not linked:
                    what = (
                        f"head {number} is gone"
                        if facts.number > number
                        else (f"head {number - 1} is not the one that head {facts.number} follows")
                    )
                    self._verdict.found(FaultKind.HEAD_MISSING, what)
                if not (linked and facts.vouches):
                    self._not_ours(unknown)
                    unknown = []
                unknown = [] if read.key_is_ours else [*unknown, facts.number]
            before, number = head.hash, head.number
        self._not_ours(unknown)
        for facts in self._kept:
            named[facts.seal].append(facts)
        return named

    def _not_ours(self, numbers: list[int]) -> None:
        if numbers:
            what = f"head {numbers[0]}: its key is none of ours, and no later head vouches for it"
            self._verdict.found(FaultKind.SIGNATURE, what)

    def _begin(self, since: HeadFacts) -> None:
        start = next(self._log.seals(since.seal - 1), None)
        if start is not None and (start.number, start.hash) == (since.seal, since.seal_hash):
            self._previous = start
        else:
            what = f"seal {since.seal}, where the walk was to begin, is not there as it was signed"
            self._verdict.found(FaultKind.BROKEN, what)

    def _take(self, seal: Seal) -> None:
        self._verdict.seals += 1
        if seal.follows(self._previous):
            self._compare(seal)
            return
        number = 1 if self._previous is None else self._previous.number + 1
        if seal.number > number:
            what = f"seal {number} is missing"
        else:
            what = f"{_told(seal)} is not what was made after seal {number - 1}"
        self._verdict.found(FaultKind.BROKEN, what)
        self._astray = True  # what it says of its rows counts for nothing

    def _compare(self, seal: Seal) -> None:
        if self._astray:
            self._astray, self._after = False, seal.first_id - 1
            self._seek(self._after)
        hashed = sha256()
        count = 0
        while (row := self._next(until=seal.last_id)) is not None:
            hashed.update(row.digest)
            count += 1
            self._note(row)
        self._verdict.rows += count
        if hashed.hexdigest() == seal.rows_hash:
            return
        marks = self._log.marks(seal.number)
        if count == 0 and marks is None and self._forgotten == seal.number - 1:
            self._forgotten = self._verdict.forgotten = seal.number
            self._newest_forgotten = max(self._newest_forgotten, seal.newest_at)
        elif marks is None or sha256(marks).hexdigest() != seal.marks_hash:
            self._tell_by_count(seal, count)
        else:
            self._tell_by_marks(seal, read_marks(marks))

    def _tell_by_count(self, seal: Seal, count: int) -> None:
        kind = FaultKind.CHANGED
        if count != seal.events:
            kind = FaultKind.REMOVED if count < seal.events else FaultKind.INSERTED
        what = (
            f"{_told(seal)}: {count} rows where {seal.events} were sealed, and not the same; "
            "which, cannot be told, since its marks are gone as well"
        )
        self._verdict.found(kind, what)

    def _tell_by_marks(self, seal: Seal, marks: dict[int, bytes]) -> None:
        for row in self._log.rows(self._after, seal.last_id):
            mark = marks.pop(row.id, None)
            if mark is None:
                self._verdict.found(FaultKind.INSERTED, f"row {row.id}, in {_told(seal)}")
            elif not row.digest.startswith(mark):
                self._verdict.found(FaultKind.CHANGED, f"row {row.id}, in {_told(seal)}")
        if marks:
            self._verdict.found(FaultKind.REMOVED, f"row {min(marks)}, in {_told(seal)}")

    def _look_for_head(self, last: Seal) -> None:
        """Whether the last seal of a day is under a head, where one is due."""
        if last.number > self._covered and head_is_due(last.day, self._now):
            what = f"seals were made on {last.day}, and no head was signed over them"
            self._verdict.found(FaultKind.HEAD_MISSING, what)

    def _note(self, row: SealedRow) -> None:
        """Keep the newest word on removal by age."""
        if row.event != Event.AUDIT_FORGOTTEN:
            return
        told = _removal_of(row)
        if told is not None and (self._removal is None or told.seal >= self._removal.seal):
            self._removal = told

    def _judge_forgotten(self) -> None:
        forgotten, removal = self._verdict.forgotten, self._removal
        if not forgotten or (
            removal is not None
            and removal.seal >= forgotten
            and self._newest_forgotten < removal.before
        ):
            return
        what = f"the rows of every seal up to {forgotten}, and no event tells of a removal by age"
        self._verdict.found(FaultKind.REMOVED, what)

    def _seek(self, after: int | None) -> None:
        self._rows = self._log.rows(after)
        self._peeked = next(self._rows, None)

    def _next(self, until: int | None = None) -> SealedRow | None:
        row = self._peeked
        if row is None or (until is not None and row.id > until):
            return None
        self._peeked = next(self._rows, None)
        return row


def head_is_due(day: date, now: datetime) -> bool:
    """Whether the head of a day that has seals must have been signed."""
    return now >= datetime.combine(day + timedelta(days=1), time(), UTC) + HEAD_GRACE


def _removal_of(row: SealedRow) -> _Removal | None:
    """Read an event ``audit.forgotten``; None when it covers nothing by our rules."""
    detail = row.detail
    if not isinstance(detail, dict) or not isinstance(row.at, datetime):
        return None
    seal, before = detail.get("seal"), detail.get("before")
    try:
        instant = datetime.fromisoformat(str(before))
    except ValueError:
        return None
    if not isinstance(seal, int) or instant.tzinfo is None:
        return None
    return _Removal(seal, instant) if row.at - instant >= SHORTEST_RETENTION else None


def _told(seal: Seal) -> str:
    return (
        f"seal {seal.number} (rows {seal.first_id} to {seal.last_id}, "
        f"{seal.sealed_at:%Y-%m-%d %H:%M:%S}Z)"
    )
