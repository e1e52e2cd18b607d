from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.sealed import Sealer
from idp.sealed import Unreadable

KEY, NEXT_KEY = b"k" * 32, b"n" * 32
PURPOSE = "page:1"


def sealer(*keys, purpose=PURPOSE):
    return Sealer(keys or (KEY,), purpose)


@given(st.binary(max_size=500))
def test_whatever_was_sealed_is_opened_as_it_was(clear):
    assert sealer().open(sealer().seal(clear)) == clear


def test_the_text_goes_into_an_address_tells_nothing_and_is_never_twice_the_same():
    first, second = sealer().seal(b"1234567"), sealer().seal(b"1234567")

    assert first != second
    assert first.replace("-", "").replace("_", "").isalnum()
    assert b"1234567" not in urlsafe_b64decode(first + "=" * (-len(first) % 4))


def test_what_was_sealed_for_one_purpose_is_nothing_for_another():
    # Otherwise the lease of a cookie could be handed in as the step of a reset.
    with pytest.raises(Unreadable, match="nobody"):
        sealer(purpose="choice:1").open(sealer().seal(b"1234567"))


def test_a_new_key_opens_what_the_former_one_sealed_and_seals_with_itself():
    former, rotated = sealer(KEY), sealer(NEXT_KEY, KEY)

    assert rotated.open(former.seal(b"page")) == b"page"
    assert sealer(NEXT_KEY).open(rotated.seal(b"page")) == b"page"
    with pytest.raises(Unreadable):
        former.open(rotated.seal(b"page"))


def test_no_bit_of_it_can_be_flipped():
    raw = urlsafe_b64decode(sealer().seal(b"page!!!!"))  # 36 bytes: no padding

    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(Unreadable):
            sealer().open(urlsafe_b64encode(bytes(flipped)).decode())


@pytest.mark.parametrize("ending", ["=", "==", "\n", " ", "!", ".", "\0", "%3D", "é", "\ud800"])
@pytest.mark.parametrize("size", [6, 7, 8])
def test_nothing_may_stand_around_it_one_value_with_many_texts(ending, size):
    sealed = sealer().seal(b"x" * size)

    for altered in (sealed + ending, ending + sealed, sealed[:9] + ending + sealed[9:]):
        with pytest.raises(Unreadable):
            sealer().open(altered)


def test_the_spare_bits_of_its_last_letter_cannot_be_used_for_another_text():
    sealed = sealer().seal(b"x" * 6)  # 34 bytes: the last letter has four bits to spare
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(sealed[-1])

    for other in range(place + 1, place + 16):
        same_bytes = sealed[:-1] + alphabet[other % 64]
        with pytest.raises(Unreadable):
            sealer().open(same_bytes)


@pytest.mark.parametrize("size", [0, 1, 11, 12, 27])
def test_what_is_shorter_than_a_nonce_and_a_tag_is_unreadable(size):
    with pytest.raises(Unreadable, match="too short"):
        sealer().open(urlsafe_b64encode(bytes(size)).rstrip(b"=").decode())


@given(
    st.text(max_size=200)
    | st.text("ABCabc012-_=", max_size=200)
    | st.binary(max_size=300).map(lambda raw: urlsafe_b64encode(raw).rstrip(b"=").decode())
)
def test_what_nobody_sealed_is_unreadable_whatever_it_is(text):
    with pytest.raises(Unreadable):
        sealer().open(text)
