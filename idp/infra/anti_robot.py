"""The anti-robot on ALTCHA v2, served by us alone, and a question in words beside it.

Nothing is stored for a page that was only looked at: the work is a signed challenge, the question a
sealed one. What is stored is a solution that was used, until nobody would accept it any more.

The challenge is made in ALTCHA's deterministic mode: we derive one key for a counter that we draw,
and the browser counts up from nought until it finds that key. Its check is then two HMACs.
"""

import hashlib
import hmac
import json
import secrets
from base64 import b64decode
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from datetime import timedelta
from typing import Any

import altcha

from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Challenge
from idp.identity.anti_robot import Proof
from idp.identity.anti_robot import Solution
from idp.identity.question import Question
from idp.identity.question import draw
from idp.identity.question import fold
from idp.limits import Once
from idp.sealed import Sealer
from idp.sealed import Unreadable
from idp.sentence import FRENCH
from idp.sentence import Catalogue
from idp.sentence import Sentence

ALGORITHM = "PBKDF2/SHA-256"
LIFETIME = timedelta(minutes=5)
HARDER = 4
_SKEW = timedelta(minutes=1)
"""A used solution is remembered longer than it is good, for nodes whose clocks differ."""
_PAYLOAD_LIMIT = 4096
_UNIQUE = 16  # characters of a sealed text that hold its random nonce


FRENCH_ALONE: Mapping[str, Catalogue] = {"fr": FRENCH}


class AltchaAntiRobot:
    """The port ``AntiRobot``.

    Args:
        keys: the cookie keys; the first one signs, every one is accepted.
        once: where used solutions are remembered.
        now: the clock.
        fixed_answer: accepted for any question; "" outside tests.
        cost: PBKDF2 iterations for one step.
        steps: how many steps a browser takes on average, twice as many at most.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        once: Once,
        now: Callable[[], datetime],
        *,
        fixed_answer: str = "",
        cost: int = 5000,
        steps: int = 300,
        catalogues: Mapping[str, Catalogue] = FRENCH_ALONE,
    ) -> None:
        self._catalogues = catalogues
        self._secrets = [
            (_derived(key, "anti-robot-challenge:1"), _derived(key, "anti-robot-key:1"))
            for key in keys
        ]
        self._sealer = Sealer(keys, "anti-robot-question:1")
        self._once = once
        self._now = now
        self._fixed_answer = fold(fixed_answer)
        self._cost = cost
        self._steps = steps
        self._random = secrets.SystemRandom()

    def challenge(
        self, form: str, browser: str, *, harder: bool = False, language: str = "fr"
    ) -> Challenge:
        """Make the work and the question of one page."""
        bound = _bound(form, browser)
        until = int((self._now() + LIFETIME).timestamp())
        question = draw(self._random)
        salt = secrets.token_hex(8)
        sealed = {
            "bound": bound,
            "until": until,
            "salt": salt,
            "answers": [_digest(salt, fold(answer)) for answer in self._said(question, language)],
        }
        return Challenge(
            work=self._work(bound, until, self._steps * (HARDER if harder else 1)),
            question=question.text,
            sealed_question=self._sealer.seal(json.dumps(sealed).encode("ascii")),
            lifetime_seconds=int(LIFETIME.total_seconds()),
        )

    def _said(self, question: Question, language: str) -> list[str]:
        words = self._catalogues[language]
        return [
            answer.told(words) if isinstance(answer, Sentence) else answer
            for answer in question.answers
        ]

    def accept(self, form: str, browser: str, solution: Solution) -> Proof:
        """Accept one solution, once."""
        if not browser:
            raise AntiRobotRefused("a browser without a name")
        bound = _bound(form, browser)
        if solution.work:
            self._accept_work(bound, solution.work)
            return Proof.WORK
        self._accept_answer(bound, solution.sealed_question, solution.answer)
        return Proof.ANSWER

    def _work(self, bound: str, until: int, steps: int) -> str:
        signing, of_keys = self._secrets[0]
        made = altcha.create_challenge(
            ALGORITHM,
            self._cost,
            # From 1 to the double, every count as likely: a solver who knows the range saves
            # nothing by beginning elsewhere, as it would with a narrow one.
            counter=1 + secrets.randbelow(2 * steps),
            # Not ALTCHA's own ``expires_at``: the widget compares that with the clock of the
            # person's machine, and one that is six minutes wrong could never get in.
            data={"bound": bound, "until": until},
            hmac_secret=signing,
            hmac_key_secret=of_keys,
        )
        return json.dumps(made.to_dict(), separators=(",", ":"))

    def _accept_work(self, bound: str, text: str) -> None:
        payload = _read_payload(text)
        if not any(
            altcha.verify_solution(payload, signing, hmac_key_secret=of_keys).verified
            for signing, of_keys in self._secrets
        ):
            raise AntiRobotRefused("not the work that was asked")
        data = payload.challenge.parameters.data or {}  # signed by us from here on
        self._check_origin(bound, data)
        self._take(f"work:{payload.challenge.signature}", data["until"])

    def _accept_answer(self, bound: str, sealed: str, answer: str) -> None:
        given = fold(answer)
        if not given:
            raise AntiRobotRefused("no answer")
        try:
            question = json.loads(self._sealer.open(sealed))
        except Unreadable:
            raise AntiRobotRefused("not a question of ours") from None
        self._check_origin(bound, question)
        self._take(f"question:{sealed[:_UNIQUE]}", question["until"])
        right = _digest(question["salt"], given) in question["answers"]
        if not right and given != self._fixed_answer:  # "" is nobody's answer
            raise AntiRobotRefused("not the answer")

    def _check_origin(self, bound: str, data: dict[str, Any]) -> None:
        if data["bound"] != bound:
            raise AntiRobotRefused("of another form or browser")
        if self._now().timestamp() >= data["until"]:
            raise AntiRobotRefused("too old")

    def _take(self, name: str, until: int) -> None:
        left = timedelta(seconds=until - self._now().timestamp())
        if self._once.take(f"anti-robot:{name}", "used", lifetime=left + _SKEW) is not None:
            raise AntiRobotRefused("used before")


def _read_payload(text: str) -> altcha.Payload:
    if len(text) > _PAYLOAD_LIMIT:
        raise AntiRobotRefused("too long")
    try:
        return altcha.Payload.from_dict(json.loads(b64decode(text, validate=True)))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise AntiRobotRefused("not a solution") from None


def _bound(form: str, browser: str) -> str:
    return hashlib.sha256(f"{form}\n{browser}".encode()).hexdigest()


def _digest(salt: str, answer: str) -> str:
    return hashlib.sha256(f"{salt}\n{answer}".encode()).hexdigest()[:32]


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode("ascii"), hashlib.sha256)
