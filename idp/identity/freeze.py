"""Freezing an account: "ce n'était pas moi", said by its member or by the help desk (ADR 0031).

One statement marks the account and raises ``credential_version``: what carries an older one is
dead, and so is a sign-in under way. A letter with a temporary password leaves for the directory's
address, and the password chosen with it opens the account again. FranceConnect does once its member
links it again: whoever came in may have come by that.
"""

import logging
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime

from idp import IdpError
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Accounts
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.contact import letter_fault
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Links
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.reset_quotas import ResetQuotas
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.working_days import expected_by
from idp.identity.working_days import print_day
from idp.limits import Attempts
from idp.session import EndsSessions

log = logging.getLogger("idp.freeze")


class NotFrozen(IdpError):
    """Nothing was frozen: it is frozen already, or another password was chosen meanwhile."""

    code = "not_frozen"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a freeze brings with it.

    Attributes:
        letter_by: the day by which a letter arrives, None where none can.
        unlinks: FranceConnect opens the account, and will have to be linked again.
    """

    letter_by: date | None
    unlinks: bool


@dataclass(frozen=True, slots=True)
class Frozen:
    """An account that was frozen; ``promise`` is the letter's row in the outbox, 0 for none."""

    contact: Contact
    promise: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """The use case, given its stores and the clock.

    Attributes:
        print_hour: of France; a letter promised later is printed on the next working day.
    """

    accounts: Accounts
    contacts: Contacts
    temporaries: TemporaryPasswords
    sessions: EndsSessions
    links: Links
    attempts: Attempts
    quotas: ResetQuotas
    outbox: Outbox
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    print_hour: int
    now: Callable[[], datetime]

    def outlook(self, account_id: str) -> Outlook:
        """Tell what would follow. Raises StoreUnavailable."""
        contact = self.contacts.get(account_id)
        unlinks = self.links.of_account(account_id) is not None
        if contact is None or letter_fault(contact):
            return Outlook(None, unlinks)
        return Outlook(expected_by(print_day(self.now(), hour=self.print_hour)), unlinks)

    def freeze(
        self,
        account_id: str,
        *,
        version: int,
        letter: bool = True,
        actor: Actor,
        detail: Mapping[str, str | int] | None = None,
    ) -> Frozen:
        """Freeze an account. Needs the caller's transaction; ``settle`` follows its commit.

        Args:
            account_id: whose.
            version: the ``credential_version`` of the session, or as it was looked up.
            letter: promise the letter, where one can be addressed; of all quotas the breaker alone
                holds this one.
            actor: the member's browser, or the operator.
            detail: for the audit log.

        Raises:
            NotFrozen: nothing was changed.
            StoreUnavailable: nothing was changed.
        """
        if not self.accounts.freeze(account_id, version=version, at=self.now()):
            raise NotFrozen
        # What can be written to from now on: an address recorded of late is set aside.
        contact = self.contacts.get(account_id)
        if contact is None:
            raise NotFrozen
        ended = self.sessions.end_all(account_id)
        link = self.links.end(account_id, at=self.now(), why=Ending.FREEZE)
        promise = 0
        if letter and not letter_fault(contact):
            held = self.quotas.letter_of_freeze()
            promise = self._promise(Kind.TEMPORARY_PASSWORD, Channel.LETTER, contact, held=held)
            if held:
                # Whoever has a thousand passwords could freeze a thousand accounts.
                log.error("the letter breaker holds letters back: see idp letters list")
        if contact.email:
            self._promise(Kind.ACCOUNT_FROZEN, Channel.MAIL, contact)
        self.audit.record(
            Event.ACCOUNT_FROZEN,
            account_id=account_id,
            actor=actor,
            detail={
                **(detail or {}),
                "sessions": ended.alive,
                "letter": int(bool(promise)),
                **({"franceconnect": 1} if link is not None else {}),
            },
        )
        return Frozen(contact, promise)

    def settle(self, frozen: Frozen) -> None:
        """Sweep up after the commit: secrets used up, browsers forgotten, the letter noted.

        Nothing depends on it: the older version is dead already, and the row is the promise.

        Raises:
            StoreUnavailable: it was not done.
        """
        contact = frozen.contact
        self.temporaries.use_up(contact.account_id)
        if frozen.promise:
            self.temporaries.request(
                contact.account_id,
                Channel.LETTER,
                frozen.promise,
                version=contact.credential_version,
            )
        subject = subject_of(self.decoy_key, contact.qualite, contact.numero)
        self.attempts.forget_devices(subject)

    def _promise(
        self, kind: Kind, channel: Channel, contact: Contact, *, held: bool = False
    ) -> int:
        return self.outbox.add(
            kind,
            channel,
            account_id=contact.account_id,
            credential_version=contact.credential_version,
            held=held,
        )
