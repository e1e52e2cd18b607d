"""Whether two samples of durations can be told apart, and by how much. Standard library alone."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 1_000


@dataclass(frozen=True)
class Difference:
    """What separates ``other`` from ``base``.

    Attributes:
        median: of ``other``, less that of ``base``, in the unit of the samples.
        low, high: 95 % of the bootstrap's medians lie between them.
        auc: chance that one of ``other`` lasted longer than one of ``base``; 0.5 tells nothing.
        auc_error: half of the 95 % interval around an ``auc`` of 0.5 for samples of this size.
        p: of the rank test (Mann-Whitney, both sides, normal approximation with ties).
    """

    median: float
    low: float
    high: float
    auc: float
    auc_error: float
    p: float


def difference(base: Sequence[float], other: Sequence[float], *, seed: int = 1) -> Difference:
    """Compare two samples."""
    medians = bootstrap(base, other, random.Random(seed))  # noqa: S311 - drawn again alike
    auc, spread, p = rank_test(base, other)
    return Difference(
        median=statistics.median(other) - statistics.median(base),
        low=medians[round(0.025 * len(medians))],
        high=medians[round(0.975 * len(medians)) - 1],
        auc=auc,
        auc_error=1.96 * spread,
        p=p,
    )


def bootstrap(base: Sequence[float], other: Sequence[float], drawn: random.Random) -> list[float]:
    """Differences of medians of samples drawn again, with replacement, in order."""
    return sorted(
        statistics.median(drawn.choices(other, k=len(other)))
        - statistics.median(drawn.choices(base, k=len(base)))
        for _ in range(RESAMPLES)
    )


def rank_test(base: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Give the AUC, its standard deviation where nothing differs, and the p of the rank test."""
    every = sorted([(value, 0) for value in base] + [(value, 1) for value in other])
    of_other, ties, at = 0.0, 0, 0
    while at < len(every):
        after = at
        while after < len(every) and every[after][0] == every[at][0]:
            after += 1
        rank = (at + after + 1) / 2  # ties share the mean of their ranks
        of_other += rank * sum(which for _, which in every[at:after])
        ties += (after - at) ** 3 - (after - at)
        at = after
    m, n = len(base), len(other)
    total = m + n
    auc = (of_other - n * (n + 1) / 2) / (m * n)
    spread = math.sqrt((total + 1 - ties / (total * (total - 1))) / (12 * m * n))
    p = math.erfc(abs(auc - 0.5) / spread / math.sqrt(2)) if spread else 1.0
    return auc, spread, p
