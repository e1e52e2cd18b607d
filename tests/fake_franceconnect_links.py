"""Links to FranceConnect and the pivot identities of dossiers in memory, as the SQL adapters."""

from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from idp.identity.franceconnect_links import CANDIDATES
from idp.identity.franceconnect_links import LINKS_OF_SUB
from idp.identity.franceconnect_links import WANTED
from idp.identity.franceconnect_links import EndedLink
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import PivotDossier
from idp.identity.franceconnect_links import Rule
from idp.identity.pivot import PivotIdentity
from tests.fakes import MemoryAccounts
from tests.fakes import Store


class MemoryLinks(Store):
    """The port ``Links``."""

    def __init__(self, accounts: MemoryAccounts) -> None:
        super().__init__()
        self._accounts = accounts
        self._standing: dict[str, Link] = {}
        self._ended: list[EndedLink] = []

    def of_account(self, account_id: str) -> Link | None:
        """Read the link of an account that lives."""
        self._look()
        link = self._standing.get(account_id)
        return link if link is not None and self._lives(link) else None

    def of_sub(self, sub: str) -> list[Link]:
        """Read the living links of one person, the oldest first."""
        self._look()
        living = [link for link in self._standing.values() if link.sub == sub and self._lives(link)]
        return living[:LINKS_OF_SUB]

    def barred(self, account_ids: Collection[str]) -> frozenset[str]:
        """Tell which accounts had their last link ended because somebody wanted it."""
        self._look()
        newest = {ended.link.account_id: ended.why for ended in self._ended}
        return frozenset(
            account_id
            for account_id in account_ids
            if account_id not in self._standing and newest.get(account_id) in WANTED
        )

    def put(self, link: Link) -> bool:
        """Make a link; False when the account has one that nobody ended."""
        self._look()
        with self._lock:
            if link.account_id in self._standing:
                return False
            self._standing[link.account_id] = link
            return True

    def used(self, account_id: str, *, at: datetime) -> None:
        """Note that the link of an account opened it."""
        self._look()
        with self._lock:
            if account_id in self._standing:
                self._standing[account_id] = replace(self._standing[account_id], used_at=at)

    def end(self, account_id: str, *, at: datetime, why: Ending) -> Link | None:
        """End what stands of an account, and give it."""
        self._look()
        with self._lock:
            link = self._standing.pop(account_id, None)
            if link is not None:
                self._ended.append(EndedLink(link, at, why))
            return link

    def history(self, account_id: str) -> list[EndedLink]:
        """Read the links of an account that ended, the newest first."""
        self._look()
        return [ended for ended in reversed(self._ended) if ended.link.account_id == account_id]

    def _lives(self, link: Link) -> bool:
        version = self._accounts.entries[link.account_id].account.credential_version
        return link.rule is not Rule.PROOF or link.credential_version == version


class MemoryPivotDirectory(Store):
    """The port ``PivotDirectory``: ``pivots`` holds what the dossier of each account says."""

    def __init__(self, accounts: MemoryAccounts) -> None:
        super().__init__()
        self._accounts = accounts
        self.pivots: dict[str, PivotIdentity] = {}

    def candidates(self, birthdates: Collection[str]) -> Sequence[PivotDossier]:
        """Read the dossiers of some dates of birth."""
        self._look()
        found = [one for one, pivot in self.pivots.items() if pivot.birthdate in birthdates]
        return [self._dossier(account_id) for account_id in found[: CANDIDATES + 1]]

    def of_accounts(self, account_ids: Collection[str]) -> Sequence[PivotDossier]:
        """Read the dossiers of some accounts."""
        self._look()
        return [self._dossier(one) for one in sorted(account_ids) if one in self.pivots]

    def _dossier(self, account_id: str) -> PivotDossier:
        entry = self._accounts.entries[account_id]
        return PivotDossier(
            account_id=account_id,
            qualite=entry.qualite,
            numero=entry.numero,
            status=entry.account.dossier_status,
            protection=entry.account.protection,
            pivot=self.pivots[account_id],
        )
