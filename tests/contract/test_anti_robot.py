"""The anti-robot over a real store: each solution once, whoever is first, nothing left behind."""

import json
from datetime import timedelta

import altcha
import pytest

from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Proof
from idp.identity.anti_robot import Solution
from idp.infra.anti_robot import LIFETIME
from idp.infra.anti_robot import AltchaAntiRobot

BROWSER = "browser"
FIXED = "soleil"


def node(world):
    return AltchaAntiRobot(
        [b"k" * 32], world.once, world.clock, fixed_answer=FIXED, cost=10, steps=3
    )


def work(challenge) -> Solution:
    asked = altcha.Challenge.from_dict(json.loads(challenge.work))
    return Solution(work=altcha.Payload(asked, altcha.solve_challenge(asked)).to_base64())


def answer(challenge) -> Solution:
    return Solution(sealed_question=challenge.sealed_question, answer=FIXED)


both = pytest.mark.parametrize(("solve", "proof"), [(work, Proof.WORK), (answer, Proof.ANSWER)])


@both
def test_a_solution_accepted_by_one_node_is_refused_by_every_other(world, solve, proof):
    solution = solve(node(world).challenge("reset", BROWSER))

    assert node(world).accept("reset", BROWSER, solution) is proof
    with pytest.raises(AntiRobotRefused):
        node(world).accept("reset", BROWSER, solution)


@both
def test_a_used_solution_stays_used_as_long_as_it_would_be_good(world, solve, proof):
    solution = solve(node(world).challenge("reset", BROWSER))
    node(world).accept("reset", BROWSER, solution)

    for _ in range(5):
        world.pass_time(timedelta(minutes=1) - timedelta(seconds=1))
        with pytest.raises(AntiRobotRefused):
            node(world).accept("reset", BROWSER, solution)


@both
def test_of_twenty_robots_with_one_solution_one_passes(real_world, at_once, solve, proof):
    solution = solve(node(real_world).challenge("reset", BROWSER))

    results = at_once(lambda: node(real_world).accept("reset", BROWSER, solution), 20)

    assert results.count(proof) == 1
    assert sum(isinstance(result, AntiRobotRefused) for result in results) == 19


@both
def test_pages_that_were_looked_at_leave_nothing_and_used_ones_are_forgotten(
    real_world, solve, proof
):
    anti_robot = node(real_world)
    solution = solve(anti_robot.challenge("reset", BROWSER))
    for _ in range(20):
        anti_robot.challenge("reset", BROWSER)
    assert real_world.store.client.dbsize() == 0

    anti_robot.accept("reset", BROWSER, solution)

    assert real_world.store.client.dbsize() == 1
    real_world.pass_time(LIFETIME + timedelta(minutes=1))
    assert real_world.store.client.dbsize() == 0
