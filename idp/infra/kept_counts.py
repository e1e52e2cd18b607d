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

from idp import StoreUnavailable
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
        self._kept: Mapping[Qualite, T] | None = None
        self._looked_at = float("-inf")
        self._counted_at = float("-inf")
        self._counted_version = 0
        self._looking = threading.Lock()

    def get(self) -> Mapping[Qualite, T]:
        """The counts, taken again in the caller's transaction when it is time to.

        Counts that cannot be taken again now stay those there are: they change little in an hour.

        Raises:
            StoreUnavailable: there are none yet, and the store is away or too slow.
        """
        kept = self._kept
        if kept is not None and self._is_fresh():
            return kept
        # One thread looks, the others go on with the counts there are; without any they wait.
        if kept is None:
            self._looking.acquire()
        elif not self._looking.acquire(blocking=False):
            return kept
        try:
            if not self._is_fresh():
                self._look()
        finally:
            self._looking.release()
        if self._kept is None:
            # A store that is away must not cost each waiting thread its own timeout.
            message = "SQL: away a moment ago"
            raise StoreUnavailable(message)
        return self._kept

    def _is_fresh(self) -> bool:
        return self._monotonic() - self._looked_at < LOOK_EVERY_SECONDS

    def _look(self) -> None:
        now = self._monotonic()
        try:
            with self._database.part():
                # The number before the rows: a change in between is seen at the next look.
                version = self._database.execute(VERSION).scalar() or 0
                aged = now - self._counted_at > COUNTS_AGE_SECONDS
                if aged or version != self._counted_version:
                    self._kept = self._count()
                    self._counted_at, self._counted_version = now, version
        except StoreUnavailable:
            if self._kept is None:
                raise
        finally:
            self._looked_at = self._monotonic()  # the next look is due after a timeout, not in it
