"""A real SMTP server on loopback that keeps what it takes, and the worker's delivery beside it."""

import email
import re
import socket
from contextlib import closing
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope
from aiosmtpd.smtp import Session

from idp.identity.delivery import Delivered
from idp.identity.delivery import Outcome
from idp.wiring.messages import build_delivery
from idp.wiring.messages import build_mailer
from tests.instance import Instance

SECRET = re.compile(r"\b[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}\b")


class Mailbox:
    """What arrived, oldest first."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take one mail."""
        content: Any = envelope.content  # bytes, as the server is told to give
        self.mails.append(email.message_from_bytes(content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return "250 taken"

    def start(self) -> None:
        """Listen."""
        self._controller.start()

    def stop(self) -> None:
        """Go away; again is without effect."""
        if not self._controller.loop.is_closed():
            self._controller.stop(no_assert=True)

    @property
    def settings(self) -> dict[str, object]:
        """The settings that lead here."""
        return {
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": "none",
            "mail_from": "ne-pas-repondre@carpimko.example",
        }

    def newest_text(self) -> str:
        """The plain text of the newest mail."""
        body = self.mails[-1].get_body(("plain",))
        assert body is not None
        text: str = body.get_content()
        return text

    def newest_secret(self) -> str:
        """The temporary password of the newest mail that holds one."""
        return secret_in(self.newest_text())


def secret_in(text: str) -> str:
    """The temporary password in a text."""
    found = SECRET.search(text)
    assert found, text
    return found.group()


def deliver(instance: Instance) -> list[Delivered]:
    """Let the worker send all that is due."""
    mailer = build_mailer(instance.parts)
    assert mailer is not None
    delivery = build_delivery(instance.parts, mailer)
    sent = []
    with instance.app.app_context(), closing(mailer):
        while (one := delivery.send_next()).outcome is not Outcome.IDLE:
            sent.append(one)
            assert len(sent) < 1_000
    return sent
