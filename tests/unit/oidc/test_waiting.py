import secrets
import zlib
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.authorize import UNDERSTOOD
from idp.oidc.params import Params
from idp.oidc.waiting import SEALED_LIMIT
from idp.oidc.waiting import WaitingRequests
from idp.oidc.waiting import WaitingRequestTooLarge
from idp.oidc.waiting import WaitingRequestUnreadable
from idp.sealed import Sealer
from tests.instance import Clock

KEY, NEXT_KEY = b"k" * 32, b"n" * 32
DAY = timedelta(hours=24)
BROWSER = "the browser's cookie"
ASKED = Params.of([("client_id", "cotisations"), ("state", "é à ?"), ("scope", "openid")])


@pytest.fixture
def clock():
    return Clock()


def waiting(clock, *keys):
    return WaitingRequests(keys or (KEY,), lifetime=DAY, now=clock)


def test_a_request_is_opened_as_it_was_sealed(clock):
    sealed = waiting(clock).seal(ASKED, BROWSER)

    opened = waiting(clock).open(sealed, BROWSER)

    assert opened.params == ASKED
    assert opened.requested_at == clock()
    assert (opened.same_browser, opened.expired) == (True, False)


def test_the_sealed_text_goes_into_an_address_and_tells_nothing(clock):
    sealed = waiting(clock).seal(ASKED, BROWSER)

    raw = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert sealed.replace("-", "").replace("_", "").isalnum()
    assert b"cotisations" not in raw
    assert waiting(clock).seal(ASKED, BROWSER) != sealed


def test_only_what_the_protocol_understands_is_kept_and_nothing_empty(clock):
    asked = Params.of([("utm", "1"), ("nonce", ""), *ASKED.pairs, ("password", "x")])

    assert waiting(clock).open(waiting(clock).seal(asked, BROWSER), BROWSER).params == ASKED


def test_in_another_browser_it_opens_and_says_so(clock):
    opened = waiting(clock).open(waiting(clock).seal(ASKED, BROWSER), "another")

    assert opened.same_browser is False
    assert opened.params == ASKED


def test_it_waits_a_night_and_expires_after_a_day(clock):
    sealed = waiting(clock).seal(ASKED, BROWSER)

    clock.advance(DAY)
    assert waiting(clock).open(sealed, BROWSER).expired is False
    clock.advance(timedelta(milliseconds=1))
    assert waiting(clock).open(sealed, BROWSER).expired is True


def test_after_a_rotation_of_the_key_what_the_former_one_sealed_still_opens(clock):
    former, rotated = waiting(clock, KEY), waiting(clock, NEXT_KEY, KEY)

    assert rotated.open(former.seal(ASKED, BROWSER), BROWSER).params == ASKED
    with pytest.raises(WaitingRequestUnreadable):
        former.open(rotated.seal(ASKED, BROWSER), BROWSER)


def test_under_another_key_nothing_opens(clock):
    with pytest.raises(WaitingRequestUnreadable):
        waiting(clock, NEXT_KEY).open(waiting(clock).seal(ASKED, BROWSER), BROWSER)


def test_no_character_of_it_can_be_changed_added_or_taken_away(clock):
    sealed = waiting(clock).seal(ASKED, BROWSER)

    for place in range(len(sealed)):
        other = "A" if sealed[place] != "A" else "B"
        for altered in (
            sealed[:place] + other + sealed[place + 1 :],
            sealed[:place] + sealed[place + 1 :],
            sealed[:place] + "!" + sealed[place:],
        ):
            with pytest.raises(WaitingRequestUnreadable):
                waiting(clock).open(altered, BROWSER)


@pytest.mark.parametrize("ending", ["=", "==", "\n", " ", "%3D", "é"])
def test_nothing_may_follow_it(clock, ending):
    with pytest.raises(WaitingRequestUnreadable):
        waiting(clock).open(waiting(clock).seal(ASKED, BROWSER) + ending, BROWSER)


def test_a_request_that_does_not_fit_into_an_address_is_told_so(clock):
    large = Params.of([("state", secrets.token_urlsafe(SEALED_LIMIT))])

    with pytest.raises(WaitingRequestTooLarge):
        waiting(clock).seal(large, BROWSER)


def test_what_fits_is_opened_whole_to_the_last_character(clock):
    fitting = [
        Params.of([("state", secrets.token_urlsafe(size)), ("nonce", "end")])
        for size in range(2900, 3100)
    ]

    sealed = []
    for params in fitting:
        # Each is packed by its own luck: a longer one may fit where a shorter one did not.
        with suppress(WaitingRequestTooLarge):
            sealed.append((params, waiting(clock).seal(params, BROWSER)))

    assert SEALED_LIMIT - 8 <= max(len(text) for _, text in sealed) <= SEALED_LIMIT
    assert all(waiting(clock).open(text, BROWSER).params == params for params, text in sealed)


@pytest.mark.parametrize("filler", ["a", "\x01", "é", "\N{GRINNING FACE}"])
def test_a_request_that_only_fits_because_it_repeats_itself_is_too_large(clock, filler):
    # Compressed to a hundred bytes, it would not open again.
    bloated = Params.of([("ui_locales", filler * 70_000)])

    with pytest.raises(WaitingRequestTooLarge):
        waiting(clock).seal(bloated, BROWSER)


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(UNDERSTOOD), st.text(st.characters(), min_size=1, max_size=80)),
        max_size=8,
    ),
    browser=st.text(max_size=60),
)
def test_any_request_of_any_browser_survives_its_wait(pairs, browser):
    sealed = waiting(Clock()).seal(Params.of(pairs), browser)

    opened = waiting(Clock()).open(sealed, browser)

    assert opened.params == Params.of(pairs)
    assert opened.same_browser is True


@given(
    st.text(max_size=200)
    | st.text("ABCabc012-_", max_size=SEALED_LIMIT + 10)
    | st.binary(max_size=300).map(lambda raw: urlsafe_b64encode(raw).rstrip(b"=").decode())
)
def test_what_nobody_sealed_is_unreadable_whatever_it_is(text):
    with pytest.raises(WaitingRequestUnreadable):
        waiting(Clock()).open(text, BROWSER)


def test_a_long_text_is_refused_unread(clock):
    with pytest.raises(WaitingRequestUnreadable, match="too long"):
        waiting(clock).open("A" * (SEALED_LIMIT + 1), BROWSER)


OTHER_SHAPES = {
    "not compressed": b"[0,1,2]",
    "no JSON": zlib.compress(b"\x00\xff"),
    "one field fewer": zlib.compress(b'[1764000000,"bound"]'),
    "named fields": zlib.compress(b'{"client_id":"cotisations"}'),
    "nothing": zlib.compress(b"null"),
    "an instant in words": zlib.compress(b'["noon","bound",[]]'),
    "pairs of three": zlib.compress(b'[1764000000,"bound",[["scope","openid","x"]]]'),
    "a browser of half a character": zlib.compress(b'[1764000000,"\\ud800",[]]'),
}


@pytest.mark.parametrize("clear", OTHER_SHAPES.values(), ids=OTHER_SHAPES.keys())
def test_what_another_version_sealed_is_unreadable_and_breaks_nothing(clock, clear):
    sealed = Sealer((KEY,), "waiting-request:1").seal(clear)

    with pytest.raises(WaitingRequestUnreadable):
        waiting(clock).open(sealed, BROWSER)
