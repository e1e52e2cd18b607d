"""When a key is due: the policy of rotation, as a pure question to the ring.

One key of each algorithm signs, and one follows it: drawn when the one before begins to sign, and
so published for nearly a lifetime before its own turn. Services have long seen it; should the key
that signs leak, the one that follows can take over at once. Whoever asks late gets a later date,
never a shorter announcement.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.keys import KeyRing
from idp.oidc.keys import SigningKey

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """What the settings ask.

    Attributes:
        lifetime: for how long a key signs.
        announced: a key is published for so long before it signs, at least.
        algs: each of them is rotated.
    """

    lifetime: timedelta
    announced: timedelta
    algs: tuple[str, ...] = SIGNING_ALGS


@dataclass(frozen=True, slots=True)
class Due:
    """A key to draw now."""

    alg: str
    signs_from: datetime


def due(ring: Iterable[SigningKey], policy: RotationPolicy, now: datetime) -> list[Due]:
    """Tell the keys to draw now; once drawn, nothing is due.

    The first key of an algorithm signs at once: nothing was signed before it.
    """
    keys = tuple(ring)
    wanted = []
    for alg in policy.algs:
        starts = [key.signs_from for key in keys if key.alg == alg]
        if not starts:
            wanted += [Due(alg, now), Due(alg, _next_minute(now + policy.lifetime))]
        elif max(starts) <= now:
            announced = _next_minute(now + policy.announced)
            wanted.append(Due(alg, max(max(starts) + policy.lifetime, announced)))
    return wanted


def next_due_at(ring: KeyRing, policy: RotationPolicy, now: datetime) -> datetime:
    """Tell when a key is due next, as the ring stands: ``now`` where one is due already."""
    last = {key.alg: key.signs_from for key in ring}  # in the order of their instants
    return max(now, min((last.get(alg, now) for alg in policy.algs), default=now))


def _next_minute(instant: datetime) -> datetime:
    """Round up: file names are read by people, and an announcement is never shorter."""
    whole = instant.replace(second=0, microsecond=0)
    return whole if whole == instant else whole + MINUTE
