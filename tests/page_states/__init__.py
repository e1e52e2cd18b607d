"""The states of ``demo/preview/states/``, where they are added, and what tests read in a page."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lxml import html

from demo.preview.states import STATES
from demo.preview.states import STAYING
from demo.preview.states import named
from demo.preview.states.drawing import pages_app
from demo.preview.states.drawing import render
from demo.preview.states.drawing import source
from demo.preview.states.makers import account
from demo.preview.states.makers import account_choice
from demo.preview.states.makers import consent
from demo.preview.states.makers import error
from demo.preview.states.makers import login
from demo.preview.states.makers import member_page
from demo.preview.states.samples import LATE_LETTER
from demo.preview.states.samples import LINKS
from demo.preview.states.samples import MASK
from demo.preview.states.shapes import NBSP
from demo.preview.states.shapes import REFUSAL
from demo.preview.states.shapes import STATIC
from demo.preview.states.shapes import Fault
from demo.preview.states.shapes import LoginForm
from demo.preview.states.shapes import Message
from demo.preview.states.shapes import State

__all__ = [
    "LATE_LETTER",
    "LINKS",
    "MASK",
    "NBSP",
    "REFUSAL",
    "STATES",
    "STATIC",
    "STAYING",
    "Fault",
    "LoginForm",
    "Message",
    "State",
    "account",
    "account_choice",
    "consent",
    "document",
    "error",
    "loaded",
    "login",
    "member_page",
    "named",
    "pages_app",
    "render",
    "source",
    "words",
]


def document(state: State) -> html.HtmlElement:
    return html.document_fromstring(source(state))


def words(element: html.HtmlElement) -> str:
    """What a person reads, without codes that are meant for the integrator."""
    texts = element.xpath(".//text()[not(ancestor::code)][not(ancestor::svg)]")
    return re.sub(r"[ \n]+", " ", " ".join(texts)).strip()


def loaded(page: html.HtmlElement) -> set[str]:
    """The files that a browser may fetch for the page."""
    found = page.xpath("//link/@href | //script/@src | //img/@src | //source/@srcset")
    return {urlsplit(address).path.removeprefix("/static/") for address in found}
