"""How things stand: looked at when Prometheus asks, and for as long as ``KEPT_SECONDS`` not again.

A process tells its own keys and whether it can serve. What the stores hold for all is told by the
worker alone, and so once, however many nodes and workers there are.
"""

import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from idp import IdpError
from idp.audit import Event
from idp.infra.outbox_depth import SqlOutboxDepth
from idp.infra.redis_health import loses
from idp.infra.redis_health import read_facts
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.key_drill import Sight
from idp.oidc.key_drill import drill
from idp.oidc.key_drill import numbers
from idp.oidc.key_watch import Observed
from idp.oidc.keys import KeyRing
from idp.oidc.rotation import due
from idp.parts import Parts
from idp.web.health import WARNING

KEPT_SECONDS = 5.0
DAY = timedelta(days=1)
BACKUP_SPAN = timedelta(days=3)
VERIFIED_SPAN = timedelta(days=3)

Families = Iterator[GaugeMetricFamily]


class Standing(Collector):
    """Gives what looks find. One that fails is told as failed, and the others all the same."""

    def __init__(self, **looks: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        self._looks = looks
        self._turn = threading.Lock()
        self._found: list[GaugeMetricFamily] = []
        self._looked_at = float("-inf")

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Look, or tell what was found a moment ago."""
        with self._turn:
            if time.monotonic() >= self._looked_at + KEPT_SECONDS:
                self._found = list(self._look())
                self._looked_at = time.monotonic()
            return self._found

    def _look(self) -> Families:
        failed = _gauge("idp_look_failed", "Whether this could not be looked at.", "what")
        for name, look in self._looks.items():
            try:
                found = list(look())
            except IdpError:
                found = []
                failed.add_metric([name], 1)
            else:
                failed.add_metric([name], 0)
            yield from found
        yield failed


def build() -> Families:
    """Tell what runs here."""
    try:
        ours = version("carpimko-idp")
    except PackageNotFoundError:  # a checkout
        ours = "unknown"
    python = ".".join(map(str, sys.version_info[:3]))
    told = _gauge("idp_build_info", "What runs here; always 1.", "version", "python")
    told.add_metric([ours, python], 1)
    yield told


def readiness(probes: Mapping[str, Callable[[], str]]) -> Families:
    """Tell what ``/readyz`` would say of each part."""
    told = _gauge("idp_ready", "Whether a part of this process can serve.", "part")
    for name, probe in probes.items():
        said = probe()
        told.add_metric([name], float(not said or said.startswith(WARNING)))
    yield told


def keys(parts: Parts) -> Families:
    """Tell the calendar of the signing keys, as this process sees it."""
    ring, now = parts.key_files.ring(), parts.now()
    age = _gauge("idp_key_age_seconds", "Since a key signs; less than 0 before.", *_KEY)
    ahead = _gauge("idp_key_next_seconds", "Until another key signs.", "alg")
    retires = _gauge("idp_key_retires_seconds", "Until a key makes its last signature.", *_KEY)
    standby = _gauge("idp_key_standby", "Whether a key is published that signs later.", "alg")
    for alg in SIGNING_ALGS:
        following = [key for key in ring.of_alg(alg) if ring.begins(key) > now]
        standby.add_metric([alg], float(bool(following)))
        if following:
            ahead.add_metric([alg], (ring.begins(following[0]) - now).total_seconds())
    for key in ring.published(now=now):
        labels = [key.alg, key.kid, _state(ring, key.kid, key.alg, now)]
        age.add_metric(labels, (now - ring.begins(key)).total_seconds())
        if (until := ring.signs_until(key)) is not None:
            retires.add_metric(labels, (until - now).total_seconds())
    overdue = _gauge("idp_key_rotation_due", "How many keys idp keys rotate would draw now.")
    overdue.add_metric([], len(due(ring, parts.rotation_policy, now)))
    trouble = _gauge("idp_key_trouble", "Whether the folder of the keys has a fault.")
    trouble.add_metric([], float(bool(parts.key_files.trouble or parts.key_files.oddity)))
    yield from (age, ahead, retires, standby, overdue, trouble)


def outbox(parts: Parts) -> Families:
    """Tell what was promised and has not left, and what left in the last day."""
    depth = SqlOutboxDepth(parts.database)
    now = parts.now()
    with parts.flask.app_context(), parts.database.transaction():
        unfinished, done = depth.unfinished(), depth.done_since(now - DAY)
    labels = ("kind", "channel", "state")
    rows = _gauge("idp_outbox", "Promises that wait, are held or were given up.", *labels)
    oldest = _gauge("idp_outbox_oldest_seconds", "Age of the oldest of them.", *labels)
    for one in unfinished:
        rows.add_metric([one.kind, one.channel, one.state], one.promises)
        age = (now - one.oldest).total_seconds()
        oldest.add_metric([one.kind, one.channel, one.state], age)
    left = _gauge("idp_outbox_done_last_day", "Promises kept in the last day.", *labels[:2])
    for one in done:
        left.add_metric([one.kind, one.channel], one.promises)
    yield from (rows, oldest, left)


def audit_log(parts: Parts) -> Families:
    """Tell how far sealing is behind, and how old the newest signed head is."""
    now = parts.now()
    with parts.flask.app_context(), parts.database.transaction():
        waiting = parts.audit_seals.unsealed()
        oldest = parts.audit_seals.oldest_unsealed_at()
        head = parts.audit_seals.newest_head()
    rows = _gauge("idp_audit_unsealed", "Rows that no seal closes.")
    rows.add_metric([], waiting)
    age = _gauge("idp_audit_unsealed_oldest_seconds", "Age of the oldest of them.")
    age.add_metric([], 0 if oldest is None else (now - oldest).total_seconds())
    signed = _gauge("idp_audit_head_age_days", "Days since the day of the newest signed head.")
    if head is not None:
        signed.add_metric([], (now.date() - head.day).days)
    yield from (rows, age, signed)


def backup(parts: Parts) -> Families:
    """Tell how old the last copy of the data is. None within the span counts as that old."""
    now = parts.now()
    with parts.flask.app_context(), parts.database.transaction():
        made = parts.audit.newest_at(Event.BACKUP_MADE, since=now - BACKUP_SPAN)
    age = _gauge("idp_backup_age_seconds", "Since idp backup data succeeded; 3 days at most.")
    age.add_metric([], (BACKUP_SPAN if made is None else now - made).total_seconds())
    yield age


def verified(parts: Parts) -> Families:
    """Tell how long ago the audit log was found whole, by a walk that was recorded."""
    now = parts.now()
    with parts.flask.app_context(), parts.database.transaction():
        found = parts.audit.newest_at(Event.AUDIT_VERIFIED, since=now - VERIFIED_SPAN)
    age = _gauge(
        "idp_audit_verified_age_seconds",
        "Since idp audit verify --record found nothing wrong; 3 days at most.",
    )
    age.add_metric([], (VERIFIED_SPAN if found is None else now - found).total_seconds())
    yield age


def redis(parts: Parts) -> Families:
    """Tell how full Redis is, and in how many ways it may lose what it holds."""
    facts = read_facts(parts.redis.client)
    used = _gauge("idp_redis_memory_used_bytes", "What Redis holds.")
    used.add_metric([], facts.memory_used)
    limit = _gauge("idp_redis_memory_limit_bytes", "Its maxmemory; 0 is none.")
    limit.add_metric([], facts.memory_limit)
    faults = _gauge("idp_redis_faults", "Ways in which it may lose a promise.")
    faults.add_metric([], len(loses(facts)))
    yield from (used, limit, faults)


def drilled(parts: Parts) -> Families:
    """Tell which services have the key that signs next, as far as is known."""
    observed: Observed = parts.key_fetches.read()
    found = numbers(drill(parts.key_files.ring(), parts.clients.list(), observed, now=parts.now()))
    told = _gauge("idp_key_services", "Services, by what is seen of them.", "alg", "sight")
    for alg in SIGNING_ALGS:
        for sight in Sight:
            told.add_metric([alg, sight], found.get((alg, sight), 0))
    yield told


def loops(instants: Callable[[], Mapping[str, datetime | None]]) -> Families:
    """Tell when the loops of the worker went round last."""
    told = _gauge("idp_worker_round_timestamp_seconds", "When a loop went round last.", "loop")
    for name, at in instants().items():
        told.add_metric([name], 0 if at is None else at.timestamp())
    yield told


_KEY = ("alg", "kid", "state")


def _state(ring: KeyRing, kid: str, alg: str, now: datetime) -> str:
    begun = [key for key in ring.of_alg(alg) if ring.begins(key) <= now]
    if begun and begun[-1].kid == kid:
        return "signs"
    return "retired" if any(key.kid == kid for key in begun) else "standby"


def _gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=labels)
