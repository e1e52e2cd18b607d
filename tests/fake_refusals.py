"""The port ``Refusals`` in memory."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from idp.infra.refusals import KEPT_FOR
from idp.infra.refusals import MOST
from idp.oidc.refusals import Refusal
from idp.oidc.refusals import Standing
from tests.fakes import Store


class MemoryRefusals(Store):
    """The newest refusals of each service and standing."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self._kept: dict[tuple[str, Standing], list[Refusal]] = {}

    def note(self, refusal: Refusal) -> None:
        """Keep one; the network that has most of too many gives way."""
        self._look()
        kept = self._kept.setdefault((refusal.client_id, refusal.standing), [])
        kept[:] = [one for one in kept if refusal.at - one.at < KEPT_FOR]
        kept.append(refusal)
        if len(kept) > MOST:
            busiest = Counter(one.network for one in kept).most_common(1)[0][0]
            kept.remove(next(one for one in kept if one.network == busiest))

    def find(self, refusal_id: str) -> Refusal | None:
        """Read one back."""
        self._look()
        since = self._now() - KEPT_FOR
        for kept in self._kept.values():
            for one in kept:
                if one.id == refusal_id and one.at > since:
                    return one
        return None
