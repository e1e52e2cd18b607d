"""Every member that the metadata announces is used over HTTP, or this fails."""

from collections.abc import Callable

import pytest

from idp.oidc.clients import SIGNING_ALGS
from tests.functional.metadata_uses import USES
from tests.functional.metadata_world import DOCUMENTATION
from tests.functional.metadata_world import World
from tests.instance import Instance
from tests.logout_scene import trusting
from tests.notified_service import NotifiedService


@pytest.fixture
def world(make_instance: Callable[..., Instance], back: NotifiedService) -> World:
    settings = trusting(back, signing_algs=SIGNING_ALGS, service_documentation_url=DOCUMENTATION)
    return World(make_instance(**settings), back)


def test_every_member_announced_has_a_use_here_and_the_other_way_round(world: World) -> None:
    without = sorted(world.metadata.keys() - USES.keys())
    assert not without, (
        f"announced, and nothing uses it: {', '.join(without)}. Write a function that does over"
        " HTTP what it promises, and add it to USES in tests/functional/metadata_uses.py."
    )
    silent = sorted(USES.keys() - world.metadata.keys())
    assert not silent, f"not announced any more: {', '.join(silent)}. Take it out of USES."


@pytest.mark.parametrize("member", USES)
def test_what_the_metadata_announces_is_done_over_http(world: World, member: str) -> None:
    USES[member](world, world.metadata[member])
