"""Letters printed once more: their secrets died with Redis, or the paper with the printer.

A new promise stands in the outbox for each; the next print draws, and whatever secret of the former
letter still opened dies then. A letter whose account has chosen a password since, or already waits
for another one, is left alone: run twice, this promises nothing twice.
"""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.letter_batch import Spool
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.outbox import Promise
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TemporaryPasswords


class NoSuchBatch(IdpError):
    """No letter with a secret that could still be used was printed in it."""

    code = "no_such_batch"


class PrintedLetters(Protocol):
    """What was printed: SQL, in the transaction of the caller."""

    def unused(self, *, since: datetime, batch: str = "") -> Sequence[Promise]:
        """The newest letter with a secret of each account, printed since, of one batch or of all.

        Not of an account that has chosen a password since, is not active, or has a letter waiting.
        """


@dataclass(frozen=True, slots=True)
class ReissueLetters:
    """The use case, given its stores and the clock."""

    printed: PrintedLetters
    outbox: Outbox
    temporaries: TemporaryPasswords
    spool: Spool
    audit: AuditLog
    transaction: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]

    def lost(self, *, actor: Actor) -> int:
        """Promise again every letter within its 30 days whose secret Redis no longer knows.

        Raises:
            AlreadyPrinting: another process prints or reissues.
            StoreUnavailable: a store is away; what was promised until then is promised.
        """
        with self.spool.locked():
            return sum(
                self._promise(letter, actor)
                for letter in self._unused("")
                if not self._is_known(letter)
            )

    def of_batch(self, batch: str, *, actor: Actor) -> int:
        """Promise every unused letter of a batch again: it was lost, torn, or never posted.

        Raises:
            NoSuchBatch: there is none.
            AlreadyPrinting: as ``lost``; StoreUnavailable too.
        """
        with self.spool.locked():
            letters = self._unused(batch)
            if not letters:
                message = f"no letter of {batch} could still be used, or all wait already"
                raise NoSuchBatch(message)
            return sum(self._promise(letter, actor) for letter in letters)

    def _unused(self, batch: str) -> Sequence[Promise]:
        with self.transaction():
            return self.printed.unused(since=self.now() - LIFETIMES[Channel.LETTER], batch=batch)

    def _is_known(self, letter: Promise) -> bool:
        kept = self.temporaries.look(letter.account_id or "")
        # A store that lost its last moments may hold the former letter's place still.
        return any(found.channel is Channel.LETTER and found.promise >= letter.id for found in kept)

    def _promise(self, letter: Promise, actor: Actor) -> bool:
        account_id = letter.account_id or ""
        version = letter.credential_version
        with self.transaction():
            promise = self.outbox.add(
                Kind.TEMPORARY_PASSWORD,
                Channel.LETTER,
                account_id=account_id,
                credential_version=version,
            )
            self.audit.record(
                Event.LETTERS_REISSUED,
                account_id=account_id,
                actor=actor,
                detail={"promise": promise, "batch": letter.batch, "former": letter.id},
            )
        # After the commit, as ``Reset.noted``; the row is the promise.
        with suppress(StoreUnavailable):
            self.temporaries.request(account_id, Channel.LETTER, promise, version=version)
        return True
