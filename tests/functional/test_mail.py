"""Mails on their way to a real SMTP server: up, down, slow, refusing, or somebody else's."""

import datetime as dates
import logging
import socket
import ssl
import subprocess
import time
import traceback
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import LoginPassword

from idp.identity.delivery import Mailer
from idp.identity.delivery import MailRefused
from idp.identity.delivery import MailUnreachable
from idp.identity.delivery import Message
from idp.identity.outbox import Kind
from idp.infra.mail import MAILS_A_CONNECTION
from idp.infra.mail import SmtpMailer
from idp.infra.mail import SmtpSecurity
from idp.infra.mail import SmtpServer
from idp.infra.mail import UnsafeMailServer
from idp.infra.mail_text import Letterhead
from idp.infra.mail_text import MailText
from idp.parts import templates_dir
from tests.post_office import PostOffice
from tests.post_office import authenticator
from tests.post_office import certificate
from tests.post_office import scripted
from tests.post_office import served
from tests.post_office import server_tls

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRET = "ABCD-EFGH-JKM2"
TO = "jeanne.duval@exemple.example"
SENDER = "ne-pas-repondre@caisse.example"
QUICK = 0.4


def letter(**changes: Any) -> Message:
    values: dict[str, Any] = {
        "kind": Kind.TEMPORARY_PASSWORD,
        "to": TO,
        "given_names": "Jeanne",
        "name": "Duval",
        "message_id": "4f1c.8",
        "date": NOON,
        "happened_at": NOON,
        "valid_until": NOON + dates.timedelta(hours=24),
        "secret": SECRET,
    }
    return Message(**values | changes)


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def mailer() -> Iterator[Callable[..., SmtpMailer]]:
    """Make a mailer to a port on loopback; those made are closed at the end."""
    made: list[SmtpMailer] = []

    def make(port: int, **options: Any) -> SmtpMailer:
        settings = {"security": SmtpSecurity.NONE, "timeout": 5.0, **options}
        head = Letterhead("CARPIMKO", SENDER, "http://localhost:8000/connexion")
        server = SmtpServer("localhost", port, **settings)
        made.append(SmtpMailer(server, MailText(templates_dir(), head)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a certificate for a name."""
    return partial(certificate, tmp_path_factory.mktemp("certificates"))


def test_a_mail_arrives_whole_with_every_header_and_both_bodies(office, mailer):
    with served(office) as port:
        sender: Mailer = mailer(port)
        sender.send(letter())

    (envelope,), (mail,) = office.taken, office.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [TO])
    assert {name: mail[name] for name in mail if name != "Content-Type"} == {
        "Date": "Tue, 24 Nov 2026 13:00:00 +0100",
        "Message-ID": "<4f1c.8@caisse.example>",
        "From": f"CARPIMKO <{SENDER}>",
        "Reply-To": f"CARPIMKO <{SENDER}>",
        "To": TO,
        "Subject": "Votre mot de passe provisoire CARPIMKO",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Language": "fr",
    }
    assert mail.get_content_type() == "multipart/alternative"
    text, page = mail.iter_parts()
    assert text["Content-Type"] == 'text/plain; charset="utf-8"'
    assert page["Content-Type"] == 'text/html; charset="utf-8"'
    assert SECRET in text.get_content().splitlines()
    assert f"<strong>{SECRET}</strong>" in page.get_content()
    assert "Si vous aviez déjà un mot de passe" in text.get_content()
    assert mail.defects == text.defects == page.defects == []
    assert max(map(len, envelope.content.splitlines())) < 100
    assert envelope.content.replace(b"\r\n", b"").count(b"\n") == 0


def test_several_mails_leave_on_one_connection_and_a_tired_one_is_renewed(office, mailer):
    with served(office) as port:
        sender = mailer(port)
        for number in range(MAILS_A_CONNECTION + 2):
            sender.send(letter(message_id=f"m{number}"))

    assert len({mail["Message-ID"] for mail in office.mails}) == MAILS_A_CONNECTION + 2
    assert len(office.sessions) == 2


def test_a_server_that_was_restarted_or_hung_up_meanwhile_is_connected_to_again(office, mailer):
    with served(office) as port:
        sender = mailer(port)
        sender.send(letter())
    with served(office, port=port):
        sender.send(letter(message_id="second"))

    assert [mail["Message-ID"][1:7] for mail in office.mails] == ["4f1c.8", "second"]


def test_starttls_with_a_certificate_of_our_authority_and_a_password_from_a_file(
    office, mailer, certificates, tmp_path
):
    known = certificates("localhost")
    password = tmp_path / "smtp-password"
    password.write_text("le mot du relais\n")
    options = {
        "tls_context": server_tls(known),
        "require_starttls": True,
        "auth_required": True,
        "authenticator": authenticator(LoginPassword(b"idp", b"le mot du relais")),
    }
    with served(office, **options) as port:
        sender = mailer(
            port,
            security=SmtpSecurity.STARTTLS,
            user="idp",
            password_file=password,
            ca_file=known,
        )
        found = sender.check()
        sender.send(letter())

    assert len(office.mails) == 1
    assert found == f"localhost:{port} answers; TLSv1.3, signed in as idp"


def test_tls_from_the_first_byte(office, mailer, certificates):
    known = certificates("localhost")
    with served(office, tls=server_tls(known)) as port:
        sender = mailer(port, security=SmtpSecurity.TLS, ca_file=known)
        sender.send(letter())
        found = sender.check()

    assert len(office.mails) == 1
    assert found == f"localhost:{port} answers; TLSv1.3, no sign-in"


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
@pytest.mark.parametrize("wrong", ["of nobody we know", "for another name", "of last week"])
def test_a_server_with_a_wrong_certificate_gets_no_mail(
    office, mailer, certificates, security, wrong
):
    known = certificates("localhost")
    shown = {
        "of nobody we know": lambda: certificates("localhost", days=3),
        "for another name": lambda: certificates("other.example"),
        "of last week": lambda: certificates("localhost", days=-1),
    }[wrong]()
    believed = known if wrong == "of nobody we know" else shown
    at_once = security is SmtpSecurity.TLS
    options = {"tls": server_tls(shown)} if at_once else {"tls_context": server_tls(shown)}

    with served(office, **options) as port, pytest.raises(MailUnreachable) as refused:
        mailer(port, security=security, ca_file=believed).send(letter())

    assert refused.value.fault == "smtp_certificate"
    assert office.taken == []


def test_the_mail_catcher_of_compose_shows_a_certificate_that_the_worker_believes(tmp_path):
    script = tmp_path / "make-secrets"
    script.write_bytes((ROOT / "deploy" / "make-secrets").read_bytes())
    subprocess.run(["/bin/bash", script], check=True, capture_output=True)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(tmp_path / "secrets/mail_cert.pem", tmp_path / "secrets/mail_key.pem")
    believed = ssl.create_default_context(cafile=tmp_path / "secrets/mail_cert.pem")
    near, far = socket.socketpair()

    with ThreadPoolExecutor(1) as other:
        there = other.submit(shown.wrap_socket, far, server_side=True)
        with believed.wrap_socket(near, server_hostname="mail") as here:
            there.result(10).close()

            assert here.version() == "TLSv1.3"


def test_whoever_strips_starttls_from_the_offer_gets_no_mail(office, mailer):
    with served(office) as port, pytest.raises(MailUnreachable) as refused:
        mailer(port, security=SmtpSecurity.STARTTLS).send(letter())

    assert refused.value.fault == "smtp_certificate"
    assert "STARTTLS is not offered" in str(refused.value)
    assert office.taken == []


def test_a_server_elsewhere_without_tls_is_refused_before_anything_is_sent():
    with pytest.raises(UnsafeMailServer):
        SmtpServer("mail.caisse.example", 25, SmtpSecurity.NONE)


@pytest.mark.parametrize("timeout", [0, -1, 16])
def test_a_patience_that_outlasts_the_lease_of_the_outbox_is_refused(timeout):
    with pytest.raises(UnsafeMailServer):
        SmtpServer("localhost", 25, SmtpSecurity.NONE, timeout=timeout)


@pytest.mark.parametrize("password", [b"wrong", "éléphant".encode(), None])
def test_a_password_that_the_server_does_not_take_is_told_without_it(
    office, mailer, certificates, tmp_path, password
):
    known = certificates("localhost")
    file = tmp_path / "smtp-password"
    if password is not None:
        file.write_bytes(password)
    options = {
        "tls_context": server_tls(known),
        "auth_required": True,
        "authenticator": authenticator(LoginPassword(b"idp", b"right")),
    }

    with served(office, **options) as port, pytest.raises(MailUnreachable) as refused:
        mailer(
            port,
            security=SmtpSecurity.STARTTLS,
            user="idp",
            password_file=file,
            ca_file=known,
        ).check()

    assert refused.value.fault == "smtp_authentication"
    assert "wrong" not in "".join(traceback.format_exception(refused.value))


def test_a_server_that_offers_no_sign_in_is_not_given_the_password(office, mailer, tmp_path):
    (tmp_path / "password").write_text("right")
    with served(office) as port, pytest.raises(MailUnreachable) as refused:
        mailer(port, user="idp", password_file=tmp_path / "password").send(letter())

    assert refused.value.fault == "smtp_authentication"


def test_a_ca_file_that_is_not_there_is_told(mailer, tmp_path):
    with pytest.raises(MailUnreachable, match="CA file: No such file"):
        mailer(1, security=SmtpSecurity.TLS, ca_file=tmp_path / "no.pem").check()


def test_a_server_that_is_down_may_come_back_and_the_same_mail_leaves(office, mailer):
    with served(office) as port:
        pass
    sender = mailer(port)

    with pytest.raises(MailUnreachable) as down:
        sender.send(letter())
    with served(office, port=port):
        sender.send(letter())

    assert down.value.fault == "smtp_unreachable"
    assert len(office.mails) == 1


@pytest.mark.parametrize(
    ("stage", "answer", "fault"),
    [
        ("MAIL", "421 4.3.2 shutting down", "smtp_busy"),
        ("MAIL", "451 4.3.0 later", "smtp_busy"),
        ("MAIL", "550 5.7.1 relaying denied", "smtp_authentication"),
        ("MAIL", "530 5.7.0 authentication required", "smtp_authentication"),
        ("RCPT", "421 shutting down", "smtp_busy"),
        ("RCPT", "450 4.2.0 greylisted jeanne.duval@exemple.example", "smtp_busy"),
        ("RCPT", "452 4.2.2 mailbox full", "smtp_busy"),
        ("RCPT", "554 5.7.1 relay access denied", "smtp_authentication"),
        ("RCPT", "530 5.7.0 authentication required", "smtp_authentication"),
        ("DATA", "421 4.3.2 shutting down", "smtp_busy"),
        ("DATA", "451 4.3.0 disk full", "smtp_busy"),
    ],
)
def test_a_trouble_that_may_pass_is_temporary_and_the_mail_leaves_when_it_has(
    office, mailer, stage, answer, fault
):
    office.answers[stage] = answer
    with served(office) as port:
        sender = mailer(port)
        with pytest.raises(MailUnreachable) as refused:
            sender.send(letter())
        office.answers.clear()
        sender.send(letter())

    assert refused.value.fault == fault
    assert len(office.mails) == 1


@pytest.mark.parametrize(
    ("stage", "answer", "fault", "told"),
    [
        ("RCPT", "550 5.1.1 no jeanne.duval@exemple.example", "recipient_refused", "550 5.1.1"),
        ("RCPT", "553 no such user", "recipient_refused", "553"),
        ("RCPT", "552 5.2.2 mailbox full for good", "recipient_refused", "552 5.2.2"),
        ("DATA", "554 5.7.1 looks like spam", "content_refused", "554 5.7.1"),
        ("DATA", "552 5.3.4 too big", "content_refused", "552 5.3.4"),
    ],
)
def test_a_refusal_of_this_very_mail_is_for_good_and_the_next_person_gets_theirs(
    office, mailer, stage, answer, fault, told
):
    office.answers[stage] = answer
    with served(office) as port:
        sender = mailer(port)
        with pytest.raises(MailRefused) as refused:
            sender.send(letter())
        office.answers.clear()
        sender.send(letter(to="paul@exemple.example"))

    assert refused.value.fault == fault
    assert str(refused.value).endswith(f"answered {told})")
    assert [envelope.rcpt_tos for envelope in office.taken] == [["paul@exemple.example"]]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([b"421 too many connections\r\n"], "smtp_busy"),
        ([b"554 5.7.1 go away\r\n"], "smtp_unreachable"),
        ([b"\x16\x03\x01 no SMTP at all\r\n"], "smtp_unreachable"),
        ([b"220 hello\r\n", b"451 not now\r\n"], "smtp_busy"),
        ([b"220 hello\r\n", b"550 not for you\r\n"], "smtp_unreachable"),
        (
            [b"220 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"250 OK\r\n", b"451 no\r\n"],
            "smtp_busy",
        ),
        ([b"220 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 when?\r\n"], "smtp_unreachable"),
    ],
    ids=["busy", "closed", "garbage", "ehlo later", "ehlo never", "data later", "out of turn"],
)
def test_a_server_that_is_not_ready_to_talk_is_temporary(mailer, lines, fault):
    with scripted(*lines) as port, pytest.raises(MailUnreachable) as refused:
        mailer(port).send(letter())

    assert refused.value.fault == fault


@pytest.mark.parametrize("lines", [[b""], [b"220 hello\r\n"], [b"220 hello\r\n", b"250 OK\r\n"]])
def test_a_server_that_falls_silent_is_left_after_the_time_out(mailer, lines):
    began = time.monotonic()
    with scripted(*lines) as port, pytest.raises(MailUnreachable) as refused:
        mailer(port, timeout=QUICK).send(letter())

    assert refused.value.fault == "smtp_timeout"
    assert time.monotonic() - began < 6 * QUICK


def test_a_server_that_accepts_late_is_waited_for_and_gets_one_mail(office, mailer):
    office.delays["DATA"] = 2 * QUICK
    with served(office) as port:
        sender = mailer(port, timeout=QUICK)
        sender.send(letter())

    assert len(office.mails) == 1


def test_a_server_slower_than_that_is_left_and_a_second_mail_would_have_the_same_name(
    office, mailer
):
    office.delays["DATA"] = 6 * QUICK
    with served(office) as port:
        sender = mailer(port, timeout=QUICK)
        with pytest.raises(MailUnreachable) as slow:
            sender.send(letter())
        office.delays.clear()
        sender.send(letter())

    assert slow.value.fault == "smtp_timeout"
    assert {mail["Message-ID"] for mail in office.mails} == {"<4f1c.8@caisse.example>"}


def test_an_international_address_needs_a_server_that_knows_them(office, mailer):
    with served(office, utf8=True) as port:
        mailer(port).send(letter(to="élodie@exemple.example"))
    with served(office, utf8=False) as port, pytest.raises(MailRefused) as refused:
        mailer(port).send(letter(to="élodie@exemple.example"))

    (envelope,) = office.taken
    assert envelope.rcpt_tos == ["élodie@exemple.example"]
    assert "To: élodie@exemple.example\r\n".encode() in envelope.content
    assert refused.value.fault == "recipient_refused"


def test_an_address_with_a_second_recipient_in_it_reaches_nobody(office, mailer):
    with served(office) as port, pytest.raises(MailRefused) as refused:
        mailer(port).send(letter(to=f"{TO}>\r\nRCPT TO:<mallory@evil.example"))

    assert refused.value.fault == "address_invalid"
    assert office.sessions == set()


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("MAIL", f"550 no {TO} {SECRET}"),
        ("RCPT", f"550 5.1.1 <{TO}> unknown {SECRET}"),
        ("RCPT", f"450 <{TO}> later {SECRET}"),
        ("DATA", f"554 5.6.0 {TO} {SECRET} refused"),
    ],
)
def test_neither_the_secret_nor_the_address_stands_in_an_exception_or_a_log(
    office, mailer, stage, answer, caplog
):
    caplog.set_level(logging.DEBUG)
    office.answers[stage] = answer
    with served(office) as port, pytest.raises((MailUnreachable, MailRefused)) as refused:
        mailer(port).send(letter())

    error = refused.value
    shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + str(error)
    ours = "".join(r.getMessage() for r in caplog.records if r.name.startswith("idp"))
    assert SECRET not in shown + ours
    assert "jeanne" not in shown + ours
    assert error.__cause__ is None
