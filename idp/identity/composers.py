"""What each kind of mail says, and what is drawn for it.

A kind that is missing here (``ADDRESS_CODE``: its code and its pending address live in a store of
their own) joins by an entry of ``Delivery.composers``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from idp.audit import Event
from idp.identity.account import Protection
from idp.identity.contact import Contact
from idp.identity.delivery import Composer
from idp.identity.delivery import Message
from idp.identity.delivery import NothingToSend
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.password import Passwords
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.temporary_password import draw
from idp.identity.temporary_password import written

NOTICES = (
    Kind.PASSWORD_CHANGED,
    Kind.SIGN_IN_FAILURES,
    Kind.LETTER_REQUESTED,
    Kind.NEW_BROWSER,
    Kind.SESSIONS_ENDED,
    Kind.ACCESS_GIVEN,
    Kind.ACCOUNT_FROZEN,
    Kind.ACCOUNT_REOPENED,
    Kind.DATA_DOWNLOADED,
    Kind.FRANCECONNECT_LINKED,
    Kind.FRANCECONNECT_UNLINKED,
)
"""What is told to the address that may receive a reset, with no word of its own but when."""


@dataclass(frozen=True, slots=True)
class TemporaryPasswordMail:
    """The mail that holds a temporary password, drawn as it is written."""

    temporaries: TemporaryPasswords
    passwords: Passwords
    events: tuple[Event, ...] = (Event.TEMPORARY_ISSUED, Event.TEMPORARY_SENT)

    def compose(self, promise: Promise, contact: Contact, *, now: datetime) -> Message:
        """Draw the secret and keep its hash; whatever was drawn before for this channel dies."""
        _refuse_without_address(contact)
        if contact.protection is Protection.FROZEN:
            raise NothingToSend("account_frozen")
        if contact.credential_version != promise.credential_version:
            raise NothingToSend("password_changed")
        secret = draw(Channel.MAIL)
        expires_at = now + LIFETIMES[Channel.MAIL]
        is_newest = self.temporaries.issue(
            contact.account_id,
            Channel.MAIL,
            promise.id,
            version=promise.credential_version,
            hashed=self.passwords.hash(secret),
            expires_at=expires_at,
        )
        if not is_newest:
            raise NothingToSend("superseded")
        return _message(promise, contact, now, valid_until=expires_at, secret=written(secret))

    def handed_over(self, promise: Promise, contact: Contact) -> None:
        """Note that the secret is on its way."""
        self.temporaries.sent(contact.account_id, Channel.MAIL, promise.id)


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that tells what happened to the account, and holds no secret."""

    events: tuple[Event, ...] = (Event.NOTICE_SENT,)

    def compose(self, promise: Promise, contact: Contact, *, now: datetime) -> Message:
        """Write to the address that may receive a reset: one recorded an hour ago is not it."""
        _refuse_without_address(contact)
        return _message(promise, contact, now)

    def handed_over(self, promise: Promise, contact: Contact) -> None:
        """Nothing more to note."""


@dataclass(frozen=True, slots=True)
class AddressRecordedNotice:
    """The notice to the former address that another one was recorded.

    Attributes:
        mask: writes an address as a page may show it.
    """

    mask: Callable[[str], str]
    events: tuple[Event, ...] = (Event.NOTICE_SENT,)

    def compose(self, promise: Promise, contact: Contact, *, now: datetime) -> Message:
        """Write to the former address; the new one would only tell whoever recorded it.

        However late: after days without a mail server the new one may receive resets already.
        """
        former, new = contact.former_email, contact.confirmed_email
        if not former or not new or former.casefold() == new.casefold():
            raise NothingToSend("no_former_address")
        return _message(promise, contact, now, to=former, masked_address=self.mask(new))

    def handed_over(self, promise: Promise, contact: Contact) -> None:
        """Nothing more to note."""


def notices(mask: Callable[[str], str]) -> dict[Kind, Composer]:
    """Give the composers of the mails that hold no secret."""
    return {
        **dict.fromkeys(NOTICES, Notice()),
        Kind.ADDRESS_RECORDED: AddressRecordedNotice(mask),
    }


def _refuse_without_address(contact: Contact) -> None:
    """Look before anything is drawn. A code goes elsewhere: to the address it confirms."""
    if not contact.email:
        raise NothingToSend("no_address")


def _message(
    promise: Promise,
    contact: Contact,
    now: datetime,
    *,
    to: str = "",
    valid_until: datetime | None = None,
    masked_address: str = "",
    secret: str = "",
) -> Message:
    return Message(
        kind=promise.kind,
        to=to or contact.email,
        given_names=contact.given_names,
        name=contact.usage_name or contact.family_name,
        message_id=promise.message_id,
        date=now,
        happened_at=promise.created_at,
        valid_until=valid_until,
        masked_address=masked_address,
        secret=secret,
        opens=contact.protection is Protection.NONE,
    )
