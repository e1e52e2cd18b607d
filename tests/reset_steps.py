"""The pages of the reset, walked by a browser without JavaScript."""

from urllib.parse import urlsplit

from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from tests.instance import ANTI_ROBOT_ANSWER
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of

CHOSEN = "quatre hirondelles sous le préau 62"


def begin(
    visitor: Visitor, page: TestResponse, numero: str, qualite: str = "affilie", **more: str
) -> TestResponse:
    """Send the first page's form."""
    form = {
        "csrf": csrf_of(page),
        "qualite": qualite,
        "numero": numero,
        "anti_robot_question": field(page, "anti_robot_question"),
        "anti_robot_answer": ANTI_ROBOT_ANSWER,
        **more,
    }
    return visitor.post(form_action(page), form)


def field(page: TestResponse, name: str) -> str:
    """What an input holds, hidden or not; "" where there is none."""
    found = lxml_html.fromstring(page.text).xpath(f"//input[@name='{name}']/@value")
    return str(found[0]) if found else ""


def channels(visitor: Visitor, numero: str, qualite: str = "affilie") -> TestResponse:
    """The page of the second step."""
    led = begin(visitor, visitor.get("/mot-de-passe-oublie"), numero, qualite)
    assert led.status_code == 303, text_of(led)
    return visitor.get(led.headers["Location"])


def choose(visitor: Visitor, page: TestResponse, channel: str) -> TestResponse:
    """Send the second page's form."""
    return visitor.post(form_action(page), {"csrf": csrf_of(page), "canal": channel})


def ask(visitor: Visitor, numero: str, channel: str = "mail") -> TestResponse:
    """Go through the three pages; gives the last."""
    led = choose(visitor, channels(visitor, numero), channel)
    assert led.status_code == 303, text_of(led)
    return visitor.get(led.headers["Location"])


def open_choice(
    visitor: Visitor, person: Person, secret: str, service: Service | None = None
) -> TestResponse:
    """Sign in with a temporary password; gives the page of the new one."""
    page = visitor.open_sign_in(service)
    led = visitor.submit_sign_in(page, person.qualite, person.numero, secret)
    assert led.status_code == 303, text_of(led)
    assert urlsplit(led.headers["Location"]).path == "/nouveau-mot-de-passe"
    return visitor.get(led.headers["Location"])


def submit_new(visitor: Visitor, page: TestResponse, clear: str = CHOSEN) -> TestResponse:
    """Send the form of the new password."""
    return visitor.post(form_action(page), {"csrf": csrf_of(page), "password": clear})
