"""How many messages may be asked for: the mail bomb and the letter cannon stop here.

Rules and port only. A subject is the keyed hash of what was typed, so that an unknown number has
the same quotas as a known one.
"""

from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp import IdpError
from idp.identity.temporary_password import TryPolicy

HOUR = timedelta(hours=1)
LETTERS_WINDOW = timedelta(days=90)


class Quota(StrEnum):
    """Which quota was reached: for the audit log, and for the sentence of the page."""

    NETWORK = "network"
    MAIL = "mail"
    LETTER = "letter"
    LETTERS_OF_NETWORK = "letters_of_network"


class QuotaReached(IdpError):
    """Nothing was promised; ``retry_after`` tells when it may be."""

    code = "quota_reached"

    def __init__(self, quota: Quota, retry_after: timedelta) -> None:
        super().__init__(f"{quota} for {retry_after}")
        self.quota = quota
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """The limits of the values table, product.md, each 1 or more.

    ``requests_by_question``: of what a network may do, the share left to who answered the question
        in words instead of letting a browser work.
    ``letter_tries``: how often a letter's secret may be typed wrong before its days are forgotten:
        as often as it may be before it locks.
    """

    requests_an_hour: int = 20
    requests_by_question: int = 5
    mails_an_hour: int = 3
    mails_a_day: int = 5
    letter_every: timedelta = timedelta(days=10)
    letters_in_90_days: int = 3
    letters_of_network_a_day: int = 5
    letters_a_day: int = 1_000
    letter_tries: TryPolicy = field(default_factory=TryPolicy)


class ResetQuotas(Protocol):
    """The counters, in sliding windows. Each method is one atomic step and raises StoreUnavailable.

    ``begin``, ``mail`` and ``letter`` raise QuotaReached without counting where there is no room.
    What is asked for again under the name of one ``request`` is counted once.
    """

    def begin(self, network: str, *, by_question: bool) -> None:
        """Count a reset request of a network."""

    def mail(self, subject: str, *, request: str = "") -> None:
        """Count a mail to the account of a subject."""

    def letter(self, subject: str, network: str, *, request: str = "") -> bool:
        """Count a letter: of the subject, of the network, of all.

        Returns:
            True when the breaker holds it: it is promised, and leaves when an operator lets it.
        """

    def letter_of_freeze(self) -> bool:
        """Count a letter that a freeze sends, of all alone; True when the breaker holds it."""

    def letter_refused(self, subject: str, *, network: str, browser: str) -> None:
        """Count a letter's secret that was typed wrong; the last of all forgets the letter's days.

        A letter that locked does not count for the days until the next one; and of a number that
        nobody has, or of a letter that was never sent, nothing locks. So it is what was typed that
        is counted, while the days run, as the secret counts its own: or a second letter would tell
        who exists. It still counts for the letters in 90 days and for its network: whoever locks a
        letter in order to have another sent gets three.

        Args:
            subject: whose letter was typed, known or not.
            network: ``Origin.network``.
            browser: the browser's name, hashed by the caller.
        """

    def forget_letter(self, subject: str) -> None:
        """Let the last letter not count for the days until the next one: it will never be typed."""

    def choice_refused(self, journey_id: str, *, lifetime: timedelta) -> int:
        """Count a choice that a quota refused, and tell how many the journey has had."""

    def raise_breaker(self, letters_a_day: int, *, until: datetime) -> None:
        """Let that many letters of all leave in a day, until then: a campaign was announced.

        A store that is emptied forgets it, and the breaker holds at its usual number again.
        """
