"""The account: what the holder of a dossier set here, apart from what the business system says."""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.password import PasswordHash

DOUBTED = timedelta(days=30)
"""An address recorded here within so long is set aside by a freeze: its thief may have done it."""


class Protection(StrEnum):
    """How far an account may be opened (ADR 0031).

    ::

        NONE ──freeze──► FROZEN ──reopen──► REOPENED
         ▲ ▲               │  ▲               │  │
         │ └─ new password ┘  └────freeze─────┘  │
         └────────────────── new password ───────┘
    """

    NONE = "none"
    FROZEN = "frozen"
    """Nothing opens it but the choice of a password by a letter to the directory's address."""
    REOPENED = "reopened"
    """The help desk lets mails through again; the password of before stays refused."""


@dataclass(frozen=True, slots=True)
class Account:
    """One dossier's account.

    Attributes:
        id: opaque and stable; every ``sub`` is derived from it.
        password: None until a first password was chosen here or imported.
        credential_version: rises with each new password; what carries an older one is dead.
        last_sign_in_at: here, or before the import; None when never or unknown.
        protection: anything but NONE refuses the password, however right.
    """

    id: str
    dossier_status: DossierStatus
    password: PasswordHash | None
    credential_version: int
    last_sign_in_at: datetime | None
    protection: Protection = Protection.NONE

    def must_reset(self, redesign: datetime) -> bool:
        """Tell whether the account has not been used since the redesign of the members' area.

        An imported password whose last use is unknown must be reset too.
        """
        if self.password is None:
            return True
        if self.last_sign_in_at is None:
            return self.password.imported
        return self.last_sign_in_at < redesign


class Accounts(Protocol):
    """Where accounts are kept. Every method raises StoreUnavailable when the store is away."""

    def find(self, qualite: Qualite, numero: NumeroDossier) -> Account | None:
        """Read the account of a dossier."""

    def signed_in(
        self, account: Account, *, at: datetime | None, replacement: PasswordHash | None
    ) -> bool:
        """Note a sign-in, and put ``replacement`` in the place of the hash that was verified.

        The same form sent twice may have replaced it a moment ago: that one stays. Until the
        transaction ends the account is held against whoever would change it. Without ``at`` its
        last sign-in stays what it was.

        Returns:
            False when the password, the dossier's status or the protection changed meanwhile: the
            sign-in must be refused.
        """

    def choose_password(
        self, account_id: str, *, version: int, hashed: PasswordHash, at: datetime
    ) -> bool:
        """Put a new password in force and raise ``credential_version``, in one statement.

        It ends a freeze: who may choose was asked before. It counts as a sign-in at ``at``: an
        account that chooses has been used.

        Args:
            account_id: whose.
            version: the ``credential_version`` under which the choice began.
            hashed: of the new password.
            at: when.

        Returns:
            False when somebody else was first, or the dossier is not active: nothing was changed.
        """

    def record_email(self, account_id: str, address: str, *, at: datetime) -> bool:
        """Note an address that its holder confirmed; it outranks the one of the import.

        The one that may receive a reset at this moment goes on doing so until this one has stood
        its time, even when another address is recorded meanwhile.

        Returns:
            False when there is no such account, or the dossier is not active.
        """

    def freeze(self, account_id: str, *, version: int, at: datetime) -> bool:
        """Freeze the account and raise ``credential_version``, in one statement.

        What carries the older version is dead with it, a sign-in under way too. An address that was
        recorded here within ``DOUBTED`` is set aside: mails go to the one of the import again.

        Returns:
            False when the account is frozen already, or its version is another: nothing was
            changed.
        """

    def reopen(self, account_id: str, *, to: Protection) -> bool:
        """Let a frozen account go on as ``to``; False when it is not frozen."""
