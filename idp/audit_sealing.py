"""Sealing: what closes the audit log batch by batch, signs its head daily, forgets its oldest rows.

No writer waits for it, and several workers at once do no harm: whoever is second finds the number
of its seal, or of its head, taken. A kill at any point leaves a row sealed or not, and
forgotten with its event or not at all.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from hashlib import sha256
from itertools import takewhile
from typing import Protocol

from idp import IdpError
from idp.audit import AuditLog
from idp.audit import Event
from idp.audit_chain import BEGINNING
from idp.audit_chain import Seal
from idp.audit_chain import SealedRow
from idp.audit_chain import seal
from idp.audit_chain import written

BATCH = 1_000
"""Rows under one seal at most, and all of one UTC day."""


class ChainBroken(IdpError):
    """The chain does not go on from the head before; the text says where it breaks."""

    code = "audit_chain_broken"


class BadSignature(IdpError):
    """A head is not what its key signed; the text says which check refused it."""

    code = "bad_signature"


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """What a head says: the chain went so far, and ended in a seal of this hash.

    Attributes:
        number: one more than that of the head before.
        day: of the seal.
        seal: its number.
        seal_hash: its hash, and so of everything before.
        previous: the SHA-256 of the head before, as signed: one that is taken away is missed.
        vouches: whether the signer had the key of the head before among its own, and so knew that
            head for its own. Keys go, and this stays.
    """

    number: int
    day: date
    seal: int
    seal_hash: str
    previous: str
    vouches: bool


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head as stored: the signature, and the public key that verifies it.

    The other columns find it; what it says is in the signature alone.
    """

    number: int
    day: date
    seal: int
    jws: str
    public_jwk: Mapping[str, str] = field(repr=False)

    @property
    def hash(self) -> str:
        """What the next head calls it by."""
        return sha256(self.jws.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ReadHead:
    """A head whose signature is good, and whether its key is one of ours today.

    A key that came with the head alone proves only that head and key belong together.
    """

    facts: HeadFacts
    key_is_ours: bool


class HeadKeys(Protocol):
    """Who signs heads and reads them."""

    def sign(self, facts: HeadFacts) -> Head:
        """Sign with the key of the day."""

    def read(self, head: Head) -> ReadHead:
        """Verify. Raises BadSignature."""

    def is_of_today(self, head: Head) -> bool:
        """Whether the key that signs today is the one that it names."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows that were removed by age: of every seal up to ``seal``."""

    seal: int
    events: int


class SealedLog(Protocol):
    """The audit log as a chain; each iterator reads a page at a time, of any length in all."""

    def last(self) -> Seal | None:
        """The newest seal."""

    def last_of(self, day: date) -> Seal | None:
        """The newest seal that was made on or before a UTC day."""

    def first_above(self, number: int) -> Seal | None:
        """The seal with the lowest number above this one."""

    def seals(self, after: int) -> Iterator[Seal]:
        """Seals above a number, in order."""

    def rows(self, after: int | None = None, until: int | None = None) -> Iterator[SealedRow]:
        """Rows whose ids are above ``after`` and not above ``until``, in order."""

    def marks(self, number: int) -> bytes | None:
        """The marks of a seal; None when its rows were forgotten."""

    def heads(self) -> list[Head]:
        """Every head, in order."""

    def newest_head(self) -> Head | None:
        """The newest head."""


class SealDesk(SealedLog, Protocol):
    """What sealing adds to the log."""

    def settled(self) -> int | None:
        """An id up to which no row can appear any more.

        Ids are given before the commit: a row may appear after one with a higher id. None when
        there is no row, or a writer is busy for long.
        """

    def batch(self, after: int | None, until: int, limit: int) -> list[SealedRow]:
        """The first rows above ``after``, in order."""

    def add(self, made: Seal, marks: bytes) -> bool:
        """Add a seal; False when its number is taken."""

    def add_head(self, head: Head) -> bool:
        """Add a head; False when its number is taken."""

    def forget(self, before: datetime) -> Forgotten | None:
        """Remove the rows of the oldest seals, none newer than ``before``: some whole seals.

        None when there is none left, or another is at it.
        """


class Sealing:
    """The acts of the worker on the chain."""

    def __init__(
        self,
        desk: SealDesk,
        keys: HeadKeys,
        audit: AuditLog,
        transaction: Callable[[], AbstractContextManager[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._keys = keys
        self._audit = audit
        self._transaction = transaction
        self._now = now

    def seal_next(self) -> int:
        """Seal the next batch; gives how many rows that were, 0 when there is nothing to do.

        Three short transactions: what is settled must be known before the rows are read, and no
        lock is held while they are hashed.

        Raises:
            StoreUnavailable: SQL is away.
        """
        with self._transaction():
            settled = self._desk.settled()
        if settled is None:
            return 0
        with self._transaction():
            last = self._desk.last()
            rows = self._desk.batch(None if last is None else last.last_id, settled, BATCH)
        if not rows:
            return 0
        rows = list(_of_one_day(rows))
        made, marks = seal(last, rows, now=self._now())
        with self._transaction():
            added = self._desk.add(made, marks)
        return len(rows) if added else 0

    def sign_head(self) -> Head | None:
        """Sign the head of the oldest past day that lacks one; None when nothing is due.

        When another key signs than the day before, a head is due at once, while the key of the head
        before is still there to know it by.

        What was signed before is checked first, and that the chain goes on from there: so a
        history that was written anew is never signed by us (ADR 0023).

        Raises:
            ChainBroken: it does not go on from there, or what stands there is no head of ours.
            StoreUnavailable: SQL is away.
            IdpError: no key signs.
        """
        with self._transaction():
            before = self._desk.newest_head()
            last = self._due(before)
            if last is None:
                return None
            vouches = self._check(before, last)
        head = self._keys.sign(
            HeadFacts(
                number=1 if before is None else before.number + 1,
                day=last.day,
                seal=last.number,
                seal_hash=last.hash,
                previous=BEGINNING if before is None else before.hash,
                vouches=vouches,
            )
        )
        with self._transaction():
            self._desk.add_head(head)
        return head

    def forget(self, before: datetime) -> int:
        """Remove the oldest seals' rows, some whole seals, and tell it in the log itself.

        In the transaction of the caller. Gives how many rows that were.

        Raises:
            StoreUnavailable: SQL is away.
        """
        gone = self._desk.forget(before)
        if gone is None:
            return 0
        self._audit.record(
            Event.AUDIT_FORGOTTEN,
            detail={"seal": gone.seal, "events": gone.events, "before": written(before)},
        )
        return gone.events

    def _due(self, before: Head | None) -> Seal | None:
        if before is None:
            after = self._desk.first_above(0)
        else:
            self._signed_by(before)
            after = self._desk.first_above(before.seal)
        if after is not None and after.day < self._now().date():
            return self._desk.last_of(after.day)
        if before is not None and not self._keys.is_of_today(before):
            return self._desk.last()
        return None

    def _signed_by(self, head: Head) -> Seal:
        signed = self._desk.first_above(head.seal - 1)
        if signed is None or signed.number != head.seal:
            message = f"seal {head.seal}, which head {head.number} signed, is not there"
            raise ChainBroken(message)
        return signed

    def _check(self, before: Head | None, last: Seal) -> bool:
        """Follow the chain from one head to the next; gives whether we know the first for ours."""
        previous: Seal | None = None
        start, ours = 0, False
        if before is not None:
            try:
                read = self._keys.read(before)
            except BadSignature as error:
                raise ChainBroken(f"head {before.number}: {error}") from None
            previous, ours = self._signed_by(before), read.key_is_ours
            if previous.hash != read.facts.seal_hash:
                message = f"seal {before.seal} is not the one that head {before.number} signed"
                raise ChainBroken(message)
            start = before.seal
        for after in self._desk.seals(start):
            if after.number > last.number:
                break
            if not after.follows(previous):
                message = f"seal {after.number} does not continue the one before"
                raise ChainBroken(message)
            previous = after
        if previous is None or previous.hash != last.hash:
            message = f"seal {last.number} cannot be reached from seal {start}"
            raise ChainBroken(message)
        return ours


def _of_one_day(rows: Sequence[SealedRow]) -> Iterator[SealedRow]:
    """The rows up to the first of another day: no event is kept for what it was sealed with."""
    first = _day(rows[0])
    return takewhile(lambda row: _day(row) == first, rows)


def _day(row: SealedRow) -> date | None:
    return row.at.date() if isinstance(row.at, datetime) else None
