"""A batch of letters: its words, and the ports of the press and of the printer's folder."""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from typing import BinaryIO
from typing import Protocol

from idp import IdpError
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.identity.working_days import FRANCE
from idp.identity.working_days import day_in_france


class AlreadyPrinting(IdpError):
    """Another process holds the spool: it prints, or reissues, right now."""

    code = "already_printing"


@dataclass(frozen=True, slots=True)
class Batch:
    """One file of the printer: its name, and the instant that dates its letters."""

    id: str
    at: datetime

    @property
    def day(self) -> date:
        """The date that its letters bear."""
        return day_in_france(self.at)

    @property
    def valid_until(self) -> date:
        """The last day on which its secrets open, the whole of it."""
        return self.day + LIFETIMES[Channel.LETTER]

    @property
    def expires_at(self) -> datetime:
        """The end of that day in France."""
        return datetime.combine(self.valid_until + timedelta(days=1), time.min, tzinfo=FRANCE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One page. Never with a dossier number.

    Attributes:
        number: its place in the batch, from 1: with the batch it is the letter's reference.
        address: two to six lines, the recipient first.
        happened_at: when what it tells happened, or was asked for.
        secret: as it is written; "" in a notice.
        frozen: the account opens by this letter alone.
    """

    number: int
    kind: Kind
    address: tuple[str, ...] = field(repr=False)
    happened_at: datetime
    secret: str = field(default="", repr=False)
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A batch that a former run did not bring to its end.

    Attributes:
        claimed: every row it held.
        printed: the numbers of the rows that have a letter; None before the commit.
    """

    batch: str
    claimed: tuple[Promise, ...]
    printed: frozenset[int] | None


class Press(Protocol):
    """Lays letters out."""

    def lay_out(self, batch: Batch, letters: Iterator[Letter], sheet: BinaryIO) -> None:
        """Write one document, a page a letter, drawing on ``letters`` as it goes."""


class Spool(Protocol):
    """The printer's folder. Its acts are safe against a kill at any instant."""

    def locked(self) -> AbstractContextManager[None]:
        """Be the only one who writes to it. Raises AlreadyPrinting."""

    def unsettled(self) -> list[Unsettled]:
        """Read what former runs left: batches that were noted and not settled, oldest first."""

    def new_batch(self, at: datetime) -> Batch:
        """Name a batch, as no other was named."""

    def note(self, batch: Batch, claimed: Sequence[Promise]) -> None:
        """Keep which rows are being printed, on disk when this returns; their claim follows."""

    def sheet(self, batch: Batch) -> AbstractContextManager[BinaryIO]:
        """Open the document of a batch, which no printer sees yet; erased when the block fails."""

    def commit(self, batch: Batch, printed: Sequence[Promise]) -> None:
        """Hand the document to the printer: on disk, whole, with its manifest, in one step."""

    def erase(self, batch: str) -> None:
        """Forget a batch that was not committed, and what was noted of it."""

    def settle(self, batch: str) -> None:
        """Forget what was noted of a batch: nothing is left to do."""
