"""Refused requests: found by their id, few for each service, and no flood pushes out another's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.infra.refusals import KEPT_FOR
from idp.infra.refusals import MOST
from idp.oidc.refusals import Refusal
from idp.oidc.refusals import Standing
from tests.contract.conftest import RedisWorld
from tests.contract.conftest import World

pytestmark = pytest.mark.stores

INTEGRATOR = "00000000000000aa"
OFFICE = "192.0.2.0/24"


def refusal(world: World, refusal_id: str, **changes: object) -> Refusal:
    told = Refusal(
        id=refusal_id,
        at=world.clock(),
        request="GET /authorize",
        error="invalid_request",
        description="redirect_uri is not registered",
        check="redirect_uri",
        expected="https://a.example/retour",
        found="redirect_uri=https://a.example/retour/ | \\xe9",
        client_id="cotisations",
        standing=Standing.NAMED,
        network=OFFICE,
    )
    return replace(told, **changes)  # type: ignore[arg-type] # a field each


def flood(world: World, number: int, **changes: object) -> None:
    for n in range(number):
        world.refusals.note(refusal(world, f"{n:016x}"[::-1], **changes))
        world.pass_time(timedelta(milliseconds=1))


def test_a_refusal_is_read_back_as_it_was_noted(world: World) -> None:
    noted = refusal(world, INTEGRATOR)

    world.refusals.note(noted)

    assert world.refusals.find(INTEGRATOR) == noted
    assert world.refusals.find("00000000000000ab") is None


@pytest.mark.parametrize("standing", list(Standing))
@pytest.mark.parametrize("client_id", ["cotisations", "", "a{b}:c"])
def test_it_is_found_whoever_it_was_refused_to(
    world: World, client_id: str, standing: Standing
) -> None:
    noted = refusal(world, INTEGRATOR, client_id=client_id, standing=standing)

    world.refusals.note(noted)

    assert world.refusals.find(INTEGRATOR) == noted


def test_it_is_forgotten_after_a_week_although_others_follow(world: World) -> None:
    world.refusals.note(refusal(world, INTEGRATOR))
    world.pass_time(KEPT_FOR - timedelta(seconds=1))
    world.refusals.note(refusal(world, "00000000000000ac"))
    assert world.refusals.find(INTEGRATOR)

    world.pass_time(timedelta(seconds=2))

    assert world.refusals.find(INTEGRATOR) is None
    assert world.refusals.find("00000000000000ac")


def test_of_one_network_the_newest_stay(world: World) -> None:
    flood(world, MOST + 3)

    found = [world.refusals.find(f"{n:016x}"[::-1]) for n in range(MOST + 3)]

    assert [one is not None for one in found] == [False] * 3 + [True] * MOST


def test_attack_a_flood_in_a_service_s_name_pushes_out_its_own(world: World) -> None:
    for n in range(5):
        world.refusals.note(refusal(world, f"{n:x}".rjust(16, "a")))
        world.pass_time(timedelta(milliseconds=1))

    flood(world, 3 * MOST, network="203.0.113.0/24")

    assert all(world.refusals.find(f"{n:x}".rjust(16, "a")) for n in range(5))


def test_attack_a_flood_from_ten_networks_leaves_an_integrator_s_share(world: World) -> None:
    world.refusals.note(refusal(world, INTEGRATOR))
    world.pass_time(timedelta(milliseconds=1))

    for n in range(10):
        flood(world, MOST // 2, network=f"198.51.{n}.0/24")

    assert world.refusals.find(INTEGRATOR)


def test_attack_who_proves_nothing_pushes_out_nothing_of_who_did(world: World) -> None:
    world.refusals.note(refusal(world, INTEGRATOR, standing=Standing.PROVED))

    for n in range(MOST + 20):
        name = refusal(world, f"{n:016x}"[::-1], network=f"10.{n}.0.0/24")
        world.refusals.note(name)
        world.refusals.note(replace(name, client_id="", id=f"{n:x}".rjust(16, "b")))

    assert world.refusals.find(INTEGRATOR)


def test_attack_what_came_with_another_id_in_it_is_not_taken_for_that(world: World) -> None:
    world.refusals.note(
        refusal(world, "00000000000000ad", client_id="a", found=f"scope=|{INTEGRATOR}|")
    )
    noted = refusal(world, INTEGRATOR, client_id="b")
    world.refusals.note(noted)

    assert world.refusals.find(INTEGRATOR) == noted


def test_a_flood_fills_a_bounded_part_of_the_store(world: World) -> None:
    longest = {"expected": "e" * 400, "found": "f" * 400, "description": "d" * 200}

    flood(world, 3 * MOST, **longest)
    flood(world, 3 * MOST, client_id="", **longest)

    if isinstance(world, RedisWorld):
        client = world.store.client
        assert len(list(client.scan_iter())) == 3  # two sets, and their names
        held = sum(int(client.memory_usage(key, samples=0)) for key in client.scan_iter())
        assert held < 2 * MOST * 2500
