"""Mails leave here: SMTP to the fund's own server, under TLS with its certificate checked.

What the server answers decides: 4xx anywhere, or 5xx before it looked at the message, is a trouble
that may pass (MailUnreachable); 5xx to the recipient or to the content is about this mail alone
(MailRefused). A server that refuses *us* - relaying denied, sender unknown, password wrong - has
said nothing about the person: that must not bury a promise.

Exceptions of smtplib hold addresses and whole messages. None leaves this file: what does are
numbers, the stage, and words of ours.
"""

import contextlib
import re
import smtplib
import ssl
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path

from idp import IdpError
from idp.identity.delivery import MailRefused
from idp.identity.delivery import MailUnreachable
from idp.identity.delivery import Message
from idp.infra.mail_text import MailText

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_TIMEOUT_SECONDS = 15.0
"""All answers of one mail, each at the last moment, stay within the outbox's lease of 5 min."""
PATIENCE_FOR_THE_MESSAGE = 4
"""A server may scan the message before it says yes; giving up early means sending it twice."""
MAILS_A_CONNECTION = 50
IDLE_SECONDS = 30.0
BUSY_FROM, REFUSED_FROM = 400, 500
WANTS_SIGN_IN = 530  # RFC 4954 §6
ABOUT_THIS_MAIL = frozenset({"recipient_refused", "content_refused"})
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?= |$)")
_AUTH_METHODS = frozenset({"PLAIN", "LOGIN", "CRAM-MD5"})  # of smtplib
_ABOUT_US = (
    b"5.7.",
    b"5.1.7",
    b"5.1.8",
)  # RFC 3463: policy and authorization, the sender's address


