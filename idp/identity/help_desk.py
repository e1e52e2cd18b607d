"""What the help desk does for a member on the phone: look, lift a waiting time, send another.

None of it shows or sets a secret: whoever writes the message draws it, as for the member's own
request. The member's quotas do not bind the help desk, and what it sends does not count for them:
it knows whom it speaks to. What binds it is one message alive of each channel, unless it insists,
and a reason that stays in the audit log under its name.
"""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Accounts
from idp.identity.account import Protection
from idp.identity.audit_trail import AuditTrail
from idp.identity.audit_trail import PastEvent
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.contact import letter_fault
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect_links import Links
from idp.identity.free_text import holds_what_no_log_may
from idp.identity.freeze import Freeze
from idp.identity.freeze import Frozen
from idp.identity.login import subject_of
from idp.identity.mask import mask_email
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.outbox import OutboxDesk
from idp.identity.reset_quotas import ResetQuotas
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.timeline import OnItsWay
from idp.identity.timeline import Seen
from idp.identity.timeline import on_its_way
from idp.limits import Attempts
from idp.limits import Waiting

PROMISES = 50
"""Rows of the outbox that are looked at: of years, for one account."""

REASON_LENGTHS = range(3, 121)


class NoSuchAccount(IdpError):
    """No dossier has this number; ``other`` when one of the other qualité has."""

    code = "no_such_account"

    def __init__(self, *, other: bool) -> None:
        super().__init__("no such dossier")
        self.other = other


class UnfitReason(IdpError):
    """The reason is too short or too long, or holds what the audit log never does."""

    code = "unfit_reason"


class Refusal(StrEnum):
    """Why nothing was promised."""

    NOT_ACTIVE = "not_active"
    NO_ADDRESS = "no_address"
    ON_ITS_WAY = "on_its_way"
    FROZEN = "frozen"


class NotPromised(IdpError):
    """Nothing was promised.

    Attributes:
        fault: of ``NO_ADDRESS``: why no message can be addressed, as the outbox would say it.
        way: of ``ON_ITS_WAY``: what another message would supersede.
    """

    code = "not_promised"

    def __init__(self, refusal: Refusal, *, fault: str = "", way: OnItsWay | None = None) -> None:
        super().__init__(f"not promised: {refusal}")
        self.refusal = refusal
        self.fault = fault
        self.way = way


@dataclass(frozen=True, slots=True)
class Unlocked:
    """What was lifted: how the account stood before, and whether another letter may be asked for.

    ``letter`` tells that the last letter was locked, so that it counts no more for the next one.
    """

    before: Waiting
    letter: bool


@dataclass(frozen=True, slots=True)
class Promised:
    """A message that now waits: ``mask`` of the address for a mail, "" for a letter."""

    promise: int
    mask: str


def fit_reason(typed: str) -> str:
    """Read the reason of an act, its spaces folded.

    Raises:
        UnfitReason: its length, an address, seven digits, or the shape of a temporary password.
    """
    reason = " ".join(typed.split())
    if len(reason) not in REASON_LENGTHS or not reason.isprintable():
        raise UnfitReason
    if holds_what_no_log_may(reason):
        raise UnfitReason
    return reason


def contact_of(contacts: Contacts, qualite: Qualite, numero: NumeroDossier) -> Contact:
    """Read whom an act is about.

    Raises:
        NoSuchAccount: nobody has this number.
        StoreUnavailable: nobody can tell.
    """
    contact = contacts.find(qualite, numero)
    if contact is None:
        other = contacts.find(qualite.other, numero)
        raise NoSuchAccount(other=other is not None)
    return contact


