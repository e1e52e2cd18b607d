import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.reset_journey import Journey
from idp.identity.reset_journey import JourneyEnded
from idp.identity.reset_journey import Journeys
from idp.identity.temporary_password import Channel
from idp.sealed import Sealer
from tests.instance import Clock

KEY = b"k" * 32
BROWSER = "the browser's cookie"
HALF_AN_HOUR = timedelta(minutes=30)
NUMERO = NumeroDossier("0234567")


@pytest.fixture
def clock():
    return Clock()


def journeys(clock, key=KEY):
    return Journeys((key,), lifetime=HALF_AN_HOUR, now=clock)


def begun(**changes):
    return replace(Journey.begun(Qualite.AFFILIE, NUMERO), **changes)


@pytest.mark.parametrize("chosen", [None, *Channel])
@pytest.mark.parametrize("qualite", Qualite)
def test_a_journey_is_opened_as_it_was_sealed(clock, chosen, qualite):
    journey = begun(qualite=qualite, chosen=chosen)

    opened = journeys(clock).open(journeys(clock).seal(journey, BROWSER), BROWSER)

    assert opened == replace(journey, ends_at=clock() + HALF_AN_HOUR)


def test_two_journeys_of_one_number_have_names_of_their_own():
    names = {begun().id for _ in range(100)}

    assert len(names) == 100
    assert all(len(name) >= 22 for name in names)


def test_an_address_that_holds_a_journey_does_not_hold_its_number(clock):
    sealed = journeys(clock).seal(begun(), BROWSER)

    assert NUMERO.value not in sealed
    assert NUMERO.value not in repr(begun())


def test_a_journey_takes_half_an_hour_and_not_a_second_more(clock):
    sealed = journeys(clock).seal(begun(), BROWSER)

    clock.advance(HALF_AN_HOUR - timedelta(seconds=1))
    journeys(clock).open(sealed, BROWSER)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(JourneyEnded, match="too old"):
        journeys(clock).open(sealed, BROWSER)


def test_a_journey_sealed_again_ends_when_it_would_have_a_journey_that_renews_itself(clock):
    # One anti-robot solved would else be a message each half hour, for ever.
    sealed = journeys(clock).seal(begun(), BROWSER)
    clock.advance(HALF_AN_HOUR - timedelta(seconds=1))
    opened = journeys(clock).open(sealed, BROWSER)

    again = journeys(clock).seal(replace(opened, chosen=Channel.MAIL), BROWSER)

    assert journeys(clock).open(again, BROWSER).chosen is Channel.MAIL
    clock.advance(timedelta(seconds=1))
    with pytest.raises(JourneyEnded, match="too old"):
        journeys(clock).open(again, BROWSER)


@pytest.mark.parametrize("thief", ["", "another cookie", BROWSER.upper(), "é", "\ud800"])
def test_an_address_taken_to_another_browser_is_worth_nothing_there_stolen_link(clock, thief):
    sealed = journeys(clock).seal(begun(), BROWSER)

    with pytest.raises(JourneyEnded, match="another browser"):
        journeys(clock).open(sealed, thief)


def test_a_journey_sealed_for_no_browser_opens_in_none(clock):
    with pytest.raises(JourneyEnded, match="another browser"):
        journeys(clock).open(journeys(clock).seal(begun(), ""), "")


def test_under_another_key_or_for_another_purpose_nothing_opens(clock):
    foreign = Sealer((KEY,), "choice:1").seal(b'["account","mail","token"]')

    for text in (foreign, journeys(clock, b"n" * 32).seal(begun(), BROWSER)):
        with pytest.raises(JourneyEnded, match="nobody"):
            journeys(clock).open(text, BROWSER)


def sealed_as(change):
    """Seal with the right key what another version might have written."""
    sealer = Sealer((KEY,), "reset-journey:1")
    written = json.loads(sealer.open(journeys(Clock()).seal(begun(), BROWSER)))
    changed = change(written)
    return sealer.seal(changed if isinstance(changed, bytes) else json.dumps(changed).encode())


def place(number, value):
    return lambda written: [*written[:number], value, *written[number + 1 :]]


OTHER_SHAPES = {
    "one field fewer": lambda written: written[:-1],
    "one field more": lambda written: [*written, "fr"],
    "named fields": lambda written: {"id": written[2]},
    "six named fields": lambda written: dict.fromkeys("abcdef"),
    "a number": lambda written: 7,
    "a text of seven characters": lambda written: "1234567",
    "nothing": lambda written: None,
    "no JSON": lambda written: b"\x00\xff",
    "an instant in words": place(0, "2026-11-24T12:00"),
    "no instant": place(0, None),
    "an instant after the end of calendars": place(0, 10**12),
    "an instant beyond every number": place(0, 10**40),
    "a browser that is no text": place(1, 7),
    "a browser of half a character": place(1, "\ud800"),
    "a qualité of another time": place(3, "conjoint"),
    "a list for a qualité": place(3, ["affilie"]),
    "a channel of another time": place(6, "fax"),
}


@pytest.mark.parametrize("change", OTHER_SHAPES.values(), ids=OTHER_SHAPES.keys())
def test_what_another_version_sealed_ends_the_journey_and_breaks_nothing(clock, change):
    with pytest.raises(JourneyEnded):
        journeys(clock).open(sealed_as(change), BROWSER)


def test_the_shapes_above_are_refused_for_their_shape_alone(clock):
    assert journeys(clock).open(sealed_as(list), BROWSER).numero == NUMERO


def test_a_long_text_is_refused_unread(clock):
    with pytest.raises(JourneyEnded, match="too long"):
        journeys(clock).open("A" * 1025, BROWSER)


@given(st.text(max_size=200) | st.text("ABCabc012-_", max_size=1100))
def test_whatever_stands_in_an_address_ends_the_journey_and_breaks_nothing(text):
    with pytest.raises(JourneyEnded):
        journeys(Clock()).open(text, BROWSER)
