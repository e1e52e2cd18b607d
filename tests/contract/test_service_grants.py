"""The records that services' own tokens hang on: gone means dead."""

from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.infra.redis_store import RedisStore
from idp.infra.service_grants import RedisServiceGrants

FIVE_MINUTES = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


def test_a_record_names_its_service_until_its_token_ends(world):
    world.service_grants.put("grant", "batch", lifetime=FIVE_MINUTES)

    world.pass_time(FIVE_MINUTES - SECOND)
    assert world.service_grants.holder("grant") == "batch"
    world.pass_time(SECOND)
    assert world.service_grants.holder("grant") == ""


def test_a_record_that_nobody_made_names_nobody(world):
    assert world.service_grants.holder("made up") == ""


def test_a_revoked_record_is_gone_and_the_others_stay(world):
    world.service_grants.put("one", "batch", lifetime=FIVE_MINUTES)
    world.service_grants.put("other", "batch", lifetime=FIVE_MINUTES)

    world.service_grants.revoke("one")
    world.service_grants.revoke("one")

    assert world.service_grants.holder("one") == ""
    assert world.service_grants.holder("other") == "batch"


def test_without_the_store_there_is_no_verdict():
    records = RedisServiceGrants(RedisStore("redis://127.0.0.1:1/0"))

    with pytest.raises(StoreUnavailable):
        records.put("grant", "batch", lifetime=FIVE_MINUTES)
    with pytest.raises(StoreUnavailable):
        records.holder("grant")
    with pytest.raises(StoreUnavailable):
        records.revoke("grant")
