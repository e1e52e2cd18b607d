"""The drill: which services have the key that signs next, as far as anybody can tell.

What cannot be known is said: a script in members' browsers fetches from everywhere; whoever fetches
through a cache is not seen; services behind one address look alike; and a service that takes ID
tokens from the token endpoint alone may verify none of them (OIDC Core 1.0 §3.1.3.7, 6).
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network

from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.clients import Client
from idp.oidc.key_watch import Fetch
from idp.oidc.key_watch import Observed
from idp.oidc.keys import KeyRing
from idp.oidc.keys import SigningKey


class Sight(StrEnum):
    """Whether a service has fetched a key."""

    SEEN = "seen"
    PERHAPS = "perhaps"
    UNSEEN = "unseen"
    UNKNOWABLE = "unknowable"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of one service and one key."""

    client_id: str
    key: SigningKey
    sight: Sight
    why: str


def drill(
    ring: KeyRing, clients: Sequence[Client], observed: Observed, *, now: datetime
) -> list[Sighting]:
    """Look at each service and the key that signs next, or last, of each alg that it verifies."""
    networks = {client.client_id: _networks(client, observed) for client in clients}
    found = []
    for client in sorted(clients, key=lambda client: client.client_id):
        for alg in SIGNING_ALGS:
            key = _next(ring, alg, now)
            if key is not None and client.verifies(alg):
                sight, why = _sight(client, key, networks, observed)
                found.append(Sighting(client.client_id, key, sight, why))
    return found


def _next(ring: KeyRing, alg: str, now: datetime) -> SigningKey | None:
    keys = ring.of_alg(alg)
    return next((key for key in keys if ring.begins(key) > now), keys[-1] if keys else None)


def numbers(sightings: Iterable[Sighting]) -> Mapping[tuple[str, Sight], int]:
    """Count services by algorithm and by what is known of them: what a metric shows."""
    return Counter((sighting.key.alg, sighting.sight) for sighting in sightings)


def unready(
    ring: KeyRing, sightings: Iterable[Sighting], *, now: datetime, within: timedelta
) -> list[Sighting]:
    """Choose the services that have not seen a key which begins to sign soon."""
    return [
        sighting
        for sighting in sightings
        if sighting.sight is Sight.UNSEEN and now < ring.begins(sighting.key) <= now + within
    ]


def told(sighting: Sighting, ring: KeyRing) -> str:
    """Write what an operator is warned of."""
    begins = f"{ring.begins(sighting.key):%Y-%m-%d %H:%M} UTC"
    return f"{sighting.client_id}: key {sighting.key.kid} signs from {begins}; {sighting.why}"


def _networks(client: Client, observed: Observed) -> frozenset[str]:
    if client.jwks_fetch_networks:
        return frozenset(client.jwks_fetch_networks)
    return frozenset() if client.is_public else _called_from(client, observed)


def _called_from(client: Client, observed: Observed) -> frozenset[str]:
    return (observed.networks or {}).get(client.client_id, frozenset())


def _sight(
    client: Client,
    key: SigningKey,
    networks: Mapping[str, frozenset[str]],
    observed: Observed,
) -> tuple[Sight, str]:
    own = networks[client.client_id]
    if not own and client.is_public:
        return Sight.UNKNOWABLE, "it runs in members' browsers, each of which fetches by itself"
    if not own:
        return Sight.UNKNOWABLE, "it has called from nowhere yet; name its jwks_fetch_networks"
    fetches = [fetch for fetch in observed.fetches if _is_of(client, own, fetch)]
    with_key = [fetch for fetch in fetches if key.kid in fetch.kids]
    if not fetches:
        return Sight.UNSEEN, "it was never seen to fetch: behind a cache, or it verifies nothing"
    last = max(with_key or fetches, key=lambda fetch: fetch.at)
    when = f"{last.at:%Y-%m-%d %H:%M} UTC by {last.agent} from {last.network}"
    if not with_key:
        return Sight.UNSEEN, f"it fetched last {when}, before this key was there"
    sharing = sorted(
        other
        for other, theirs in networks.items()
        if other != client.client_id and _within(theirs, last.network)
    )
    if sharing and not client.jwks_fetch_agent:
        return Sight.PERHAPS, f"fetched {when}, where {', '.join(sharing[:3])} may have been it"
    return Sight.SEEN, f"fetched {when}"


def _is_of(client: Client, networks: frozenset[str], fetch: Fetch) -> bool:
    return fetch.agent.startswith(client.jwks_fetch_agent) and _within(networks, fetch.network)


def _within(networks: Iterable[str], network: str) -> bool:
    return any(overlaps(one, network) for one in networks)


def overlaps(one: str, other: str) -> bool:
    """Tell whether two networks have addresses in common; a name that is none has not."""
    try:
        first, second = ip_network(one, strict=False), ip_network(other, strict=False)
    except ValueError:
        return False
    return first.version == second.version and first.overlaps(second)
