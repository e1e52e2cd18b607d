"""Recording an e-mail address: proposed here, confirmed by a code that was sent to it.

The proposed address waits in Redis and not in the outbox; the worker draws the code as it writes
the mail, and the store keeps a keyed digest of it. Five wrong tries, or half an hour, end it.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import IdpError
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Accounts
from idp.identity.contact import LETTER_ARRIVES
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.delivery import Message
from idp.identity.delivery import NothingToSend
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.outbox import Promise
from idp.identity.reset_quotas import ResetQuotas
from idp.identity.temporary_password import Channel

LIFETIME = timedelta(minutes=30)
ADDRESS_LIMIT = 254
CODE_DIGITS = 6
WRONG_CODES = 5

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


class InvalidAddress(IdpError):
    """What was typed is no mail address that every server takes."""

    code = "invalid_address"


class WrongCode(IdpError):
    """Not the code, or none is waited for any more (``ended``)."""

    code = "wrong_code"

    def __init__(self, *, ended: bool) -> None:
        super().__init__("ended" if ended else "wrong")
        self.ended = ended


class PendingAddresses(Protocol):
    """Where a proposed address waits. Each method is one atomic step, raises StoreUnavailable."""

    def propose(self, account_id: str, address: str, *, lifetime: timedelta) -> None:
        """Keep an address in the place of the one before, without a code yet."""

    def address(self, account_id: str) -> str:
        """The address that waits, or ""."""

    def draw(self, account_id: str, digest: str) -> str:
        """Put a code's digest, in the place of the one before; gives the address, or ""."""

    def confirm(self, account_id: str, digest: str, *, tries: int) -> tuple[str, bool]:
        """Take the address once if the digest fits, else count one wrong try.

        Returns:
            The address or "", and whether something still waits.
        """


def parse_address(typed: str) -> str:
    """Read a typed address; the domain is folded, the local part kept as typed.

    Raises:
        InvalidAddress: not one.
    """
    folded = typed.strip()
    if len(folded) > ADDRESS_LIMIT or _ADDRESS.fullmatch(folded) is None:
        raise InvalidAddress
    local, _, domain = folded.rpartition("@")
    # A last label of figures is an IP address: no relay of ours is sent to look for a machine.
    if len(local) > 64 or domain.rpartition(".")[2].isdigit():
        raise InvalidAddress
    return f"{local}@{domain.lower()}"


def code_digest(key: bytes, account_id: str, code: str) -> str:
    """Name a code in the store: six digits need a key, or a look at the store would tell them.

    Args:
        key: may serve elsewhere too; the codes have one of their own, derived from it.
        account_id: whose code.
        code: six digits.
    """
    of_codes = hmac.digest(key, b"address codes", "sha256")
    return hmac.digest(of_codes, f"{account_id}:{code}".encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class EmailAddresses:
    """The use case, given its stores and the clock. Each method needs the caller's transaction."""

    accounts: Accounts
    contacts: Contacts
    pending: PendingAddresses
    quotas: ResetQuotas
    outbox: Outbox
    audit: AuditLog
    code_key: bytes = field(repr=False)
    now: Callable[[], datetime]

    def wait(self, account_id: str) -> timedelta:
        """Tell how long an address recorded now waits until it may receive a reset.

        As long as its member has been told for three days: by mail to the former address, or by a
        letter, which arrives first.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        contact = self.contacts.get(account_id)
        told_by_mail = contact is not None and contact.email
        return NEW_ADDRESS_WAIT if told_by_mail else LETTER_ARRIVES + NEW_ADDRESS_WAIT

    def propose(self, account_id: str, typed: str, *, actor: Actor) -> None:
        """Keep the address and promise a code to it.

        Raises:
            InvalidAddress: told as such.
            QuotaReached: too many codes were asked for.
            StoreUnavailable: nothing was promised.
        """
        address = parse_address(typed)
        self.quotas.mail(f"address:{account_id}")
        contact = self.contacts.get(account_id)
        version = contact.credential_version if contact is not None else 0
        self.pending.propose(account_id, address, lifetime=LIFETIME)
        self.outbox.add(
            Kind.ADDRESS_CODE, Channel.MAIL, account_id=account_id, credential_version=version
        )
        self.audit.record(Event.ADDRESS_REQUESTED, account_id=account_id, actor=actor)

    def confirm(self, account_id: str, typed: str, *, actor: Actor) -> None:
        """Record the address that waits, and promise the notice to the former one.

        Raises:
            WrongCode: audited while an address waits, so the caller commits.
            StoreUnavailable: nothing was recorded.
        """
        if not self.pending.address(account_id):  # or whoever posts would fill the log
            raise WrongCode(ended=True)
        former = self.contacts.get(account_id)
        # Every script's own figures are read, as a telephone's keyboard may write them.
        code = "".join(str(int(figure)) for figure in typed if figure.isdecimal())
        digest = code_digest(self.code_key, account_id, code)
        address, waits = self.pending.confirm(account_id, digest, tries=WRONG_CODES)
        recorded = bool(address) and self.accounts.record_email(account_id, address, at=self.now())
        if former is None or not recorded:
            self.audit.record(Event.ADDRESS_REFUSED, account_id=account_id, actor=actor)
            raise WrongCode(ended=not waits)
        told_by = Channel.MAIL if former.email else Channel.LETTER
        self.outbox.add(
            Kind.ADDRESS_RECORDED,
            told_by,
            account_id=account_id,
            credential_version=former.credential_version,
        )
        self.audit.record(
            Event.ADDRESS_RECORDED, account_id=account_id, actor=actor, detail={"channel": told_by}
        )


@dataclass(frozen=True, slots=True)
class AddressCodeMail:
    """The mail that holds a code, to the address it confirms."""

    pending: PendingAddresses
    code_key: bytes = field(repr=False)
    events: tuple[Event, ...] = (Event.NOTICE_SENT,)

    def compose(self, promise: Promise, contact: Contact, *, now: datetime) -> Message:
        """Draw the code; the one before is dead."""
        code = "".join(str(secrets.randbelow(10)) for _ in range(CODE_DIGITS))
        digest = code_digest(self.code_key, contact.account_id, code)
        address = self.pending.draw(contact.account_id, digest)
        if not address:
            raise NothingToSend("address_gone")
        return Message(
            kind=promise.kind,
            to=address,
            given_names=contact.given_names,
            name=contact.usage_name or contact.family_name,
            message_id=promise.message_id,
            date=now,
            happened_at=promise.created_at,
            valid_until=promise.created_at + LIFETIME,
            secret=f"{code[:3]} {code[3:]}",
        )

    def handed_over(self, promise: Promise, contact: Contact) -> None:
        """Nothing more to note."""
