"""Fetches of the key list on real stores: what is known, and what nobody can fill."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.key_fetches import AGENTS_OF_A_NETWORK
from idp.infra.key_fetches import KEPT
from idp.infra.key_fetches import NETWORKS_OF_A_CLIENT
from idp.infra.key_fetches import OTHERS
from idp.infra.key_fetches import STRANGERS
from idp.infra.key_fetches import RedisKeyFetches
from idp.infra.redis_store import RedisStore
from idp.oidc.key_watch import Fetch
from idp.oidc.key_watch import Observed
from tests.instance import NOON
from tests.instance import Clock

pytestmark = pytest.mark.stores

HOME, AWAY, NAMED = "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"


@pytest.fixture(params=["valkey_url", "redis_url"])
def store(request):
    store = RedisStore(request.getfixturevalue(request.param))
    yield store
    store.client.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(store, clock):
    return RedisKeyFetches(store, lambda: ["203.0.113.7"], clock)


def fetch(network=HOME, agent="jose/5", at=NOON, kids=("a", "b")):
    return Fetch(network, agent, at, kids)


def test_nothing_is_known_at_first(kept):
    assert kept.read() == Observed(networks={})


def test_the_last_fetch_from_a_network_that_services_call_from_is_kept_with_its_keys(kept):
    kept.add([], [("cotisations", HOME)])
    kept.add([fetch(kids=("a",))], [])
    kept.add([fetch(at=NOON + timedelta(minutes=1))], [("cotisations", AWAY)])

    assert kept.read() == Observed(
        fetches=(fetch(at=NOON + timedelta(minutes=1)),),
        networks={"cotisations": frozenset({HOME, AWAY})},
    )


def test_a_fetch_from_a_network_that_a_registration_names_is_kept_before_any_call(kept):
    kept.add([fetch(NAMED)], [])

    assert kept.read().fetches == (fetch(NAMED),)


def test_strangers_are_counted_and_never_pile_up(kept, store):
    """The attack: a botnet fetches the list from everywhere, for ever."""
    for n in range(4):
        kept.add([fetch(f"10.{n}.{m}.0/24") for m in range(60)], [])

    observed = kept.read()

    assert observed.fetches == ()
    assert observed.strangers == STRANGERS


def test_a_neighbour_of_a_service_fills_its_own_place_alone(kept, store):
    """The attack: from the network of a service, another user agent each time."""
    kept.add([fetch(agent="service/1")], [("cotisations", HOME), ("attestations", AWAY)])
    kept.add([fetch(agent=f"evil/{n}") for n in range(300)], [])
    kept.add([fetch(agent="service/1", kids=("c",)), fetch(AWAY)], [])

    fetches = kept.read().fetches

    assert len(fetches) == AGENTS_OF_A_NETWORK + 2
    assert fetch(agent="service/1", kids=("c",)) in fetches
    assert fetch(AWAY) in fetches
    assert OTHERS in {one.agent for one in fetches}


def test_a_service_that_calls_from_everywhere_is_known_by_so_many_networks(kept):
    kept.add([], [("roaming", f"10.0.{n}.0/24") for n in range(100)])
    kept.add([], [("cotisations", HOME)])

    networks = kept.read().networks

    assert len(networks["roaming"]) == NETWORKS_OF_A_CLIENT
    assert networks["cotisations"] == {HOME}


def test_what_is_older_than_any_key_is_forgotten(kept, clock, store):
    kept.add([fetch()], [("cotisations", HOME)])
    clock.advance(KEPT + timedelta(seconds=1))

    assert kept.read() == Observed(networks={})
    assert store.client.hlen("jwks-fetches") == store.client.hlen("jwks-callers") == 0


def test_all_of_it_ends_by_itself(kept, store):
    kept.add([fetch(), fetch(AWAY)], [("cotisations", HOME)])

    for name in store.client.keys("jwks-*"):
        assert 0 < store.client.ttl(name) <= KEPT.total_seconds()


def test_a_store_that_is_away_says_so(clock):
    kept = RedisKeyFetches(RedisStore("redis://127.0.0.1:1/0"), list, clock)

    with pytest.raises(StoreUnavailable):
        kept.read()
    with pytest.raises(StoreUnavailable):
        kept.add([fetch()], [])
