"""What the anti-robot costs: us for making and checking a challenge, a solver for its work.

    .venv/bin/python -m bench.anti_robot

CPU time of this thread, median of the rounds; a used solution is remembered in memory here.
"""

import json
import secrets
import statistics
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from functools import partial

import altcha

from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Solution
from idp.infra.anti_robot import AltchaAntiRobot
from tests.fakes import MemoryOnce

ROUNDS = 200


def _now() -> datetime:
    return datetime.now(UTC)


def _cpu_ms(act: Callable[[], object]) -> float:
    begun = time.thread_time()
    act()
    return (time.thread_time() - begun) * 1000


def _told(what: str, times: list[float]) -> None:
    ordered = sorted(times)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    print(f"{what:<44} {statistics.median(times):8.3f} ms   ({low:.3f}-{high:.3f})")


def _solved(work: str) -> Solution:
    asked = altcha.Challenge.from_dict(json.loads(work))
    solved = altcha.solve_challenge(asked)
    if solved is None:
        raise AssertionError("it should have been solved")
    return Solution(work=altcha.Payload(asked, solved).to_base64())


def _refused(anti_robot: AltchaAntiRobot, solution: Solution) -> None:
    try:
        anti_robot.accept("reset", "browser", solution)
    except AntiRobotRefused:
        return
    raise AssertionError("it should have been refused")


def main() -> None:
    """Print the table of bench/README.md."""
    keys, once = [secrets.token_bytes(32)], MemoryOnce(now=_now)
    quick = AltchaAntiRobot(keys, once, _now, steps=1)
    usual = AltchaAntiRobot(keys, once, _now)
    challenges = [quick.challenge("reset", "browser") for _ in range(ROUNDS)]
    solutions = [_solved(challenge.work) for challenge in challenges]
    answers = [Solution("", one.sealed_question, "rien") for one in challenges]

    made = [_cpu_ms(lambda: usual.challenge("reset", "browser")) for _ in range(ROUNDS)]
    harder = [
        _cpu_ms(lambda: usual.challenge("reset", "browser", harder=True)) for _ in range(ROUNDS)
    ]
    accepted = [_cpu_ms(partial(quick.accept, "reset", "browser", one)) for one in solutions]
    again = [_cpu_ms(partial(_refused, quick, one)) for one in solutions]
    hostile = Solution(work="A" * 4096)
    garbage = [_cpu_ms(lambda: _refused(quick, hostile)) for _ in range(ROUNDS)]
    wrong = [_cpu_ms(partial(_refused, quick, one)) for one in answers]

    _told("make a challenge (work and question)", made)
    _told("make a harder one", harder)
    _told("accept work", accepted)
    _told("refuse work that was used", again)
    _told("refuse 4 kB of garbage", garbage)
    _told("refuse a wrong answer", wrong)
    for name, is_harder in (("solve, one thread of Python", False), ("solve a harder one", True)):
        work = [usual.challenge("reset", "browser", harder=is_harder).work for _ in range(40)]
        _told(name, [_cpu_ms(partial(_solved, one)) for one in work])


if __name__ == "__main__":
    main()
