"""Making and ending a link: told in the audit log and to the member, never silently (ADR 0035)."""

import hmac
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime

from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.contact import Contacts
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import Links
from idp.identity.franceconnect_links import Rule
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.pivot import Arrival
from idp.identity.pivot import normalised
from idp.identity.temporary_password import Channel


@dataclass(frozen=True, slots=True)
class Linking:
    """The use case, given its stores and the clock. Each method needs the caller's transaction."""

    links: Links
    contacts: Contacts
    outbox: Outbox
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    now: Callable[[], datetime]

    def link(
        self,
        arrival: Arrival,
        account: Account,
        rule: Rule,
        *,
        actor: Actor,
        detail: Mapping[str, str | int],
        unbidden: bool = False,
    ) -> bool:
        """Make a link in the place of the one before, which stays as history.

        The caller holds the account's row: what is read here is what stands.

        Args:
            arrival: who.
            account: whose.
            rule: what it rests on.
            actor: for the audit log.
            detail: for the audit log: what decided.
            unbidden: the member did not ask for it, so that it is not made where they unlinked.

        Returns:
            False when somebody else made one at this moment, or unlinked: nothing was made.
        """
        at = self.now()
        former = self.links.end(account.id, at=at, why=Ending.RELINKED)
        # Now that whoever was ending it has done so.
        if unbidden and account.id in self.links.barred({account.id}):
            return False
        made = self.links.put(
            Link(
                account_id=account.id,
                sub=arrival.sub,
                rule=rule,
                pivot_digest=self._digest(arrival),
                credential_version=account.credential_version,
                linked_at=at,
                used_at=at,
            )
        )
        if not made:
            return False
        relinked = former is not None and former.sub != arrival.sub
        told = {**detail, "rule": rule}
        if relinked and former is not None:
            told["former"] = former.rule
        self.audit.record(
            Event.FRANCECONNECT_RELINKED if relinked else Event.FRANCECONNECT_LINKED,
            account_id=account.id,
            actor=actor,
            detail=told,
        )
        self._tell(Kind.FRANCECONNECT_LINKED, account.id)
        return True

    def unlink(self, account_id: str, why: Ending, *, actor: Actor, reason: str = "") -> bool:
        """End the link of an account, so that FranceConnect opens it no more.

        Not by pivot equality either, at the next click: until it is linked again, from the member's
        own pages or by proof.

        Returns:
            False when no link lived: nothing was changed.
        """
        link = self.links.of_account(account_id)
        if link is None:
            return False
        if self.links.end(account_id, at=self.now(), why=why) is None:
            return False  # somebody else did, at this moment
        told = {"why": str(why), "rule": str(link.rule)}
        if reason:
            told["reason"] = reason
        self.audit.record(
            Event.FRANCECONNECT_UNLINKED, account_id=account_id, actor=actor, detail=told
        )
        self._tell(Kind.FRANCECONNECT_UNLINKED, account_id)
        return True

    def _tell(self, kind: Kind, account_id: str) -> None:
        """Promise the notice, each time: a thief must not hide his own behind the member's."""
        contact = self.contacts.get(account_id)
        if contact is not None and contact.email:
            self.outbox.add(
                kind,
                Channel.MAIL,
                account_id=account_id,
                credential_version=contact.credential_version,
            )

    def _digest(self, arrival: Arrival) -> str:
        """Name a pivot identity in a history: with a key, or a list of people would tell whose."""
        told = "\x1f".join(("franceconnect", *normalised(arrival.pivot)))
        return hmac.digest(self.decoy_key, told.encode("utf-8", "surrogatepass"), "sha256").hex()
