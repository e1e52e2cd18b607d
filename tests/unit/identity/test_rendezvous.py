from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from idp.identity.rendezvous import draw

NAMES = st.sampled_from(["a", "b", "c", "d"])


def seed(n: int) -> bytes:
    return n.to_bytes(8, "big")


def test_names_are_drawn_in_proportion_to_their_weights():
    drawn = Counter(draw(seed(n), {"a": 1, "b": 2.5, "c": 6.5}) for n in range(10_000))

    for name, share in (("a", 1000), ("b", 2500), ("c", 6500)):
        assert abs(drawn[name] - share) < 200


def test_nothing_is_drawn_from_nothing():
    assert draw(seed(1), {}) == ""
    assert draw(seed(1), {"a": 0, "b": -1}) == ""


@given(st.integers(0, 2**64 - 1), st.dictionaries(NAMES, st.integers(1, 9), min_size=1), NAMES)
def test_a_weight_that_shrinks_only_loses_draws_and_no_other_moves(n, weights, shrunk):
    less = weights | {shrunk: weights.get(shrunk, 1) / 2}

    before, after = draw(seed(n), weights | {shrunk: weights.get(shrunk, 1)}), draw(seed(n), less)

    assert after == before or before == shrunk
