"""What the help desk does about FranceConnect: end a link, under a name and with a reason."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from idp.audit import Actor
from idp.identity.contact import Contacts
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect_linking import Linking
from idp.identity.franceconnect_links import Ending
from idp.identity.help_desk import contact_of
from idp.identity.help_desk import fit_reason


@dataclass(frozen=True, slots=True)
class FranceConnectDesk:
    """The use case, given its stores.

    Attributes:
        transaction: opens an SQL transaction.
    """

    contacts: Contacts
    linking: Linking
    transaction: Callable[[], AbstractContextManager[None]]

    def unlink(self, qualite: Qualite, numero: NumeroDossier, *, reason: str, actor: Actor) -> bool:
        """End the link of an account; its sessions go on, a freeze ends those.

        Returns:
            False when none lived: nothing was changed.

        Raises:
            NoSuchAccount: nobody has this number.
            UnfitReason: the audit log would not take it.
            StoreUnavailable: nothing was changed.
        """
        told = fit_reason(reason)
        with self.transaction():
            contact = contact_of(self.contacts, qualite, numero)
            return self.linking.unlink(
                contact.account_id, Ending.HELP_DESK, actor=actor, reason=told
            )
