"""Delivery: a promise of the outbox becomes a mail that left, or the reason why none did.

One message, three steps, nothing locked in between: the row is claimed and committed; the mail is
written (which draws a temporary password, never drawn before) and sent; what came of it is
committed. Whoever dies in between leaves the row to its lease: the next one draws again, and the
first secret dies. Only what was handed over and could not be noted is sent twice.

What a kind of message says is its ``Composer``'s (``composers``).
"""

from collections.abc import Callable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from idp import Busy
from idp import IdpError
from idp import StoreUnavailable
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.dossier import DossierStatus
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.outbox import Promise
from idp.identity.outbox import next_try
from idp.identity.temporary_password import Channel


class MailUnreachable(IdpError):
    """The mail did not leave this time; the same mail may at another."""

    code = "mail_unreachable"

    def __init__(self, fault: str, detail: str = "") -> None:
        """``detail`` is for operators: a stage, the numbers of an answer, never an address."""
        super().__init__(f"mail: {fault} ({detail})" if detail else f"mail: {fault}")
        self.fault = fault
        """Stable, without an address: ``smtp_unreachable``, ``smtp_timeout``, ``smtp_busy``,
        ``smtp_certificate``, ``smtp_authentication``."""


class MailRefused(IdpError):
    """The mail server will never take this mail: a fault of this message, not of the server."""

    code = "mail_refused"

    def __init__(self, fault: str, detail: str = "") -> None:
        """``detail`` is for operators: a stage, the numbers of an answer, never an address."""
        super().__init__(f"mail: {fault} ({detail})" if detail else f"mail: {fault}")
        self.fault = fault
        """Stable, without an address: ``recipient_refused``, ``content_refused``,
        ``address_invalid``."""


@dataclass(frozen=True, slots=True)
class Message:
    """One mail to be written; the templates are those of ``kind``.

    Attributes:
        to: the address alone, never with a name.
        given_names: as the directory has them, "" where it has none.
        name: the usage name, or the family name where there is none.
        message_id: the local part of ``Message-ID``, the same for every try.
        date: of this try.
        happened_at: when what is told happened, or was asked for.
        valid_until: the end of ``secret``; None without one.
        masked_address: of ADDRESS_RECORDED: the new address as a page may show it.
        secret: the temporary password as it is written, or the code of ADDRESS_CODE; "" in notices.
        opens: the password of before opens the account, which was not frozen.
    """

    kind: Kind
    to: str = field(repr=False)
    given_names: str = field(repr=False)
    name: str = field(repr=False)
    message_id: str
    date: datetime
    happened_at: datetime
    valid_until: datetime | None = None
    masked_address: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    opens: bool = True


class Mailer(Protocol):
    """Where mails leave: SMTP, or the mailbox of the embedded start."""

    def send(self, message: Message) -> None:
        """Hand one mail to the server.

        Raises:
            MailUnreachable: the server did not take it now, or not any mail at all.
            MailRefused: it will never take this one.
        """


class NothingToSend(IdpError):
    """No mail is due for this promise any more; ``fault`` says why, as the outbox keeps it."""

    code = "nothing_to_send"

    def __init__(self, fault: str) -> None:
        super().__init__(f"nothing to send: {fault}")
        self.fault = fault


class Composer(Protocol):
    """What one kind of mail says."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What the audit log tells once it left."""

    def compose(self, promise: Promise, contact: Contact, *, now: datetime) -> Message:
        """Write the mail, and draw what is secret in it.

        Raises:
            NothingToSend: it must not leave.
            StoreUnavailable: nobody can tell now.
            Busy: nothing can be hashed now.
        """

    def handed_over(self, promise: Promise, contact: Contact) -> None:
        """Note that it left. Raises StoreUnavailable."""


