"""The folder of signing keys, and the ring that each process makes of it.

A file is a key, or what is left of one that was revoked; its name is its only fact (``key_names``).
A file appears in one step, and the key in it never changes. Names that begin with a dot, README.md
and folders are no keys; anything else must be one, so that a slip in a name is told and not
skipped.

A running process that meets a fault keeps the ring it has and says so in ``trouble``; one that
starts refuses.
"""

import fcntl
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from idp.infra.key_names import BrokenKeyFile
from idp.infra.key_names import name_of
from idp.infra.key_names import name_of_revoked
from idp.infra.key_names import revoked_in
from idp.infra.key_reading import read_key_file
from idp.infra.key_reading import told
from idp.infra.private_files import ABANDONED_SUFFIX
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import sync_folder
from idp.infra.private_files import write_private_file
from idp.oidc.keys import KeyRing
from idp.oidc.keys import RevokedKey
from idp.oidc.keys import SigningKey
from idp.oidc.signer import UnusableKey
from idp.oidc.signer import generate

LOOK_EVERY_SECONDS = 1.0
ABANDONED_AFTER = timedelta(hours=1)
CLOCK_TOLERANCE = timedelta(seconds=2)
NOT_KEYS = frozenset({"README.md"})
_LOCK = ".rotation.lock"

