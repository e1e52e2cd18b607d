"""The audit log as a chain, in memory, for a test to tamper with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta

from idp.audit_chain import Seal
from idp.audit_chain import SealedRow
from idp.audit_sealing import BadSignature
from idp.audit_sealing import Forgotten
from idp.audit_sealing import Head
from idp.audit_sealing import HeadFacts
from idp.audit_sealing import ReadHead


def row(row_id: int, at: datetime | str, **facts: object) -> SealedRow:
    """One row, as a store would give it."""
    plain = SealedRow(row_id, at, "sign_in.succeeded", None, None, "192.0.2.0/24", "", "r", {})
    return replace(plain, **facts)  # type: ignore[arg-type] # what a test names


class MemoryAuditSeals:
    """The port ``SealDesk``; whoever tampers changes the lists."""

    def __init__(self) -> None:
        self.log: list[SealedRow] = []
        self.chain: list[Seal] = []
        self.marked: dict[int, bytes] = {}
        self.signed: list[Head] = []

    def settled(self) -> int | None:
        """Every row is there at once."""
        return max((kept.id for kept in self.log), default=None)

    def batch(self, after: int | None, until: int, limit: int) -> list[SealedRow]:
        """The first rows."""
        return list(self.rows(after, until))[:limit]

    def add(self, made: Seal, marks: bytes) -> bool:
        """Add a seal."""
        if any(seal.number == made.number for seal in self.chain):
            return False
        self.chain.append(made)
        self.marked[made.number] = marks
        return True

    def last(self) -> Seal | None:
        """The newest seal."""
        return max(self.chain, key=lambda seal: seal.number, default=None)

    def last_of(self, day: date) -> Seal | None:
        """The newest seal up to a day."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        made = [seal for seal in self.chain if seal.sealed_at < midnight]
        return max(made, key=lambda seal: (seal.sealed_at, seal.number), default=None)

    def first_above(self, number: int) -> Seal | None:
        """The next seal."""
        return next(self.seals(number), None)

    def seals(self, after: int) -> Iterator[Seal]:
        """Seals in order."""
        return iter(
            sorted(
                (seal for seal in self.chain if seal.number > after), key=lambda seal: seal.number
            )
        )

    def rows(self, after: int | None = None, until: int | None = None) -> Iterator[SealedRow]:
        """Rows in order."""
        for kept in sorted(self.log, key=lambda kept: kept.id):
            if (after is None or kept.id > after) and (until is None or kept.id <= until):
                yield kept

    def marks(self, number: int) -> bytes | None:
        """The marks of a seal."""
        return self.marked.get(number)

    def heads(self) -> list[Head]:
        """Every head."""
        return sorted(self.signed, key=lambda head: head.number)

    def newest_head(self) -> Head | None:
        """The newest head."""
        return max(self.signed, key=lambda head: head.number, default=None)

    def add_head(self, head: Head) -> bool:
        """Add a head."""
        if any(kept.number == head.number for kept in self.signed):
            return False
        self.signed.append(head)
        return True

    def forget(self, before: datetime) -> Forgotten | None:
        """Remove the rows of every seal that is old enough, from the oldest on."""
        last: Seal | None = None
        for seal in self.seals(0):
            if seal.newest_at >= before:
                break
            if seal.number in self.marked:
                last = seal
        if last is None:
            return None
        for number in [number for number in self.marked if number <= last.number]:
            del self.marked[number]
        kept = [kept for kept in self.log if kept.id > last.last_id]
        gone, self.log = len(self.log) - len(kept), kept
        return Forgotten(last.number, gone)


class PlainHeads:
    """The port ``HeadKeys`` without cryptography: a head is good when its key's name is in it."""

    def __init__(self) -> None:
        self.today = "key-1"
        self.ours = {"key-1"}
        self._facts: dict[str, HeadFacts] = {}

    def sign(self, facts: HeadFacts, kid: str = "") -> Head:
        """Sign with the key of today, or with another."""
        kid = kid or self.today
        jws = f"{kid}:{facts}"
        self._facts[jws] = facts
        return Head(facts.number, facts.day, facts.seal, jws, {"kid": kid})

    def read(self, head: Head) -> ReadHead:
        """Read what was signed."""
        facts = self._facts.get(head.jws)
        if facts is None:
            message = "the signature does not verify"
            raise BadSignature(message)
        return ReadHead(facts, key_is_ours=head.public_jwk["kid"] in self.ours)

    def is_of_today(self, head: Head) -> bool:
        """Whether its key signs today."""
        return head.public_jwk["kid"] == self.today
