"""How the conformance suite measures what must not be guessed (its line C17)."""

import math
from collections import Counter

LEAST_BITS = 96
LEAST_LENGTH = 16


def entropy(text: str) -> float:
    """Shannon's entropy over the characters of one value, times their number."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) * len(text)


def passes_the_suite(text: str) -> bool:
    """Tell whether the suite would take a code or a token for unguessable."""
    return len(text) >= LEAST_LENGTH and entropy(text) > LEAST_BITS
