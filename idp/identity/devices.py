"""Where a member is signed in: told, and ended one by one, or all but the one that asks.

A session is named by its key in the store, which opens nothing; one that is not of this account is
as good as none. What goes on in the member's absence (refresh families) is another page's affair.
"""

from dataclasses import dataclass
from dataclasses import field
from typing import Protocol

from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import subject_of
from idp.limits import Attempts
from idp.session import Ended
from idp.session import LivingSession
from idp.session import Sessions


class SignsOut(Protocol):
    """What ends sessions and promises to tell their services; needs the caller's transaction."""

    def end_one(self, key: str) -> Ended:
        """End one session."""

    def end_others(self, account_id: str, key: str) -> Ended:
        """End every session of an account but one."""

    def make_room(self, account_id: str, *, keep: int) -> Ended:
        """End the oldest sessions of an account beyond ``keep``."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The use cases, given their stores. Each needs the caller's transaction."""

    sessions: Sessions
    farewell: SignsOut
    attempts: Attempts
    audit: AuditLog
    decoy_key: bytes = field(repr=False)

    def of_account(self, account_id: str, credential_version: int) -> list[LivingSession]:
        """List where somebody is signed in, the newest first."""
        living = self.sessions.of_account(account_id)
        return [
            one for one in reversed(living) if one.session.credential_version == credential_version
        ]

    def end(self, account_id: str, key: str, *, actor: Actor) -> bool:
        """End one session of this account; False when it has none of this key."""
        if key not in {one.key for one in self.sessions.of_account(account_id)}:
            return False
        self._told(account_id, self.farewell.end_one(key), "device", actor)
        return True

    def end_others(
        self,
        account_id: str,
        qualite: Qualite,
        numero: NumeroDossier,
        *,
        key: str,
        device: str,
        actor: Actor,
    ) -> None:
        """End every session but that of ``key``, and know no browser any more but ``device``."""
        self.attempts.forget_devices(subject_of(self.decoy_key, qualite, numero), but=device)
        self._told(account_id, self.farewell.end_others(account_id, key), "other_devices", actor)

    def make_room(self, account_id: str, *, keep: int, actor: Actor) -> None:
        """End the oldest sessions beyond ``keep``, for one that is about to begin."""
        self._told(account_id, self.farewell.make_room(account_id, keep=keep), "too_many", actor)

    def _told(self, account_id: str, ended: Ended, cause: str, actor: Actor) -> None:
        if ended.alive:
            self.audit.record(
                Event.SESSIONS_ENDED,
                account_id=account_id,
                actor=actor,
                detail={"cause": cause, "sessions": ended.alive},
            )
