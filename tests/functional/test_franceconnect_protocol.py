"""What a service may ask of FranceConnect, and how a sign-out goes there and comes back."""

import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from tests.franceconnect import FranceConnect
from tests.franceconnect_journey import CAMILLE
from tests.franceconnect_journey import Scene
from tests.franceconnect_journey import Traveller
from tests.instance import CALLBACK
from tests.instance import SIGNED_OUT
from tests.instance import Instance
from tests.instance import Service
from tests.instance import csrf_of
from tests.instance import text_of

LEVEL = "urn:carpimko:acr:franceconnect"
PASSWORD_LEVEL = "urn:carpimko:acr:mot-de-passe"
ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "value": LEVEL}}})
OF_PASSWORD = json.dumps({"id_token": {"acr": {"essential": True, "value": PASSWORD_LEVEL}}})


@pytest.fixture
def scene(make_instance: Callable[..., Instance], franceconnect: FranceConnect) -> Scene:
    return Scene(make_instance(signing_algs=("ES256",), **franceconnect.settings), franceconnect)


@pytest.fixture
def visitor(scene: Scene) -> Traveller:
    return scene.visitor()


def ask(visitor: Traveller, scene: Scene, **changes: str | None) -> TestResponse:
    return visitor.get("/authorize", scene.service.request(**changes))


def ask_by(visitor: Traveller, service: Service) -> str:
    """The button's address on the page that a service leads to."""
    asked = visitor.get("/authorize", service.request())
    return asked.headers["Location"].replace("/connexion?", "/franceconnect?")