class SmtpSecurity(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    """Required, never merely tried: whoever strips the offer from the answer stops the mail."""
    TLS = "tls"
    NONE = "none"
    """On loopback only."""


class UnsafeMailServer(IdpError):
    """Mails hold secrets: this way to the server would show them; the text says what mends it."""

    code = "unsafe_mail_server"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails are handed over.

    Attributes:
        password_file: read at each connection, so that a new password needs no restart; None for a
            server that wants none.
        ca_file: PEM of the authorities to believe; None for those of the system.
        timeout: seconds for the connection and for each answer, 15 at most; the answer to the
            message itself may take four times as long.

    Raises:
        UnsafeMailServer: without TLS, and not on this machine.
    """

    host: str
    port: int
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.security is SmtpSecurity.NONE and self.host not in LOOPBACK:
            message = f"{self.host}: without TLS only a server on loopback will do"
            raise UnsafeMailServer(message)
        if not 0 < self.timeout <= LONGEST_TIMEOUT_SECONDS:
            message = (
                f"{self.timeout} s: more than 0, and 15 at most, or two workers may send one mail"
            )
            raise UnsafeMailServer(message)


class SmtpMailer:
    """Sends mails over one connection, reused while it is fresh. For one thread."""

    def __init__(
        self, server: SmtpServer, text: MailText, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is read or opened yet.

        Args:
            server: where to.
            text: writes the mails.
            monotonic: seconds, for the age of the connection.
        """
        self._server = server
        self._text = text
        self._monotonic = monotonic
        self._connection: smtplib.SMTP | None = None
        self._sent = 0
        self._used_at = 0.0

    def send(self, message: Message) -> None:
        """Hand one mail to the server.

        Raises:
            MailUnreachable: it may go at another time.
            MailRefused: the server, or we, will never take this one.
        """
        mail = self._text.write(message)
        with self._told():
            connection = self._reused() or self._opened()
            self._hand_over(connection, mail, message.to)
        self._sent += 1
        self._used_at = self._monotonic()
        if self._sent >= MAILS_A_CONNECTION:
            self.close()

    def check(self) -> str:
        """Do all but send a mail, on a connection of its own; say in words what was found.

        Raises:
            MailUnreachable: no mail would leave now.
        """
        self.close()
        with self._told():
            connection = self._opened()
            tls = connection.sock.version() if isinstance(connection.sock, ssl.SSLSocket) else None
        self.close()
        signed_in = f"signed in as {self._server.user}" if self._server.user else "no sign-in"
        return f"{self._server.host}:{self._server.port} answers; {tls or 'no TLS'}, {signed_in}"

    def close(self) -> None:
        """Say goodbye to the server; ``send`` connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()
            connection.close()

    def _drop(self) -> None:
        # Whatever went wrong, the state of the dialogue is not known: no goodbye, no reuse.
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _reused(self) -> smtplib.SMTP | None:
        connection = self._connection
        if connection is None:
            return None
        if self._monotonic() - self._used_at < IDLE_SECONDS:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                if connection.rset()[0] == 250:
                    return connection
        self._drop()
        return None

    def _opened(self) -> smtplib.SMTP:
        server, password = self._server, self._password()
        # Read anew for each connection: authorities are replaced while we run.
        context = None if server.security is SmtpSecurity.NONE else self._tls_context()
        if server.security is SmtpSecurity.TLS:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        self._connection = connection
        _expect(connection.ehlo(), "EHLO", "smtp_unreachable")
        if server.security is SmtpSecurity.STARTTLS:
            if not connection.has_extn("starttls"):
                raise MailUnreachable("smtp_certificate", "STARTTLS is not offered")
            connection.starttls(context=context)
            _expect(connection.ehlo(), "EHLO", "smtp_unreachable")
        if server.user:
            if not _AUTH_METHODS.intersection(connection.esmtp_features.get("auth", "").split()):
                raise MailUnreachable("smtp_authentication", "no AUTH that we know is offered")
            connection.login(server.user, password)
        self._sent = 0
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._server.ca_file)
        except OSError as error:
            raise MailUnreachable("smtp_certificate", f"the CA file: {error.strerror}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _password(self) -> str:
        if self._server.password_file is None:
            return ""
        try:
            password = self._server.password_file.read_bytes().rstrip(b"\r\n").decode("ascii")
        except OSError as error:
            detail = f"the password file: {error.strerror}"
            raise MailUnreachable("smtp_authentication", detail) from None
        except UnicodeDecodeError:  # it would hold the password
            raise MailUnreachable("smtp_authentication", "the password is not ASCII") from None
        return password

    def _hand_over(self, connection: smtplib.SMTP, mail: EmailMessage, to: str) -> None:
        options = []
        if not to.isascii():
            if not connection.has_extn("smtputf8"):
                raise MailRefused("recipient_refused", "SMTPUTF8 is not offered")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        sender = mail["From"].addresses[0].addr_spec
        _expect(connection.mail(sender, options), "MAIL FROM", "smtp_authentication")
        # Not connection.rcpt(): it reads the address again, more loosely than we did.
        _expect(connection.docmd("RCPT", f"TO:<{to}>"), "RCPT TO", "recipient_refused")
        self._be_patient(connection, PATIENCE_FOR_THE_MESSAGE)
        _expect(connection.data(mail.as_bytes()), "DATA", "content_refused")
        self._be_patient(connection, 1)

    def _be_patient(self, connection: smtplib.SMTP, times: int) -> None:
        if connection.sock is not None:
            connection.sock.settimeout(self._server.timeout * times)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what smtplib and the network raise into words of ours, and hang up."""
        try:
            yield
        except (MailUnreachable, MailRefused):
            self._drop()
            raise
        except (OSError, smtplib.SMTPException) as error:  # ssl.SSLError is an OSError
            self._drop()
            raise self._fault(error) from None

    def _fault(self, error: OSError | smtplib.SMTPException) -> MailUnreachable | MailRefused:
        if isinstance(error, smtplib.SMTPResponseException):
            stage, refused = "the greeting", "smtp_unreachable"
            if isinstance(error, smtplib.SMTPAuthenticationError):
                stage, refused = "AUTH", "smtp_authentication"
            elif isinstance(error, smtplib.SMTPDataError):  # to the command, before the message
                stage, refused = "DATA", "content_refused"
            return _fault_of(error.smtp_code, error.smtp_error, stage, refused)
        if isinstance(error, ssl.SSLCertVerificationError):
            return MailUnreachable("smtp_certificate", error.verify_message)
        # smtplib says "unexpectedly closed" of a time-out too, and keeps the cause behind it.
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            return MailUnreachable("smtp_timeout", f"time-out {self._server.timeout:g} s")
        return MailUnreachable("smtp_unreachable", type(error).__name__)


def _expect(answer: tuple[int, bytes], stage: str, refused: str) -> None:
    """Go on when the server said yes; ``refused`` is what its no for good means at this stage."""
    if not 200 <= answer[0] < 300:
        raise _fault_of(*answer, stage, refused)


def _fault_of(
    code: int, text: bytes | str, stage: str, refused: str
) -> MailUnreachable | MailRefused:
    written = text.encode() if isinstance(text, str) else text
    enhanced = _ENHANCED.match(written)
    detail = f"{stage} answered {code}" + (f" {enhanced[0].decode()}" if enhanced else "")
    if code < REFUSED_FROM:
        return MailUnreachable("smtp_busy" if code >= BUSY_FROM else "smtp_unreachable", detail)
    if code == WANTS_SIGN_IN or (stage == "RCPT TO" and written.startswith(_ABOUT_US)):
        return MailUnreachable("smtp_authentication", detail)
    return (MailRefused if refused in ABOUT_THIS_MAIL else MailUnreachable)(refused, detail)
