"""Which accounts a ``sub`` of FranceConnect opens: links, living and ended.

A link by pivot identity rests on the State's word and lives until it is ended: by its member, by
the help desk, by a freeze. A link by proof rests on a secret of the account, and so lives as long
as the ``credential_version`` under which it was proven: a new password or a freeze ends it in the
statement that ends everything else, and no thief who linked himself outlives them (ADR 0035).
"""

from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.pivot import PivotIdentity

LINKS_OF_SUB = 10
"""Accounts that one person may link: a few dossiers, never a collection of stolen passwords."""

CANDIDATES = 2000
"""Dossiers of one date of birth that are compared; a directory of 400,000 has some 20 a day."""


class Rule(StrEnum):
    """What decided, and what a link rests on (``SUB`` decides only where a link lives already)."""

    SUB = "sub"
    PIVOT = "pivot"
    PROOF = "proof"


class Ending(StrEnum):
    """Why a link ended."""

    MEMBER = "member"
    HELP_DESK = "help_desk"
    FREEZE = "freeze"
    """Nobody knows by which door the stranger came in: this one is shut like the others."""
    RELINKED = "relinked"
    """Another took its place: of another ``sub``, or of the same after a new password."""


WANTED = frozenset({Ending.MEMBER, Ending.HELP_DESK, Ending.FREEZE})
"""After these the pivot identity opens the account no more: until somebody links it again."""


@dataclass(frozen=True, slots=True)
class Link:
    """The bond between a ``sub`` and an account; at most one of an account lives.

    Attributes:
        sub: FranceConnect's name for the person at our place.
        rule: ``PIVOT`` or ``PROOF``: what it rests on.
        pivot_digest: keyed hash of the pivot identity that was linked, for its history.
        credential_version: of the account when it was linked.
        used_at: when it last opened the account, or was made.
    """

    account_id: str
    sub: str = field(repr=False)
    rule: Rule
    pivot_digest: str = field(repr=False)
    credential_version: int
    linked_at: datetime
    used_at: datetime


@dataclass(frozen=True, slots=True)
class EndedLink:
    """A link that is history."""

    link: Link
    ended_at: datetime
    why: Ending


class Links(Protocol):
    """Where links are kept: SQL, in the transaction of the caller. Raises StoreUnavailable."""

    def of_account(self, account_id: str) -> Link | None:
        """Read the link that lives; one by proof does not under another version than its own."""

    def of_sub(self, sub: str) -> list[Link]:
        """Read the living links of one person, ``LINKS_OF_SUB`` at most, the oldest first."""

    def barred(self, account_ids: Collection[str]) -> frozenset[str]:
        """Tell which of these accounts had their last link ended by one of ``WANTED``."""

    def put(self, link: Link) -> bool:
        """Make a link; False when the account has one that nobody ended."""

    def used(self, account_id: str, *, at: datetime) -> None:
        """Note that the link of an account opened it."""

    def end(self, account_id: str, *, at: datetime, why: Ending) -> Link | None:
        """End what stands of an account, living or not, and give it; None when nothing stood."""

    def history(self, account_id: str) -> list[EndedLink]:
        """Read the links of an account that ended, the newest first."""


@dataclass(frozen=True, slots=True)
class PivotDossier:
    """A dossier, as far as a pivot identity is held against it."""

    account_id: str
    qualite: Qualite
    numero: NumeroDossier
    status: DossierStatus
    protection: Protection
    pivot: PivotIdentity

    @property
    def may_open(self) -> bool:
        """Tell whether FranceConnect may open it: active, and neither frozen nor only reopened."""
        return self.status is DossierStatus.ACTIVE and self.protection is Protection.NONE


class PivotDirectory(Protocol):
    """Where dossiers are found by a date of birth. Raises StoreUnavailable."""

    def candidates(self, birthdates: Collection[str]) -> Sequence[PivotDossier]:
        """Read the dossiers of these dates, as written; ``CANDIDATES`` + 1 of them at most."""

    def of_accounts(self, account_ids: Collection[str]) -> Sequence[PivotDossier]:
        """Read the dossiers of these accounts."""
