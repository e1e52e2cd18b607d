"""Back-channel logout: services are told of sessions that ended, one notice each, by the outbox.

Who ends a session promises a notice to each service that was visited in it and wants to be told;
the worker makes the logout token at the moment of sending, so that none waits anywhere. A notice is
known by its service and ``sid``, which name one session: promised twice, it is sent once.

A service that does not answer is asked again, less and less often, for three days: longer than a
week-end, and than what a service keeps of a visit. One that answers 400 has understood and will
not; asking it again is an operator's affair.

Spec: OIDC Back-Channel Logout 1.0 §2.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from contextlib import AbstractContextManager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import AuditLog
from idp.audit import Event
from idp.oidc.claims import sid_of
from idp.oidc.clients import Clients
from idp.oidc.tokens import Tokens
from idp.promise import PromiseState
from idp.session import Ended
from idp.session import Sessions
from idp.session import Visit

NOTICE_LIFETIME = timedelta(hours=72)

DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300, 600, 1800, 3600))
"""After the first, second, … failed try of a notice; the last one for all further ones."""


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """A row of the outbox, as claimed or listed.

    Attributes:
        sid: of the session that ended, as this service knows it.
        due_at: not claimed before; the oldest of those that are due goes first.
        tries: how often somebody set out to send it.
        lease: the token under which this claimer holds it, "" when nobody does.
        fault: why the last try failed, a stable word (``service_timeout``, ``answer_503``).
        lease_until: when others may claim it again; None when nobody holds it.
        done_at: when it was done, dropped or buried.
    """

    id: int
    client_id: str
    account_id: str
    sid: str = field(repr=False)
    state: PromiseState
    created_at: datetime
    due_at: datetime
    tries: int
    lease: str
    fault: str = ""
    lease_until: datetime | None = None
    done_at: datetime | None = None

    def outlived(self, now: datetime) -> bool:
        """Tell whether it waited as long as a notice may wait."""
        return now - self.created_at >= NOTICE_LIFETIME


def next_try(notice: LogoutNotice, now: datetime) -> datetime | None:
    """When a try that just failed is repeated; None when nobody would care any more."""
    due_at = now + DELAYS[min(max(notice.tries, 1), len(DELAYS)) - 1]
    return None if notice.outlived(due_at) else due_at


class LogoutNotices(Protocol):
    """Where notices wait: SQL, in the transaction of the caller. Raises StoreUnavailable."""

    def add(self, client_id: str, account_id: str, sid: str) -> bool:
        """Promise a notice; False when this service was promised one of this session before."""

    def claim(self, *, without: Collection[str]) -> LogoutNotice | None:
        """Lease the oldest that is due to another service than ``without``; nobody else gets it."""

    def done(self, notice: LogoutNotice) -> bool:
        """Note that it was taken; False when the lease was lost meanwhile."""

    def drop(self, notice: LogoutNotice, fault: str) -> bool:
        """Give it up without sending: ``fault`` says why."""

    def failed(self, notice: LogoutNotice, fault: str, *, permanent: bool) -> bool:
        """Put it off as ``next_try`` says, or bury it when permanent or out of tries."""

    def release(self, notice: LogoutNotice) -> bool:
        """Give the lease back as if it had not been claimed: nothing was tried."""


class NoticeNotTaken(IdpError):
    """A service did not take a notice."""

    code = "notice_not_taken"

    def __init__(self, fault: str, *, refused: bool = False) -> None:
        super().__init__(f"logout notice: {fault}")
        self.fault = fault
        """Stable, without an address: ``service_…`` when nobody answered, ``answer_503``."""
        self.refused = refused
        """It answered that it will not: 400."""


class LogoutPost(Protocol):
    """What carries a logout token to a service."""

    def post(self, uri: str, logout_token: str) -> None:
        """Hand it over. Raises NoticeNotTaken."""


class Outcome(StrEnum):
    """What came of one notice."""

    SENT = "sent"
    DROPPED = "dropped"
    PUT_OFF = "put_off"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one notice, and why; ``away`` when its service answers nobody now."""

    outcome: Outcome
    fault: str = ""
    away: bool = False