@dataclass(frozen=True, slots=True)
class HelpDesk:
    """The use cases, given their stores and the clock.

    Attributes:
        transaction: opens an SQL transaction.
    """

    accounts: Accounts
    contacts: Contacts
    freezing: Freeze
    temporaries: TemporaryPasswords
    outbox: Outbox
    promises: OutboxDesk
    attempts: Attempts
    quotas: ResetQuotas
    links: Links
    trail: AuditTrail
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    transaction: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]

    def look(self, qualite: Qualite, numero: NumeroDossier, *, events: int, actor: Actor) -> Seen:
        """Read all that is known of one account; the look itself is audited.

        Args:
            qualite: of the dossier.
            numero: of the dossier.
            events: audit events given at most, the newest.
            actor: the operator.

        Raises:
            NoSuchAccount: nobody has this number.
            StoreUnavailable: nobody can tell.
        """
        subject = subject_of(self.decoy_key, qualite, numero)
        with self.transaction():
            contact = contact_of(self.contacts, qualite, numero)
            past = self.trail.of_account(contact.account_id, subject, limit=events)
            seen = self._seen(contact, subject, past)
            self.audit.record(Event.ACCOUNT_SHOWN, account_id=contact.account_id, actor=actor)
        return seen

    def unlock(
        self, qualite: Qualite, numero: NumeroDossier, *, reason: str, actor: Actor
    ) -> Unlocked:
        """Lift the waiting time, and the days until the next letter when the last one is locked.

        Raises:
            NoSuchAccount: nobody has this number.
            UnfitReason: the audit log would not take it.
            StoreUnavailable: nothing was lifted, or it was not told; run it again.
        """
        told = fit_reason(reason)
        subject = subject_of(self.decoy_key, qualite, numero)
        with self.transaction():
            contact = contact_of(self.contacts, qualite, numero)
            before = self.attempts.look(subject)
            letter = any(
                found.channel is Channel.LETTER and found.state is State.LOCKED
                for found in self.temporaries.look(contact.account_id)
            )
            self.audit.record(
                Event.ACCOUNT_UNLOCKED,
                account_id=contact.account_id,
                actor=actor,
                detail={"reason": told, "failures": before.failures, "letter": int(letter)},
            )
            # Last, so that nothing is lifted that the audit log did not take.
            self.attempts.lift(subject)
            if letter:
                self.quotas.forget_letter(subject)
        return Unlocked(before, letter)

    def freeze(
        self,
        qualite: Qualite,
        numero: NumeroDossier,
        *,
        letter: bool,
        reason: str,
        actor: Actor,
    ) -> Frozen:
        """Freeze an account whose member says that somebody else is in it.

        Args:
            qualite: of the dossier.
            numero: of the dossier.
            letter: promise the letter that opens it again.
            reason: for the audit log.
            actor: the operator.

        Raises:
            NoSuchAccount: nobody has this number.
            UnfitReason: the audit log would not take it.
            NotFrozen: it is frozen already, or changed at this moment.
            StoreUnavailable: nothing was frozen.
        """
        told = fit_reason(reason)
        with self.transaction():
            contact = contact_of(self.contacts, qualite, numero)
            frozen = self.freezing.freeze(
                contact.account_id,
                version=contact.credential_version,
                letter=letter,
                actor=actor,
                detail={"reason": told},
            )
        with suppress(StoreUnavailable):
            self.freezing.settle(frozen)
        return frozen

    def reopen(
        self,
        qualite: Qualite,
        numero: NumeroDossier,
        *,
        keep_password: bool,
        reason: str,
        actor: Actor,
    ) -> bool:
        """Let mails open a frozen account again, or even the password of before.

        Args:
            qualite: of the dossier.
            numero: of the dossier.
            keep_password: nobody else can know it: it was frozen by mistake.
            reason: for the audit log.
            actor: the operator.

        Returns:
            False when it was not frozen: nothing was changed.

        Raises:
            NoSuchAccount: nobody has this number.
            UnfitReason: the audit log would not take it.
            StoreUnavailable: nothing was changed.
        """
        told = fit_reason(reason)
        to = Protection.NONE if keep_password else Protection.REOPENED
        with self.transaction():
            contact = contact_of(self.contacts, qualite, numero)
            if not self.accounts.reopen(contact.account_id, to=to):
                return False
            if contact.email:
                self.outbox.add(
                    Kind.ACCOUNT_REOPENED,
                    Channel.MAIL,
                    account_id=contact.account_id,
                    credential_version=contact.credential_version,
                )
            self.audit.record(
                Event.ACCOUNT_REOPENED,
                account_id=contact.account_id,
                actor=actor,
                detail={"reason": told, "password_kept": int(keep_password)},
            )
        return True

    def send(
        self,
        qualite: Qualite,
        numero: NumeroDossier,
        channel: Channel,
        *,
        reason: str,
        again: bool,
        actor: Actor,
    ) -> Promised:
        """Promise a temporary password, as the member's own request would.

        The current password works until a new one is chosen: nobody is locked out by this.

        Args:
            qualite: of the dossier.
            numero: of the dossier.
            channel: by which it leaves.
            reason: for the audit log.
            again: even when one is on its way; the new one supersedes it once it is drawn.
            actor: the operator.

        Raises:
            NoSuchAccount: nobody has this number.
            UnfitReason: the audit log would not take it.
            NotPromised: the dossier is not active, has no address, or one is on its way already.
            StoreUnavailable: nothing was promised.
        """
        told = fit_reason(reason)
        subject = subject_of(self.decoy_key, qualite, numero)
        with self.transaction():
            contact = contact_of(self.contacts, qualite, numero)
            mask = _sendable(contact, channel)
            way = on_its_way(self._seen(contact, subject, ()), channel)
            if way is not None and not again:
                raise NotPromised(Refusal.ON_ITS_WAY, way=way)
            promise = self.outbox.add(
                Kind.TEMPORARY_PASSWORD,
                channel,
                account_id=contact.account_id,
                credential_version=contact.credential_version,
            )
            self.audit.record(
                Event.RESET_REQUESTED,
                account_id=contact.account_id,
                actor=actor,
                detail={
                    "channel": channel,
                    "promise": promise,
                    "reason": told,
                    "again": int(again),
                },
            )
        # The row is the promise: a store that did not note the request takes the secret too.
        with suppress(StoreUnavailable):
            self.temporaries.request(
                contact.account_id, channel, promise, version=contact.credential_version
            )
        return Promised(promise, mask)

    def _seen(self, contact: Contact, subject: str, events: Sequence[PastEvent]) -> Seen:
        return Seen(
            at=self.now(),
            contact=contact,
            waiting=self.attempts.look(subject),
            temporaries=self.temporaries.look(contact.account_id),
            promises=self.promises.of_account(contact.account_id, limit=PROMISES),
            events=events,
            link=self.links.of_account(contact.account_id),
        )


def _sendable(contact: Contact, channel: Channel) -> str:
    """Give the mask of the address for a mail, "" for a letter; raises NotPromised."""
    if contact.status is not DossierStatus.ACTIVE:
        raise NotPromised(Refusal.NOT_ACTIVE)
    if channel is Channel.LETTER:
        if fault := letter_fault(contact):
            raise NotPromised(Refusal.NO_ADDRESS, fault=fault)
        return ""
    if contact.protection is Protection.FROZEN:
        raise NotPromised(Refusal.FROZEN, fault="account_frozen")
    mask = mask_email(contact.email)
    if not mask:
        raise NotPromised(
            Refusal.NO_ADDRESS, fault="address_waits" if contact.confirmed_email else "no_address"
        )
    return mask
