"""An assertion is taken once over all nodes: the rule of the protocol on the real store."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.once import RedisOnce
from idp.infra.redis_store import RedisStore
from idp.oidc.assertions import LEEWAY
from idp.oidc.assertions import Assertions
from idp.oidc.assertions import WrongAssertion
from idp.oidc.assertions import read_assertion
from tests.fakes import NoFetchedKeys
from tests.fakes import client
from tests.service_signer import ServiceSigner

ISSUER = "https://idp.example"
MINUTE = timedelta(minutes=1)
SIGNER = ServiceSigner()
SIGNING = client(token_endpoint_auth_method="private_key_jwt", jwks=SIGNER.jwks(), secret_hashes=())


class Node:
    """One process of several, over the store they share."""

    def __init__(self, world, once=None):
        self._now = world.clock
        self._assertions = Assertions(
            issuer=ISSUER,
            token_endpoint=f"{ISSUER}/token",
            fetched=NoFetchedKeys(),
            once=once or world.once,
            now=world.clock,
        )

    def takes(self, text):
        try:
            self._assertions.check(read_assertion(text), SIGNING)
        except WrongAssertion as refusal:
            return str(refusal)
        return ""

    def written(self, **claims):
        return SIGNER.assertion(self._now(), ISSUER, **claims)


def test_an_assertion_replayed_on_another_node_is_refused(world):
    one, other = Node(world), Node(world)
    text = one.written()

    assert one.takes(text) == ""
    assert other.takes(text) == "jti: this assertion was used before"
    assert other.takes(other.written()) == ""


def test_an_assertion_replayed_at_once_on_every_node_is_taken_once(real_world, at_once):
    text = Node(real_world).written()

    outcomes = at_once(lambda: Node(real_world).takes(text), 30)

    assert outcomes.count("") == 1
    assert set(outcomes) == {"", "jti: this assertion was used before"}


def test_it_is_remembered_until_no_clock_takes_it_any_more_and_not_for_ever(real_world):
    Node(real_world).takes(Node(real_world).written())

    redis = real_world.store.client
    (left,) = [timedelta(milliseconds=redis.pttl(key)) for key in redis.scan_iter()]
    assert MINUTE < left <= MINUTE + LEEWAY


def test_its_name_in_the_store_tells_neither_service_nor_jti(real_world):
    Node(real_world).takes(Node(real_world).written(jti="a-recognisable-name"))

    (name,) = real_world.store.client.scan_iter()
    assert "cotisations" not in name
    assert "recognisable" not in name


def test_without_the_store_nobody_can_tell_and_nothing_is_taken(world):
    away = Node(world, RedisOnce(RedisStore("redis://127.0.0.1:1/0")))

    with pytest.raises(StoreUnavailable):
        away.takes(away.written())
