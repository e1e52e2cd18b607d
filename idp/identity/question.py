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

from idp.sentence import Sentence
from idp.sentence import say

ANSWER_LIMIT = 100
"""Characters looked at: no answer is that long."""

_NUMBERS = [
    say("zéro"),
    say("un"),
    say("deux"),
    say("trois"),
    say("quatre"),
    say("cinq"),
    say("six"),
    say("sept"),
    say("huit"),
    say("neuf"),
    say("dix"),
    say("onze"),
    say("douze"),
    say("treize"),
    say("quatorze"),
    say("quinze"),
    say("seize"),
    say("dix-sept"),
    say("dix-huit"),
    say("dix-neuf"),
    say("vingt"),
]
_DAYS = [
    say("lundi"),
    say("mardi"),
    say("mercredi"),
    say("jeudi"),
    say("vendredi"),
    say("samedi"),
    say("dimanche"),
]
_MONTHS = [
    say("janvier"),
    say("février"),
    say("mars"),
    say("avril"),
    say("mai"),
    say("juin"),
    say("juillet"),
    say("août"),
    say("septembre"),
    say("octobre"),
    say("novembre"),
    say("décembre"),
]
_OF_MONTHS = [
    say("de janvier"),
    say("de février"),
    say("de mars"),
    say("d’avril"),
    say("de mai"),
    say("de juin"),
    say("de juillet"),
    say("d’août"),
    say("de septembre"),
    say("d’octobre"),
    say("de novembre"),
    say("de décembre"),
]
_KINDS = {
    say("un fruit"): [
        say("pomme"),
        say("poire"),
        say("cerise"),
        say("fraise"),
        say("abricot"),
        say("banane"),
        say("raisin"),
    ],
    say("un animal"): [
        say("chat"),
        say("cheval"),
        say("vache"),
        say("lapin"),
        say("chien"),
        say("mouton"),
        say("poule"),
        say("canard"),
    ],
    say("un meuble"): [
        say("table"),
        say("chaise"),
        say("armoire"),
        say("buffet"),
        say("lit"),
        say("commode"),
        say("fauteuil"),
    ],
    say("une couleur"): [
        say("rouge"),
        say("bleu"),
        say("vert"),
        say("jaune"),
        say("noir"),
        say("blanc"),
        say("gris"),
    ],
    say("un vêtement"): [
        say("chemise"),
        say("manteau"),
        say("pantalon"),
        say("robe"),
        say("veste"),
        say("jupe"),
        say("gilet"),
    ],
}
_RANKS = ((say("premier"), 0), (say("deuxième"), 1), (say("troisième"), 2), (say("dernier"), -1))
_WORDS_BEFORE = {
    *("le", "la", "les", "l", "un", "une", "des", "c", "ce", "est", "en"),
    *("the", "a", "an", "it", "is", "s"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its right answers, in the language in which it is said; digits in any."""

    text: Sentence
    answers: tuple[Sentence | str, ...]


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


def _number(value: int) -> tuple[Sentence | str, ...]:
    return _NUMBERS[value], str(value)


def _sum(random: Random) -> Question:
    first, second = random.randint(2, 10), random.randint(2, 10)
    return Question(
        say(
            "Combien font %(first)s plus %(second)s ?",
            first=_NUMBERS[first],
            second=_NUMBERS[second],
        ),
        _number(first + second),
    )


def _larger(random: Random) -> Question:
    smaller, larger = sorted(random.sample(range(2, 21), 2))
    one, other = random.sample([smaller, larger], 2)
    return Question(
        say(
            "Quel est le plus grand de ces deux nombres : %(one)s ou %(other)s ?",
            one=_NUMBERS[one],
            other=_NUMBERS[other],
        ),
        _number(larger),
    )


def _day(random: Random) -> Question:
    day, step = random.randrange(7), random.choice((1, -1))
    asked = _DAYS[day]
    if step == 1:
        text = say("Quel jour de la semaine vient juste après %(day)s ?", day=asked)
    else:
        text = say("Quel jour de la semaine vient juste avant %(day)s ?", day=asked)
    return Question(text, (_DAYS[(day + step) % 7],))


def _month(random: Random) -> Question:
    month, step = random.randrange(12), random.choice((1, -1))
    asked = _OF_MONTHS[month]
    if step == 1:
        text = say("Quel mois vient juste après le mois %(of_month)s ?", of_month=asked)
    else:
        text = say("Quel mois vient juste avant le mois %(of_month)s ?", of_month=asked)
    return Question(text, (_MONTHS[(month + step) % 12],))


def _kind(random: Random) -> Question:
    kind, *others = random.sample(list(_KINDS), 3)
    right = random.choice(_KINDS[kind])
    shown = [right, *(random.choice(_KINDS[other]) for other in others)]
    random.shuffle(shown)
    first, second, third = shown
    text = say(
        "Lequel de ces mots est %(kind)s : %(first)s, %(second)s ou %(third)s ?",
        kind=kind,
        first=first,
        second=second,
        third=third,
    )
    return Question(text, (right,))


def _rank(random: Random) -> Question:
    words = [random.choice(_KINDS[kind]) for kind in random.sample(list(_KINDS), 4)]
    rank, place = random.choice(_RANKS)
    first, second, third, fourth = words
    text = say(
        "Recopiez le %(rank)s mot de cette liste : %(first)s, %(second)s, %(third)s, %(fourth)s.",
        rank=rank,
        first=first,
        second=second,
        third=third,
        fourth=fourth,
    )
    return Question(text, (words[place],))


SHAPES: tuple[Callable[[Random], Question], ...] = (_sum, _larger, _day, _month, _kind, _rank)
