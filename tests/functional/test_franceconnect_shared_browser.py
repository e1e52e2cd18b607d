"""A browser of several people: who comes after somebody is not taken for them."""

from collections.abc import Callable

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from tests.franceconnect import FranceConnect
from tests.franceconnect_journey import CAMILLE
from tests.franceconnect_journey import MONIQUE
from tests.franceconnect_journey import MONIQUE_SURVIVOR
from tests.franceconnect_journey import Scene
from tests.franceconnect_journey import Traveller
from tests.instance import Instance
from tests.instance import csrf_of
from tests.instance import form_action

ARRIVAL = "__Host-franceconnect"
LATE = "franceconnect=perime"


@pytest.fixture
def scene(make_instance: Callable[..., Instance], franceconnect: FranceConnect) -> Scene:
    return Scene(make_instance(signing_algs=("ES256",), **franceconnect.settings), franceconnect)


@pytest.fixture
def visitor(scene: Scene) -> Traveller:
    scene.settle(MONIQUE)
    scene.settle(MONIQUE_SURVIVOR)
    return scene.visitor()


def chooser(visitor: Traveller) -> TestResponse:
    """Come as somebody with two dossiers, as far as the question which."""
    return visitor.get(visitor.come_as("monique-garnier").headers["Location"])


def choose(visitor: Traveller, page: TestResponse) -> TestResponse:
    [row, _] = lxml_html.fromstring(page.text).xpath("//input[@name='dossier']/@value")
    return visitor.post(form_action(page), {"csrf": csrf_of(page), "dossier": row})


def test_a_chooser_that_was_cancelled_opens_nothing_for_who_goes_back_to_it(visitor):
    """Attack: A says no to the chooser of a shared computer; B takes the back button."""
    page = chooser(visitor)
    kept = visitor.http.get_cookie(ARRIVAL)

    cancelled = visitor.post(form_action(page), {"csrf": csrf_of(page), "cancel": "1"})
    visitor.http.set_cookie(ARRIVAL, kept.value, secure=True)  # even from a copy of the cookie
    back = choose(visitor, page)

    assert "error=access_denied" in cancelled.headers["Location"]
    assert f"{ARRIVAL}=;" in "".join(cancelled.headers.getlist("Set-Cookie"))
    assert LATE in back.headers["Location"]
    assert visitor.get("/compte").status_code == 303


def test_a_proof_that_was_cancelled_names_nobody_to_who_comes_next(scene, visitor):
    """Attack: A says no to the page that names them; B goes back, and is linked to A's identity."""
    person = scene.settle(CAMILLE)
    page = visitor.get(visitor.come_as("ines-belkacem").headers["Location"])
    kept = visitor.http.get_cookie(ARRIVAL)

    visitor.post(form_action(page), {"csrf": csrf_of(page), "cancel": "1"})
    visitor.http.set_cookie(ARRIVAL, kept.value, secure=True)
    back = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert LATE in back.headers["Location"]
    assert "franceconnect.linked" not in [event for event, _, _ in scene.instance.audit()]


def test_an_arrival_ends_with_the_browser_and_when_somebody_signs_in_or_out(scene, visitor):
    """Attack: A leaves the chooser open; B signs in and out, and A's dossiers are still there."""
    person = scene.settle(CAMILLE)

    arrived = visitor.come_as("monique-garnier")
    [cookie] = [one for one in arrived.headers.getlist("Set-Cookie") if one.startswith(ARRIVAL)]
    signed_in = visitor.sign_in(person, scene.service)

    assert "Max-Age" not in cookie
    assert "Expires" not in cookie
    assert signed_in.status_code == 303
    assert visitor.http.get_cookie(ARRIVAL) is None

    away = visitor.get("/franceconnect").headers["Location"]
    visitor.get(visitor.abroad.pick(away, "monique-garnier"))
    assert visitor.http.get_cookie(ARRIVAL) is not None
    account = visitor.get("/compte")
    visitor.post("/deconnexion", {"csrf": csrf_of(account)})
    assert visitor.http.get_cookie(ARRIVAL) is None
