"""What happened to one account, read back from the audit log for the help desk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp.audit import Event

UNTOLD = frozenset(
    {
        Event.ACCOUNT_SHOWN,
        Event.DOSSIER_SHOWN,
        Event.TEMPORARY_ISSUED,
        Event.LOGOUT_SENT,
        Event.LOGOUT_FAILED,
        Event.LOGOUT_RETRIED,
    }
)
"""An operator's look is nothing that happened to the account; what is issued is sent at once; that
services hear of a sign-out goes without saying, until one never did."""

BY_SUBJECT = frozenset({Event.SIGN_IN_DELAYED, Event.RESET_BEGUN, Event.RESET_HELD})
"""Recorded before anything is looked up, under the keyed hash of what was typed alone."""

BY_SUBJECT_SPAN = timedelta(days=2)
"""They are found by their instants, so a short time of them; they explain what holds now."""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One audit event as it stands in the log.

    ``event`` is a word and no ``Event``: another version may have written one of its own.
    """

    at: datetime
    event: str
    network: str
    operator: str
    detail: Mapping[str, object]


class AuditTrail(Protocol):
    """Where events are read back. Raises StoreUnavailable."""

    def of_account(self, account_id: str, subject: str, *, limit: int) -> list[PastEvent]:
        """Read what happened to an account, the newest first, without what is ``UNTOLD``.

        Args:
            account_id: whose.
            subject: the keyed hash of its qualité and number, for what is ``BY_SUBJECT``.
            limit: events given at most.
        """
