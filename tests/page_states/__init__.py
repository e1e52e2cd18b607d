"""The states of ``demo/preview/states.py``, where they are added, and what tests read in a page."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lxml import html

from demo.preview.states import LATE_LETTER
from demo.preview.states import LINKS
from demo.preview.states import MASK
from demo.preview.states import NBSP
from demo.preview.states import REFUSAL
from demo.preview.states import STATES
from demo.preview.states import STATIC
from demo.preview.states import STAYING
from demo.preview.states import Fault
from demo.preview.states import LoginForm
from demo.preview.states import Message
from demo.preview.states import State
from demo.preview.states import account
from demo.preview.states import account_choice
from demo.preview.states import consent
from demo.preview.states import error
from demo.preview.states import login
from demo.preview.states import member_page
from demo.preview.states import named
from demo.preview.states import pages_app
from demo.preview.states import render
from demo.preview.states import source

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
