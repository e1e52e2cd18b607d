"""Draw one name out of a weighted few: the same one for the same seed, as long as it can be.

Weighted rendezvous: each name has a score of its own, ``-ln(h) / weight``, and the lowest wins. A
weight that moves wins or loses the draws of its own difference, and no other draw changes.
"""

import hashlib
import math
from collections.abc import Mapping


def draw(seed: bytes, weights: Mapping[str, float]) -> str:
    """Draw a name in proportion to its weight; "" when no weight is above zero.

    Args:
        seed: secret and one for each draw, 64 bytes at most.
        weights: by name.
    """
    best, winner = math.inf, ""
    for name, weight in weights.items():
        if weight <= 0:
            continue
        drawn = hashlib.blake2b(name.encode(), digest_size=8, key=seed).digest()
        score = -math.log((int.from_bytes(drawn, "big") + 1) / 2**64) / weight
        if score < best:
            best, winner = score, name
    return winner
