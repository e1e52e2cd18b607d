"""The local mailbox of the embedded start: catches every mail, sends none on, shows them on a page.

``python -m demo.mailbox`` takes the SMTP socket of its parent, who has told the port to the
provider. Mails are files, for their owner alone, the newest 200 of them; they hold secrets, as any
mailbox does, so the page answers to loopback names only: a web page elsewhere that has its own name
point here (DNS rebinding) is refused.
"""

import argparse
import asyncio
import email
import os
import re
import secrets
import signal
import socket
import threading
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from zoneinfo import ZoneInfo

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope
from aiosmtpd.smtp import Session
from flask import Blueprint
from flask import Flask
from flask import Response
from flask import abort
from flask import current_app
from flask import render_template
from flask import request
from werkzeug.serving import make_server

from demo.preview import with_preview
from demo.wording import day

KEPT = 200
LARGEST_MAIL = 1_000_000
SUFFIX = ".eml"
PARIS = ZoneInfo("Europe/Paris")
_NAME = re.compile(r"\d{20}-[0-9a-f]{8}")
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""A mail may be anybody's: nothing in it runs, fetches or leads anywhere."""

bp = Blueprint("mailbox", __name__)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as the page shows it; ``name`` is that of its file, less the suffix."""

    name: str
    at: datetime
    sender: str
    to: str
    subject: str
    text: str
    html: str

    @property
    def when(self) -> str:
        """The date and the hour, in words."""
        return f"{day(f'{self.at:%Y-%m-%d}')} à {self.at.hour}\u00a0h\u00a0{self.at.minute:02}"


class Mailbox:
    """The folder of mails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in folder.glob("*.part"):
            part.unlink()  # left by a start that was killed

    def keep(self, content: bytes) -> None:
        """Write one mail in one step, and let the oldest go."""
        name = f"{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(4)}"
        part = self._folder / f"{name}.part"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        part.replace(self._folder / f"{name}{SUFFIX}")
        for old in self._names()[KEPT:]:
            (self._folder / f"{old}{SUFFIX}").unlink(missing_ok=True)

    def mails(self) -> list[Mail]:
        """All of them, the newest first."""
        found = (self.find(name) for name in self._names())
        return [mail for mail in found if mail is not None]

    def find(self, name: str) -> Mail | None:
        """One of them, None when there is none of this name."""
        if not _NAME.fullmatch(name):
            return None
        try:
            content = (self._folder / f"{name}{SUFFIX}").read_bytes()
        except FileNotFoundError:
            return None
        return _read(name, content)

    def _names(self) -> list[str]:
        names = (path.stem for path in self._folder.glob(f"*{SUFFIX}"))
        return sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)


class Catcher:
    """What the SMTP server does with a mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep it; the answer says so to whoever sent it."""
        content = envelope.original_content or b""
        await asyncio.get_running_loop().run_in_executor(None, self._mailbox.keep, content)
        return "250 2.0.0 kept in the local mailbox"


def create_app(folder: Path) -> Flask:
    """The page over one folder."""
    app = Flask("demo.mailbox")
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost"]
    app.extensions["mailbox"] = Mailbox(folder)
    app.register_blueprint(bp)
    app.after_request(_protect)
    # The type: Flask documents wsgi_app as the place for a middleware.
    app.wsgi_app = with_preview(app.wsgi_app)  # type: ignore[method-assign, assignment]
    return app


@bp.before_app_request
def know_the_host() -> None:
    """Refuse another name than those of this machine."""
    _ = request.host  # raises 400 for a host that is not trusted


@bp.get("/")
def inbox() -> str:
    """The mails, the newest first."""
    return render_template("mailbox/inbox.html", mails=_mailbox().mails(), kept=KEPT)


@bp.get("/messages/<name>")
def show(name: str) -> str:
    """One mail: its headers, its text, and its HTML in a frame where nothing runs."""
    return render_template("mailbox/mail.html", mail=_found(name))


@bp.get("/messages/<name>/html")
def show_html(name: str) -> Response:
    """The HTML of one mail, for that frame."""
    return Response(_found(name).html, mimetype="text/html")


@bp.app_errorhandler(HTTPStatus.NOT_FOUND)
def gone(_error: Exception) -> tuple[str, int]:
    """Say that there is no such mail, any more or at all."""
    return render_template("mailbox/gone.html"), HTTPStatus.NOT_FOUND


def _found(name: str) -> Mail:
    mail = _mailbox().find(name)
    if mail is None:
        abort(HTTPStatus.NOT_FOUND)
    return mail


def _mailbox() -> Mailbox:
    mailbox: Mailbox = current_app.extensions["mailbox"]
    return mailbox


def _protect(response: Response) -> Response:
    is_mail = request.endpoint == "mailbox.show_html" and response.status_code == HTTPStatus.OK
    response.headers["Content-Security-Policy"] = _MAIL_POLICY if is_mail else _PAGE_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _read(name: str, content: bytes) -> Mail:
    mail = email.message_from_bytes(content, policy=policy.default)
    return Mail(
        name=name,
        at=_date(mail, name),
        sender=str(mail["From"] or ""),
        to=str(mail["To"] or ""),
        subject=str(mail["Subject"] or "(sans objet)"),
        text=_body(mail, "plain"),
        html=_body(mail, "html"),
    )


def _date(mail: EmailMessage, name: str) -> datetime:
    try:
        written = parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        written = datetime.strptime(name[:20], "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    return written.astimezone(PARIS)


def _body(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return str(body.get_content()) if body is not None else ""


def serve(folder: Path, port: int, smtp: socket.socket) -> None:
    """Catch mails and show them until SIGTERM."""
    page = make_server("127.0.0.1", port, create_app(folder), threaded=True)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    asyncio.run(_catch(Mailbox(folder), smtp))


async def _catch(mailbox: Mailbox, smtp: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, asked_to_stop.set)
    catcher = Catcher(mailbox)
    async with await loop.create_server(
        lambda: SMTP(
            catcher,
            hostname="localhost",
            ident="local mailbox",
            data_size_limit=LARGEST_MAIL,
            enable_SMTPUTF8=True,
            loop=loop,
        ),
        sock=smtp,
    ):
        await asked_to_stop.wait()


def main() -> None:
    """Read the command line of ``demo.start``."""
    parser = argparse.ArgumentParser(prog="python -m demo.mailbox")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True, help="of the page")
    parser.add_argument("--smtp-fd", type=int, required=True, help="a socket that listens")
    given = parser.parse_args()
    os.umask(0o077)
    with socket.socket(fileno=given.smtp_fd) as smtp:
        serve(given.folder, given.port, smtp)


if __name__ == "__main__":
    main()