class Outcome(StrEnum):
    """What came of one look into the outbox."""

    IDLE = "idle"
    SENT = "sent"
    DROPPED = "dropped"
    PUT_OFF = "put_off"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One look into the outbox: the row it took (0 when none was due), and what came of it."""

    outcome: Outcome
    promise_id: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The use case, given its stores, the mailer and the clock.

    Attributes:
        composers: what each kind says; a row of another kind is put off until a version that
            knows it comes.
        transaction: opens an SQL transaction; there are two for each message.
    """

    outbox: Outbox
    contacts: Contacts
    composers: Mapping[Kind, Composer]
    mailer: Mailer
    audit: AuditLog
    transaction: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]

    def send_next(self) -> Delivered:
        """Send the mail that waits longest, or tell why it does not leave.

        Raises:
            StoreUnavailable: a store is away. What was claimed is given back, or left to its lease.
            Busy: nothing can be hashed now; the same.
        """
        with self.transaction():
            claimed = self.outbox.claim(Channel.MAIL)
        if not claimed:
            return Delivered(Outcome.IDLE)
        (promise,) = claimed
        composer = self.composers.get(promise.kind)
        if composer is None:
            return self._fail(promise, "no_composer", permanent=False)
        return self._send(promise, composer)

    def _send(self, promise: Promise, composer: Composer) -> Delivered:
        try:
            contact = self._contact(promise)
            message = composer.compose(promise, contact, now=self.now())
        except NothingToSend as nothing:
            return self._drop(promise, nothing.fault)
        except (StoreUnavailable, Busy):
            self._give_back(promise)
            raise
        try:
            self.mailer.send(message)
        except MailUnreachable as unreachable:
            return self._fail(promise, unreachable.fault, permanent=False)
        except MailRefused as refused:
            return self._fail(promise, refused.fault, permanent=True)
        # An issued secret opens as well as a sent one: Redis away now is no reason to mail another.
        with suppress(StoreUnavailable):
            composer.handed_over(promise, contact)
        with self.transaction():
            # Told even when the lease was lost meanwhile: the mail did leave.
            self.outbox.done(promise)
            for event in composer.events:
                self._record(event, promise)
        return Delivered(Outcome.SENT, promise.id)

    def _contact(self, promise: Promise) -> Contact:
        if promise.account_id is None:
            raise NothingToSend("decoy")
        if promise.outlived(self.now()):
            raise NothingToSend("too_old")
        with self.transaction():
            contact = self.contacts.get(promise.account_id)
        if contact is None:
            raise NothingToSend("no_account")
        if contact.status is not DossierStatus.ACTIVE:
            raise NothingToSend("dossier_not_active")
        return contact

    def _drop(self, promise: Promise, fault: str) -> Delivered:
        with self.transaction():
            # A decoy has no account, and so no story.
            if self.outbox.drop(promise, fault) and promise.account_id is not None:
                self._record(Event.MESSAGE_FAILED, promise, fault)
        return Delivered(Outcome.DROPPED, promise.id, fault)

    def _fail(self, promise: Promise, fault: str, *, permanent: bool) -> Delivered:
        dead = permanent or next_try(promise, self.now()) is None
        with self.transaction():
            held = self.outbox.failed(promise, fault, permanent=dead)
            # The same fault at every try of a fortnight is told once.
            if held and (dead or fault != promise.fault):
                event = Event.MESSAGE_DEAD if dead else Event.MESSAGE_FAILED
                self._record(event, promise, fault)
        return Delivered(Outcome.DEAD if dead else Outcome.PUT_OFF, promise.id, fault)

    def _give_back(self, promise: Promise) -> None:
        with suppress(StoreUnavailable), self.transaction():
            self.outbox.release(promise)

    def _record(self, event: Event, promise: Promise, fault: str = "") -> None:
        detail = told_of(promise, fault)
        self.audit.record(event, account_id=promise.account_id, detail=detail)


def told_of(promise: Promise, fault: str = "") -> dict[str, str | int]:
    """Give what the audit log tells of a promise."""
    told: dict[str, str | int] = {
        "promise": promise.id,
        "kind": promise.kind,
        "channel": promise.channel,
    }
    return {**told, "fault": fault} if fault else told
