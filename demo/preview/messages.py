"""Every mail and every letter in every state, written as the worker and the printer write them."""

from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from functools import cache
from io import BytesIO
from typing import Any

from idp.identity.delivery import Message
from idp.identity.letter_batch import Batch
from idp.identity.letter_batch import Letter
from idp.identity.letters import KINDS
from idp.identity.outbox import Kind
from idp.infra.letter import LetterPress
from idp.infra.letter import LetterSender
from idp.infra.mail_text import Letterhead
from idp.infra.mail_text import MailText
from idp.parts import templates_dir

ISSUER = "https://connexion.caisse.example"
PHONE = "01 23 45 67 89"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BATCH = Batch("2026-11-24-1", NOON)
ADDRESS = ("MME JEANNE-MARIE DUVAL", "12 RUE DES GLYCINES", "78000 VERSAILLES")


@dataclass(frozen=True, slots=True)
class MailState:
    """One mail; ``support_phone`` is "" where the fund gives none."""

    name: str
    message: Message
    support_phone: str = PHONE


@dataclass(frozen=True, slots=True)
class LetterState:
    """One letter."""

    name: str
    letter: Letter


def _mail(kind: Kind, state: str = "", *, support_phone: str = PHONE, **changes: Any) -> MailState:
    has_secret = kind in (Kind.TEMPORARY_PASSWORD, Kind.ADDRESS_CODE)
    code = "482 913" if kind is Kind.ADDRESS_CODE else "KDMT-7QXR-9HBW"
    values: dict[str, Any] = {
        "to": "jeanne@exemple.example",
        "given_names": "Jeanne-Marie",
        "name": "Duval",
        "message_id": "4f1c.8",
        "date": NOON,
        "happened_at": NOON,
        "valid_until": datetime(2026, 11, 25, 12, 0, tzinfo=UTC) if has_secret else None,
        "secret": code if has_secret else "",
        "masked_address": "j***dy@c*****.com" if kind is Kind.ADDRESS_RECORDED else "",
    }
    return MailState(
        f"mail-{kind}{state}".replace("_", "-"),
        Message(kind=kind, **values | changes),
        support_phone,
    )


def _letter(kind: Kind) -> LetterState:
    secret = "SDMT-7QXR-9HBX" if kind is Kind.TEMPORARY_PASSWORD else ""
    return LetterState(f"letter-{kind}".replace("_", "-"), Letter(1, kind, ADDRESS, NOON, secret))


MAILS = [
    *(_mail(kind) for kind in Kind),
    _mail(Kind.TEMPORARY_PASSWORD, "-no-name-no-phone", given_names="", name="", support_phone=""),
    _mail(Kind.ACCOUNT_REOPENED, "-must-reset", opens=False),
]
LETTERS = [_letter(kind) for kind in sorted(KINDS)]
LETTERS += [
    LetterState(f"{one.name}-frozen", replace(one.letter, frozen=True))
    for one in LETTERS
    if one.letter.secret
]


@cache
def writer(support_phone: str) -> MailText:
    """Give what writes mails."""
    letterhead = Letterhead(
        fund_name="CARPIMKO",
        mail_from="ne-pas-repondre@caisse.example",
        sign_in_url=f"{ISSUER}/connexion",
        support_phone=support_phone,
    )
    return MailText(templates_dir(), letterhead)


@cache
def press() -> LetterPress:
    """Give what lays out letters."""
    address = ("6 place de l’Exemple", "78000 VERSAILLES")
    return LetterPress(
        templates_dir(), LetterSender("CARPIMKO", address, "Versailles", ISSUER, PHONE)
    )


def mail_page(state: MailState) -> str:
    """Write the HTML of a mail, its subject in front."""
    mail = writer(state.support_phone).write(state.message)
    body = mail.get_body(("html",))
    return str(body.get_content()) if body is not None else ""


def letter_pdf(state: LetterState) -> bytes:
    """Lay out one letter."""
    sheet = BytesIO()
    press().lay_out(BATCH, iter([state.letter]), sheet)
    return sheet.getvalue()
