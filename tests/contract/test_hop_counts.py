"""The counters of forwarded addresses on real stores: added up, apart by setting, gone in hours."""

import pytest

from idp.infra.hop_counts import KEPT
from idp.infra.hop_counts import RedisHopCounts
from idp.infra.redis_store import RedisStore

pytestmark = pytest.mark.stores


@pytest.fixture
def store(redis_store_url):
    store = RedisStore(redis_store_url)
    yield store
    store.client.close()


def test_counters_of_all_processes_add_up_and_another_setting_begins_with_none(store):
    RedisHopCounts(store, 1).add({0: 2, 1: 40})
    RedisHopCounts(store, 1).add({1: 2, 9: 1})

    assert RedisHopCounts(store, 1).read() == {0: 2, 1: 42, 9: 1}
    assert RedisHopCounts(store, 2).read() == {}


def test_counters_end_after_hours_however_many_requests_come(store):
    counts = RedisHopCounts(store, 1)
    counts.add({1: 1})
    store.client.expire("hops:1", 100)

    counts.add({1: 1})

    assert store.client.ttl("hops:1") in {99, 100}
    store.client.delete("hops:1")
    counts.add({1: 1})
    assert store.client.ttl("hops:1") > KEPT.total_seconds() - 5