@dataclass(frozen=True, slots=True)
class Farewell:
    """How sessions end: the port ``EndsSessions``, and what each service is promised then.

    ``pairwise_salt`` is read when somebody is to be told: an import that ends nothing needs none.
    """

    sessions: Sessions
    notices: LogoutNotices
    clients: Clients
    pairwise_salt: Callable[[], bytes]

    def end_all(self, account_id: str) -> Ended:
        """End every session of an account; the notices join the caller's transaction."""
        ended = self.sessions.end_all(account_id)
        self.promise(ended.visits)
        return ended

    def end_one(self, key: str) -> Ended:
        """End one session; the notices join the caller's transaction."""
        ended = self.sessions.end(key)
        self.promise(ended.visits)
        return ended

    def end_others(self, account_id: str, key: str) -> Ended:
        """End every session of an account but one; the notices join the caller's transaction."""
        ended = self.sessions.end_others(account_id, key)
        self.promise(ended.visits)
        return ended

    def make_room(self, account_id: str, *, keep: int) -> Ended:
        """End the oldest sessions of an account beyond ``keep``; likewise."""
        ended = self.sessions.make_room(account_id, keep=keep)
        self.promise(ended.visits)
        return ended

    def succeed(self, former: str, key: str, account_id: str) -> None:
        """End the session that a browser had before the new one of ``key``.

        What the same person visited in it is the new one's to tell, and goes on meanwhile: a
        service that asks for the password again disturbs no other. Who has left this browser to
        another person is signed out of their services.
        """
        visits = self.sessions.retire(former, account_id).visits
        self.sessions.inherit(key, [one for one in visits if one.account_id == account_id])
        self.promise(one for one in visits if one.account_id != account_id)

    def promise(self, visits: Iterable[Visit]) -> int:
        """Promise a notice to each service that wants one, and say how many are new."""
        promised = 0
        for visit in visits:
            client = self.clients.find(visit.client_id)
            if client is not None and client.backchannel_logout_uri:
                sid = sid_of(visit.session_key, client, self.pairwise_salt())
                promised += self.notices.add(client.client_id, visit.account_id, sid)
        return promised


@dataclass(frozen=True, slots=True)
class BackChannelLogout:
    """Sends notices, given the outbox, the mint, the post and the clock."""

    notices: LogoutNotices
    clients: Clients
    tokens: Tokens
    post: LogoutPost
    audit: AuditLog
    transaction: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]

    def claim(self, *, without: Collection[str] = ()) -> LogoutNotice | None:
        """Take the notice that waits longest, of another service than ``without``.

        Raises:
            StoreUnavailable: the store is away.
        """
        with self.transaction():
            return self.notices.claim(without=without)

    def send(self, notice: LogoutNotice) -> Told:
        """Send a claimed notice, or tell why it did not leave.

        Raises:
            IdpError: a store is away, or no key signs. It was given back, or is left to its lease.
        """
        try:
            client = self.clients.find(notice.client_id)
            if client is None or not client.backchannel_logout_uri:
                return self._drop(notice, "no_address")
            if notice.outlived(self.now()):
                return self._fail(notice, "too_old", permanent=True)
            token = self.tokens.logout_token(client, notice.account_id, notice.sid)
        except IdpError:
            self._give_back(notice)
            raise
        try:
            self.post.post(client.backchannel_logout_uri, token)
        except NoticeNotTaken as not_taken:
            return self._fail(notice, not_taken.fault, permanent=not_taken.refused)
        with self.transaction():
            # Told even when the lease was lost meanwhile: the service did take it.
            self.notices.done(notice)
            self._record(Event.LOGOUT_SENT, notice)
        return Told(Outcome.SENT)

    def _drop(self, notice: LogoutNotice, fault: str) -> Told:
        with self.transaction():
            if self.notices.drop(notice, fault):
                self._record(Event.LOGOUT_FAILED, notice, fault)
        return Told(Outcome.DROPPED, fault)

    def _fail(self, notice: LogoutNotice, fault: str, *, permanent: bool) -> Told:
        dead = permanent or next_try(notice, self.now()) is None
        with self.transaction():
            held = self.notices.failed(notice, fault, permanent=dead)
            # The same fault at every try of three days is told once.
            if held and (dead or fault != notice.fault):
                self._record(Event.LOGOUT_DEAD if dead else Event.LOGOUT_FAILED, notice, fault)
        return Told(Outcome.DEAD if dead else Outcome.PUT_OFF, fault, away=not permanent)

    def _give_back(self, notice: LogoutNotice) -> None:
        with suppress(StoreUnavailable), self.transaction():
            self.notices.release(notice)

    def _record(self, event: Event, notice: LogoutNotice, fault: str = "") -> None:
        detail = told_of(notice, fault)
        self.audit.record(
            event, account_id=notice.account_id, client_id=notice.client_id, detail=detail
        )


def told_of(notice: LogoutNotice, fault: str = "") -> dict[str, str | int]:
    """Give what the audit log tells of a notice."""
    told: dict[str, str | int] = {"promise": notice.id}
    return {**told, "fault": fault} if fault else told
