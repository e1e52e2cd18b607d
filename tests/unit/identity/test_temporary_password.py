"""The shape of the secret, and the pure rules of its states."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import combinations
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.identity.password import PasswordHash
from idp.identity.temporary_password import ALPHABET
from idp.identity.temporary_password import LENGTH
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TryPolicy
from idp.identity.temporary_password import channel_of
from idp.identity.temporary_password import draw
from idp.identity.temporary_password import fold
from idp.identity.temporary_password import has_shape
from idp.identity.temporary_password import written

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
bodies = st.text(ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1)
secrets_drawn = bodies.map(
    lambda body: next(body + last for last in ALPHABET if channel_of(body + last))
)


def temporary(**changes):
    values = {
        "account_id": "account",
        "channel": Channel.MAIL,
        "state": State.SENT,
        "promise": 1,
        "newest": 1,
        "credential_version": 1,
        "hash": PasswordHash("ours:m=1,t=1,p=1", "$argon2id$"),
        "requested_at": NOON,
        "expires_at": NOON + timedelta(days=1),
        **changes,
    }
    return TemporaryPassword(**values)


@pytest.mark.parametrize("channel", Channel)
def test_a_drawn_secret_tells_its_channel_and_reads_back(channel):
    for _ in range(200):
        secret = draw(channel)

        assert len(secret) == LENGTH
        assert set(secret) <= set(ALPHABET)
        assert channel_of(secret) is channel
        assert channel_of(written(secret)) is channel
        assert fold(written(secret)) == secret


def test_a_secret_is_written_in_three_groups_of_four():
    assert written("ABCDEFGHJKMN") == "ABCD-EFGH-JKMN"


def test_the_alphabet_has_no_look_alikes():
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert not set("ILO01") & set(ALPHABET)


def test_a_to_r_begin_a_mails_secret_and_s_to_9_a_letters():
    firsts = {channel: {draw(channel)[0] for _ in range(2_000)} for channel in Channel}

    assert firsts[Channel.MAIL] == set("ABCDEFGHJKMNPQR")
    assert firsts[Channel.LETTER] == set("STUVWXYZ23456789")


@pytest.mark.parametrize(("firsts", "bits"), [(15, 53.4), (16, 53.5)])
def test_a_secret_holds_fifty_three_bits(firsts, bits):
    assert log2(firsts * len(ALPHABET) ** (LENGTH - 2)) == pytest.approx(bits, abs=0.06)


@given(bodies)
def test_every_body_has_exactly_one_check_symbol(body):
    assert sum(channel_of(body + last) is not None for last in ALPHABET) == 1


@given(secrets_drawn)
def test_every_single_symbol_typed_wrong_shows(secret):
    for place in range(LENGTH):
        for symbol in ALPHABET.replace(secret[place], ""):
            slipped = secret[:place] + symbol + secret[place + 1 :]

            assert has_shape(slipped)
            assert channel_of(slipped) is None


@given(secrets_drawn)
def test_any_two_symbols_swapped_show_adjacent_or_not(secret):
    for one, other in combinations(range(LENGTH), 2):
        if secret[one] != secret[other]:
            symbols = list(secret)
            symbols[one], symbols[other] = symbols[other], symbols[one]

            assert channel_of("".join(symbols)) is None


@pytest.mark.parametrize(
    "typed",
    [
        "abcd-efgh-jkmn",
        " ABCD EFGH JKMN ",
        "abcd\u00a0efgh\u202fjkmn",  # what French typography and a word processor put there
        "ABCD\u2013EFGH\u2014JKMN",
        "ABCD\u2011EFGH\u2212JKMN\r\n",
        "ＡＢＣＤ－ＥＦＧＨ　ｊｋｍｎ",
        "AB.CD_EF GH\tJKMN",
        "\ufeffABCD\u200bEFGH\u00adJK\u2060MN",
    ],
)
def test_case_width_spaces_and_dashes_do_not_count(typed):
    assert fold(typed) == "ABCDEFGHJKMN"
    assert has_shape(typed)


@given(secrets_drawn, st.data())
def test_however_a_secret_is_written_it_opens(secret, data):
    def write(symbol):
        wide = chr(ord(symbol) + 0xFEE0)
        forms = (symbol, symbol.lower(), wide, symbol + "-", " " + symbol)
        return data.draw(st.sampled_from(forms))

    assert fold("".join(write(symbol) for symbol in secret)) == secret


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once(typed):
    assert fold(fold(typed)) == fold(typed)


@pytest.mark.parametrize("look_alike", "ILO01ilo")
def test_a_look_alike_is_never_taken_for_another_symbol(look_alike):
    typed = look_alike + "BCDEFGHJKMN"

    assert fold(typed) == typed.upper()
    assert not has_shape(typed)
    assert channel_of(typed) is None


@pytest.mark.parametrize(
    "typed", ["²BCDEFGHJKMN", "ABCDEFGHJKß", "ÀBCDEFGHJKMN", "\u0391BCDEFGHJKMN"]
)
def test_what_only_resembles_a_symbol_has_not_the_shape(typed):
    assert not has_shape(typed)


@pytest.mark.parametrize("typed", ["", "ABCDEFGHJKM", "ABCDEFGHJKMNP", "ABCD" * 4])
def test_other_lengths_have_not_the_shape(typed):
    assert not has_shape(typed)
    assert channel_of(typed) is None


def test_a_long_text_is_no_temporary_password_and_costs_nothing_to_tell():
    secret = draw(Channel.MAIL)

    assert channel_of(secret + " " * 52) is Channel.MAIL
    assert channel_of(secret + " " * 53) is None


def test_the_lifetimes_are_those_of_the_values_table():
    assert {Channel.MAIL: timedelta(hours=24), Channel.LETTER: timedelta(days=30)} == LIFETIMES
    assert (TryPolicy().by_origin, TryPolicy().in_all) == (5, 50)


def test_a_lease_holds_until_its_instant_and_then_the_secret_is_sent_again():
    opened = temporary(opened_until=NOON)

    before = opened.standing(TryPolicy(), at=NOON - SECOND)
    after = opened.standing(TryPolicy(), at=NOON)

    assert (before.state, before.opened_until) == (State.OPENED, NOON)
    assert (after.state, after.opened_until) == (State.SENT, None)


def test_the_fiftieth_wrong_try_locks_and_the_forty_ninth_does_not():
    def state(wrong_tries):
        return temporary(wrong_tries=wrong_tries).standing(TryPolicy(), at=NOON).state

    assert (state(49), state(50), state(51)) == (State.SENT, State.LOCKED, State.LOCKED)


def test_a_secret_locked_while_somebody_chooses_a_password_is_told_as_locked():
    opened = temporary(wrong_tries=50, opened_until=NOON + SECOND)

    assert opened.standing(TryPolicy(), at=NOON).state is State.LOCKED
    assert opened.standing(TryPolicy(), at=NOON).opened_until == NOON + SECOND
