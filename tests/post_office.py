"""A real SMTP server that answers as a test tells it to, and certificates for it."""

import asyncio
import datetime as dates
import email
import socket
import ssl
import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from email import policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import AuthResult
from aiosmtpd.smtp import Envelope
from aiosmtpd.smtp import LoginPassword
from aiosmtpd.smtp import Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class PostOffice:
    """A real SMTP server that keeps what it takes, and answers as a test tells it to."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.sessions: set[int] = set()
        self.answers: dict[str, str] = {}
        self.delays: dict[str, float] = {}

    @property
    def mails(self) -> list[EmailMessage]:
        parsed = [email.message_from_bytes(e.content, policy=policy.default) for e in self.taken]
        return [mail for mail in parsed if isinstance(mail, EmailMessage)]

    async def handle_MAIL(  # noqa: N802 - the names are aiosmtpd's
        self, _s: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.sessions.add(id(session))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._answer("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _s: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = await self._answer("RCPT", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _s: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await self._answer("DATA", "250 queued")
        if answer.startswith("250"):
            self.taken.append(envelope)
        return answer

    async def _answer(self, stage: str, otherwise: str) -> str:
        await asyncio.sleep(self.delays.get(stage, 0))
        return self.answers.get(stage, otherwise)


@contextmanager
def served(
    office: PostOffice,
    *,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
    utf8: bool = True,
    **options: Any,
) -> Iterator[int]:
    """Run the server in a thread of its own and give its port; all connections end with it."""
    listening: Future[int] = Future()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    dialogues: list[SMTP] = []

    def dialogue() -> SMTP:
        name = "mail.caisse.example"
        dialogues.append(SMTP(office, hostname=name, enable_SMTPUTF8=utf8, loop=loop, **options))
        return dialogues[-1]

    async def run() -> None:
        server = await loop.create_server(dialogue, "127.0.0.1", port, ssl=tls)
        listening.set_result(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        await server.wait_closed()
        for one in dialogues:
            if one.transport is not None:
                one.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports close at the next turn of the loop

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield listening.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@contextmanager
def scripted(greeting: bytes, *answers: bytes) -> Iterator[int]:
    """A server that says these lines, one for each command, and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as opened:

        def run() -> None:
            with ExitStack() as ours:
                try:
                    connection = ours.enter_context(listener.accept()[0])
                except OSError:
                    return
                connection.settimeout(5)
                received = ours.enter_context(connection.makefile("rb"))
                connection.sendall(greeting)
                for answer in answers:
                    if received.readline():
                        connection.sendall(answer)
                while received.readline():
                    pass

        thread = threading.Thread(target=run)
        thread.start()
        opened.callback(thread.join, 10)
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path, name: str, *, days: int = 2) -> Path:
    """Make a certificate for a name: one PEM with its key, which is its own authority."""
    path = folder / f"{name}.{days}.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dates.timedelta(days=3))
        .not_valid_after(now + dates.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def authenticator(expected: LoginPassword) -> Callable[..., AuthResult]:
    def check(
        _server: SMTP, _s: Session, _e: Envelope, _m: str, given: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=given == expected, handled=False)

    return check
