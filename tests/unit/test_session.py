from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from idp.session import Session
from idp.session import SignedIn
from idp.session import new_session_token
from idp.session import session_key
from tests.instance import NOON

SIGNED_IN = SignedIn("account", 3, ("pwd",), "urn:example:acr")


def test_a_session_begins_now_and_ends_at_its_absolute_end():
    session = Session.open(SIGNED_IN, now=NOON, absolute=timedelta(hours=8))

    assert session == Session(
        account_id="account",
        credential_version=3,
        amr=("pwd",),
        acr="urn:example:acr",
        auth_time=NOON,
        ends_at=NOON + timedelta(hours=8),
    )


def test_a_sign_in_is_recent_up_to_its_last_instant():
    quarter = timedelta(minutes=15)
    session = Session.open(SIGNED_IN, now=NOON, absolute=timedelta(hours=8))

    assert session.is_recent(now=NOON + quarter, within=quarter)
    assert not session.is_recent(now=NOON + quarter + timedelta.resolution, within=quarter)


def test_a_token_holds_256_random_bits():
    tokens = {new_session_token() for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}


def test_the_key_of_a_session_does_not_tell_its_token():
    token = new_session_token()

    assert session_key(token) == session_key(token)
    assert token not in session_key(token)
    assert session_key(token) != session_key(new_session_token())


@given(st.text(st.characters(), max_size=300))
def test_whatever_a_cookie_holds_has_a_key_that_a_store_can_take(token):
    key = session_key(token)

    assert len(key) == 43
    assert key.isascii()
    assert not set(key) & set(" :{}\n")
