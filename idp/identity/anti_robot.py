"""The anti-robot: what a form asks for, and what it accepts. The port; ALTCHA stands behind it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from idp import IdpError
from idp.sentence import Sentence


class AntiRobotRefused(IdpError):
    """Not solved, wrong, too old, of another form or browser, or used before: another is asked."""

    code = "anti_robot_refused"


class Proof(StrEnum):
    """What was given: the work of a browser, or an answer in words (under stricter quotas)."""

    WORK = "work"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a page carries.

    Attributes:
        work: the widget's challenge, JSON.
        question: in words, for who has no JavaScript.
        sealed_question: travels in a hidden field.
        lifetime_seconds: how long a solution is accepted from now.
    """

    work: str
    question: Sentence
    sealed_question: str
    lifetime_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Solution:
    """What a form sent back, as it came; "" where a field was missing."""

    work: str = ""
    sealed_question: str = ""
    answer: str = ""


class AntiRobot(Protocol):
    """Makes challenges and accepts each solution once, over all nodes."""

    def challenge(
        self, form: str, browser: str, *, harder: bool = False, language: str = "fr"
    ) -> Challenge:
        """Make a challenge for one form (``reset``, ``sign_in``) of one browser, five minutes.

        Args:
            form: the name of the form.
            browser: its cookie's value; name the browser first, "" is never accepted.
            harder: four times the work.
            language: in which the question will be said; it is answered in the same one.
        """

    def accept(self, form: str, browser: str, solution: Solution) -> Proof:
        """Accept a solution once. Work goes before an answer where both were sent.

        A wrong piece of work takes nothing and costs us next to nothing. A question is used up by
        an answer, right or wrong: else a robot would try every day of the week on one question.

        Raises:
            AntiRobotRefused: for any reason.
            StoreUnavailable: nobody can tell whether it was used.
        """
