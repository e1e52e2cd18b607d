"""The catalogue of audit events, and the port they are recorded through.

An event is append-only and pseudonymous: it names an account by its identifier, a network by its
prefix, never a dossier number, an address, a name or a secret. Kept 12 months (docs/security.md
lists each event).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Event(StrEnum):
    """What can happen, as ``subject.act``. A retired name is never used again."""

    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_REFUSED = "sign_in.refused"
    SIGN_IN_DELAYED = "sign_in.delayed"
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "sessions.ended"
    LOGOUT_SENT = "logout.sent"
    LOGOUT_FAILED = "logout.failed"
    LOGOUT_DEAD = "logout.dead"
    LOGOUT_RETRIED = "logout.retried"
    CODE_REPLAYED = "code.replayed"
    REFRESH_REUSED = "refresh.reused"
    REFRESH_REVOKED = "refresh.revoked"
    CONSENT_GIVEN = "consent.given"
    CONSENT_REFUSED = "consent.refused"
    ACCESS_TAKEN_BACK = "access.taken_back"
    CLIENT_REFUSED = "client.refused"
    CLIENT_ADDED = "client.added"
    CLIENT_UPDATED = "client.updated"
    CLIENT_REMOVED = "client.removed"
    CLIENT_SECRET_ADDED = "client.secret_added"  # noqa: S105 - the name of an event
    KEY_ADDED = "key.added"
    KEY_REMOVED = "key.removed"
    KEY_REVOKED = "key.revoked"
    KEY_REWRAPPED = "key.rewrapped"
    DIRECTORY_IMPORTED = "directory.imported"
    DOSSIER_SHOWN = "dossier.shown"
    RESET_BEGUN = "reset.begun"
    RESET_HELD = "reset.held"
    RESET_REQUESTED = "reset.requested"
    TEMPORARY_ISSUED = "temporary_password.issued"
    TEMPORARY_SENT = "temporary_password.sent"
    TEMPORARY_OPENED = "temporary_password.opened"
    TEMPORARY_REFUSED = "temporary_password.refused"
    TEMPORARY_LOCKED = "temporary_password.locked"
    PASSWORD_CHOSEN = "password.chosen"  # noqa: S105 - the name of an event
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - as above
    PASSWORD_CHOICE_REFUSED = "password.choice_refused"  # noqa: S105 - as above
    NOTICE_SENT = "notice.sent"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_DEAD = "message.dead"
    MESSAGE_RETRIED = "message.retried"
    ADDRESS_REQUESTED = "address.requested"
    ADDRESS_RECORDED = "address.recorded"
    ADDRESS_REFUSED = "address.refused"
    LETTERS_PRINTED = "letters.printed"
    LETTERS_PURGED = "letters.purged"
    LETTERS_REISSUED = "letters.reissued"
    LETTERS_RELEASED = "letters.released"
    DATA_DOWNLOADED = "data.downloaded"
    FRANCECONNECT_LINKED = "franceconnect.linked"
    FRANCECONNECT_RELINKED = "franceconnect.relinked"
    FRANCECONNECT_UNLINKED = "franceconnect.unlinked"
    FRANCECONNECT_SEVERAL = "franceconnect.several"
    FRANCECONNECT_UNMATCHED = "franceconnect.unmatched"
    ACCOUNT_SHOWN = "account.shown"
    ACCOUNT_UNLOCKED = "account.unlocked"
    ACCOUNT_FROZEN = "account.frozen"
    ACCOUNT_REOPENED = "account.reopened"
    AUDIT_FORGOTTEN = "audit.forgotten"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_VERIFIED = "audit.verified"
    BACKUP_MADE = "backup.made"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: a browser seen through ``network``, or an ``operator`` at a command line."""

    network: str = ""
    operator: str = ""
    request_id: str = ""


class AuditLog(Protocol):
    """Where events go: the same SQL transaction as the act they tell."""

    def record(
        self,
        event: Event,
        *,
        account_id: str | None = None,
        client_id: str | None = None,
        actor: Actor = Actor(),
        detail: Mapping[str, str | int] | None = None,
    ) -> None:
        """Add one event. ``detail`` holds causes and counts, never what a person typed."""
