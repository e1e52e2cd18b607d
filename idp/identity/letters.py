"""Letters: each promise by post becomes one page of a batch, whenever the power fails.

A batch takes these steps, in this order::

    claim, note ─► draw, hash, issue, lay out ─► commit ─► done ─► sent ─► settle
                                                   │
    killed before: erased, its rows drawn again ◄──┴──► killed after: adopted, nothing is drawn

The commit is the rename of the manifest: the printer takes a batch that has one, and no other.
Before it the letters do not exist: their rows go back, and their secrets die when others are drawn.
After it they do: their rows are noted as done, from what was noted when they were claimed. So
nobody is left without a letter, and nobody has two that open anything.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from idp import IdpError
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Protection
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.delivery import told_of
from idp.identity.dossier import DossierStatus
from idp.identity.letter_batch import Batch
from idp.identity.letter_batch import Letter
from idp.identity.letter_batch import Press
from idp.identity.letter_batch import Spool
from idp.identity.letter_batch import Unsettled
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.outbox import Promise
from idp.identity.password import PasswordHash
from idp.identity.postal_address import UnprintableAddress
from idp.identity.postal_address import postal_lines
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.temporary_password import draw
from idp.identity.temporary_password import written

T = TypeVar("T")

BATCH_LETTERS = 1_000
"""Of one file: what one lease has time for on a slow machine, and a printer takes at once."""

KINDS = frozenset({Kind.TEMPORARY_PASSWORD, Kind.PASSWORD_CHANGED, Kind.ADDRESS_RECORDED})
"""What a letter can say."""

_AT_ONCE = 50
"""Letters whose secrets wait for the press."""

_A_TRANSACTION = 250
"""Rows noted as done together: SQLite's other writers wait two seconds, not longer."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What one run did.

    Attributes:
        letters: on paper now, those of ``batches``.
        adopted: letters that a killed run had handed to the printer, noted now.
        drawn_again: rows that a killed run had begun, and gave back to this one.
        dropped: promises that no letter keeps, by their fault; ``decoy`` among them.
        refused: letters that cannot be addressed, by their fault: an operator looks at them.
    """

    batches: tuple[str, ...]
    letters: int
    adopted: int
    drawn_again: int
    dropped: dict[str, int]
    refused: dict[str, int]


@dataclass(slots=True)
class _Tally:
    """The counts of a run while it runs."""

    batches: list[str] = field(default_factory=list)
    letters: int = 0
    adopted: int = 0
    drawn_again: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)


class _NoLetter(IdpError):
    """No letter keeps this promise; ``dead`` when an operator has to look."""

    code = "no_letter"

    def __init__(self, fault: str, *, dead: bool = False) -> None:
        super().__init__(fault)
        self.fault = fault
        self.dead = dead


def _nothing(_letters: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True, slots=True)
class PrintLetters:
    """The use case, given its stores, the press, the spool and the clock.

    Attributes:
        hash: hashes a secret; called by ``threads`` threads at once.
        transaction: opens an SQL transaction.
    """

    contacts: Contacts
    temporaries: TemporaryPasswords
    outbox: Outbox
    spool: Spool
    press: Press
    hash: Callable[[str], PasswordHash]
    threads: int
    audit: AuditLog
    transaction: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]

    def run(
        self, *, limit: int, actor: Actor, on_letter: Callable[[int], None] = _nothing
    ) -> Printed:
        """Bring what a former run left to its end, then print what waits, oldest first.

        Args:
            limit: promises taken at most.
            actor: who prints.
            on_letter: told after each portion how many promises were taken.

        Raises:
            AlreadyPrinting: another process prints.
            StoreUnavailable: a store is away; the next run brings this one to its end.
            Busy: a hash could not have its memory; the same.
        """
        tally = _Tally()
        with self.spool.locked(), ThreadPoolExecutor(self.threads) as pool:
            for left in self.spool.unsettled():
                self._finish(left, tally, actor)
            while limit > 0:
                taken = self._print(min(limit, BATCH_LETTERS), pool, tally, actor, on_letter)
                if not taken:
                    break
                limit -= taken
        return Printed(
            batches=tuple(tally.batches),
            letters=tally.letters,
            adopted=tally.adopted,
            drawn_again=tally.drawn_again,
            dropped=tally.dropped,
            refused=tally.refused,
        )

    def _finish(self, left: Unsettled, tally: _Tally, actor: Actor) -> None:
        if left.printed is None:
            with self.transaction():
                tally.drawn_again += sum(map(self.outbox.release, left.claimed))
            self.spool.erase(left.batch)
            return
        printed = [promise for promise in left.claimed if promise.id in left.printed]
        tally.adopted += len(printed)
        self._hand_over(left.batch, printed, actor)

    def _print(
        self,
        limit: int,
        pool: ThreadPoolExecutor,
        tally: _Tally,
        actor: Actor,
        on_letter: Callable[[int], None],
    ) -> int:
        with self.transaction():
            claimed = self.outbox.claim(Channel.LETTER, limit=limit)
            if not claimed:
                return 0
            # Noted before the claim is committed: no kill leaves rows under a lease that no note
            # gives back. A note whose claim was never committed names a lease that no row bears.
            batch = self.spool.new_batch(self.now())
            self.spool.note(batch, claimed)
        printed: list[Promise] = []
        with self.spool.sheet(batch) as sheet:
            letters = self._letters(batch, claimed, printed, pool, tally, actor, on_letter)
            self.press.lay_out(batch, letters, sheet)
        if not printed:
            self.spool.erase(batch.id)
            return len(claimed)
        self.spool.commit(batch, printed)
        self._hand_over(batch.id, printed, actor)
        tally.batches.append(batch.id)
        tally.letters += len(printed)
        return len(claimed)

    def _letters(
        self,
        batch: Batch,
        claimed: Sequence[Promise],
        printed: list[Promise],
        pool: ThreadPoolExecutor,
        tally: _Tally,
        actor: Actor,
        on_letter: Callable[[int], None],
    ) -> Iterator[Letter]:
        """Draw the secrets of a portion, hash them side by side, and give their letters."""
        for portion in _portions(claimed, _AT_ONCE):
            with self.transaction():
                contacts = [
                    self.contacts.get(p.account_id) if p.account_id else None for p in portion
                ]
            addressed: list[tuple[Promise, tuple[str, ...], bool]] = []
            for promise, contact in zip(portion, contacts, strict=True):
                try:
                    address = self._address(promise, contact)
                except _NoLetter as none:
                    self._give_up(promise, none, tally, actor)
                    continue
                frozen = contact is not None and contact.protection is not Protection.NONE
                addressed.append((promise, address, frozen))
            secrets = [
                draw(Channel.LETTER) if _has_secret(promise) else "" for promise, *_ in addressed
            ]
            hashes = pool.map(lambda secret: self.hash(secret) if secret else None, secrets)
            for (promise, address, frozen), secret, hashed in zip(
                addressed, secrets, hashes, strict=True
            ):
                if hashed is not None and not self._issue(promise, hashed, batch):
                    self._give_up(promise, _NoLetter("superseded"), tally, actor)
                    continue
                printed.append(promise)
                yield Letter(
                    number=len(printed),
                    kind=promise.kind,
                    address=address,
                    happened_at=promise.created_at,
                    secret=written(secret) if secret else "",
                    frozen=frozen,
                )
            on_letter(len(portion))

    def _address(self, promise: Promise, contact: Contact | None) -> tuple[str, ...]:
        if promise.account_id is None:
            raise _NoLetter("decoy")
        if promise.kind not in KINDS:
            raise _NoLetter("no_such_letter", dead=True)
        if promise.outlived(self.now()):
            raise _NoLetter("too_old")
        if contact is None:
            raise _NoLetter("no_account")
        if contact.status is not DossierStatus.ACTIVE:
            raise _NoLetter("dossier_not_active")
        if _has_secret(promise) and contact.credential_version != promise.credential_version:
            raise _NoLetter("password_changed")
        try:
            return postal_lines(
                contact.address,
                given_names=contact.given_names,
                name=contact.usage_name or contact.family_name,
            )
        except UnprintableAddress as unprintable:
            raise _NoLetter(unprintable.fault, dead=True) from None

    def _issue(self, promise: Promise, hashed: PasswordHash, batch: Batch) -> bool:
        return self.temporaries.issue(
            _account(promise),
            Channel.LETTER,
            promise.id,
            version=promise.credential_version,
            hashed=hashed,
            expires_at=batch.expires_at,
        )

    def _give_up(self, promise: Promise, none: _NoLetter, tally: _Tally, actor: Actor) -> None:
        counts = tally.refused if none.dead else tally.dropped
        counts[none.fault] = counts.get(none.fault, 0) + 1
        with self.transaction():
            if none.dead:
                held = self.outbox.failed(promise, none.fault, permanent=True)
            else:
                held = self.outbox.drop(promise, none.fault)
            if held and promise.account_id is not None:  # a decoy has no story
                self.audit.record(
                    Event.MESSAGE_DEAD if none.dead else Event.MESSAGE_FAILED,
                    account_id=promise.account_id,
                    actor=actor,
                    detail=told_of(promise, none.fault),
                )

    def _hand_over(self, batch: str, printed: Sequence[Promise], actor: Actor) -> None:
        """Note that the letters of a committed batch left, as often as it takes."""
        for portion in _portions(printed, _A_TRANSACTION):
            with self.transaction():
                newly = [p for p in portion if self.outbox.done(p, batch=batch)]
                for promise in newly:
                    self._tell(promise, batch, actor)
                if newly:
                    self.audit.record(
                        Event.LETTERS_PRINTED,
                        actor=actor,
                        detail={"batch": batch, "letters": len(newly)},
                    )
        for promise in filter(_has_secret, printed):
            self.temporaries.sent(_account(promise), Channel.LETTER, promise.id)
        self.spool.settle(batch)

    def _tell(self, promise: Promise, batch: str, actor: Actor) -> None:
        events = [Event.NOTICE_SENT]
        if _has_secret(promise):
            events = [Event.TEMPORARY_ISSUED, Event.TEMPORARY_SENT]
        detail = told_of(promise) | {"batch": batch}
        for event in events:
            self.audit.record(event, account_id=promise.account_id, actor=actor, detail=detail)


def _has_secret(promise: Promise) -> bool:
    return promise.kind is Kind.TEMPORARY_PASSWORD


def _account(promise: Promise) -> str:
    return promise.account_id or ""


def _portions(rows: Collection[T], size: int) -> Iterator[list[T]]:
    remaining = iter(rows)
    while portion := list(islice(remaining, size)):
        yield portion
