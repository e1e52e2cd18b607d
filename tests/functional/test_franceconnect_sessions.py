"""What hangs on a session that came from FranceConnect: who hears of its end, what outlives it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.oidc.backchannel_logout import LogoutNotice
from idp.promise import PromiseState
from tests.franceconnect import FranceConnect
from tests.franceconnect_journey import CAMILLE
from tests.franceconnect_journey import Scene
from tests.franceconnect_journey import Traveller
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import value_of

LEVEL = "urn:carpimko:acr:franceconnect"
SENSITIVE = "/compte/mes-donnees"
QUARTER = timedelta(minutes=16)
OFFLINE = "openid dossier offline_access"
TOLD: dict[str, Any] = {
    "backchannel_logout_uri": "https://agenda.example/backchannel",
    "backchannel_logout_session_required": True,
    "frontchannel_logout_uri": "https://agenda.example/frontchannel",
    "frontchannel_logout_session_required": True,
    "redirect_uris": ("https://agenda.example/callback",),
}


@pytest.fixture
def settings(franceconnect: FranceConnect) -> dict[str, object]:
    return {"signing_algs": ("ES256",), **franceconnect.settings}


@pytest.fixture
def scene(
    make_instance: Callable[..., Instance],
    settings: dict[str, object],
    franceconnect: FranceConnect,
) -> Scene:
    scene = Scene(make_instance(**settings), franceconnect)
    scene.service = scene.instance.add_service("agenda", **TOLD)
    return scene


@pytest.fixture
def camille(scene: Scene) -> Person:
    return scene.settle(CAMILLE)


@pytest.fixture
def visitor(scene: Scene, camille: Person) -> Traveller:
    return scene.visitor()


def sign_out(visitor: Visitor) -> TestResponse:
    return visitor.post("/deconnexion", {"csrf": csrf_of(visitor.get("/compte"))})


def notices(instance: Instance) -> list[LogoutNotice]:
    with instance.app.app_context(), instance.parts.database.transaction():
        return instance.parts.logout_notices.rows(
            states=tuple(PromiseState), client_id="", limit=10
        )


def sids_in_frames(page: TestResponse) -> set[str]:
    frames = lxml_html.fromstring(page.text).xpath("//iframe/@src")
    return {parse_qs(urlsplit(frame).query)["sid"][0] for frame in frames}


def leads_there(page: TestResponse) -> bool:
    return "/session/end?id_token_hint=" in page.text


def confirm_there(visitor: Traveller) -> None:
    """Answer the confirmation by FranceConnect: a session under a new id."""
    [button] = lxml_html.fromstring(visitor.get(SENSITIVE).text).xpath(
        "//a[@class='fr-connect']/@href"
    )
    away = visitor.get(button).headers["Location"]
    assert visitor.get(visitor.abroad.pick(away)).headers["Location"] == SENSITIVE


def test_a_sign_out_tells_the_services_by_both_channels_on_the_way_to_franceconnect(
    scene: Scene, visitor: Traveller
) -> None:
    first = visitor.redeemed(visitor.come_as("camille-durand"))["sid"]
    scene.instance.clock.advance(QUARTER)
    confirm_there(visitor)
    second = visitor.redeemed(visitor.get("/authorize", scene.service.request()))["sid"]

    page = sign_out(visitor)

    # Of before the confirmation, too: what was visited there is this session's to tell.
    told = {first, second}
    assert len(told) == 2
    assert {notice.sid for notice in notices(scene.instance)} == told
    assert sids_in_frames(page) == told
    assert "https://agenda.example" in page.headers["Content-Security-Policy"]
    assert leads_there(page)


@pytest.mark.parametrize("fault", ["discovery_down", "discovery_wrong_issuer", "down"])
def test_a_franceconnect_that_fails_keeps_no_sign_out_from_ending(
    scene: Scene,
    visitor: Traveller,
    make_instance: Callable[..., Instance],
    settings: dict[str, object],
    fault: str,
) -> None:
    """In a process that has yet to ask for its addresses: a node that was started since."""
    sid = visitor.redeemed(visitor.come_as("camille-durand"))["sid"]
    later = make_instance(**settings).visitor()
    for name in ("__Host-browser", "__Host-session"):
        cookie = visitor.http.get_cookie(name)
        assert cookie is not None
        later.http.set_cookie(name, cookie.value, secure=True)
    scene.franceconnect.simulator.misbehave(fault)

    page = sign_out(later)

    assert page.status_code == 200
    assert not leads_there(page)
    assert sids_in_frames(page) == {sid}
    assert [notice.sid for notice in notices(scene.instance)] == [sid]
    for browser in (visitor, later):
        assert browser.get("/compte").headers["Location"] == "/connexion"


def test_a_refresh_tells_the_sign_in_that_it_comes_from_whatever_came_after(
    scene: Scene, visitor: Traveller, camille: Person
) -> None:
    scene.service = scene.instance.add_service(
        "telephone",
        scope=frozenset(OFFLINE.split()),
        grant_types=("authorization_code", "refresh_token"),
    )
    answer = visitor.come_as("camille-durand", scope=OFFLINE, prompt="consent")
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    tokens = visitor.redeem(scene.service, code).get_json()
    came = visitor.read_token(tokens["id_token"])[1]

    scene.instance.clock.advance(QUARTER)
    asked = visitor.get(SENSITIVE)
    form = {name: value_of(asked, name) for name in ("csrf", "page")}
    visitor.post(form_action(asked), form | {"password": camille.password})
    sign_out(visitor)
    scene.instance.clock.advance(timedelta(days=2))
    refreshed = refresh(visitor, scene.service, tokens["refresh_token"])

    told = visitor.read_token(refreshed["id_token"])[1]
    assert (came["acr"], came["amr"]) == (LEVEL, ["franceconnect"])
    for claim in ("acr", "amr", "auth_time", "sid", "sub"):
        assert told[claim] == came[claim]


def refresh(visitor: Traveller, service: Service, token: str) -> dict[str, Any]:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = visitor.post("/token", form, headers=service.basic)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.get_json()
    return told
