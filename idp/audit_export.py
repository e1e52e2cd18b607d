"""The export of the audit log: facts that a third party can check without us.

Events that were not asked for leave their digest only: the seals can be checked all the same, and
nobody reads them. docs/operate/audit.md describes each line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from idp.audit_chain import Seal
from idp.audit_chain import SealedRow
from idp.audit_sealing import Head
from idp.audit_sealing import SealedLog

Line = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for: from an instant, up to another, of one account."""

    begin: datetime | None = None
    end: datetime | None = None
    account_id: str | None = None

    def has(self, row: SealedRow) -> bool:
        """Whether an event is asked for. One that tells no instant is, whatever the instants."""
        if self.account_id is not None and row.account_id != self.account_id:
            return False
        if not isinstance(row.at, datetime):
            return True
        early = self.begin is not None and row.at < self.begin
        late = self.end is not None and row.at >= self.end
        return not (early or late)


def export(log: SealedLog, wanted: Wanted) -> Iterator[Line]:
    """Give the lines: each seal, its events, and the heads over it, from the first event on.

    Seals go on to the last, so that an old event can be followed to a head of today.
    """
    heads = log.heads()
    begun = False
    rows = log.rows()
    row = next(rows, None)
    for seal in log.seals(0):
        within: list[SealedRow] = []
        while row is not None and row.id <= seal.last_id:
            within.append(row)
            row = next(rows, None)
        asked = any(map(wanted.has, within))
        begun = begun or asked
        if begun:
            yield {"type": "seal", **seal.facts, "hash": seal.hash}
            if asked:
                yield from _lines_of(seal, within, wanted)
            yield from (_line(head) for head in heads if head.seal == seal.number)
    while row is not None:
        if wanted.has(row):
            yield {"type": "event", "seal": None, "row": row.facts}
        row = next(rows, None)


def _lines_of(seal: Seal, rows: list[SealedRow], wanted: Wanted) -> Iterator[Line]:
    for row in rows:
        if wanted.has(row):
            yield {"type": "event", "seal": seal.number, "row": row.facts}
        else:
            sha256 = row.digest.hex()
            yield {"type": "digest", "seal": seal.number, "id": row.id, "sha256": sha256}


def _line(head: Head) -> Line:
    return {"type": "head", **facts_of(head)}


def facts_of(head: Head) -> Line:
    """What ``idp audit head`` prints and the export tells of a head."""
    return {
        "head": head.number,
        "day": head.day.isoformat(),
        "seal": head.seal,
        "jws": head.jws,
        "public_jwk": dict(head.public_jwk),
    }
