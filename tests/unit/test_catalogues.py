"""Every sentence comes through the catalogues, and each catalogue has them all (ADR 0033)."""

import re
from collections.abc import Iterator
from dataclasses import fields
from dataclasses import is_dataclass
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from flask import render_template
from lxml import html

from demo.preview.states import STATES
from demo.preview.states.drawing import pages_app
from demo.preview.states.shapes import FRAME
from demo.preview.states.shapes import State
from idp.sentence import FRENCH
from idp.sentence import LANGUAGES
from idp.sentence import Sentence
from idp.sentence import counted
from idp.sentence import say
from idp.web.language import preferred
from idp.web.language import said
from tests import catalogues
from tests.page_states import source

OPEN, CLOSE = "⟦", "⟧"
READ = (
    "//@title | //@alt | //@aria-label | //@placeholder | //@data-label"
    " | //@*[starts-with(name(), 'data-said-')]"
)
OWN_NAMES = {"français", "english", "cnil"}
WORDS = {
    "fr": {"ce", "dans", "est", "les", "mot", "nous", "ou", "pas", "pour", "sur", "votre", "vous"},
    "en": {"and", "are", "for", "from", "is", "of", "that", "the", "this", "to", "you", "your"},
}
"""What hardly a sentence of a language goes without, and no name that a state shows has in it."""


class Marked:
    """A language in which every sentence shows where it begins and ends."""

    def gettext(self, message: str, /) -> str:
        return f"{OPEN}{message}{CLOSE}"

    def ngettext(self, one: str, many: str, count: int, /) -> str:
        return f"{OPEN}{one if count == 1 else many}{CLOSE}"

    ugettext, ungettext = gettext, ngettext


MARKED = pages_app(dict.fromkeys(LANGUAGES, Marked()))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_catalogue_is_complete_and_holds_nothing_else(language):
    assert catalogues.faults_of(catalogues.drawn(), catalogues.read(language)) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "not translated"),
        ("Three %(things)s.", "other placeholders"),
        ("%(count)s and %(more)s.", "other placeholders"),
    ],
)
def test_a_hole_or_another_placeholder_is_found(words, told):
    drawn, catalog = Catalog(), Catalog(locale="en")
    drawn.add("Il y en a %(count)s.")
    catalog.add("Il y en a %(count)s.", words)

    assert [fault.partition(":")[0] for fault in catalogues.faults_of(drawn, catalog)] == [
        f"{told} than the French has" if told.startswith("other") else told
    ]


def test_a_fuzzy_a_missing_and_an_old_sentence_are_found():
    drawn, catalog = Catalog(), Catalog(locale="en")
    drawn.add("Un.")
    drawn.add("Deux.")
    catalog.add("Un.", "One.", flags=["fuzzy"])
    catalog.add("Trois.", "Three.")

    assert catalogues.faults_of(drawn, catalog) == [
        "fuzzy: Un.",
        "not in the catalogue: Deux.",
        "not in the source any more: Trois.",
    ]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_nothing_that_a_person_reads_is_outside_the_catalogues(state):
    assert strays(state) == []


def test_a_text_outside_the_catalogues_is_found():
    page = html.document_fromstring(
        f"<p>{OPEN}Bonjour <b>à</b> tous{CLOSE} et <i title='Salut'>{OPEN}à{CLOSE}</i></p>"
    )

    assert list(outside(page)) == ["et", "Salut"]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_an_english_page_says_so_and_marks_what_is_french(state):
    page = html.document_fromstring(source(state, "en"))

    assert page.get("lang") == "en"
    for element in page.xpath("//*[@lang = 'fr']"):
        assert element.text_content().strip()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_french_pages_are_french_and_english_pages_english(state):
    assert foreign(html.document_fromstring(source(state, "fr")), "en") == []
    assert foreign(html.document_fromstring(source(state, "en")), "fr") == []


def test_a_sentence_of_the_other_language_is_found_unless_it_is_marked():
    page = html.document_fromstring(
        "<p title='Votre nom'>Tick <b lang=fr>Vous êtes</b> or <i>ce n’est pas moi</i>"
    )

    assert foreign(page, "fr") == ["ce n’est pas moi", "Votre nom"]


@pytest.mark.parametrize(
    ("ui_locales", "spoken"),
    [
        ("en", "en"),
        ("fr-FR en", "fr"),
        ("de en-GB fr", "en"),
        ("EN-us", "en"),
        ("se", ""),
        ("", ""),
        ("english", ""),
        ("-en", ""),
    ],
)
def test_the_first_language_of_a_list_that_we_speak_is_spoken(ui_locales, spoken):
    assert preferred(ui_locales) == spoken


def test_french_spaces_and_quotation_marks_are_corrected_and_english_is_left_alone():
    words = say("L'essai « de plus » : %(what)s ?", what="a ; b !")
    french = "L’essai «\xa0de plus\xa0»\xa0: a\xa0; b\xa0!\xa0?"
    both = dict.fromkeys(LANGUAGES, FRENCH)

    with MARKED.test_request_context():
        assert said(words, both) == french
    with MARKED.test_request_context("/?langue=en"):
        assert said(words, both) == "L’essai « de plus » : a ; b ! ?"


def test_a_sentence_is_said_in_the_language_of_its_reader():
    soon = counted("dans une minute", "dans %(count)s minutes", 4)
    sentence = say("Réessayez %(soon)s, à %(rate)s %%.", soon=soon, rate=9)

    assert str(sentence) == "Réessayez dans 4 minutes, à 9 %."
    assert sentence.told(Marked()) == "⟦Réessayez ⟦dans 4 minutes⟧, à 9 %.⟧"
    assert str(counted("dans une minute", "dans %(count)s minutes", 1)) == "dans une minute"
    assert str(Sentence("À 100 %.")) == "À 100 %."


def strays(state: State) -> list[str]:
    with MARKED.test_request_context():
        page = html.document_fromstring(render_template(state.page, **FRAME | state.context))
    given = sorted(map(plain, data(FRAME | state.context)), key=len, reverse=True)
    found = []
    for text in outside(page):
        left = plain(text)
        for value in filter(lambda value: len(value) > 2, given):
            left = left.replace(value, " ")
        found += [word for word in re.findall(r"[^\W\d_]{2,}", left) if word not in OWN_NAMES]
    return found


def outside(page: html.HtmlElement) -> Iterator[str]:
    """What stands in no sentence, text and attributes."""
    texts = page.xpath("//text()[not(ancestor::script or ancestor::svg)]")
    yield from _outside("\n".join(texts))
    for value in page.xpath(READ):
        yield from _outside(value)


def foreign(page: html.HtmlElement, language: str) -> list[str]:
    """What reads as ``language`` and does not say so."""
    texts = page.xpath(
        "//text()[not(ancestor::script or ancestor::svg or ancestor::*[@lang = $language])]",
        language=language,
    )
    return [
        text.strip()
        for text in [*texts, *page.xpath(READ)]
        if WORDS[language] & set(re.findall(r"\w+", text.casefold()))
    ]


def _outside(text: str) -> Iterator[str]:
    depth, left = 0, ""
    for character in text:
        depth += (character == OPEN) - (character == CLOSE)
        left += character if not depth and character != CLOSE else "\n" if depth else ""
    yield from filter(None, map(str.strip, left.split("\n")))


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("'", "’")).strip().casefold()


def data(value: Any) -> Iterator[str]:
    """Every text that a view gave, however deep."""
    if isinstance(value, str | int | float):
        yield str(value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from data(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from data(one)
    elif is_dataclass(value):
        for one in fields(value):
            yield from data(getattr(value, one.name))
