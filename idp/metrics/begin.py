"""Join the numbers to a process. Where none are wanted the library is not even imported."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from idp.metrics.not_counted import NOT_COUNTED
from idp.metrics.not_counted import NotCounted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import GaugeMetricFamily

    from idp.parts import Parts

    Look = Callable[[], Iterable[GaugeMetricFamily]]


def begin_counting(parts: Parts, bind: str) -> NotCounted:
    """Have the audit log and the stores of a process tell its counts, if anybody may ask them."""
    if not bind:
        return NOT_COUNTED
    from idp.infra.redis_watch import watch_redis
    from idp.metrics.counts import Counts

    counts = Counts(lambda: {client.client_id for client in parts.clients.known()})

    def sql_asked(what: str, seconds: float, failed: bool) -> None:
        counts.store_asked("sql", what, seconds, failed=failed)

    parts.audit.watch = counts.audited
    parts.database.watch = sql_asked
    watch_redis(parts.redis.client, counts.store_asked)
    return counts


def serve_web(parts: Parts, counts: NotCounted, probes: Mapping[str, Callable[[], str]]) -> None:
    """Serve what the workers of this master counted, and how its node stands."""
    from idp.metrics import standing

    looks = {"readiness": partial(standing.readiness, probes)}
    _serve(parts, parts.settings.metrics_bind, counts, looks)


def serve_worker(
    parts: Parts,
    counts: NotCounted,
    instants: Callable[[], Mapping[str, datetime | None]],
) -> None:
    """Serve what the worker counted, and what the stores hold for everybody."""
    from idp.metrics import standing

    looks = {
        "redis": partial(standing.redis, parts),
        "outbox": partial(standing.outbox, parts),
        "audit_log": partial(standing.audit_log, parts),
        "backup": partial(standing.backup, parts),
        "verified": partial(standing.verified, parts),
        "drill": partial(standing.drilled, parts),
        "loops": partial(standing.loops, instants),
    }
    _serve(parts, parts.settings.worker_metrics_bind, counts, looks)


def _serve(parts: Parts, bind: str, counts: NotCounted, looks: Mapping[str, Look]) -> None:
    from prometheus_client import CollectorRegistry

    from idp.metrics import standing
    from idp.metrics.counts import Counts
    from idp.metrics.port import serve

    if not isinstance(counts, Counts):
        return
    stands = CollectorRegistry()
    common: dict[str, Look] = {"build": standing.build, "keys": partial(standing.keys, parts)}
    stands.register(standing.Standing(**common, **looks))
    serve(bind, lambda: [counts.registry(), stands])
