"""Sign-out notices in memory; the contract suite runs on both."""

import secrets
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from idp import StoreUnavailable
from idp.oidc.backchannel_logout import LogoutNotice
from idp.oidc.backchannel_logout import NoticeNotTaken
from idp.oidc.backchannel_logout import next_try
from idp.promise import LEASE
from idp.promise import PromiseState


class MemoryLogoutNotices:
    """The port ``LogoutNotices``, and what operators see and do of it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.away = False
        self._now = now
        self._rows: dict[int, LogoutNotice] = {}

    def add(self, client_id: str, account_id: str, sid: str) -> bool:
        """Promise a notice; False when it was promised before."""
        self._look()
        if any((row.client_id, row.sid) == (client_id, sid) for row in self._rows.values()):
            return False
        number, now = len(self._rows) + 1, self._now()
        self._rows[number] = LogoutNotice(
            number, client_id, account_id, sid, PromiseState.WAITING, now, now, 0, ""
        )
        return True

    def claim(self, *, without: Collection[str]) -> LogoutNotice | None:
        """Lease the oldest that is due to another service than ``without``."""
        self._look()
        now = self._now()
        due = [
            row
            for row in self._rows.values()
            if row.state is PromiseState.WAITING
            and row.client_id not in without
            and row.due_at <= now
            and (row.lease_until is None or row.lease_until <= now)
        ]
        if not due:
            return None
        row = min(due, key=lambda one: (one.due_at, one.id))
        lease = secrets.token_urlsafe(16)
        return self._keep(replace(row, lease=lease, lease_until=now + LEASE, tries=row.tries + 1))

    def done(self, notice: LogoutNotice) -> bool:
        """Note that it was taken."""
        return self._finish(notice, PromiseState.DONE, "")

    def drop(self, notice: LogoutNotice, fault: str) -> bool:
        """Give it up without sending."""
        return self._finish(notice, PromiseState.DROPPED, fault)

    def failed(self, notice: LogoutNotice, fault: str, *, permanent: bool) -> bool:
        """Put it off, or bury it."""
        due_at = None if permanent else next_try(notice, self._now())
        if due_at is None:
            return self._finish(notice, PromiseState.DEAD, fault)
        return self._change(notice, due_at=due_at, fault=fault)

    def release(self, notice: LogoutNotice) -> bool:
        """Give the lease back."""
        return self._change(notice, tries=notice.tries - 1)

    def rows(
        self, *, states: Collection[PromiseState], client_id: str = "", limit: int
    ) -> list[LogoutNotice]:
        """List notices, the oldest first."""
        return [
            row
            for row in self._rows.values()
            if row.state in states and client_id in ("", row.client_id)
        ][:limit]

    def counts(self, client_id: str) -> Mapping[PromiseState, int]:
        """Count the notices of a service by their state."""
        own = [row.state for row in self._rows.values() if row.client_id == client_id]
        return {state: own.count(state) for state in own}

    def retry(self, notice_id: int) -> LogoutNotice | None:
        """Let a dead notice wait again."""
        row = self._rows.get(notice_id)
        if row is None or row.state is not PromiseState.DEAD or row.outlived(self._now()):
            return None
        waiting = replace(row, state=PromiseState.WAITING, fault="", tries=0)
        return self._keep(replace(waiting, due_at=self._now(), done_at=None))

    def retry_all(self) -> list[LogoutNotice]:
        """Let every dead notice that is not outlived wait again."""
        revived = [self.retry(number) for number in self._rows]
        return [row for row in revived if row is not None]

    def _finish(self, notice: LogoutNotice, state: PromiseState, fault: str) -> bool:
        return self._change(notice, state=state, fault=fault, done_at=self._now())

    def _change(self, notice: LogoutNotice, **changes: object) -> bool:
        self._look()
        held = self._rows[notice.id]
        if held.state is not PromiseState.WAITING or held.lease != notice.lease:
            return False
        self._keep(replace(held, lease="", lease_until=None, **changes))  # type: ignore[arg-type]
        return True

    def _keep(self, row: LogoutNotice) -> LogoutNotice:
        self._rows[row.id] = row
        return row

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable(type(self).__name__)


class FakeLogoutPost:
    """The port ``LogoutPost``: keeps what it was handed; ``fault`` is raised instead while set."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.fault: NoticeNotTaken | None = None

    def post(self, uri: str, logout_token: str) -> None:
        """Keep it."""
        if self.fault is not None:
            raise self.fault
        self.sent.append((uri, logout_token))
