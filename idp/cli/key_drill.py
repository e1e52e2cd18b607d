"""``idp keys drill``: which services have fetched the key that signs next, as far as is known."""

import click

from idp.cli import migrated_parts
from idp.cli.key_calendar import shown
from idp.oidc.key_drill import Sight
from idp.oidc.key_drill import Sighting
from idp.oidc.key_drill import drill as sightings_of
from idp.oidc.keys import KeyRing
from idp.parts import Parts

_WORDS = {
    Sight.SEEN: "has it",
    Sight.PERHAPS: "has it, perhaps",
    Sight.UNSEEN: "HAS NOT SEEN IT",
    Sight.UNKNOWABLE: "cannot be known",
}


@click.command()
@click.pass_context
def drill(ctx: click.Context) -> None:
    """Tell which services have fetched the next keys; exit 1 when one has not, as far as seen."""
    built = migrated_parts()
    ring = built.key_files.ring()
    observed = built.key_fetches.read()
    sightings = sightings_of(ring, built.clients.list(), observed, now=built.now())
    for alg in sorted({sighting.key.alg for sighting in sightings}):
        _tell(built, ring, [one for one in sightings if one.key.alg == alg])
    if not sightings:
        print("no service verifies a key of ours yet")
    print(
        f"Others fetched too, from {observed.strangers} places that belong to no service.\n"
        "A fetch bears no name: a service is known by the network that its own calls come from, or"
        " by jwks_fetch_networks and jwks_fetch_agent of its registration. Who asks a cache in"
        " between is not seen here."
    )
    if any(sighting.sight is Sight.UNSEEN for sighting in sightings):
        ctx.exit(1)


def _tell(built: Parts, ring: KeyRing, sightings: list[Sighting]) -> None:
    key = sightings[0].key
    begins = ring.begins(key)
    verb = "signs since" if begins <= built.now() else "will sign from"
    since = shown(built.key_files.published_since(key))
    print(f"{key.alg} {key.kid}: published since {since}, {verb} {shown(begins)}")
    for sighting in sightings:
        print(f"    {sighting.client_id}: {_WORDS[sighting.sight]}: {sighting.why}")
