"""What a mail says: the templates of its kind, and headers that nothing typed can add to.

``templates/mail/KIND.txt`` holds the subject and the text, ``KIND.html`` the same words as HTML.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment
from jinja2 import StrictUndefined
from jinja2 import select_autoescape

from idp import IdpError
from idp.identity.delivery import MailRefused
from idp.identity.delivery import Message
from idp.identity.working_days import moment_in_words
from idp.infra.template_folders import read_templates

PARIS = ZoneInfo("Europe/Paris")
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
LONGEST_NAME = 80
LONGEST_ADDRESS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
LONGEST_LOCAL_PART = 64

_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})+)")


class InvalidSender(IdpError):
    """What our own mails would come from is no address, or has no name; the text says which."""

    code = "invalid_sender"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What every mail of ours says of the fund.

    Attributes:
        mail_from: the address alone, also the one that bounces go to.
        reply_to: where an answer goes; "" for ``mail_from``.
        sign_in_url: of the issuer, the only link that a mail ever holds.
        support_phone: "" for none.
    """

    fund_name: str
    mail_from: str
    sign_in_url: str
    reply_to: str = ""
    support_phone: str = ""

    def __post_init__(self) -> None:
        for address in (self.mail_from, self.reply_to or self.mail_from):
            if not (is_address(address) and address.isascii()):
                message = f"{address!r} is no mail address: name@domain expected"
                raise InvalidSender(message)
        if not (self.fund_name and self.fund_name.isprintable()):
            message = f"{self.fund_name!r} is no name to write mails under"
            raise InvalidSender(message)


class MailText:
    """Writes mails from the templates of a folder, or of the first one that has them."""

    def __init__(self, templates: Path | Sequence[Path], letterhead: Letterhead) -> None:
        self._letterhead = letterhead
        self._templates = Environment(
            loader=read_templates(templates),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            fund_name=letterhead.fund_name,
            support_phone=letterhead.support_phone.replace(" ", NO_BREAK_SPACE),
            sign_in_url=letterhead.sign_in_url,
        )

    def write(self, message: Message) -> EmailMessage:
        """Write one mail whole.

        Raises:
            MailRefused: ``address_invalid``.
        """
        if not is_address(message.to):
            raise MailRefused("address_invalid")
        words = {
            "kind": message.kind,
            "person": _addressed(message.given_names, message.name),
            "happened": moment_in_words(message.happened_at),
            "valid_until": moment_in_words(message.valid_until) if message.valid_until else "",
            "masked_address": message.masked_address,
            "secret": message.secret,
            "opens": message.opens,
        }
        text = self._templates.get_template(f"mail/{message.kind}.txt")
        page = self._templates.get_template(f"mail/{message.kind}.html")
        subject = "".join(text.blocks["subject"](text.new_context(words)))
        mail = self._headed(message, subject)
        # Quoted-printable stays readable in a queue's dump, and filters trust it more than base64.
        mail.set_content(text.render(words), cte="quoted-printable")
        mail.add_alternative(
            page.render(words, subject=subject), subtype="html", cte="quoted-printable"
        )
        for part in mail.walk():
            part["Content-Language"] = "fr"
        return mail

    def _headed(self, message: Message, subject: str) -> EmailMessage:
        head = self._letterhead
        mail = EmailMessage(policy=policy.SMTP if message.to.isascii() else policy.SMTPUTF8)
        mail["Date"] = format_datetime(message.date.astimezone(PARIS))
        mail["Message-ID"] = f"<{message.message_id}@{head.mail_from.rpartition('@')[2]}>"
        mail["From"] = Address(head.fund_name, addr_spec=head.mail_from)
        mail["Reply-To"] = Address(head.fund_name, addr_spec=head.reply_to or head.mail_from)
        local_part, _, domain = message.to.rpartition("@")
        mail["To"] = Address(username=local_part, domain=domain)
        mail["Subject"] = subject
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no holiday notice answers it
        mail["X-Auto-Response-Suppress"] = "All"  # the same, for Exchange
        return mail


def is_address(address: str) -> bool:
    """Tell whether this is one plain address: atoms with dots, "@", a domain by name.

    Quoted local parts and address literals are lawful (RFC 5321 §4.1.2), and refused: nobody has
    one, and they are how a second recipient or a header is smuggled in. Letters of any script pass.
    """
    match = _ADDRESS.fullmatch(address)
    return (
        match is not None
        and len(address.encode()) <= LONGEST_ADDRESS
        and len(match["local"].encode()) <= LONGEST_LOCAL_PART
    )


def _addressed(given_names: str, name: str) -> str:
    """The person as the greeting has it, or "" for a name that is not made of letters.

    What is typed into a name must not become a line, a link or a mark-up of ours.
    """
    first = given_names.split(maxsplit=1)[:1]
    whole = " ".join([*first, *name.split()])
    plain = all(
        unicodedata.category(character)[0] in "LM" or character in " '’-" for character in whole
    )
    return whole if plain and len(whole) <= LONGEST_NAME else ""
