"""The hash chain over the audit log: what a seal is, and the exact bytes that are hashed.

A seal closes every row up to its ``last_id`` that the seal before did not, and carries the hash of
that one. Everything hashed is JSON in the canonical form of RFC 8785, the same on every store: a
third party checks an export with nothing but a JSON and a SHA-256 library
(docs/operate/audit.md has the program).
"""

import json
import struct
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import date
from datetime import datetime
from hashlib import sha256

_written_json = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr
).encode

BEGINNING = "0" * 64
"""What stands in the first seal for the hash of the one before."""

_MARK = struct.Struct(">q8s")


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One row of the audit log, as stored.

    ``at`` is text where a hand other than ours wrote what is no instant: such a row must be
    told of, and not stop whoever looks for it. ``detail`` likewise may be anything.
    """

    id: int
    at: datetime | str
    event: str
    account_id: str | None
    client_id: str | None
    network: str
    operator: str
    request_id: str
    detail: object

    @property
    def facts(self) -> dict[str, object]:
        """What is hashed, and exported."""
        return {
            "id": self.id,
            "at": written(self.at) if isinstance(self.at, datetime) else self.at,
            "event": self.event,
            "account_id": self.account_id,
            "client_id": self.client_id,
            "network": self.network,
            "operator": self.operator,
            "request_id": self.request_id,
            "detail": self.detail,
        }

    @property
    def digest(self) -> bytes:
        """SHA-256 of the row."""
        return sha256(canonical(self.facts)).digest()


@dataclass(frozen=True, slots=True)
class Seal:
    """One batch of rows, closed; a seal is never changed, and outlives its rows.

    Attributes:
        number: one more than that of the seal before; the first is 1.
        previous: the hash of the seal before, in hexadecimal like the others.
        first_id: the first row; ``last_id`` the last.
        events: how many rows there are.
        newest_at: the latest instant that one of them tells.
        sealed_at: never before that of the seal before, whatever the clocks of hosts say.
        rows_hash: SHA-256 over the digests of the rows, in the order of their ids.
        marks_hash: SHA-256 of the marks, by which ``verify`` names the row that was touched.
        hash: SHA-256 over all of the above.
    """

    number: int
    previous: str
    first_id: int
    last_id: int
    events: int
    newest_at: datetime
    sealed_at: datetime
    rows_hash: str
    marks_hash: str
    hash: str

    @property
    def facts(self) -> dict[str, object]:
        """What ``hash`` is taken over, and what is exported beside it."""
        return {
            "number": self.number,
            "previous": self.previous,
            "first_id": self.first_id,
            "last_id": self.last_id,
            "events": self.events,
            "newest_at": written(self.newest_at),
            "sealed_at": written(self.sealed_at),
            "rows_hash": self.rows_hash,
            "marks_hash": self.marks_hash,
        }

    @property
    def day(self) -> date:
        """The UTC day on which it was sealed."""
        return self.sealed_at.astimezone(UTC).date()

    def follows(self, previous: "Seal | None") -> bool:
        """Whether this is, unaltered, the seal that was made after ``previous``."""
        hash_before, number_before = (
            (BEGINNING, 0) if previous is None else (previous.hash, previous.number)
        )
        return (
            self.previous == hash_before
            and self.number == number_before + 1
            and self.hash == _hash(self.facts)
        )


def seal(previous: Seal | None, rows: Sequence[SealedRow], *, now: datetime) -> tuple[Seal, bytes]:
    """Close ``rows``, in the order of their ids and at least one; gives the seal and its marks."""
    digests = [row.digest for row in rows]
    marks = marks_of(zip((row.id for row in rows), digests, strict=True))
    instants = [row.at for row in rows if isinstance(row.at, datetime)]
    unhashed = Seal(
        number=1 if previous is None else previous.number + 1,
        previous=BEGINNING if previous is None else previous.hash,
        first_id=rows[0].id,
        last_id=rows[-1].id,
        events=len(rows),
        newest_at=max(instants, default=now),
        sealed_at=now if previous is None else max(now, previous.sealed_at),
        rows_hash=sha256(b"".join(digests)).hexdigest(),
        marks_hash=sha256(marks).hexdigest(),
        hash="",
    )
    return replace(unhashed, hash=_hash(unhashed.facts)), marks


def marks_of(digests: Iterable[tuple[int, bytes]]) -> bytes:
    """Shorten digests to what tells which row of a batch was touched: 16 bytes a row."""
    return b"".join(_MARK.pack(row_id, digest[:8]) for row_id, digest in digests)


def read_marks(marks: bytes) -> dict[int, bytes]:
    """Read marks back: the beginning of the digest, by the id of the row."""
    return dict(_MARK.iter_unpack(marks))


def canonical(value: object) -> bytes:
    """Write JSON in one way only.

    What no event of ours holds (a hand other than ours may have put it there) is written too, so
    that it differs from what was sealed instead of stopping the search.

    Spec: RFC 8785 (JSON Canonicalization Scheme); our numbers are integers.
    """
    try:
        text = _written_json(value)
    except RecursionError:
        text = "nested too deep for any event of ours"
    return text.encode("utf-8", "surrogatepass")


def written(instant: datetime) -> str:
    """Write an instant in one way only, to the microsecond."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _hash(facts: dict[str, object]) -> str:
    return sha256(canonical(facts)).hexdigest()
