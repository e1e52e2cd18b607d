"""What the pages of the footer say of the fund, and what of it is still missing."""

from dataclasses import dataclass
from datetime import date

from idp.sentence import Sentence
from idp.sentence import say

AUDIT_YEARS = 3
"""For how long an audit of accessibility counts (RGAA, "Obligations d'accessibilité")."""

HALF, WHOLE = 50, 100


@dataclass(frozen=True, slots=True)
class Audit:
    """The last audit of accessibility."""

    on: date
    by: str
    rate: int

    def counts_on(self, day: date) -> bool:
        """Tell whether it is young enough."""
        months = (day.year - self.on.year) * 12 + day.month - self.on.month
        return (months, day.day) < (12 * AUDIT_YEARS, self.on.day)


@dataclass(frozen=True, slots=True)
class Legal:
    """What the operator filled in; lists of lines are empty and texts "" where nothing was.

    Attributes:
        seat: the fund's full name and its address.
        host: who hosts the service: name, address, telephone.
        scheme_url: the multi-year scheme for accessibility.
    """

    seat: tuple[str, ...] = ()
    registration: str = ""
    director: str = ""
    host: tuple[str, ...] = ()
    data_contact: tuple[str, ...] = ()
    accessibility_contact: tuple[str, ...] = ()
    scheme_url: str = ""
    audit: Audit | None = None

    def audit_on(self, day: date) -> Audit | None:
        """Give the audit, unless it is too old by then."""
        return self.audit if self.audit is not None and self.audit.counts_on(day) else None

    def accessibility_on(self, day: date) -> Sentence:
        """Say the state in the words that the law imposes.

        Spec: RGAA 4.1.2, « Mention de la conformité » : without an audit it is « non conforme ».
        """
        audit = self.audit_on(day)
        if audit is None or audit.rate < HALF:
            return say("non conforme")
        return say("partiellement conforme") if audit.rate < WHOLE else say("totalement conforme")

    def missing(self) -> list[str]:
        """Name the settings that the law asks for and that are empty."""
        asked = {
            "IDP_FUND_SEAT": self.seat,
            "IDP_FUND_REGISTRATION": self.registration,
            "IDP_PUBLICATION_DIRECTOR": self.director,
            "IDP_HOSTING_PROVIDER": self.host,
            "IDP_DATA_PROTECTION_CONTACT": self.data_contact,
            "IDP_ACCESSIBILITY_CONTACT": self.accessibility_contact,
            "IDP_ACCESSIBILITY_SCHEME_URL": self.scheme_url,
        }
        return [name for name, given in asked.items() if not given]


def lines_of(text: str) -> tuple[str, ...]:
    """Read lines that a setting separates by ``|``."""
    return tuple(line for part in text.split("|") if (line := part.strip()))
