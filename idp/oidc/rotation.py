"""When a key is due: the policy of rotation, as a pure question to the ring.

One key of each algorithm signs, and one follows it: drawn when the one before begins to sign, and
so published for nearly a lifetime before its own turn. Services have long seen it; should the key
that signs leak, the one that follows can take over at once. Whoever asks late gets a later date,
never a shorter announcement.
"""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.keys import KeyRing

MINUTE = timedelta(minutes=1)
MARGIN = MINUTE
"""For what no calendar holds: a process looks for keys once a second, clocks differ by seconds."""


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """What the settings ask.

    Attributes:
        lifetime: for how long a key signs.
        announced: a key is published for so long before it signs, at least.
        cached: for how long services may keep the list of keys.
        algs: each of them is rotated.
    """

    lifetime: timedelta
    announced: timedelta
    cached: timedelta
    algs: tuple[str, ...] = SIGNING_ALGS

    @property
    def least_announced(self) -> timedelta:
        """The shortest announcement that leaves no service without the key, whoever asks for it."""
        return self.cached + MARGIN


@dataclass(frozen=True, slots=True)
class Due:
    """A key to draw now."""

    alg: str
    signs_from: datetime


def due(ring: KeyRing, policy: RotationPolicy, now: datetime) -> list[Due]:
    """Tell the keys to draw now; once drawn, nothing is due.

    The first key of an algorithm signs at once: nothing was signed before it.
    """
    wanted = []
    for alg in policy.algs:
        last = _last_begins(ring, alg)
        if last is None:
            wanted += [Due(alg, now), Due(alg, _next_minute(now + policy.lifetime))]
        elif last <= now:
            announced = _next_minute(now + policy.announced)
            wanted.append(Due(alg, max(_next_minute(last + policy.lifetime), announced)))
    return wanted


def next_due_at(ring: KeyRing, policy: RotationPolicy, now: datetime) -> datetime:
    """Tell when a key is due next, as the ring stands: ``now`` where one is due already."""
    lasts = (_last_begins(ring, alg) for alg in policy.algs)
    return max(now, min((now if last is None else last for last in lasts), default=now))


def _last_begins(ring: KeyRing, alg: str) -> datetime | None:
    """When the newest key of an algorithm begins to sign; None where there is no key."""
    keys = ring.of_alg(alg)
    return ring.begins(keys[-1]) if keys else None


def _next_minute(instant: datetime) -> datetime:
    """Round up: file names are read by people, and an announcement is never shorter."""
    whole = instant.replace(second=0, microsecond=0)
    return whole if whole == instant else whole + MINUTE