log = logging.getLogger(__name__)


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
        longest_hint: timedelta = timedelta(days=30),
        passphrases: Callable[[], tuple[bytes, ...]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        Args:
            folder: where the files are; it may not exist yet.
            longest_token: lifetime of the longest token that these keys sign.
            longest_hint: for how long after that an ID token may come back as a hint.
            passphrases: reads what keys are encrypted with: the first encrypts, all of them open.
            monotonic: seconds, for the rhythm of looks.
        """
        self.folder = folder
        self._longest_token = longest_token
        self._longest_hint = longest_hint
        self._passphrases = passphrases
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
            return f"{self.folder} holds no key yet; run `idp keys rotate`"
        return self._trouble

    @property
    def oddity(self) -> str:
        """What somebody should look at, though every key is in order; or empty."""
        with suppress(BrokenKeyFile):
            self.ring()
        revoked = self._revoked_again()
        if revoked:
            return f"{revoked[0]}: this key was revoked, and stays so; erase the file"
        latest = time.time_ns() + CLOCK_TOLERANCE // timedelta(microseconds=1) * 1000
        for name, stamp in self._seen.items():
            if stamp.mtime_ns > latest:
                ahead = (stamp.mtime_ns - time.time_ns()) / 1e9
                return (
                    f"{self.folder / name} was written {ahead:.0f} s from now: the clocks of two"
                    " machines differ, and they would not sign with the same key; have all follow"
                    " the same time (NTP)"
                )
        return ""

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
        pem = generate(alg, next(iter(self._passphrases()), b""))
        make_private_folder(self.folder)
        instant = signs_from.astimezone(UTC).replace(microsecond=0)
        while True:
            path = self.folder / name_of(instant, alg)
            try:
                write_private_file(path, pem)
            except FileExistsError:
                instant += timedelta(seconds=1)
            else:
                self._look_again_at = 0.0
                return path

    def revoke(self, key: SigningKey, *, at: datetime, note: str) -> Path:
        """End a key for ever, from ``at`` on, cut to the second; give the path of what is left.

        What tells of it comes first, then its file goes: cut short in between, the key is revoked.

        Args:
            key: one of the ring.
            at: now.
            note: for people who find the file.

        Raises:
            FileExistsError: it was revoked in this second.
        """
        ended = at.astimezone(UTC).replace(microsecond=0)
        left = RevokedKey(key.kid, key.alg, key.signs_from, ended)
        path = self.folder / name_of_revoked(left)
        write_private_file(path, note.encode() + b"\n")
        self.path_of(key).unlink(missing_ok=True)
        sync_folder(self.folder)
        self._look_again_at = 0.0
        return path

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold off every other writer of this folder, whatever is wrong with it.

        Waits for its turn. The lock is of the file system: hosts that share the folder share it,
        and it ends with its process.
        """
        make_private_folder(self.folder)
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._look_again_at = 0.0
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def alone(self) -> Iterator[KeyRing]:
        """Give the ring as it is now, and hold off every other writer meanwhile, as ``turn`` does.

        Raises:
            BrokenKeyFile: there is a fault in the folder.
        """
        with self.turn():
            ring = self.ring()
            if self._trouble:
                raise BrokenKeyFile(self._trouble)
            yield ring

    def usable(self) -> tuple[KeyRing, list[str]]:
        """The ring that the good files would make, and what is wrong with each of the others.

        For people who look: no process signs with it.

        Raises:
            BrokenKeyFile: the folder cannot be read, or two good files contradict each other.
        """
        keys, revoked, faults = [], [], []
        for name in sorted(self._list()):
            if left := revoked_in(name):
                revoked.append(left)
                continue
            try:
                keys.append(read_key_file(self.folder / name, self._passphrases))
            except BrokenKeyFile as error:
                faults.append(str(error))
        return self._ring_of(keys, revoked), faults

    def path_of(self, key: SigningKey) -> Path:
        """Where the file of a key stands."""
        return self.folder / name_of(key.signs_from, key.alg)

    def published_since(self, key: SigningKey) -> datetime:
        """When the file of a key appeared: it has been in the JWKS since."""
        return datetime.fromtimestamp(self.path_of(key).stat().st_mtime, UTC)

    def prunable(self, now: datetime) -> list[Path]:
        """The files that serve nothing any more, oldest first, and what killed writers left behind.

        Raises:
            BrokenKeyFile: as ``ring`` does; with a fault in the folder nothing is prunable.
        """
        if self.trouble:
            raise BrokenKeyFile(self.trouble)
        ring = self.ring()
        ends = [(ring.kept_until(key), key) for key in ring]
        spent = [self.path_of(key) for end, key in ends if end is not None and end <= now]
        return [*spent, *self._revoked_again()] + [
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
        seen: dict[str, _Stamp] = {}
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
                log.error("signing keys: %s; those from before stay in force", error)
            self._trouble = str(error)
            return self._without_revoked(before, seen)
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
            raise BrokenKeyFile(told(error)) from None
        except OSError as error:
            raise BrokenKeyFile(told(error)) from None
        return stamps

    def _build(self, seen: dict[str, _Stamp]) -> KeyRing:
        parsed, revoked = {}, []
        for name, stamp in sorted(seen.items()):
            if left := revoked_in(name):
                revoked.append(left)
                continue
            known = self._parsed.get(name)
            if known is None or known[0] != stamp:
                known = stamp, read_key_file(self.folder / name, self._passphrases)
            parsed[name] = known
        ring = self._ring_of([key for _, key in parsed.values()], revoked)
        self._parsed = parsed
        return ring

    def _ring_of(self, keys: list[SigningKey], revoked: list[RevokedKey]) -> KeyRing:
        try:
            return KeyRing(
                keys,
                longest_token=self._longest_token,
                longest_hint=self._longest_hint,
                revoked=revoked,
            )
        except UnusableKey as error:
            message = f"{self.folder}: {error}"
            raise BrokenKeyFile(message) from None

    def _without_revoked(self, before: KeyRing, seen: dict[str, _Stamp]) -> KeyRing:
        """Keep a ring in spite of a fault, but for keys revoked since: that waits for nothing."""
        revoked = {left.kid: left for name in seen if (left := revoked_in(name))}
        if revoked.keys() <= before.revoked.keys():
            return before
        self._ring = self._ring_of(list(before), [*(before.revoked | revoked).values()])
        log.warning("signing keys: %d in the ring after a revocation", len(self._ring))
        return self._ring

    def _revoked_again(self) -> list[Path]:
        revoked = self._ring.revoked if self._ring else {}
        return [self.folder / name for name, (_, key) in self._parsed.items() if key.kid in revoked]


def _facts(ring: KeyRing) -> tuple[list[tuple[str, datetime]], dict[str, RevokedKey]]:
    return [(key.kid, key.signs_from) for key in ring], ring.revoked
