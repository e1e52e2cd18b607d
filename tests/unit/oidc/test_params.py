from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.params import Params


def test_the_first_value_is_given_and_repeats_are_counted():
    params = Params.of([("a", "1"), ("b", "2"), ("a", "3")])

    assert (params.get("a"), params.count("a"), params.repeated()) == ("1", 2, ["a"])
    assert (params.get("c"), params.count("c")) == ("", 0)


def test_a_parameter_without_a_value_counts_as_not_sent():
    params = Params.of([("a", ""), ("b", "x")])

    assert "a" not in params
    assert "b" in params
    assert params.get("a") == ""


def test_an_empty_copy_beside_a_value_is_still_a_repeat():
    params = Params.of([("a", ""), ("a", "x")])

    assert params.get("a") == "x"
    assert params.repeated() == ["a"]


def test_values_are_given_each_once_in_the_order_they_came():
    params = Params.of([("a", "2"), ("b", "x"), ("a", ""), ("a", "1"), ("a", "2")])

    assert params.values("a") == ("2", "1")
    assert params.values("c") == ()


def test_words_keep_their_order_and_lose_their_doubles():
    assert Params.of([("scope", " b a  b c ")]).words("scope") == ("b", "a", "c")
    assert Params.of([]).words("scope") == ()


def test_only_a_space_separates_words():
    assert Params.of([("scope", "a\u00a0b\tc")]).words("scope") == ("a\u00a0b\tc",)


def test_names_are_compared_letter_by_letter():
    assert "Client_id" not in Params.of([("client_id", "x")])


@given(st.lists(st.tuples(st.text(max_size=3), st.text(min_size=20)), max_size=5))
def test_a_repr_shows_names_and_no_value(pairs):
    shown = repr(Params.of(pairs))

    assert shown == f"Params({', '.join(name for name, _ in pairs)})"
