"""Where a person can be written to, and what a page may show of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.postal_address import UnprintableAddress
from idp.identity.postal_address import postal_lines

NEW_ADDRESS_WAIT = timedelta(hours=72)
"""Until an address recorded here may receive a reset: its thief has time to be noticed."""

LETTER_ARRIVES = timedelta(days=7)
"""What a letter takes at most, over whatever weekends and holidays: where there was no former
address, the notice is a letter, and ``NEW_ADDRESS_WAIT`` begins only after this."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One account and its addresses, read in one statement.

    Attributes:
        has_password: False until a first password was chosen here or imported.
        email: the address that may receive a reset now, or "": one recorded here counts only 72 h
            after it was confirmed (10 days where there was none before), the former one until then.
        confirmed_email: the newest one confirmed here, or "".
        former_email: the one that might receive a reset before the newest was confirmed, or "": it
            stays the former one when the newest has stood its time.
        names: given, usage and family names, for the recipient's line and the password policy.
        address: six postal lines, the first names the recipient, "" where empty.
        protection: of a frozen account only a letter may open the choice of a password.
        email_confirmed_at: when the newest one was confirmed here; None without.
    """

    account_id: str
    qualite: Qualite
    numero: NumeroDossier
    status: DossierStatus
    credential_version: int
    has_password: bool
    email: str
    confirmed_email: str
    former_email: str
    given_names: str
    usage_name: str
    family_name: str
    birthdate: str
    address: tuple[str, str, str, str, str, str]
    protection: Protection = Protection.NONE
    email_confirmed_at: datetime | None = None

    @property
    def stands_at(self) -> datetime | None:
        """When the newest address may receive a reset; later where only a letter tells of it."""
        if self.email_confirmed_at is None:
            return None
        told_by = timedelta(0) if self.former_email else LETTER_ARRIVES
        return self.email_confirmed_at + NEW_ADDRESS_WAIT + told_by

    def __repr__(self) -> str:
        return f"Contact({self.account_id})"


def letter_fault(contact: Contact) -> str:
    """Tell why no letter can be addressed, as the print would; "" when one can."""
    try:
        postal_lines(
            contact.address,
            given_names=contact.given_names,
            name=contact.usage_name or contact.family_name,
        )
    except UnprintableAddress as unprintable:
        return unprintable.fault
    return ""


class Contacts(Protocol):
    """Where contacts are read. Raises StoreUnavailable when the store is away."""

    def find(self, qualite: Qualite, numero: NumeroDossier) -> Contact | None:
        """Read the contact of what was typed."""

    def get(self, account_id: str) -> Contact | None:
        """Read the contact of an account."""


@dataclass(frozen=True, slots=True)
class MailMix:
    """How the mail addresses of one qualité are made up, for decoys that look like them.

    Only active dossiers, and the address that may receive a reset now.

    Attributes:
        post_only: share of dossiers without an address, 0.0 to 1.0; 1.0 when there is none at all.
        domains: how many have each masked domain (``g*****.com``).
        firsts: how many local parts begin with each character.
        lasts: how many end with each pair of characters ("" for three characters or fewer).
    """

    post_only: float
    domains: Mapping[str, int]
    firsts: Mapping[str, int]
    lasts: Mapping[str, int]


class MailMixes(Protocol):
    """The directory's own mix, as the last import counted it. Raises StoreUnavailable."""

    def mail_mix(self, qualite: Qualite) -> MailMix:
        """Read the mix of one qualité."""
