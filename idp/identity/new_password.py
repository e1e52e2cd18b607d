"""Choosing a password: under the lease that a temporary one opened, or after the one in use.

The statement that checks ``credential_version`` and raises it decides: of two forms sent at once
one wins, and with it dies all that carries the older version.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from idp import IdpError
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.account import Accounts
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.hash_pool import HashPool
from idp.identity.login import ACR_PASSWORD
from idp.identity.login import AMR_PASSWORD
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.password import PasswordHash
from idp.identity.password import Passwords
from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.temporary_password import possible_secrets
from idp.limits import Attempts
from idp.limits import Once
from idp.session import EndsSessions
from idp.session import SignedIn


class ChoiceEnded(IdpError):
    """The lease is over, elsewhere, or the password was chosen already: one signs in again."""

    code = "choice_ended"


class PasswordRefused(IdpError):
    """The proposal is not good enough; the lease, or the session, goes on."""

    code = "password_refused"

    def __init__(self, faults: tuple[PolicyFault, ...]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Choice:
    """Who may choose, as the sealed page carries it; ``holder`` proves the lease."""

    account_id: str
    channel: Channel
    holder: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A new password was chosen. ``first`` tells a first connection."""

    signed_in: SignedIn
    first: bool


@dataclass(frozen=True, slots=True)
class NewPassword:
    """The use case, given its stores, the policy, the hash pool and the clock."""

    accounts: Accounts
    contacts: Contacts
    temporaries: TemporaryPasswords
    sessions: EndsSessions
    attempts: Attempts
    passwords: Passwords
    policy: PasswordPolicy
    pool: HashPool
    outbox: Outbox
    once: Once
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    now: Callable[[], datetime]

    def about(self, choice: Choice) -> Contact:
        """Read who is choosing.

        Raises:
            ChoiceEnded: nobody may, under this lease.
            StoreUnavailable: nobody can tell.
        """
        if not self.temporaries.is_open(choice.account_id, choice.channel, choice.holder):
            raise ChoiceEnded
        contact = self.contacts.get(choice.account_id)
        if contact is None:
            raise ChoiceEnded
        # The other channel's lease, or this one's in a second form: dead with the older version,
        # though ``settle`` may not have swept it up.
        if not any(
            leased.channel is choice.channel
            and leased.credential_version == contact.credential_version
            for leased in self.temporaries.look(choice.account_id)
        ):
            raise ChoiceEnded
        return contact

    def choose(self, choice: Choice, clear: str, *, actor: Actor) -> Chosen:
        """Take a new password. Needs the caller's transaction; ``settle`` follows its commit.

        Raises:
            PasswordRefused: with every fault of the proposal; audited, so the caller commits.
            ChoiceEnded: nothing was changed.
            Busy, StoreUnavailable: nothing was changed, and the lease goes on.
        """
        contact = self.about(choice)
        account = self._account_of(contact)
        faults = self.faults(contact, clear)
        hashed = None if faults else self._compared(account, clear)
        if not isinstance(hashed, PasswordHash):
            faults = (hashed,) if hashed else faults
            # One event a lease: whoever holds it could fill the log by proposing.
            self._refuse(account, faults, once=f"choice-refused:{choice.holder}", actor=actor)
        version = self._put(contact, hashed)
        self.audit.record(
            Event.PASSWORD_CHOSEN,
            account_id=account.id,
            actor=actor,
            detail={"channel": choice.channel, "first": int(not contact.has_password)},
        )
        signed_in = SignedIn(account.id, version, AMR_PASSWORD, ACR_PASSWORD)
        return Chosen(signed_in, first=not contact.has_password)

    def faults(self, contact: Contact, clear: str) -> tuple[PolicyFault, ...]:
        """Judge a proposal by itself, in the pool too: an estimate can take as long as a hash."""
        return self.pool.run(lambda: self.policy.faults(clear, about=contact))

    def change(self, proved: SignedIn, clear: str, *, actor: Actor) -> SignedIn:
        """Replace the password in use, of which its holder has just given proof.

        Its rules are those of ``choose``, and so is what ends: every session, the one that asks
        included, whose browser goes on under another. ``faults`` has found none. Needs the caller's
        transaction; ``settle`` follows its commit.

        Raises:
            PasswordRefused: it is the one in use, or holds a temporary one; audited, so the caller
                commits.
            ChoiceEnded: somebody else was first; nothing was changed.
            Busy, StoreUnavailable: nothing was changed.
        """
        contact = self.contacts.get(proved.account_id)
        if contact is None or contact.credential_version != proved.credential_version:
            raise ChoiceEnded
        account = self._account_of(contact)
        hashed = self._compared(account, clear)
        if not isinstance(hashed, PasswordHash):
            # No more often than a lease would be told.
            self._refuse(account, (hashed,), once=f"change-refused:{account.id}", actor=actor)
        version = self._put(contact, hashed)
        self.audit.record(Event.PASSWORD_CHANGED, account_id=account.id, actor=actor)
        return replace(proved, credential_version=version)

    def settle(self, account_id: str, *, device: str) -> None:
        """Sweep up after the commit: secrets used up, waiting time lifted, ``device`` known.

        Nothing depends on it but the member's comfort: the older version is dead already.

        Raises:
            StoreUnavailable: it was not done.
        """
        self.temporaries.use_up(account_id)
        contact = self.contacts.get(account_id)
        if contact is not None:
            self.attempts.lift(
                subject_of(self.decoy_key, contact.qualite, contact.numero), device=device
            )

    def _account_of(self, contact: Contact) -> Account:
        account = self.accounts.find(contact.qualite, contact.numero)
        if account is None:
            raise ChoiceEnded
        return account

    def _put(self, contact: Contact, hashed: PasswordHash) -> int:
        """Put it in force, end what hangs on the one before, promise the notice."""
        chosen = self.accounts.choose_password(
            contact.account_id, version=contact.credential_version, hashed=hashed, at=self.now()
        )
        if not chosen:
            raise ChoiceEnded
        # By who won alone, or the other of two forms would end its session; and before the commit:
        # a session that ended too early costs a sign-in, one that lives on more.
        self.sessions.end_all(contact.account_id)
        version = contact.credential_version + 1
        self.outbox.add(
            Kind.PASSWORD_CHANGED,
            Channel.MAIL if contact.email else Channel.LETTER,
            account_id=contact.account_id,
            credential_version=version,
        )
        return version

    def _refuse(
        self, account: Account, faults: tuple[PolicyFault, ...], *, once: str, actor: Actor
    ) -> NoReturn:
        if self.once.take(once, "1", lifetime=LEASE) is None:
            self.audit.record(
                Event.PASSWORD_CHOICE_REFUSED,
                account_id=account.id,
                actor=actor,
                detail={"faults": " ".join(faults)},
            )
        raise PasswordRefused(faults)

    def _compared(self, account: Account, clear: str) -> PasswordHash | PolicyFault:
        """Compare with what only hashes tell, and hash it."""
        hidden = self.temporaries.look(account.id)
        return self.pool.run(lambda: self._judge(account, hidden, clear))

    def _judge(
        self, account: Account, hidden: Sequence[TemporaryPassword], clear: str
    ) -> PasswordHash | PolicyFault:
        """Compare with the password in use, and the temporary ones."""
        if account.password is not None and self.passwords.verify(account.password, clear):
            return PolicyFault.FORMER
        for temporary in hidden:
            for part in possible_secrets(clear, temporary.channel):
                if temporary.hash is not None and self.passwords.verify(temporary.hash, part):
                    return PolicyFault.HOLDS_TEMPORARY
        return self.passwords.hash(clear)
