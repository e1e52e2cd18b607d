"""The mailbox of the embedded start: mails come in by SMTP, stay here, and are shown safely."""

import os
import smtplib
import socket
import stat
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import lxml.html
import pytest
import requests

from demo.children import Child
from demo.mailbox import KEPT
from idp.identity.delivery import Message
from idp.identity.outbox import Kind
from idp.infra.mail import SmtpMailer
from idp.infra.mail import SmtpSecurity
from idp.infra.mail import SmtpServer
from idp.infra.mail_text import Letterhead
from idp.infra.mail_text import MailText
from idp.parts import templates_dir
from tests.functional.test_start import Start
from tests.functional.test_start import free_ports

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRET = "ABCD-EFGH-JKM2"


class Opened:
    """A mailbox process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mailbox"
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        with socket.create_server(("127.0.0.1", 0)) as smtp:
            self.smtp_port: int = smtp.getsockname()[1]
            command = [sys.executable, "-m", "demo.mailbox", str(self.folder)]
            command += ["--port", str(self.port), "--smtp-fd", str(smtp.fileno())]
            self.child = Child(
                "mailbox",
                command,
                log=folder / "mailbox.log",
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                cwd=ROOT,
                keep=[smtp.fileno()],
            )
        end = time.monotonic() + 20
        while True:
            try:
                assert self.get("/").status_code == 200
                return
            except requests.ConnectionError:
                assert self.child.exit_status is None, self.child.said()
                assert time.monotonic() < end, "waited too long"
                time.sleep(0.05)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=20)

    def page(self, path: str) -> lxml.html.HtmlElement:
        return lxml.html.document_fromstring(self.get(path).text)

    def links(self) -> list[str]:
        return [str(link) for link in self.page("/").xpath("//td/a/@href")]

    def put(self, mail: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=20) as server:
            server.send_message(mail)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    mailbox = Opened(tmp_path)
    yield mailbox
    mailbox.child.end()


def mail(subject: str = "Bonjour", text: str = "Un mot", html: str = "") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@caisse.example", "b@exemple.example", subject
    made.set_content(text)
    if html:
        made.add_alternative(html, subtype="html")
    return made


def test_a_temporary_password_sent_by_the_provider_is_read_here(opened):
    server = SmtpServer("127.0.0.1", opened.smtp_port, SmtpSecurity.NONE)
    head = Letterhead("CARPIMKO", "a@caisse.example", "http://localhost:8000/connexion")
    mailer = SmtpMailer(server, MailText(templates_dir(), head))
    mailer.send(
        Message(
            kind=Kind.TEMPORARY_PASSWORD,
            to="élodie@exemple.example",
            given_names="Élodie",
            name="Duval",
            message_id="4f1c.8",
            date=NOON,
            happened_at=NOON,
            valid_until=NOON + timedelta(hours=24),
            secret=SECRET,
        )
    )
    mailer.close()

    (link,) = opened.links()
    row = " ".join(opened.page("/").xpath("//tbody")[0].text_content().split())
    shown = opened.page(link)
    frame = shown.xpath("//iframe")[0]
    subject = "Votre mot de passe provisoire CARPIMKO"
    assert row.startswith(f"{subject}élodie@exemple.example24 novembre 2026 à 13 h 00")
    assert shown.findtext(".//h1") == subject
    assert SECRET in shown.xpath("//div[@class='text']")[0].text_content().splitlines()
    assert shown.xpath("//div[@class='text']//a/@href") == ["http://localhost:8000/connexion"]
    assert frame.get("sandbox") == ""
    assert f"<strong>{SECRET}</strong>" in opened.get(frame.get("src")).text


def test_an_empty_mailbox_says_so(opened):
    assert "Aucun message pour le moment" in opened.page("/").text_content()


def test_mark_up_in_a_mail_is_shown_and_never_run(opened):
    attack = "<script>alert(1)</script>"
    opened.put(mail(subject=attack, text=attack, html=f"<p>{attack}<img src=https://x.example>"))

    (link,) = opened.links()
    page, framed = opened.get(link), opened.get(f"{link}/html")

    assert attack not in page.text
    assert page.text.count("&lt;script&gt;") >= 3
    assert attack in framed.text
    policy = framed.headers["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["sandbox", "default-src 'none'"]
    assert "frame-ancestors 'self'" in policy
    assert not any(word.startswith(("script-src", "img-src")) for word in policy)


def test_every_answer_forbids_what_the_page_does_not_need(opened):
    opened.put(mail(html="<p>x"))

    for path in ("/", opened.links()[0], f"{opened.links()[0]}/html", "/nothing"):
        headers = opened.get(path).headers

        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["mallory.example", "mallory.example:80", "127.0.0.1.evil.example"]
)
def test_a_web_page_that_has_its_name_point_here_reads_no_mail(opened, host):
    opened.put(mail(subject="Confidentiel"))

    answer = opened.get("/", Host=host)

    assert answer.status_code == 400
    assert "Confidentiel" not in answer.text


@pytest.mark.parametrize(
    "name", ["..%2f..%2fmailbox.log", "%2e%2e", "20261124120000000000-deadbeef", "x" * 3000]
)
def test_a_name_that_is_no_mail_here_is_not_found(opened, name):
    for path in (f"/messages/{name}", f"/messages/{name}/html"):
        assert opened.get(path).status_code == 404


def test_mails_are_files_for_their_owner_alone_and_outlive_the_process(opened, tmp_path):
    opened.put(mail(subject="Gardé"))
    opened.child.end()

    modes = {stat.S_IMODE(path.stat().st_mode) for path in opened.files}
    again = Opened(tmp_path)
    titles = again.page("/").xpath("//td/a/text()")
    again.child.end()

    assert modes == {0o600}
    assert stat.S_IMODE(opened.folder.stat().st_mode) == 0o700
    assert titles == ["Gardé"]


def test_only_the_newest_are_kept(opened):
    with smtplib.SMTP("127.0.0.1", opened.smtp_port, timeout=20) as server:
        for number in range(KEPT + 3):
            server.send_message(mail(subject=f"numéro {number}"))

    titles = opened.page("/").xpath("//td/a/text()")
    assert len(opened.files) == len(titles) == KEPT
    assert (titles[0], titles[-1]) == (f"numéro {KEPT + 2}", "numéro 3")


def test_a_mail_larger_than_any_of_ours_is_refused(opened):
    with pytest.raises(smtplib.SMTPException):
        opened.put(mail(text="x" * 70 + "\n" + ("y" * 70 + "\n") * 20_000))

    assert opened.files == []


def test_a_mail_without_headers_or_with_a_false_date_is_shown_all_the_same(opened):
    strange = mail()
    strange["Date"] = "the day before"
    opened.put(strange)
    with smtplib.SMTP("127.0.0.1", opened.smtp_port, timeout=20) as server:
        server.sendmail("a@caisse.example", ["b@exemple.example"], b"no header\r\n")

    for link in opened.links():
        assert opened.get(link).status_code == 200
    assert "(sans objet)" in opened.page("/").text_content()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Start]]:
    started: list[Start] = []

    def one(**options: Any) -> Start:
        started.append(Start(tmp_path / "data", tmp_path / "terminal", **options))
        return started[-1]

    yield one
    for left in started:
        left.process.kill()
        left.process.wait()


def test_a_start_shows_its_mailbox_and_tells_the_provider_where_it_is(start, tmp_path):
    shown = start().wait_for_screen()
    url = f"http://127.0.0.1:{max(shown.port, shown.demo_port) + 1}"
    settings = dict(
        line.replace("'", "").split("=", 1)
        for line in (tmp_path / "data" / "env").read_text().splitlines()[1:]
    )

    with smtplib.SMTP(settings["IDP_SMTP_HOST"], int(settings["IDP_SMTP_PORT"])) as server:
        server.send_message(mail(subject="Essai"))

    assert f"Mailbox              {url}\n" in shown.said
    assert "Essai" in requests.get(url, timeout=20).text
    assert settings["IDP_SMTP_SECURITY"] == "none"
    assert shown.stop() == 0


def test_a_busy_mailbox_port_is_one_sentence_and_nothing_is_made(start, tmp_path):
    *ports, port = free_ports(3)
    with socket.create_server(("127.0.0.1", port)):
        said = start(ports=ports).refused()

    assert f"Port {port} is in use" in said
    assert "bin/start --mailbox-port" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "data").exists()
