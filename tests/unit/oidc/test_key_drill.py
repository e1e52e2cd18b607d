"""Which services have the next key, and what cannot be known."""

from datetime import timedelta

import pytest

from idp.oidc.clients import Client
from idp.oidc.key_drill import Sight
from idp.oidc.key_drill import drill
from idp.oidc.key_drill import numbers
from idp.oidc.key_drill import overlaps
from idp.oidc.key_drill import told
from idp.oidc.key_drill import unready
from idp.oidc.key_watch import Fetch
from idp.oidc.key_watch import Observed
from idp.oidc.keys import KeyRing
from tests.fakes import key_of
from tests.instance import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OLD, NEXT = key_of("old", NOON - 90 * DAY), key_of("next", NOON + DAY)
RING = KeyRing([OLD, NEXT], longest_token=HOUR)
HOME = "192.0.2.0/24"


def service(client_id="cotisations", **metadata):
    return Client(client_id, client_id, **{"id_token_signed_response_alg": "ES256", **metadata})


def fetch(*kids, network=HOME, agent="jose/5", at=NOON):
    return Fetch(network, agent, at, kids)


def look(*fetches, clients=None, networks=None, ring=RING):
    networks = {"cotisations": frozenset({HOME})} if networks is None else networks
    return drill(ring, clients or [service()], Observed(fetches, networks), now=NOON)


def only(*fetches, **more):
    (sighting,) = look(*fetches, **more)
    return sighting.sight, sighting.why


def test_a_service_that_fetched_the_next_key_from_its_own_network_has_seen_it():
    sight, why = only(fetch("old", "next"))

    assert sight is Sight.SEEN
    assert why == "fetched 2026-11-24 12:00 UTC by jose/5 from 192.0.2.0/24"


def test_one_that_fetched_before_the_key_was_there_has_not():
    sight, why = only(fetch("old"))

    assert sight is Sight.UNSEEN
    assert why.startswith("it fetched last 2026-11-24 12:00 UTC")


def test_one_of_whom_nothing_was_seen_has_not_and_the_reasons_there_may_be_are_told():
    sight, why = only(fetch("next", network="198.51.100.0/24"))

    assert sight is Sight.UNSEEN
    assert "behind a cache, or it verifies nothing" in why


def test_a_fetch_from_a_network_of_two_services_may_have_been_either():
    clients = [service(), service("attestations")]
    both = {"cotisations": frozenset({HOME}), "attestations": frozenset({HOME})}

    found = look(fetch("next"), clients=clients, networks=both)

    assert [one.sight for one in found] == [Sight.PERHAPS, Sight.PERHAPS]
    assert "where cotisations may have been it" in found[0].why


def test_a_user_agent_in_the_registration_tells_two_services_of_one_network_apart():
    clients = [service(jwks_fetch_agent="jose/"), service("attestations", jwks_fetch_agent="php")]
    both = {"cotisations": frozenset({HOME}), "attestations": frozenset({HOME})}

    found = look(fetch("next"), clients=clients, networks=both)

    assert {one.client_id: one.sight for one in found} == {
        "cotisations": Sight.SEEN,
        "attestations": Sight.UNSEEN,
    }


def test_networks_in_the_registration_outrank_those_that_calls_came_from():
    client = service(jwks_fetch_networks=("203.0.113.7",))

    assert only(fetch("next", network="203.0.113.0/24"), clients=[client])[0] is Sight.SEEN
    assert only(fetch("next"), clients=[client])[0] is Sight.UNSEEN


@pytest.mark.parametrize(
    ("metadata", "why"),
    [({"token_endpoint_auth_method": "none"}, "members' browsers"), ({}, "called from nowhere")],
)
def test_what_cannot_be_known_is_said_to_be(metadata, why):
    sight, told_why = only(fetch("next"), clients=[service(**metadata)], networks={})

    assert sight is Sight.UNKNOWABLE
    assert why in told_why


def test_nothing_observed_at_all_is_nothing_known():
    (sighting,) = drill(RING, [service()], Observed(), now=NOON)

    assert sighting.sight is Sight.UNKNOWABLE


def test_each_service_is_asked_for_the_algorithm_that_it_verifies_and_an_api_for_both():
    ring = KeyRing([OLD, NEXT, key_of("rsa", NOON, "RS256")], longest_token=HOUR)
    clients = [service(), service("api", resource_identifiers=("urn:api",)), service("none")]

    found = look(fetch("next"), clients=clients, ring=ring)

    assert [(one.client_id, one.key.kid) for one in found] == [
        ("api", "rsa"),
        ("api", "next"),
        ("cotisations", "next"),
        ("none", "next"),
    ]


def test_of_two_keys_that_wait_the_one_that_signs_first_is_looked_at():
    ring = KeyRing([OLD, NEXT, key_of("later", NOON + 9 * DAY)], longest_token=HOUR)

    assert [one.key.kid for one in look(ring=ring)] == ["next"]


def test_without_a_key_there_is_nothing_to_see():
    assert look(ring=KeyRing([], longest_token=HOUR)) == []


def test_a_warning_is_due_in_the_last_day_before_a_key_signs_and_for_who_has_not_seen_it():
    missing = look(fetch("old"))

    def warned(now, found=missing):
        return [one.client_id for one in unready(RING, found, now=now, within=DAY)]

    assert warned(NOON - timedelta(seconds=1)) == []
    assert warned(NOON) == ["cotisations"]
    assert warned(NOON + DAY) == []
    assert warned(NOON, look(fetch("next"))) == []
    assert told(missing[0], RING).startswith(
        "cotisations: key next signs from 2026-11-25 12:00 UTC; it fetched last"
    )


def test_the_numbers_are_by_algorithm_and_by_what_is_known():
    clients = [service(), service("attestations")]

    counted = numbers(look(fetch("next"), clients=clients))

    assert counted == {("ES256", Sight.SEEN): 1, ("ES256", Sight.UNKNOWABLE): 1}


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.0.0/16", "192.0.2.0/24", True),
        ("192.0.3.0/24", "192.0.2.0/24", False),
        ("2001:db8::/48", "192.0.2.0/24", False),
        ("2001:db8::/32", "2001:db8:1::/48", True),
        ("unknown", "192.0.2.0/24", False),
        ("192.0.2.0/24", "unknown", False),
    ],
)
def test_networks_have_addresses_in_common_or_have_none(one, other, common):
    assert overlaps(one, other) is common
