"""The questions in words: plain, without digits, and answered as people write."""

import re
from dataclasses import dataclass
from random import Random

import pytest

from idp.identity.question import ANSWER_LIMIT
from idp.identity.question import SHAPES
from idp.identity.question import draw
from idp.identity.question import fold

MANY = 300


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same questions in every run


@dataclass(frozen=True)
class Asked:
    """A question as it is said in French."""

    text: str
    answers: tuple[str, ...]


def said(question):
    return Asked(str(question.text), tuple(fold(str(answer)) for answer in question.answers))


def questions():
    return [said(shape(seeded(seed))) for shape in SHAPES for seed in range(MANY)]


def test_no_question_holds_a_digit_that_a_pattern_could_find():
    assert not [one.text for one in questions() if re.search(r"\d", one.text)]


def test_every_question_is_one_french_sentence_and_has_an_answer():
    for one in questions():
        assert re.fullmatch(r"[A-ZÉ].{15,110}( \?|\.)", one.text)
        assert one.answers
        assert all(fold(answer) == answer for answer in one.answers)


def test_a_question_offers_no_two_right_answers():
    for one in questions():
        offered = re.findall(r"[\w-]+", one.text.partition(":")[2])

        assert len(offered) == len(set(offered))
        assert not offered or [fold(word) in one.answers for word in offered].count(True) == 1


def test_shapes_and_answers_are_many_so_that_one_answer_learnt_opens_nothing():
    drawn = [said(draw(seeded(seed))) for seed in range(2000)]

    openings = {one.text.split()[0] for one in drawn}
    commonest = max(
        sum(answer in one.answers for one in drawn) for answer in {o.answers[0] for o in drawn}
    )
    assert len(openings) >= 4
    assert commonest / len(drawn) < 0.05


SAMPLES = {
    "Combien font deux plus dix ?": {"12", "douze"},
    "Quel jour de la semaine vient juste après dimanche ?": {"lundi"},
    "Quel jour de la semaine vient juste avant lundi ?": {"dimanche"},
    "Quel mois vient juste après le mois de décembre ?": {"janvier"},
    "Quel mois vient juste avant le mois d’août ?": {"juillet"},
}


@pytest.mark.parametrize("text", SAMPLES)
def test_a_question_has_the_answer_that_a_person_gives(text):
    found = next(
        one
        for seed in range(100_000)
        for shape in SHAPES[:4]
        if (one := said(shape(seeded(seed)))).text == text
    )

    assert set(found.answers) == SAMPLES[text]


def test_the_larger_number_the_right_kind_and_the_right_rank_are_what_they_say():
    larger, kind, rank = SHAPES[1], SHAPES[4], SHAPES[5]
    values = {fold(n): v for v, n in enumerate(["deux", "trois", "quatre", "cinq"], 2)}

    for seed in range(MANY):
        question = said(larger(seeded(seed)))
        one, other = (fold(w) for w in re.split(r" ou ", question.text.partition(": ")[2][:-2]))
        if one in values and other in values:
            assert question.answers[0] == max(one, other, key=lambda name: values[name])
        listed = said(rank(seeded(seed)))
        words = listed.text.partition(": ")[2][:-1].split(", ")
        place = {"premier": 0, "deuxième": 1, "troisième": 2, "dernier": -1}
        assert listed.answers == (fold(words[place[listed.text.split()[2]]]),)
        assert said(kind(seeded(seed))).answers[0] in map(
            fold, re.findall(r"\w+", said(kind(seeded(seed))).text.partition(":")[2])
        )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("jeudi", "jeudi"),
        (" Le JEUDI. ", "jeudi"),
        ("c'est jeudi", "jeudi"),
        ("C’est le jeudi !", "jeudi"),
        ("dix-sept", "dixsept"),
        ("Dix sept", "dixsept"),
        ("aout", "août"),
        ("FÉVRIER", "fevrier"),
        ("17", "１７"),
        ("l'armoire", "armoire"),
        ("une", "une"),
    ],
)
def test_what_people_type_is_folded_to_what_they_mean(typed, meant):
    assert fold(typed) == fold(meant)


def test_nothing_typed_and_signs_alone_are_no_answer():
    assert fold("") == fold(" ... ") == fold("\u200b\u202e") == ""


def test_a_long_text_is_cut_before_it_is_folded():
    assert len(fold("a" * 60_000)) == ANSWER_LIMIT
