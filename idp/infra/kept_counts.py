"""Counts of the whole directory, kept in the process: too dear for each request.

They are taken again each hour, and when an import has raised ``registry_version``, which a process
asks for once a second at most.
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Generic
from typing import TypeVar

from idp.identity.dossier import Qualite
from idp.infra.registry import LOOK_EVERY_SECONDS
from idp.infra.registry import VERSION
from idp.infra.sql import Database

COUNTS_AGE_SECONDS = 3600.0

T = TypeVar("T")


class KeptCounts(Generic[T]):
    """What ``count`` gave for each qualité when last taken."""

    def __init__(
        self,
        database: Database,
        count: Callable[[], Mapping[Qualite, T]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._count = count
        self._monotonic = monotonic
        self._kept: Mapping[Qualite, T] = {}
        self._looked_at = float("-inf")
        self._counted_at = float("-inf")
        self._counted_version = 0
        self._counting = threading.Lock()

    def get(self) -> Mapping[Qualite, T]:
        """The counts, taken again in the caller's transaction when it is time to.

        Raises:
            StoreUnavailable: it is time to, and the store is away.
        """
        with self._counting:
            now = self._monotonic()
            if now - self._looked_at >= LOOK_EVERY_SECONDS:
                # The number before the rows: a change in between is seen at the next look.
                version = self._database.execute(VERSION).scalar() or 0
                aged = now - self._counted_at > COUNTS_AGE_SECONDS
                if aged or version != self._counted_version:
                    self._kept = self._count()
                    self._counted_at, self._counted_version = now, version
                self._looked_at = now
            return self._kept
