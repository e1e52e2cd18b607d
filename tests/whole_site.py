"""The provider with all that stands beside it: store, worker, mail server, operator, printer.

Whatever its processes say and wherever they lead a browser is kept, to be searched for secrets.
"""

import email
import resource
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import redis
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope
from aiosmtpd.smtp import Session
from sqlalchemy import update

from demo.children import Child
from demo.valkey import ValkeyServer
from idp.identity.outbox import Promise
from idp.infra.tables import OutboxRow
from idp.promise import PromiseState
from tests.instance import Person
from tests.instance import Visitor
from tests.mailbox import secret_in
from tests.post_office import PostOffice
from tests.reset_steps import begin
from tests.reset_steps import choose
from tests.running import ROOT
from tests.running import Running
from tests.running import Wire
from tests.running import eventually
from tests.secret_search import Places
from tests.secret_search import collect

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment


class Overheard(Wire):
    """A wire whose addresses are written down: what was asked, and where answers led."""

    def __init__(self, port: int, addresses: list[str]) -> None:
        super().__init__(port)
        self._addresses = addresses

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Send one request on."""
        self._addresses.append(f"{environ['RAW_URI']} {environ['QUERY_STRING']}")

        def overhear(status: str, headers: list[tuple[str, str]], *more: object) -> object:
            self._addresses.extend(value for name, value in headers if name == "Location")
            return start_response(status, headers, *more)  # type: ignore[arg-type]

        return super().__call__(environ, overhear)  # type: ignore[arg-type]


class Echo(PostOffice):
    """A mail server that may put off a mail, and repeats in its answer what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.puts_off = False
        self.repeated: list[str] = []

    async def handle_DATA(self, s: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take one mail, or not."""
        if not self.puts_off:
            return await super().handle_DATA(s, session, envelope)
        self.puts_off = False
        content: Any = envelope.content
        body = email.message_from_bytes(content, policy=policy.default).get_body(("plain",))
        assert body is not None
        self.repeated.append(secret_in(body.get_content()))
        return f"451 4.7.1 come back later with {self.repeated[-1]} for {envelope.rcpt_tos[0]}"


@dataclass
class Site:
    """The provider with all that stands beside it in production."""

    folder: Path
    running: Running
    valkey: ValkeyServer
    office: Echo
    smtp_port: int
    addresses: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def visitor(self) -> Visitor:
        """A browser whose addresses are kept."""
        return Visitor(Overheard(self.running.port, self.addresses))  # type: ignore[arg-type]

    @property
    def worker_log(self) -> Path:
        """All that the worker says."""
        return self.folder / "worker.log"

    def worker(self) -> Child:
        """Start the worker."""
        return Child(
            "worker",
            [sys.executable, "-m", "idp", "worker"],
            log=self.worker_log,
            env={**self.running.environment, "PYTHONFAULTHANDLER": "1"},
            cwd=ROOT,
        )

    def idp(self, *words: str) -> int:
        """Run an operator's command; all that it says is kept."""
        done = subprocess.run(
            [sys.executable, "-m", "idp", "--operator", "jeanne", *words],
            env=self.running.environment, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.printed += [done.stdout, done.stderr]
        return done.returncode

    def rows(self) -> list[Promise]:
        """Every promise, whatever became of it."""
        parts = self.running.instance.parts
        with self.running.instance.app.app_context(), parts.database.transaction():
            return parts.outbox.rows(states=tuple(PromiseState), limit=1_000)

    def come_due(self) -> None:
        """Let the minutes pass that promises were put off by."""
        parts = self.running.instance.parts
        with self.running.instance.app.app_context(), parts.database.transaction():
            waits = OutboxRow.state == str(PromiseState.WAITING)
            parts.database.execute(update(OutboxRow).where(waits).values(due_at=datetime.now(UTC)))

    def wait_for(self, true: Callable[[], object]) -> None:
        """Wait until something is so, promises that were put off coming due meanwhile."""

        def looked() -> object:
            self.come_due()
            return true()

        eventually(looked, told=lambda: self.worker_log.read_text()[-3_000:])

    def wait_for_mails(self, count: int) -> str:
        """The text of the newest of so many mails."""
        self.wait_for(lambda: len(self.office.taken) >= count)
        body = self.office.mails[count - 1].get_body(("plain",))
        assert body is not None
        text: str = body.get_content()
        return text

    def ask(self, person: Person, channel: str) -> Visitor:
        """Go through the three pages of the reset."""
        visitor = self.visitor()
        page = visitor.get("/mot-de-passe-oublie")
        led = begin(visitor, page, person.numero, person.qualite)
        assert led.status_code == 303, led.text
        led = choose(visitor, visitor.get(led.headers["Location"]), channel)
        assert led.status_code == 303, led.text
        assert visitor.get(led.headers["Location"]).status_code == 200
        return visitor

    def refuse(self, person: Person, password: str, status: int = 403) -> None:
        """Try a password that does not open."""
        visitor = self.visitor()
        page = visitor.open_sign_in()
        answer = visitor.submit_sign_in(page, person.qualite, person.numero, password)
        assert answer.status_code == status, answer.text

    def break_dossier(self, person: Person, status: str = "unforeseen") -> None:
        """Put into the directory what no code expects, or mend it."""
        self.running.instance.change_dossier(person, status=status)

    def keep_cookies(self, visitor: Visitor, whose: str) -> None:
        """Count what a browser proves itself with among the secrets."""
        for name in ("__Host-choice", "__Host-session", "__Host-device"):
            cookie = visitor.http.get_cookie(name)
            if cookie and cookie.value:
                self.secrets[f"{name} of {whose}"] = cookie.value

    def places(self) -> Places:
        """Read every place there is."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.save()  # as a backup would
        every = collect(
            folders={"data": self.running.log.parent, "beside": self.folder},
            engine=self.running.instance.parts.database.engine,
            redis_url=self.valkey.url,
            addresses=self.addresses,
            operator=self.printed,
        )
        # The append-only file has several parts, with numbers in their names.
        parts = [name for name in every if name.startswith("file beside/valkey/appendonlydir/")]
        every["file beside/valkey/appendonlydir"] = b"\n".join(every.pop(n) for n in parts)
        return every


def core_limits(*pids: int) -> set[str]:
    """How large an image of each process may become when it crashes."""
    limits = [Path(f"/proc/{pid}/limits").read_text() for pid in pids]
    lines = [line for text in limits for line in text.splitlines() if "core file" in line]
    return {" ".join(line.split()[4:6]) for line in lines}


def let_children_dump() -> None:
    """Let what is started from here leave its image behind, unless it sees to it itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
