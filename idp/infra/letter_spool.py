"""The printer's folder: for each batch a PDF, and a manifest that says it is whole.

::

    .lock                        held while somebody prints
    20261124-143005.noted.json   the rows of a batch that is being printed; gone when all is done
    20261124-143005.partial      the PDF being written: no printer takes it
    20261124-143005.pdf          the PDF, renamed from it
    20261124-143005.json         the manifest: the batch is committed, and the printer's

The one place where a secret rests in clear: mode 0700, files 0600, left out of backups, purged.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any
from typing import BinaryIO

from idp import IdpError
from idp.identity.letter_batch import AlreadyPrinting
from idp.identity.letter_batch import Batch
from idp.identity.letter_batch import Unsettled
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import Channel
from idp.identity.working_days import FRANCE
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import sync_folder
from idp.promise import PromiseState

MANIFEST, DOCUMENT, PARTIAL, NOTED, UNFINISHED = (
    ".json",
    ".pdf",
    ".partial",
    ".noted.json",
    ".writing",
)
FORMAT = "carpimko-letters/1"
KEPT = timedelta(days=31)
"""Of a manifest, which holds no secret: as long as a letter of it can be used."""

_NAME = "%Y%m%d-%H%M%S"
_READ_BYTES = 1 << 20


class SpoolUnusable(IdpError):
    """The folder, or what is in it, cannot be used; the text names it and what mends it."""

    code = "spool_unusable"


@dataclass(frozen=True, slots=True)
class PrintedBatch:
    """A committed batch, as its manifest tells.

    Attributes:
        bytes: of the PDF; 0 once it was purged or taken away.
        settled: False while a killed run still has to be brought to its end.
    """

    id: str
    printed_at: datetime
    letters: int
    bytes: int
    settled: bool


class LetterSpool:
    """The port ``Spool``, and what operators see and erase of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who writes to the folder; the kernel gives it back when we die.

        Raises:
            AlreadyPrinting: somebody else is.
            SpoolUnusable: others may look into it, or the disk will not have it; inside too.
        """
        try:
            self._make()
            with self._open(".lock", os.O_RDWR | os.O_CREAT) as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    message = f"another process prints into {self.folder}"
                    raise AlreadyPrinting(message) from None
                yield
        except OSError as fault:
            message = (
                f"{self.folder}: {fault.strerror}; mend that and run `idp letters print`: what was"
                " begun is brought to its end"
            )
            raise SpoolUnusable(message) from None

    def unsettled(self) -> list[Unsettled]:
        """Read what former runs left, oldest first; and erase what a write broken off left."""
        for broken in self.folder.glob(f"*{UNFINISHED}"):
            broken.unlink()
        left = []
        for noted in sorted(self.folder.glob(f"*{NOTED}")):
            batch = noted.name.removesuffix(NOTED)
            claimed = tuple(_promise(row) for row in self._read(noted)["claimed"])
            manifest = self._path(batch, MANIFEST)
            printed = None
            if manifest.exists():
                printed = frozenset(letter["promise"] for letter in self._read(manifest)["letters"])
            left.append(Unsettled(batch, claimed, printed))
        return left

    def new_batch(self, at: datetime) -> Batch:
        """Name a batch by its instant, in the time of France; a second later where it is taken."""
        named = at
        while any(self.folder.glob(f"{named.astimezone(FRANCE):{_NAME}}.*")):
            named += timedelta(seconds=1)
        return Batch(f"{named.astimezone(FRANCE):{_NAME}}", at)

    def note(self, batch: Batch, claimed: Sequence[Promise]) -> None:
        """Keep which rows are being printed."""
        self._write(
            self._path(batch.id, NOTED), {"claimed": [_row(promise) for promise in claimed]}
        )

    @contextmanager
    def sheet(self, batch: Batch) -> Iterator[BinaryIO]:
        """Open the document of a batch; erased when the block fails."""
        path = self._path(batch.id, PARTIAL)
        try:
            with self._open(path.name, os.O_RDWR | os.O_CREAT | os.O_EXCL) as sheet:
                yield sheet
                sheet.flush()
                os.fsync(sheet.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def commit(self, batch: Batch, printed: Sequence[Promise]) -> None:
        """Rename the document, then the manifest: with that the printer has it."""
        partial, document = self._path(batch.id, PARTIAL), self._path(batch.id, DOCUMENT)
        size, digest = _measured(partial)
        partial.rename(document)
        sync_folder(self.folder)
        self._write(
            self._path(batch.id, MANIFEST),
            {
                "format": FORMAT,
                "batch": batch.id,
                "printed_at": batch.at.isoformat(timespec="seconds"),
                "valid_until": batch.valid_until.isoformat(),
                "document": {
                    "name": document.name,
                    "bytes": size,
                    "sha256": digest,
                    "pages": len(printed),
                },
                "letters": [
                    {"page": page, "kind": str(promise.kind), "promise": promise.id}
                    for page, promise in enumerate(printed, 1)
                ],
            },
        )

    def erase(self, batch: str) -> None:
        """Forget a batch that was not committed."""
        for suffix in (PARTIAL, DOCUMENT):
            self._path(batch, suffix).unlink(missing_ok=True)
        sync_folder(self.folder)
        self.settle(batch)

    def settle(self, batch: str) -> None:
        """Forget what was noted of a batch."""
        self._path(batch, NOTED).unlink(missing_ok=True)
        sync_folder(self.folder)

    def printed(self) -> list[PrintedBatch]:
        """List the committed batches, oldest first."""
        found = []
        for path in sorted(self.folder.glob(f"*{MANIFEST}")):
            if path.name.endswith(NOTED):
                continue
            manifest = self._read(path)
            batch = path.name.removesuffix(MANIFEST)
            document = self._path(batch, DOCUMENT)
            found.append(
                PrintedBatch(
                    id=batch,
                    printed_at=datetime.fromisoformat(manifest["printed_at"]),
                    letters=len(manifest["letters"]),
                    bytes=document.stat().st_size if document.exists() else 0,
                    settled=not self._path(batch, NOTED).exists(),
                )
            )
        return found

    def purge(self, *, before: datetime, now: datetime) -> list[str]:
        """Erase the documents printed before an instant, and manifests whose letters are over.

        Returns:
            The batches whose document was erased. One that is not settled stays.
        """
        erased = []
        for batch in self.printed():
            if not batch.settled or batch.printed_at >= before:
                continue
            if batch.bytes:
                self._path(batch.id, DOCUMENT).unlink(missing_ok=True)
                erased.append(batch.id)
            if batch.printed_at < now - KEPT:
                self._path(batch.id, MANIFEST).unlink()
        if erased:
            sync_folder(self.folder)
        return erased

    def _path(self, batch: str, suffix: str) -> Path:
        return self.folder / f"{batch}{suffix}"

    def _make(self) -> None:
        make_private_folder(self.folder)
        status = self.folder.stat()
        if status.st_mode & 0o077:
            message = f"{self.folder} is open to others, and letters hold secrets; chmod 700 it"
            raise SpoolUnusable(message)

    def _open(self, name: str, flags: int) -> BinaryIO:
        path = self.folder / name
        return os.fdopen(os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b")

    def _write(self, path: Path, content: dict[str, Any]) -> None:  # Any: JSON
        """Write a file whole or not at all, on disk when this returns."""
        unfinished = path.with_name(f"{path.name}{UNFINISHED}")
        with self._open(unfinished.name, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as file:
            file.write(json.dumps(content, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        sync_folder(self.folder)

    def _read(self, path: Path) -> dict[str, Any]:  # Any: JSON
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError:
            raise SpoolUnusable(f"{path} is not what was written there") from None
        return content


def _measured(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
        return file.tell(), digest.hexdigest()


def _row(promise: Promise) -> dict[str, str | int | None]:
    return {
        "id": promise.id,
        "kind": str(promise.kind),
        "account_id": promise.account_id,
        "credential_version": promise.credential_version,
        "created_at": promise.created_at.isoformat(),
        "due_at": promise.due_at.isoformat(),
        "tries": promise.tries,
        "lease": promise.lease,
        "message_id": promise.message_id,
    }


def _promise(row: dict[str, Any]) -> Promise:  # Any: JSON
    return Promise(
        id=row["id"],
        kind=Kind(row["kind"]),
        channel=Channel.LETTER,
        account_id=row["account_id"],
        credential_version=row["credential_version"],
        state=PromiseState.WAITING,
        created_at=datetime.fromisoformat(row["created_at"]),
        due_at=datetime.fromisoformat(row["due_at"]),
        tries=row["tries"],
        lease=row["lease"],
        message_id=row["message_id"],
    )
