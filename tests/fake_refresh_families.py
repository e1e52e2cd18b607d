"""Refresh token families in memory, with the contract of the SQL adapter."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from idp.oidc.refresh import Family


class MemoryRefreshFamilies:
    """The port ``RefreshFamilies``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.kept: dict[str, Family] = {}
        self._sealed: dict[str, str] = {}

    def start(self, family: Family) -> None:
        """Keep a new family."""
        self.kept[family.id] = family

    def find(self, family_id: str) -> Family | None:
        """Read a family."""
        return self.kept.get(family_id)

    def rotate(self, family: Family, renewed: Family, *, sealed: str) -> bool:
        """Replace the current token; False when it is another than ``family`` says."""
        with self._lock:
            kept = self.kept.get(family.id)
            if kept is None or kept.token_hash != family.token_hash:
                return False
            self.kept[family.id] = replace(
                kept,
                token_hash=renewed.token_hash,
                former_hash=renewed.former_hash,
                rotated_at=renewed.rotated_at,
                expires_at=renewed.expires_at,
            )
            self._sealed[family.id] = sealed
            return True

    def sealed_successor(self, family_id: str, former_hash: str, *, since: datetime) -> str:
        """Read what a retry may open, or ""."""
        kept = self.kept.get(family_id)
        if kept is None or kept.former_hash != former_hash or kept.rotated_at <= since:
            return ""
        return self._sealed[family_id]

    def end(self, family_id: str) -> bool:
        """Remove a family; False when it is gone already."""
        with self._lock:
            return self.kept.pop(family_id, None) is not None

    def end_of_grant(self, grant_id: str) -> bool:
        """Remove the family of a grant; False when there is none."""
        with self._lock:
            found = [name for name, kept in self.kept.items() if kept.grant_id == grant_id]
            for name in found:
                del self.kept[name]
            return bool(found)

    def of_account(self, account_id: str) -> list[Family]:
        """Read the families of an account, the oldest first."""
        found = [kept for kept in self.kept.values() if kept.authorization.account_id == account_id]
        return sorted(found, key=lambda family: (family.started_at, family.id))

    def end_of_client(self, account_id: str, client_id: str) -> list[str]:
        """Remove what an account's families give to a client; names the grants they had."""
        with self._lock:
            found = [
                kept
                for kept in self.kept.values()
                if kept.authorization.account_id == account_id
                and kept.authorization.client_id == client_id
            ]
            for family in found:
                del self.kept[family.id]
            return [family.grant_id for family in found]

    def end_given(
        self, client_ids: Sequence[str], *, since: datetime, until: datetime
    ) -> list[str]:
        """Remove families of clients whose current token was given in that time."""
        with self._lock:
            found = [
                kept
                for kept in self.kept.values()
                if kept.authorization.client_id in client_ids and since <= kept.rotated_at < until
            ]
            for family in found:
                del self.kept[family.id]
            return [family.grant_id for family in found]

    def forget(self, before: datetime) -> int:
        """Remove families that expired before that."""
        with self._lock:
            expired = [name for name, kept in self.kept.items() if kept.expires_at <= before]
            for name in expired:
                del self.kept[name]
            return len(expired)
