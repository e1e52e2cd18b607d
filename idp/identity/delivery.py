"""Delivery: a promise of the outbox becomes a mail that left, or the reason why none did."""

from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import Protocol

from idp import IdpError
from idp.identity.outbox import Kind


class MailUnreachable(IdpError):
    """The mail did not leave this time; the same mail may at another."""

    code = "mail_unreachable"

    def __init__(self, fault: str) -> None:
        super().__init__(f"mail: {fault}")
        self.fault = fault
        """Stable, without an address: ``smtp_unreachable``, ``smtp_timeout``, ``smtp_busy``,
        ``smtp_certificate``, ``smtp_authentication``."""


class MailRefused(IdpError):
    """The mail server will never take this mail: a fault of this message, not of the server."""

    code = "mail_refused"

    def __init__(self, fault: str) -> None:
        super().__init__(f"mail: {fault}")
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


class Mailer(Protocol):
    """Where mails leave: SMTP, or the mailbox of the embedded start."""

    def send(self, message: Message) -> None:
        """Hand one mail to the server.

        Raises:
            MailUnreachable: the server did not take it now, or not any mail at all.
            MailRefused: it will never take this one.
        """