def path_of(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    return urlsplit(answer.headers["Location"]).path


def is_answered(answer: TestResponse) -> bool:
    return answer.status_code == 303 and answer.headers["Location"].startswith(f"{CALLBACK}?code=")


def onward_of(page: TestResponse) -> str:
    """Where the page of a sign-out under way leads."""
    [address] = lxml_html.fromstring(page.text).xpath("//a[@id='logging-out-continue']/@href")
    return str(address)


def straight_to(page: TestResponse) -> str:
    """Where the page leads that stands between a service and FranceConnect."""
    [address] = lxml_html.fromstring(page.text).xpath("//a[@id='onward-continue']/@href")
    return str(address)


def has_password_block(page: TestResponse) -> bool:
    return bool(lxml_html.fromstring(page.text).xpath("//input[@name='password']"))


def has_button(page: TestResponse) -> bool:
    return bool(lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']"))


def test_the_level_is_announced_where_franceconnect_is_offered_alone(scene, visitor):
    document = visitor.get("/.well-known/openid-configuration").get_json()

    assert document["acr_values_supported"] == [PASSWORD_LEVEL, LEVEL]


def test_without_franceconnect_nobody_may_insist_on_its_level(instance: Instance) -> None:
    visitor, service = instance.visitor(), instance.add_service()

    document = visitor.get("/.well-known/openid-configuration").get_json()
    refused = visitor.get("/authorize", service.request(claims=ESSENTIAL))

    assert document["acr_values_supported"] == [PASSWORD_LEVEL]
    assert "error=unmet_authentication_requirements" in refused.headers["Location"]
    # A wish refuses nothing, and a hint names nobody.
    for changes in ({"acr_values": LEVEL}, {"idp_hint": "franceconnect"}):
        assert path_of(visitor.get("/authorize", service.request(**changes))) == "/connexion"


def test_a_service_that_would_like_franceconnect_puts_it_forward_and_a_password_answers(
    scene, visitor
):
    person = scene.settle(CAMILLE)
    visitor.sign_in(person, scene.service)

    silent = ask(visitor, scene, acr_values=LEVEL, prompt="none")
    asked = ask(visitor, scene, acr_values=LEVEL)
    page = visitor.get(asked.headers["Location"])
    scene.instance.clock.advance(timedelta(seconds=1))
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert is_answered(silent)
    assert path_of(asked) == "/connexion"
    assert "« Mes cotisations » vous propose d’utiliser FranceConnect." in text_of(page)
    assert has_password_block(page)
    assert is_answered(answer)
    assert visitor.redeemed(answer)["acr"] == PASSWORD_LEVEL


def test_whoever_came_by_franceconnect_is_at_the_level_that_is_wished_for(scene, visitor):
    scene.settle(CAMILLE)
    visitor.come_as("camille-durand")

    assert is_answered(ask(visitor, scene, acr_values=LEVEL))
    assert is_answered(ask(visitor, scene, acr_values=f"{PASSWORD_LEVEL} {LEVEL}"))
    assert is_answered(ask(visitor, scene, claims=ESSENTIAL))


def test_a_service_that_insists_on_franceconnect_shows_no_password_and_takes_none(scene, visitor):
    person = scene.settle(CAMILLE)
    visitor.sign_in(person, scene.service)

    asked = ask(visitor, scene, claims=ESSENTIAL)
    page = visitor.get(asked.headers["Location"])
    typed = {"qualite": "affilie", "numero": CAMILLE, "password": person.password}
    forged = visitor.post(asked.headers["Location"], {"csrf": csrf_of(page), **typed})
    other = scene.visitor()
    again = ask(other, scene, claims=ESSENTIAL).headers["Location"]
    cancelled = other.post(again, {"csrf": csrf_of(other.get(again)), "cancel": "1"})

    assert path_of(asked) == "/connexion"
    assert has_button(page)
    assert not has_password_block(page)
    assert "demande que vous vous identifiiez avec FranceConnect" in text_of(page)
    assert "error=unmet_authentication_requirements" in forged.headers["Location"]
    assert "error=access_denied" in cancelled.headers["Location"]
    assert is_answered(visitor.come_as("camille-durand", claims=ESSENTIAL))


def test_a_service_that_insists_on_a_password_shows_no_button(scene, visitor):
    page = visitor.open_sign_in(scene.service, claims=OF_PASSWORD)

    assert has_password_block(page)
    assert not has_button(page)


def test_a_service_may_lead_straight_there_and_whoever_comes_back_gets_our_page(scene, visitor):
    scene.settle(CAMILLE)

    asked = ask(visitor, scene, idp_hint="franceconnect")
    there = visitor.get(straight_to(asked)).headers["Location"]
    back = visitor.get(visitor.abroad.fail(there))
    page = visitor.get(back.headers["Location"])
    [button] = lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']/@href")
    answer = visitor.get(visitor.abroad.pick(visitor.get(button).headers["Location"]))

    assert straight_to(asked).startswith("/franceconnect?demande=")
    assert "« Mes cotisations » demande que vous vous identifiiez avec FranceConnect" in text_of(
        asked
    )
    assert there.startswith(scene.franceconnect.issuer)
    assert path_of(back) == "/connexion"
    # No loop: the page stays, with both blocks.
    assert page.status_code == 200
    assert has_password_block(page)
    assert is_answered(answer)
    # A session answers at once, and another name is nobody's.
    assert is_answered(ask(visitor, scene, idp_hint="franceconnect"))
    stranger = scene.visitor()
    assert path_of(ask(stranger, scene, idp_hint="elsewhere")) == "/connexion"


def test_a_form_of_a_service_that_leads_straight_there_ends_at_a_page_of_ours(scene, visitor):
    """Chromium holds a form's policy against every redirect that follows it.

    A service that signs in by a form names us in its policy, and cannot name where FranceConnect
    leads on to.
    """
    posted = visitor.post("/authorize", scene.service.request(idp_hint="franceconnect"))
    page = visitor.get(posted.headers["Location"])

    assert posted.status_code == 303
    assert page.status_code == 200
    assert f'content="0; url={straight_to(page)}"' in page.text
    assert visitor.get(straight_to(page)).headers["Location"].startswith(scene.franceconnect.issuer)


def test_a_sign_out_ends_the_session_there_too_and_comes_back_to_the_service(scene, visitor):
    scene.settle(CAMILLE)
    code = visitor.come_as("camille-durand").headers["Location"].partition("code=")[2]
    hint = visitor.redeem(scene.service, code.partition("&")[0]).get_json()["id_token"]

    out = visitor.get(
        "/logout",
        {"id_token_hint": hint, "post_logout_redirect_uri": SIGNED_OUT, "state": "fini"},
    )
    sent = parse_qs(urlsplit(onward_of(out)).query)
    returned = visitor.abroad.follow(onward_of(out))
    back = visitor.get(returned)
    again = visitor.get(returned)

    assert set(sent) == {"id_token_hint", "state", "post_logout_redirect_uri"}
    assert sent["post_logout_redirect_uri"] == ["http://localhost:8000/franceconnect/deconnexion"]
    assert back.headers["Location"] == f"{SIGNED_OUT}?state=fini"
    assert path_of(visitor.get("/compte")) == "/connexion"
    assert again.headers["Location"] == "/deconnexion"


def test_a_sign_out_that_names_no_address_still_leads_to_its_service(scene, visitor):
    scene.settle(CAMILLE)
    service = scene.instance.add_service("accueil", client_uri="https://cotisations.example/")
    away = visitor.get(ask_by(visitor, service)).headers["Location"]
    code = visitor.get(visitor.abroad.pick(away)).headers["Location"].partition("code=")[2]
    hint = visitor.redeem(service, code.partition("&")[0]).get_json()["id_token"]

    out = visitor.get("/logout", {"id_token_hint": hint})
    back = visitor.get(visitor.abroad.follow(onward_of(out)))
    page = visitor.get(back.headers["Location"])

    assert path_of(back) == "/deconnexion"
    [link] = lxml_html.fromstring(page.text).xpath("//a[contains(., 'Revenir au service')]/@href")
    assert link == "https://cotisations.example/"
    # Attack: an address that names somebody who is no service of ours, or nobody.
    for made_up in ("https://mallory.example", "", "x" * 500):
        answer = visitor.get("/deconnexion", {"client_id": made_up})
        assert "Se connecter à nouveau" in text_of(answer)
        assert 'href="https://mallory' not in answer.text


def test_a_form_of_ours_goes_there_by_a_page_between(scene, visitor):
    """No policy of ours can name where FranceConnect leads on to: no form is redirected there."""
    scene.settle(CAMILLE)
    visitor.come_as("camille-durand")
    account = visitor.get("/compte")

    left = visitor.post("/deconnexion", {"csrf": csrf_of(account)})
    back = visitor.get(visitor.abroad.follow(onward_of(left)))

    assert left.status_code == 200
    assert "Nous vous déconnectons aussi de FranceConnect" in text_of(left)
    assert back.headers["Location"] == "/deconnexion"
    assert "form-action 'self'" in left.headers["Content-Security-Policy"]


def test_a_return_that_nobody_left_for_leads_nowhere_else(scene, visitor):
    """Attack (open redirect): the way back of another sign-out, or a made-up one."""
    scene.settle(CAMILLE)
    code = visitor.come_as("camille-durand").headers["Location"].partition("code=")[2]
    hint = visitor.redeem(scene.service, code.partition("&")[0]).get_json()["id_token"]
    visitor.get("/logout", {"id_token_hint": hint, "post_logout_redirect_uri": SIGNED_OUT})

    back = visitor.get("/franceconnect/deconnexion", {"state": "x" * 43})
    stranger = scene.visitor().get("/franceconnect/deconnexion", {"state": "x" * 43})

    assert back.headers["Location"] == "/deconnexion"
    assert stranger.headers["Location"] == "/deconnexion"


def test_who_came_by_password_or_finds_franceconnect_away_signs_out_here_alone(scene, visitor):
    person = scene.settle(CAMILLE)
    visitor.sign_in(person)
    account = visitor.get("/compte")
    here = visitor.post("/deconnexion", {"csrf": csrf_of(account)})

    visitor.come_as("camille-durand")
    scene.franceconnect.simulator.misbehave("token_down")
    for _ in range(3):
        lost = scene.visitor().come_as("camille-durand")
        assert "franceconnect=indisponible" in lost.headers["Location"]
    page = scene.visitor().get("/connexion")
    account = visitor.get("/compte")
    away = visitor.post("/deconnexion", {"csrf": csrf_of(account)})

    # By then the page says so as well.
    assert "FranceConnect ne répond pas en ce moment" in text_of(page)
    assert has_password_block(page)
    assert not has_button(page)
    for left in (here, away):
        assert left.status_code == 200
        assert "FranceConnect" not in text_of(left)
    assert path_of(visitor.get("/compte")) == "/connexion"
