"""Notices by mail of what happened to an account: none holds a secret, none a link.

Grave ones (a new password, another address, a freeze) are promised where they happen, each time.
The others are promised here, each kind once a day for one account: whoever is inside must not be
able to bury the one that matters under a hundred.
"""

from dataclasses import dataclass

from idp import StoreUnavailable
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.temporary_password import Channel
from idp.limits import DAY
from idp.limits import Once


@dataclass(frozen=True, slots=True)
class Notices:
    """The use case, given the outbox and what counts the day. Needs the caller's transaction."""

    outbox: Outbox
    once: Once

    def tell(self, kind: Kind, account_id: str, *, version: int) -> None:
        """Promise one notice, unless this kind was promised within a day.

        Raises:
            StoreUnavailable: nothing was promised.
        """
        name = f"notice:{kind}:{account_id}"
        if self.once.take(name, "1", lifetime=DAY) is not None:
            return
        try:
            self.outbox.add(kind, Channel.MAIL, account_id=account_id, credential_version=version)
        except StoreUnavailable:
            self.once.give_back(name)
            raise
