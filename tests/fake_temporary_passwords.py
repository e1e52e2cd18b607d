"""Temporary passwords in memory; the contract suite runs on both."""

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import datetime

from idp.identity.password import PasswordHash
from idp.identity.temporary_password import REMEMBERED
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TryPolicy
from tests.fakes import Now
from tests.fakes import Store


@dataclass
class _Slot:
    """One account's temporary password of one channel."""

    kept: TemporaryPassword
    asked_at: datetime
    forget_at: datetime
    holder: str = ""
    tries: dict[tuple[str, str], int] = field(default_factory=dict)


class MemoryTemporaryPasswords(Store):
    """The port ``TemporaryPasswords``."""

    def __init__(self, policy: TryPolicy, *, now: Now) -> None:
        super().__init__()
        self._policy = policy
        self._now = now
        self._slots: dict[tuple[str, Channel], _Slot] = {}

    def request(self, account_id: str, channel: Channel, promise: int, *, version: int) -> None:
        """Note a request. A secret that is alive stays so until the newer one is drawn."""
        self._look()
        with self._lock:
            now, slot = self._now(), self._slot(account_id, channel)
            forget_at = now + REQUEST_LIFETIME + REMEMBERED
            if slot is not None:
                if slot.kept.newest >= promise or slot.kept.credential_version > version:
                    return
                forget_at = max(forget_at, slot.forget_at)
            if slot is None or not self._alive(slot.kept, version, now):
                kept = TemporaryPassword(
                    account_id, channel, State.REQUESTED, promise, promise, version, None, now, None
                )
                self._slots[account_id, channel] = _Slot(kept, now, forget_at)
                return
            slot.kept = replace(slot.kept, newest=promise)
            slot.asked_at, slot.forget_at = now, forget_at

    def issue(
        self,
        account_id: str,
        channel: Channel,
        promise: int,
        *,
        version: int,
        hashed: PasswordHash,
        expires_at: datetime,
    ) -> bool:
        """Put a freshly drawn secret in the place of the former one; False: it must not leave."""
        self._look()
        with self._lock:
            asked_at, tries, slot = self._now(), {}, self._slot(account_id, channel)
            if slot is not None:
                if slot.kept.newest > promise or slot.kept.credential_version > version:
                    return False
                if slot.kept.promise == promise:
                    if slot.kept.opened_until is not None:
                        return False
                    tries = slot.tries
                if slot.kept.newest == promise:
                    asked_at = slot.asked_at
            kept = TemporaryPassword(
                account_id, channel, State.ISSUED, promise, promise, version, hashed, asked_at,
                expires_at,
            )  # fmt: skip
            forget_at = expires_at + REMEMBERED
            self._slots[account_id, channel] = _Slot(kept, asked_at, forget_at, tries=tries)
            return True

    def sent(self, account_id: str, channel: Channel, promise: int) -> None:
        """Note that the message was handed over."""
        self._look()
        with self._lock:
            slot = self._slot(account_id, channel)
            if slot is not None and slot.kept.promise == promise and slot.kept.hash is not None:
                slot.kept = replace(slot.kept, state=State.SENT)

    def reserve_try(
        self, account_id: str, channel: Channel, *, version: int, network: str, browser: str
    ) -> TemporaryPassword | None:
        """Count one try as wrong, and give what it is verified against."""
        self._look()
        with self._lock:
            now, slot = self._now(), self._slot(account_id, channel)
            if slot is None or slot.kept.expires_at is None or slot.kept.expires_at <= now:
                return None
            if slot.kept.credential_version != version:
                return None
            origins = ("network", network), ("browser", browser)
            most = max(slot.tries.get(origin, 0) for origin in origins)
            if slot.kept.wrong_tries >= self._policy.in_all or most >= self._policy.by_origin:
                return None
            self._count(slot, origins, 1)
            return slot.kept.standing(self._policy, at=now)

    def release(self, found: TemporaryPassword, *, network: str, browser: str) -> None:
        """Take the reserved try back without a verdict."""
        self._look()
        with self._lock:
            self._take_back(found, network, browser)

    def open(
        self, found: TemporaryPassword, *, network: str, browser: str, holder: str, until: datetime
    ) -> bool:
        """Take the reserved try back and lease the secret to ``holder``."""
        self._look()
        with self._lock:
            slot = self._take_back(found, network, browser)
            if slot is None:
                return False
            slot.kept = replace(slot.kept, state=State.SENT, opened_until=until)
            slot.holder = holder
            slot.forget_at = max(slot.forget_at, until + REMEMBERED)
            return True

    def is_open(self, account_id: str, channel: Channel, holder: str) -> bool:
        """Tell whether ``holder`` still has the lease."""
        self._look()
        slot = self._slot(account_id, channel)
        if slot is None or slot.kept.opened_until is None:
            return False
        return slot.kept.opened_until > self._now() and slot.holder == holder

    def use_up(self, account_id: str) -> None:
        """Forget the secrets of both channels."""
        self._look()
        with self._lock:
            for channel in Channel:
                self._slots.pop((account_id, channel), None)

    def look(self, account_id: str) -> list[TemporaryPassword]:
        """Read what is there, for the help desk."""
        self._look()
        slots = [self._slot(account_id, channel) for channel in Channel]
        now = self._now()
        return [slot.kept.standing(self._policy, at=now) for slot in slots if slot is not None]

    def forget_everything(self) -> None:
        """Be a store that was emptied."""
        self._slots.clear()

    def _slot(self, account_id: str, channel: Channel) -> _Slot | None:
        slot = self._slots.get((account_id, channel))
        return slot if slot is not None and self._now() < slot.forget_at else None

    def _alive(self, kept: TemporaryPassword, version: int, now: datetime) -> bool:
        if kept.expires_at is None or kept.credential_version != version:
            return False
        return now < max(kept.expires_at, kept.opened_until or now)

    def _take_back(self, found: TemporaryPassword, network: str, browser: str) -> _Slot | None:
        slot = self._slot(found.account_id, found.channel)
        if slot is None or slot.kept.hash is None or slot.kept.hash != found.hash:
            return None
        if slot.kept.expires_at is None or slot.kept.expires_at <= self._now():
            return None
        self._count(slot, (("network", network), ("browser", browser)), -1)
        return slot

    def _count(self, slot: _Slot, origins: tuple[tuple[str, str], ...], by: int) -> None:
        slot.kept = replace(slot.kept, wrong_tries=max(0, slot.kept.wrong_tries + by))
        for origin in origins:
            slot.tries[origin] = max(0, slot.tries.get(origin, 0) + by)
