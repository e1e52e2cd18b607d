"""Print letters in one run: letters a second, where the time goes, memory.

    .venv/bin/python -m bench.letters [LETTERS]

SQLite and Valkey of its own, in a temporary folder. See README.md.
"""

import os
import resource
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import insert

from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from idp.audit import Actor
from idp.cli.letters import print_letters
from idp.identity.letter_batch import Batch
from idp.identity.letter_batch import Letter
from idp.identity.letter_batch import Press
from idp.identity.outbox import Kind
from idp.identity.password import PasswordHash
from idp.identity.temporary_password import Channel
from idp.infra.migrations.upgrade import upgrade
from idp.infra.secret_files import generate_missing_secrets
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.parts import Parts
from idp.settings import read_settings


class Clocked:
    """CPU seconds that a thread spent in an act, over all threads."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()

    def around(self, act: Callable[[str], PasswordHash]) -> Callable[[str], PasswordHash]:
        """Measure each call."""

        def measured(secret: str) -> PasswordHash:
            began = time.thread_time()
            try:
                return act(secret)
            finally:
                with self._lock:
                    self.seconds += time.thread_time() - began

        return measured


class ClockedPress:
    """The press, less the time in which it waits for its letters."""

    def __init__(self, press: Press) -> None:
        self._press = press
        self.seconds = 0.0

    def lay_out(self, batch: Batch, letters: Iterator[Letter], sheet: BinaryIO) -> None:
        """Lay out, and measure."""
        waited = 0.0

        def drawn() -> Iterator[Letter]:
            nonlocal waited
            while True:
                began = time.thread_time()
                letter = next(letters, None)
                waited += time.thread_time() - began
                if letter is None:
                    return
                yield letter

        began = time.thread_time()
        self._press.lay_out(batch, drawn(), sheet)
        self.seconds += time.thread_time() - began - waited


def promised(parts: Parts, letters: int) -> None:
    """Put people and promises into the stores."""
    now = datetime.now(UTC)
    for number in range(letters):
        account_id = secrets.token_urlsafe(16)
        with parts.database.transaction():
            made = parts.database.execute(
                insert(DossierRow).values(
                    qualite="affilie",
                    numero_dossier=f"{number:07}",
                    family_name="LEFÈVRE",
                    given_names="Anne Marie",
                    address_1="MME ANNE LEFÈVRE",
                    address_2=f"APPARTEMENT {number}",
                    address_4="12 RUE DES LILAS",
                    address_6="35000 RENNES",
                    situations="cotisant",
                    updated_at=now,
                )
            )
            dossier_id = made.inserted_primary_key[0]  # type: ignore[attr-defined]
            parts.database.execute(
                insert(AccountRow).values(
                    id=account_id, dossier_id=dossier_id, credential_version=1, created_at=now
                )
            )
            promise = parts.outbox.add(
                Kind.TEMPORARY_PASSWORD,
                Channel.LETTER,
                account_id=account_id,
                credential_version=1,
            )
        parts.temporaries.request(account_id, Channel.LETTER, promise, version=1)


def peak_mib() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(parts: Parts, letters: int) -> None:
    """Print everything and tell what it took."""
    use_case = print_letters(parts)
    hashing, press = Clocked(), ClockedPress(use_case.press)
    clocked = replace(use_case, hash=hashing.around(use_case.hash), press=press)
    before = peak_mib()
    wall, cpu = time.monotonic(), time.process_time()
    printed = clocked.run(limit=letters, actor=Actor(operator="bench"))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    size = sum(path.stat().st_size for path in parts.settings.spool_path.glob("*.pdf"))
    rest = cpu - hashing.seconds - press.seconds
    print(
        f"{printed.letters} letters in {len(printed.batches)} batches, {use_case.threads} threads"
    )
    print(f"{wall:.1f} s, {printed.letters / wall:.0f} letters a second; {cpu:.1f} s of CPU:")
    for name, seconds in (("hashing", hashing.seconds), ("layout", press.seconds), ("rest", rest)):
        print(f"{name:>9} {seconds:6.1f} s {1000 * seconds / printed.letters:6.2f} ms a letter")
    print(f"peak memory {peak_mib():.0f} MiB, {before:.0f} before; PDF {size / 1024:.0f} KiB")


def main() -> None:
    """Run one measurement."""
    letters = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "valkey").mkdir(mode=0o700)
        server = ValkeyServer(folder / "valkey", durability=FORGETFUL)
        server.start()
        server.wait()
        try:
            os.environ.pop("IDP_ENV_FILE", None)
            parts = Parts(
                read_settings(
                    issuer="https://connexion.example", data_dir=folder, redis_url=server.url
                )
            )
            generate_missing_secrets(parts.settings.secrets_path)
            upgrade(parts.settings.sql_url)
            with parts.flask.app_context():
                promised(parts, letters)
                measure(parts, letters)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
