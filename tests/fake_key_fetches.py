"""Fetches of the key list in memory, with the contract of the Redis adapter for what is known."""

from collections.abc import Iterable

from idp.oidc.key_watch import Fetch
from idp.oidc.key_watch import Observed


class MemoryKeyFetches:
    """The port ``KeyFetches``: keeps everything."""

    def __init__(self) -> None:
        self.fetches: dict[tuple[str, str], Fetch] = {}
        self.networks: dict[str, set[str]] = {}
        self.writes = 0

    def add(self, fetches: Iterable[Fetch], calls: Iterable[tuple[str, str]]) -> None:
        """Keep fetches and calls."""
        self.writes += 1
        for fetch in fetches:
            self.fetches[fetch.network, fetch.agent] = fetch
        for client_id, network in calls:
            self.networks.setdefault(client_id, set()).add(network)

    def read(self) -> Observed:
        """Give what is kept."""
        networks = {client_id: frozenset(theirs) for client_id, theirs in self.networks.items()}
        return Observed(tuple(self.fetches.values()), networks)
