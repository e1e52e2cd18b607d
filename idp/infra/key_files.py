"""The folder of signing keys, and the ring that each process makes of it.

A file is a key; its name is its only fact: the UTC instant it signs from and its algorithm, as
``2026-12-01T00-00Z.RS256.pem``, or ``2026-12-01T00-00-30Z.RS256.pem`` when the instant has seconds.
A file appears in one step and is never changed. Names that begin with a dot, README.md and folders
are no keys; anything else must be one, so that a slip in a name is told and not skipped.

A running process that meets a fault keeps the ring it has and says so in ``trouble``; one that
starts refuses.
"""

import fcntl
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from idp import IdpError
from idp.infra.private_files import ABANDONED_SUFFIX
from idp.infra.private_files import ExposedFile
from idp.infra.private_files import check_private
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import sync_folder
from idp.infra.private_files import write_private_file
from idp.oidc.keys import KeyRing
from idp.oidc.keys import SigningKey
from idp.oidc.keys import UnusableKey
from idp.oidc.keys import generate
from idp.oidc.keys import read_key

LOOK_EVERY_SECONDS = 1.0
LARGEST_FILE = 16_384
ABANDONED_AFTER = timedelta(hours=1)
NOT_KEYS = frozenset({"README.md"})
_LOCK = ".rotation.lock"
_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d(?:-\d\d)?Z)\.([A-Z0-9]+)\.pem", re.ASCII)

log = logging.getLogger(__name__)


