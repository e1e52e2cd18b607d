from datetime import timedelta

import pytest

from idp.oidc.keys import KeyRing
from idp.oidc.keys import read_key
from idp.oidc.logout import Logout
from idp.oidc.logout import LogoutRefused
from idp.oidc.logout import LogoutRequest
from idp.oidc.params import Params
from idp.oidc.tokens import Tokens
from tests.fakes import MemoryClients
from tests.fakes import MemoryKeyRings
from tests.fakes import authorization
from tests.fakes import client
from tests.fakes import signing_key
from tests.fakes import subject
from tests.instance import NOON
from tests.instance import Clock

BYE = "https://cotisations.example/bye"
OTHER = client(
    client_id="retraite",
    redirect_uris=("https://retraite.example/cb",),
    post_logout_redirect_uris=("https://retraite.example/bye",),
)
HERE = "session"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(clock):
    key = read_key(signing_key("ES256"), alg="ES256", signs_from=NOON - timedelta(days=1))
    return Tokens(
        issuer="https://idp.example",
        rings=MemoryKeyRings(KeyRing([key], longest_token=timedelta(minutes=10))),
        pairwise_salt=b"s" * 32,
        access_token_lifetime=timedelta(minutes=5),
        id_token_lifetime=timedelta(minutes=10),
        now=clock,
    )


@pytest.fixture
def logout(tokens):
    return Logout(tokens, MemoryClients(client(), OTHER))


@pytest.fixture
def hint(tokens):
    """Give the ID token of this session, or of another, for this client or another."""

    def make(registered=None, session_key=HERE):
        registered = registered or client()
        given = authorization(client_id=registered.client_id, session_key=session_key)
        return tokens.id_token(given, subject(), registered)

    return make


def check(logout, session_key=HERE, also=(), **params):
    return logout.check(Params.of([*params.items(), *also]), session_key)


def refused(logout, session_key=HERE, also=(), **params):
    with pytest.raises(LogoutRefused) as refusal:
        check(logout, session_key, also, **params)
    return str(refusal.value)


def test_a_bare_request_is_asked_about_and_goes_nowhere(logout):
    assert check(logout) == LogoutRequest(None, "", proved=False)


def test_authlib_trap_07_our_own_id_token_alone_names_its_client_and_proves_the_request(
    logout, hint
):
    asked = check(logout, id_token_hint=hint(), post_logout_redirect_uri=BYE, state="é &=#")

    assert asked == LogoutRequest(client(), f"{BYE}?state=%C3%A9+%26%3D%23", proved=True)


def test_without_a_state_the_registered_address_is_kept_as_it_is(logout, hint):
    asked = check(logout, id_token_hint=hint(), post_logout_redirect_uri=BYE)

    assert asked.return_to == BYE


def test_an_expired_hint_is_good(logout, hint, clock):
    old = hint()
    clock.advance(timedelta(hours=7))

    assert check(logout, id_token_hint=old).proved is True


def test_a_hint_of_a_session_that_has_ended_is_good_where_nobody_is_signed_in(logout, hint):
    assert check(logout, session_key="", id_token_hint=hint()).proved is True


def test_authlib_trap_07_a_hint_of_another_session_proves_nothing(logout, hint):
    # Somebody may have planted it: the person is asked.
    asked = check(logout, id_token_hint=hint(session_key="another"), post_logout_redirect_uri=BYE)

    assert asked.proved is False
    assert asked.return_to == BYE


def test_a_hint_issued_to_another_client_speaks_for_that_client(logout, hint):
    asked = check(logout, id_token_hint=hint(OTHER))

    assert (asked.client, asked.proved) == (OTHER, True)


def test_a_hint_issued_to_another_client_does_not_lead_to_ours(logout, hint):
    assert "not registered" in refused(
        logout, id_token_hint=hint(OTHER), post_logout_redirect_uri=BYE
    )


def test_a_client_that_differs_from_the_hints_is_refused(logout, hint):
    assert refused(logout, id_token_hint=hint(), client_id="retraite") == (
        "client_id is not the one id_token_hint was issued to"
    )
    assert check(logout, id_token_hint=hint(), client_id="cotisations").proved is True


def test_a_client_that_only_names_itself_is_asked_about_and_may_lead_back(logout):
    asked = check(logout, client_id="cotisations", post_logout_redirect_uri=BYE)

    assert asked == LogoutRequest(client(), BYE, proved=False)


def test_an_address_without_a_client_is_refused(logout):
    for params in ({}, {"client_id": "nobody"}):
        assert "needs a valid id_token_hint" in refused(
            logout, post_logout_redirect_uri=BYE, **params
        )


@pytest.mark.parametrize(
    "address", [BYE + "/", BYE + "?a", "https://evil.example/", "HTTPS://cotisations.example/bye"]
)
def test_an_address_is_compared_character_by_character(logout, hint, address):
    assert "not registered" in refused(
        logout, id_token_hint=hint(), post_logout_redirect_uri=address
    )


def test_authlib_trap_07_an_access_token_is_no_hint(logout, tokens):
    access_token = tokens.access_token(authorization(), subject(), client(), "grant").jwt

    assert refused(logout, id_token_hint=access_token) == (
        "id_token_hint is not an ID token of ours (typ is not JWT)"
    )


def test_authlib_trap_07_a_hint_of_another_issuer_under_our_key_is_refused(logout, tokens):
    other = Tokens(
        issuer="https://other.example",
        rings=tokens.rings,
        pairwise_salt=tokens.pairwise_salt,
        access_token_lifetime=tokens.access_token_lifetime,
        id_token_lifetime=tokens.id_token_lifetime,
        now=tokens.now,
    )
    hint = other.id_token(authorization(), subject(), client())

    assert refused(logout, id_token_hint=hint) == "id_token_hint is not an ID token of ours (iss)"


@pytest.mark.parametrize("garbage", ["x", "..", "e30.e30.", "é", "A" * 9000])
def test_a_hint_that_is_garbage_is_refused_and_not_quoted(logout, garbage):
    refusal = refused(logout, id_token_hint=garbage)

    assert refusal.startswith("id_token_hint is not an ID token of ours (")
    assert len(refusal) < 80


def test_a_hint_of_a_client_that_was_removed_is_refused(tokens, hint):
    assert "client that is gone" in refused(Logout(tokens, MemoryClients()), id_token_hint=hint())


@pytest.mark.parametrize("claims", [{"aud": ["cotisations"]}, {"aud": None}, {"sid": None}])
def test_a_hint_without_one_audience_and_a_session_is_refused(logout, tokens, claims):
    class Signing(Tokens):
        def _sign(self, typ, written, registered):
            return super()._sign(typ, {**written, **claims}, registered)

    signing = Signing(
        issuer=tokens.issuer,
        rings=tokens.rings,
        pairwise_salt=tokens.pairwise_salt,
        access_token_lifetime=tokens.access_token_lifetime,
        id_token_lifetime=tokens.id_token_lifetime,
        now=tokens.now,
    )

    assert "client that is gone" in refused(
        logout, id_token_hint=signing.id_token(authorization(), subject(), client())
    )


def test_a_parameter_sent_twice_is_refused(logout, hint):
    assert "more than once" in refused(
        logout, id_token_hint=hint(), also=[("id_token_hint", hint())]
    )
