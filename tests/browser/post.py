"""What a member waits for: the worker with its mail server, and the printer of letters."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.children import Child
from tests.browser.servers import ROOT
from tests.browser.servers import Provider
from tests.mailbox import SECRET
from tests.mailbox import Mailbox
from tests.post import read_pages
from tests.running import eventually

CODE = re.compile(r"\b\d{3} \d{3}\b")


class Post:
    """Mails as they arrive, letters as they are printed."""

    def __init__(self, provider: Provider, mailbox: Mailbox, log: Path) -> None:
        self._provider = provider
        self._mailbox = mailbox
        self._log = log

    def secret_mailed_to(self, address: str, *, after: int = 0) -> str:
        """Wait for the temporary password in a mail; ``after`` so many others to this address."""
        return self._mailed(address, SECRET, after)

    def code_mailed_to(self, address: str) -> str:
        """Wait for the code that confirms an address."""
        return self._mailed(address, CODE, 0)

    def printed_secret(self) -> str:
        """Print what waits, and read the one letter with a temporary password in that batch."""
        spool = self._provider.running.instance.settings.spool_path
        before = set(spool.glob("*.pdf"))
        subprocess.run(
            [sys.executable, "-m", "idp", "--operator", "jeanne", "letters", "print"],
            env=self._provider.running.environment, cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        (document,) = set(spool.glob("*.pdf")) - before
        (secret,) = [secret for page in read_pages(document) for secret in page.secrets]
        return secret

    def _mailed(self, address: str, wanted: re.Pattern[str], after: int) -> str:
        found: list[str] = []

        def arrived() -> bool:
            found[:] = [
                match.group()
                for mail in list(self._mailbox.mails)
                if mail["To"].addresses[0].addr_spec == address
                and (body := mail.get_body(("plain",))) is not None
                and (match := wanted.search(body.get_content()))
            ]
            return len(found) > after

        eventually(arrived, told=self._log.read_text)
        return found[-1]


def settings_of(mailbox: Mailbox) -> dict[str, object]:
    """What a provider needs to send mails there and to print letters."""
    return {
        **mailbox.settings,
        "letter_sender": "6 place Charles de Gaulle|78882 Saint-Quentin-en-Yvelines Cedex",
        "letter_place": "Saint-Quentin-en-Yvelines",
    }


@contextmanager
def post(provider: Provider, mailbox: Mailbox, folder: Path) -> Iterator[Post]:
    """Run the worker beside the provider."""
    log = folder / "worker.log"
    worker = Child(
        "worker", [sys.executable, "-m", "idp", "worker"],
        log=log, env=provider.running.environment, cwd=ROOT,
    )  # fmt: skip
    try:
        yield Post(provider, mailbox, log)
    finally:
        worker.end()