class BrokenKeyFile(IdpError):
    """A key file cannot be used; the text names it and says why, and never quotes it."""

    code = "broken_key_file"


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a look compares. A changed mode shows in no other field."""

    size: int
    mtime_ns: int
    mode: int
    inode: int


class KeyFiles:
    """The keys of one folder. Threads share it; processes share the folder."""

    def __init__(
        self,
        folder: Path,
        *,
        longest_token: timedelta = timedelta(minutes=10),
        longest_session: timedelta = timedelta(hours=8),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        Args:
            folder: where the files are; it may not exist yet.
            longest_token: lifetime of the longest token that these keys sign.
            longest_session: for how long an ID token may come back as a hint.
            monotonic: seconds, for the rhythm of looks.
        """
        self.folder = folder
        self._longest_token = longest_token
        self._longest_session = longest_session
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ring: KeyRing | None = None
        self._seen: dict[str, _Stamp] = {}
        self._parsed: dict[str, tuple[_Stamp, SigningKey]] = {}
        self._look_again_at = 0.0
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """What is wrong with the folder, for operators; empty when all is well."""
        try:
            ring = self.ring()
        except BrokenKeyFile as error:
            return str(error)
        if not len(ring):
            return f"{self.folder} holds no key yet; run `idp keys add`"
        return self._trouble

    def ring(self) -> KeyRing:
        """The ring in force: the same object until the keys change. Looks once a second at most.

        Raises:
            BrokenKeyFile: there is a fault, and no ring from before it: a process does not start on
                half of its keys.
        """
        ring = self._ring
        if ring is not None and self._monotonic() < self._look_again_at:
            return ring
        # One thread looks, the others go on with the ring there is; without one they wait for it.
        if ring is None:
            self._lock.acquire()
        elif not self._lock.acquire(blocking=False):
            return ring
        try:
            return self._look()
        finally:
            self._lock.release()

    def add(self, alg: str, signs_from: datetime) -> Path:
        """Write a new key that signs from ``signs_from``, cut to the second, and give its path.

        When that second is taken by another key of the algorithm, the next free one is used.

        Raises:
            UnusableKey: another algorithm than ours.
        """
        pem = generate(alg)
        make_private_folder(self.folder)
        instant = signs_from.astimezone(UTC).replace(microsecond=0)
        while True:
            path = self.folder / _name(instant, alg)
            try:
                write_private_file(path, pem)
            except FileExistsError:
                instant += timedelta(seconds=1)
            else:
                self._look_again_at = 0.0
                return path

    @contextmanager
    def alone(self) -> Iterator[KeyRing]:
        """Give the ring as it is now, and hold off every other writer of this folder meanwhile.

        Waits for its turn. The lock is of the file system: hosts that share the folder share it,
        and it ends with its process.

        Raises:
            BrokenKeyFile: there is a fault in the folder.
        """
        make_private_folder(self.folder)
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._look_again_at = 0.0
            ring = self.ring()
            if self._trouble:
                raise BrokenKeyFile(self._trouble)
            yield ring
        finally:
            os.close(descriptor)

    def usable(self) -> tuple[KeyRing, list[str]]:
        """The ring that the good files would make, and what is wrong with each of the others.

        For people who look: no process signs with it.

        Raises:
            BrokenKeyFile: the folder cannot be read, or two good files contradict each other.
        """
        keys, faults = [], []
        for name in sorted(self._list()):
            try:
                keys.append(self._read(name))
            except BrokenKeyFile as error:
                faults.append(str(error))
        try:
            return KeyRing(keys, longest_token=self._longest_token), faults
        except UnusableKey as error:
            message = f"{self.folder}: {error}"
            raise BrokenKeyFile(message) from None

    def path_of(self, key: SigningKey) -> Path:
        """Where the file of a key stands."""
        return self.folder / _name(key.signs_from, key.alg)

    def published_since(self, key: SigningKey) -> datetime:
        """When the file of a key appeared: it has been in the JWKS since."""
        return datetime.fromtimestamp(self.path_of(key).stat().st_mtime, UTC)

    def kept_until(self, key: SigningKey, ring: KeyRing | None = None) -> datetime | None:
        """When the file of a key serves nothing any more, not even a hint that comes back.

        Args:
            key: one of the ring.
            ring: another ring than the one in force, as of ``usable``.
        """
        until = (self.ring() if ring is None else ring).published_until(key)
        return None if until is None else until + self._longest_session

    def prunable(self, now: datetime) -> list[Path]:
        """The files that serve nothing any more, oldest first, and what killed writers left behind.

        Raises:
            BrokenKeyFile: as ``ring`` does; with a fault in the folder nothing is prunable.
        """
        if self.trouble:
            raise BrokenKeyFile(self.trouble)
        ends = [(self.kept_until(key), key) for key in self.ring()]
        spent = [self.path_of(key) for end, key in ends if end is not None and end <= now]
        return spent + [
            path
            for path in sorted(self.folder.glob(f".*{ABANDONED_SUFFIX}"))
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) <= now - ABANDONED_AFTER
        ]

    def prune(self, now: datetime) -> list[Path]:
        """Erase what ``prunable`` lists, and give the paths.

        Raises:
            BrokenKeyFile: there is a fault in the folder, and nothing was erased.
        """
        spent = self.prunable(now)
        for path in spent:
            path.unlink(missing_ok=True)  # another host may prune at the same time
        if spent:
            sync_folder(self.folder)
            self._look_again_at = 0.0
        return spent

    def _look(self) -> KeyRing:
        before = self._ring
        if before is not None and self._monotonic() < self._look_again_at:
            return before  # another thread has looked while this one waited
        self._look_again_at = self._monotonic() + LOOK_EVERY_SECONDS
        try:
            seen = self._list()
            # After a fault the files are read again each time: stamps may not show its end.
            if before is not None and seen == self._seen and not self._trouble:
                return before
            if before is not None and len(before) and not seen:
                # More likely a volume that is gone than an operator who wants no signature at all.
                message = f"{self.folder} holds no key any more"
                raise BrokenKeyFile(message)
            ring = self._build(seen)
        except BrokenKeyFile as error:
            if before is None:
                raise
            if str(error) != self._trouble:
                log.error("signing keys: %s; the ring from before stays in force", error)
            self._trouble = str(error)
            return before
        self._seen = seen
        self._trouble = ""
        if before is None or _facts(ring) != _facts(before):
            self._ring = ring
            log.info("signing keys: %d in the ring", len(ring))
            return ring
        return before

    def _list(self) -> dict[str, _Stamp]:
        stamps = {}
        try:
            for path in self.folder.iterdir():
                if path.name.startswith(".") or path.name in NOT_KEYS:
                    continue
                try:
                    status = path.stat()
                except FileNotFoundError:
                    if path.is_symlink():
                        raise  # a link to nothing is a fault, a file erased meanwhile is none
                    continue
                if not stat.S_ISDIR(status.st_mode):
                    stamps[path.name] = _Stamp(
                        status.st_size, status.st_mtime_ns, status.st_mode, status.st_ino
                    )
        except FileNotFoundError as error:
            if not self._ring and not self.folder.exists():
                return {}  # a fresh checkout: the first `idp keys add` makes the folder
            raise BrokenKeyFile(_told(error)) from None
        except OSError as error:
            raise BrokenKeyFile(_told(error)) from None
        return stamps

    def _build(self, seen: dict[str, _Stamp]) -> KeyRing:
        parsed = {}
        for name, stamp in sorted(seen.items()):
            known = self._parsed.get(name)
            parsed[name] = known if known and known[0] == stamp else (stamp, self._read(name))
        try:
            ring = KeyRing([key for _, key in parsed.values()], longest_token=self._longest_token)
        except UnusableKey as error:
            message = f"{self.folder}: {error}"
            raise BrokenKeyFile(message) from None
        self._parsed = parsed
        return ring

    def _read(self, name: str) -> SigningKey:
        path = self.folder / name
        signs_from, alg = _facts_of_name(path)
        try:
            # Links are followed, as mounted secrets need; a FIFO must not hold up a rotation.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                check_private(path, os.fstat(file.fileno()))
                pem = file.read(LARGEST_FILE)
        except OSError as error:
            raise BrokenKeyFile(_told(error)) from None
        except ExposedFile as error:
            raise BrokenKeyFile(str(error)) from None
        try:
            return read_key(pem, alg=alg, signs_from=signs_from)
        except UnusableKey as error:
            message = f"{path}: {error}"
            raise BrokenKeyFile(message) from None


def _name(signs_from: datetime, alg: str) -> str:
    pattern = "%Y-%m-%dT%H-%M-%SZ" if signs_from.second else "%Y-%m-%dT%H-%MZ"
    return f"{signs_from.strftime(pattern)}.{alg}.pem"


def _facts_of_name(path: Path) -> tuple[datetime, str]:
    match = _NAME.fullmatch(path.name)
    if match:
        instant, alg = match.groups()
        pattern = "%Y-%m-%dT%H-%M-%SZ" if len(instant) > 17 else "%Y-%m-%dT%H-%MZ"
        try:
            signs_from = datetime.strptime(instant, pattern).replace(tzinfo=UTC)
        except ValueError:
            pass
        else:
            # One name for one instant: two files could claim it otherwise.
            if _name(signs_from, alg) == path.name:
                return signs_from, alg
    message = f"{path}: not named like 2026-12-01T00-00Z.ES256.pem; rename it or take it away"
    raise BrokenKeyFile(message)


def _facts(ring: KeyRing) -> list[tuple[str, datetime]]:
    return [(key.kid, key.signs_from) for key in ring]


def _told(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}"
