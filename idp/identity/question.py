"""A question in words, for who has no JavaScript: plain for a person, a nuisance for a script.

Numbers stand in letters and the shapes differ, so that no pattern over digits answers it. It stops
the robot that fills any form it finds, not one written for this page: that is why an answer has
stricter quotas than work (ADR 0011).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

ANSWER_LIMIT = 100
"""Characters looked at: no answer is that long."""

_NUMBERS = [
    *("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"),
    *("onze", "douze", "treize", "quatorze", "quinze", "seize"),
    *("dix-sept", "dix-huit", "dix-neuf", "vingt"),
]
_DAYS = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"]
_MONTHS = [
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
]
_KINDS = {
    "un fruit": ["pomme", "poire", "cerise", "fraise", "abricot", "banane", "raisin"],
    "un animal": ["chat", "cheval", "vache", "lapin", "chien", "mouton", "poule", "canard"],
    "un meuble": ["table", "chaise", "armoire", "buffet", "lit", "commode", "fauteuil"],
    "une couleur": ["rouge", "bleu", "vert", "jaune", "noir", "blanc", "gris"],
    "un vêtement": ["chemise", "manteau", "pantalon", "robe", "veste", "jupe", "gilet"],
}
_RANKS = {"premier": 0, "deuxième": 1, "troisième": 2, "dernier": -1}
_WORDS_BEFORE = {"le", "la", "les", "l", "un", "une", "des", "c", "ce", "est", "en"}


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its right answers, folded."""

    text: str
    answers: tuple[str, ...]


def fold(answer: str) -> str:
    """Fold what was typed: « Le Jeudi. » and « jeudi », « Dix sept » and « dix-sept » are one."""
    plain = unicodedata.normalize("NFKD", answer[:ANSWER_LIMIT]).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = re.findall(r"[a-z0-9]+", plain)
    while len(words) > 1 and words[0] in _WORDS_BEFORE:
        del words[0]
    return "".join(words)


def draw(random: Random) -> Question:
    """Draw one question of any shape."""
    return random.choice(SHAPES)(random)


def _number(value: int) -> tuple[str, ...]:
    return fold(_NUMBERS[value]), str(value)


def _sum(random: Random) -> Question:
    first, second = random.randint(2, 10), random.randint(2, 10)
    return Question(
        f"Combien font {_NUMBERS[first]} plus {_NUMBERS[second]} ?", _number(first + second)
    )


def _larger(random: Random) -> Question:
    smaller, larger = sorted(random.sample(range(2, 21), 2))
    one, other = random.sample([smaller, larger], 2)
    return Question(
        f"Quel est le plus grand de ces deux nombres : {_NUMBERS[one]} ou {_NUMBERS[other]} ?",
        _number(larger),
    )


def _day(random: Random) -> Question:
    day = random.randrange(7)
    where, step = random.choice([("juste après", 1), ("juste avant", -1)])
    return Question(
        f"Quel jour de la semaine vient {where} {_DAYS[day]} ?", (fold(_DAYS[(day + step) % 7]),)
    )


def _month(random: Random) -> Question:
    month = random.randrange(12)
    where, step = random.choice([("juste après", 1), ("juste avant", -1)])
    return Question(
        f"Quel mois vient {where} le mois {_of(_MONTHS[month])} ?",
        (fold(_MONTHS[(month + step) % 12]),),
    )


def _kind(random: Random) -> Question:
    kind, *others = random.sample(sorted(_KINDS), 3)
    right = random.choice(_KINDS[kind])
    shown = [right, *(random.choice(_KINDS[other]) for other in others)]
    random.shuffle(shown)
    return Question(
        f"Lequel de ces mots est {kind} : {shown[0]}, {shown[1]} ou {shown[2]} ?", (fold(right),)
    )


def _rank(random: Random) -> Question:
    words = [random.choice(_KINDS[kind]) for kind in random.sample(sorted(_KINDS), 4)]
    rank = random.choice(sorted(_RANKS))
    return Question(
        f"Recopiez le {rank} mot de cette liste : {', '.join(words)}.", (fold(words[_RANKS[rank]]),)
    )


def _of(month: str) -> str:
    return f"d’{month}" if month[0] in "ao" else f"de {month}"


SHAPES: tuple[Callable[[Random], Question], ...] = (_sum, _larger, _day, _month, _kind, _rank)
