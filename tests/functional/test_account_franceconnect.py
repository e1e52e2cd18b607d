"""``/compte/franceconnect``, and FranceConnect in the place of the password again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.identity.franceconnect_links import LINKS_OF_SUB
from tests.franceconnect import FranceConnect
from tests.franceconnect_journey import CAMILLE
from tests.franceconnect_journey import Scene
from tests.franceconnect_journey import Traveller
from tests.franceconnect_journey import mailed_secret
from tests.instance import Instance
from tests.instance import Person
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.instance import value_of
from tests.mailbox import Mailbox
from tests.reset_steps import CHOSEN
from tests.reset_steps import submit_new

PAGE = "/compte/franceconnect"
SENSITIVE = "/compte/mes-donnees"
IDENTITY = f"{PAGE}/identite"
PASSWORD_PAGE = "/compte/mot-de-passe"
LEVEL = "urn:carpimko:acr:franceconnect"
PASSWORD_LEVEL = "urn:carpimko:acr:mot-de-passe"
ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "value": LEVEL}}})
QUARTER = timedelta(minutes=16)


@pytest.fixture
def scene(make_instance: Callable[..., Instance], franceconnect: FranceConnect) -> Scene:
    return Scene(make_instance(signing_algs=("ES256",), **franceconnect.settings), franceconnect)


@pytest.fixture
def scene_with_mail(
    make_instance: Callable[..., Instance], franceconnect: FranceConnect, mailbox: Mailbox
) -> Scene:
    settings = franceconnect.settings | mailbox.settings
    return Scene(make_instance(signing_algs=("ES256",), **settings), franceconnect)


@pytest.fixture
def visitor(scene: Scene) -> Traveller:
    return scene.visitor()


@pytest.fixture
def camille(scene: Scene) -> Person:
    return scene.settle(CAMILLE)


def button_of(page: TestResponse) -> str:
    [address] = lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']/@href")
    return str(address)


def go(visitor: Traveller, page: TestResponse, person: str) -> TestResponse:
    """Take the button of a page, be somebody, come back."""
    away = visitor.get(button_of(page))
    return visitor.get(visitor.abroad.pick(away.headers["Location"], person))


def ask_whether(visitor: Traveller, person: str) -> TestResponse:
    """Link somebody whom the dossier does not name: as far as the question whether."""
    asked = go(visitor, visitor.get(PAGE), person)
    assert asked.headers["Location"] == IDENTITY
    return visitor.get(IDENTITY)


def say_yes(visitor: Traveller, asked: TestResponse) -> TestResponse:
    return visitor.post(IDENTITY, {"csrf": csrf_of(asked)})


def test_a_member_links_sees_why_and_unlinks(scene, visitor, camille):
    visitor.sign_in(camille)
    overview = text_of(visitor.get("/compte"))

    asked = ask_whether(visitor, "ines-belkacem")
    linked = visitor.get(say_yes(visitor, asked).headers["Location"])
    other = scene.visitor().come_as("ines-belkacem")
    unlinked = visitor.post(PAGE, {"csrf": csrf_of(linked)})
    then = scene.visitor().come_as("ines-belkacem")

    assert "Connectez-vous aussi avec FranceConnect" in overview
    [who] = lxml_html.fromstring(asked.text).xpath("//*[@id='who']/text()")
    assert who.endswith(" BELKACEM")
    assert text_of(linked).count("FranceConnect est rattaché à votre espace") >= 2
    assert "Vous avez prouvé que ce dossier est le vôtre" in text_of(linked)
    assert other.headers["Location"].startswith("http://127.0.0.1:9001/callback?code=")
    assert "FranceConnect n’est plus rattaché à votre espace" in text_of(unlinked)
    assert urlsplit(then.headers["Location"]).path == "/franceconnect/rattachement"
    events = [event for event, _, _ in scene.instance.audit()]
    assert "franceconnect.linked" in events
    assert "franceconnect.unlinked" in events


def test_an_identity_that_is_not_the_dossier_s_is_linked_by_nobody_who_was_not_asked(
    scene, visitor, camille
):
    """Attack: FranceConnect still knows who sat here before; the member links them unaware."""
    visitor.sign_in(camille)

    asked = ask_whether(visitor, "ines-belkacem")
    unasked = [event for event, _, _ in scene.instance.audit()]
    no = visitor.post(IDENTITY, {"csrf": csrf_of(asked), "cancel": "1"})
    late = say_yes(visitor, asked)

    assert "cette personne entrerait dans votre espace" in text_of(asked)
    assert "franceconnect.linked" not in unasked
    assert no.headers["Location"] == PAGE
    assert late.headers["Location"] == f"{PAGE}?franceconnect=perime"
    assert "franceconnect.linked" not in [event for event, _, _ in scene.instance.audit()]


def test_a_question_of_one_session_is_answered_in_no_other(scene, visitor, camille):
    """Attack: A leaves the question open on a shared computer; B signs in and is linked to A."""
    visitor.sign_in(camille)
    asked = ask_whether(visitor, "ines-belkacem")
    kept = visitor.http.get_cookie("__Host-franceconnect")
    visitor.restart()
    visitor.sign_in(scene.settle("1305927"))
    visitor.http.set_cookie("__Host-franceconnect", kept.value, secure=True)

    late = visitor.get(IDENTITY)
    answer = say_yes(visitor, asked)

    assert late.headers["Location"] == answer.headers["Location"] == f"{PAGE}?franceconnect=perime"
    assert "franceconnect.linked" not in [event for event, _, _ in scene.instance.audit()]


def test_the_question_is_answered_by_a_form_of_ours_and_soon(scene, visitor, camille):
    """Attack (CSRF): another site says yes; and whoever finds the question open, later."""
    visitor.sign_in(camille)
    asked = ask_whether(visitor, "ines-belkacem")

    forged = visitor.post(IDENTITY, {"csrf": "x"})
    scene.instance.clock.advance(QUARTER)
    old = say_yes(visitor, asked)

    assert (forged.status_code, old.status_code) == (403, 403)
    assert "BELKACEM" in text_of(forged)
    assert "Confirmez que c’est vous" in text_of(old)
    assert "franceconnect.linked" not in [event for event, _, _ in scene.instance.audit()]


def test_an_address_alone_says_nothing_that_is_not_so(scene, visitor, camille):
    """Attack: a link in a mail that makes our page say what its sender likes."""
    visitor.sign_in(camille)

    for word in ("rattache", "x", "Votre compte est fermé"):
        page = visitor.get(PAGE, {"franceconnect": word})
        assert not lxml_html.fromstring(page.text).xpath("//*[contains(@class, 'notice')]")


def test_who_is_the_person_of_the_dossier_reads_that_the_state_says_so(scene, visitor, camille):
    visitor.sign_in(camille)

    page = visitor.get(go(visitor, visitor.get(PAGE), "camille-durand").headers["Location"])

    assert "telle que l’État la transmet, est celle de votre dossier" in text_of(page)


def test_who_has_no_password_is_told_first_how_they_will_sign_in(scene, visitor):
    scene.settle(CAMILLE, password=None)
    visitor.come_as("camille-durand")

    overview = text_of(visitor.get("/compte"))
    page = text_of(visitor.get(PAGE))
    scene.instance.clock.advance(QUARTER)
    asked = visitor.get(SENSITIVE)

    assert "Vous n’avez pas de mot de passe valable. Choisir un mot de passe" in overview
    assert "Il n’expire pas." not in overview
    assert "Vous n’avez pas de mot de passe valable." in page
    assert "vous demanderez un mot de passe provisoire" in page
    # Nor are they asked for one.
    assert not lxml_html.fromstring(asked.text).xpath("//input[@name='password']")
    assert go(visitor, asked, "camille-durand").headers["Location"] == SENSITIVE


@pytest.mark.parametrize(
    "without",
    [{"password_hash": None}, {"last_sign_in_at": datetime(2020, 5, 4, tzinfo=UTC)}],
    ids=["none", "of before March 2021, refused however right"],
)
def test_who_has_no_password_that_works_is_asked_for_a_temporary_one_at_its_own_page(
    scene, visitor, camille, without
):
    visitor.come_as("camille-durand")
    typed = {"current": camille.password, "password": "tilleul-brumeux-escalier-47"}
    form = {"csrf": csrf_of(visitor.get(PASSWORD_PAGE)), **typed}
    scene.instance.change_account(camille, **without)

    page = visitor.get(PASSWORD_PAGE)
    tried = visitor.post(PASSWORD_PAGE, form)

    for shown in (page, tried):
        assert "Choisir un mot de passe" in text_of(shown)
        document = lxml_html.fromstring(shown.text)
        assert document.xpath("//input[@type='password']/@name") == ["current"]
        assert "Mot de passe actuel" not in text_of(shown)
        [link] = document.xpath("//a[@id='reset-link']/@href")
        assert link == "/mot-de-passe-oublie"
        assert visitor.get(link).status_code == 200
    assert tried.status_code == 403  # counted and audited like any other try
    assert "sign_in.refused" in [event for event, _, _ in scene.instance.audit()]


@pytest.mark.parametrize("where", ["its own page", "the confirmation"])
def test_a_temporary_password_is_typed_where_its_lack_is_told(scene_with_mail, mailbox, where):
    """Who is signed in is led from the sign-in page to /compte: there is no other place."""
    scene, visitor = scene_with_mail, scene_with_mail.visitor()
    person = scene.settle(CAMILLE, password=None)
    visitor.come_as("camille-durand")
    if where == "the confirmation":
        visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))})  # unlinked: no other way is left
        scene.instance.clock.advance(QUARTER)
    secret = mailed_secret(scene, mailbox)

    page = visitor.get(PASSWORD_PAGE if where == "its own page" else SENSITIVE)
    field = "current" if where == "its own page" else "password"
    form = {"csrf": csrf_of(page), "page": value_of(page, "page") if field == "password" else ""}
    wrong = visitor.post(form_action(page), {**form, field: "7777-7777-7777"})
    empty = visitor.post(form_action(page), {**form, field: ""})
    led = visitor.post(form_action(page), {**form, field: secret})
    submit_new(visitor, visitor.get(led.headers["Location"]))

    for refused, status in ((wrong, 403), (empty, 400)):
        assert refused.status_code == status
        assert lxml_html.fromstring(refused.text).xpath(f"//input[@id='{field}'][@aria-invalid]")
    assert led.headers["Location"] == "/nouveau-mot-de-passe"
    assert "Vous n’avez pas de mot de passe" not in text_of(visitor.get(PASSWORD_PAGE))
    scene.instance.visitor().sign_in(replace(person, password=CHOSEN))


def test_who_has_no_password_that_works_and_nowhere_to_go_is_told_what_to_do(scene, visitor):
    scene.settle(CAMILLE, password=None)
    visitor.come_as("camille-durand")
    visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))})
    scene.instance.clock.advance(QUARTER)

    unlinked = visitor.get(SENSITIVE)

    assert "saisissez à nouveau votre mot de passe" not in text_of(unlinked)
    assert "Vous n’avez pas de mot de passe valable." in text_of(unlinked)
    assert "Pour bloquer votre espace" not in text_of(unlinked)
    assert lxml_html.fromstring(unlinked.text).xpath("//a[@id='reset-link']")
    assert "FranceConnect ne répond pas" not in text_of(unlinked)


def test_who_cannot_prove_who_they_are_reads_whom_to_call_to_freeze_the_account(
    make_instance, franceconnect
):
    settings = {**franceconnect.settings, "support_phone": "01 23 45 67 89"}
    scene = Scene(make_instance(signing_algs=("ES256",), **settings), franceconnect)
    scene.settle(CAMILLE, password=None)
    visitor = scene.visitor()
    visitor.come_as("camille-durand")
    visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))})
    scene.instance.clock.advance(QUARTER)

    asked = text_of(visitor.get("/compte/ce-n-etait-pas-moi"))

    assert "Pour bloquer votre espace sans attendre, appelez-nous au 01 23 45 67 89." in asked
    assert "Pour bloquer votre espace" not in text_of(visitor.get(SENSITIVE))


def test_somebody_else_is_told_to_who_has_no_password_without_naming_one(scene, visitor):
    scene.settle(CAMILLE, password=None)
    visitor.come_as("camille-durand")
    scene.instance.clock.advance(QUARTER)

    led = go(visitor, visitor.get(SENSITIVE), "ines-belkacem")
    page = text_of(visitor.get(led.headers["Location"]))

    assert "Déconnectez-vous de FranceConnect sur cet appareil, puis recommencez." in page
    assert "utilisez votre mot de passe" not in page


def test_who_has_no_password_and_removed_it_is_sent_to_ask_for_one(scene, visitor):
    scene.settle(CAMILLE, password=None)
    visitor.come_as("camille-durand")

    unlinked = text_of(visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))}))

    assert "FranceConnect n’est plus rattaché à votre espace" in unlinked
    assert "demandez un mot de passe provisoire" in unlinked
    assert "et votre mot de passe." not in unlinked
    assert "Votre mot de passe reste valable" not in unlinked


def test_a_link_that_is_refused_is_told_as_one_to_who_is_signed_in(scene, visitor, camille):
    """Attack: one identity at FranceConnect collects the dossiers whose passwords were stolen."""
    visitor.sign_in(camille)
    page = visitor.get(go(visitor, visitor.get(PAGE), "camille-durand").headers["Location"])
    instance, links = scene.instance, scene.instance.parts.franceconnect_links
    others = [instance.add_person(numero=f"{number:07}") for number in range(LINKS_OF_SUB)]
    with instance.app.app_context(), instance.parts.database.transaction():
        link = links.of_account(camille.account_id)
        assert link is not None
        for other in others:
            links.put(replace(link, account_id=other.account_id))
    unlinked = visitor.post(PAGE, {"csrf": csrf_of(page)})

    refused = go(visitor, unlinked, "camille-durand")
    page = visitor.get(refused.headers["Location"])

    [notice] = lxml_html.fromstring(page.text).xpath("//*[contains(@class, 'notice ')]")
    assert "FranceConnect n’a pas été rattaché" in notice.text_content()
    assert "connecter" not in notice.text_content()
    assert [event for event, _, _ in instance.audit()].count("franceconnect.linked") == 1


def test_a_link_begun_for_one_member_is_made_for_no_other(scene, visitor, camille):
    """Attack: the button's address of one session, opened in another, or with another purpose."""
    visitor.sign_in(camille)
    address = button_of(visitor.get(PAGE))
    stranger = scene.visitor()
    stranger.sign_in(scene.settle("1305927"))

    for asked in (address, address.replace("pour=link", "pour=confirm"), "/franceconnect?pour=x"):
        answer = stranger.get(asked)
        assert answer.headers["Location"] == PAGE
    assert scene.visitor().get(address).headers["Location"] == "/connexion"


def test_a_callback_for_who_has_signed_out_or_is_somebody_else_links_nothing(
    scene, visitor, camille
):
    """Attack: the member leaves for FranceConnect, and another signs in before they are back."""
    visitor.sign_in(camille)
    away = visitor.get(button_of(visitor.get(PAGE))).headers["Location"]
    callback = visitor.abroad.pick(away, "ines-belkacem")
    visitor.restart()
    visitor.sign_in(scene.settle("1305927"))

    answer = visitor.get(callback)

    assert answer.headers["Location"] == PAGE
    assert "franceconnect.linked" not in [event for event, _, _ in scene.instance.audit()]

    away = visitor.get(button_of(visitor.get(PAGE))).headers["Location"]
    callback = visitor.abroad.pick(away, "ines-belkacem")
    visitor.restart()
    assert visitor.get(callback).headers["Location"] == "/connexion"


def test_a_link_needs_a_recent_sign_in_when_one_leaves_and_when_one_is_back(
    scene, visitor, camille
):
    """Attack: whoever finds the browser open at FranceConnect is somebody else there."""
    visitor.sign_in(camille)
    address = button_of(visitor.get(PAGE))
    there = visitor.get(address).headers["Location"]
    scene.instance.clock.advance(QUARTER)

    late = visitor.get(visitor.abroad.pick(there, "ines-belkacem"))
    again = visitor.get(address)

    assert late.headers["Location"] == again.headers["Location"] == PAGE
    assert "token" in scene.franceconnect.simulator.calls
    assert "franceconnect.linked" not in [event for event, _, _ in scene.instance.audit()]
    assert "Confirmez que c’est vous" in text_of(visitor.get(PAGE))


def test_the_person_of_the_link_confirms_in_the_place_of_a_password(scene, visitor, camille):
    visitor.come_as("camille-durand")
    scene.instance.clock.advance(QUARTER)
    asked = visitor.get(SENSITIVE)
    former = visitor.http.get_cookie("__Host-session")

    back = go(visitor, asked, "camille-durand")

    assert "Confirmez que c’est vous" in text_of(asked)
    assert back.headers["Location"] == SENSITIVE
    assert "Télécharger mes données" in text_of(visitor.get(SENSITIVE))
    assert visitor.http.get_cookie("__Host-session") != former


def test_somebody_else_confirms_nothing_and_is_told_why(scene, visitor, camille):
    """Attack: whoever finds the browser open has a FranceConnect account of their own."""
    scene.settle("1305927")
    visitor.come_as("camille-durand")
    scene.instance.clock.advance(QUARTER)

    back = go(visitor, visitor.get(SENSITIVE), "monique-garnier")
    page = text_of(visitor.get(back.headers["Location"]))

    assert "Ce n’est pas l’identité rattachée à votre espace" in page
    assert "Confirmez que c’est vous" in page
    assert "Télécharger mes données" not in page


def test_whom_franceconnect_identified_long_ago_confirms_nothing(scene, visitor, camille):
    """Attack: FranceConnect's session is still open, and it asks whoever sits there for nothing."""
    visitor.come_as("camille-durand")
    scene.instance.clock.advance(QUARTER)
    former = visitor.http.get_cookie("__Host-session")

    for fault in ("id_token_old_auth_time", "id_token_no_auth_time"):
        scene.franceconnect.simulator.misbehave(fault)
        back = go(visitor, visitor.get(SENSITIVE), "camille-durand")
        page = text_of(visitor.get(back.headers["Location"]))

        assert back.headers["Location"] == f"{SENSITIVE}?franceconnect=inattendu"
        assert "ce n’est pas celle que nous attendions" in page
        assert "Confirmez que c’est vous" in page
        assert visitor.http.get_cookie("__Host-session") == former


def test_who_comes_back_twice_or_too_late_is_at_the_page_that_they_left(scene, visitor, camille):
    visitor.come_as("camille-durand")
    scene.instance.clock.advance(QUARTER)
    away = visitor.get(button_of(visitor.get(SENSITIVE))).headers["Location"]
    callback = visitor.abroad.pick(away)

    confirmed, again = visitor.get(callback), visitor.get(callback)

    assert confirmed.headers["Location"] == SENSITIVE
    assert again.headers["Location"] == f"{SENSITIVE}?franceconnect=perime"
    assert "Télécharger mes données" in text_of(visitor.get(again.headers["Location"]))
    scene.instance.clock.advance(QUARTER)
    page = text_of(visitor.get(again.headers["Location"]))
    assert "mais trop tard, une deuxième fois" in page
    assert "Confirmez que c’est vous" in page


def test_a_password_lends_its_freshness_to_no_other_level(scene, visitor, camille):
    """Attack: a stolen password makes the FranceConnect of this morning one of a moment ago.

    ``acr``, ``amr`` and ``auth_time`` tell one sign-in, the newest, and never parts of two.
    """
    came = visitor.redeemed(visitor.come_as("camille-durand"))
    scene.instance.clock.advance(QUARTER)
    asked = visitor.get(SENSITIVE)
    form = {name: value_of(asked, name) for name in ("csrf", "page")}
    visitor.post(form_action(asked), form | {"password": camille.password})

    told = visitor.redeemed(visitor.get("/authorize", scene.service.request()))
    insisting = visitor.get("/authorize", scene.service.request(claims=ESSENTIAL, max_age="60"))
    back = visitor.come_as("camille-durand", claims=ESSENTIAL, max_age="60")

    assert (came["acr"], came["amr"]) == (LEVEL, ["franceconnect"])
    assert (told["acr"], told["amr"]) == (PASSWORD_LEVEL, ["pwd"])
    assert told["auth_time"] == came["auth_time"] + QUARTER.seconds
    assert urlsplit(insisting.headers["Location"]).path == "/connexion"
    again = visitor.redeemed(back)
    assert (again["acr"], again["auth_time"]) == (LEVEL, told["auth_time"])
    # The way out still passes by FranceConnect.
    left = visitor.post("/deconnexion", {"csrf": csrf_of(visitor.get("/compte"))})
    assert "/session/end?id_token_hint=" in left.text


def test_an_account_without_a_link_confirms_by_its_password_alone(scene, visitor, camille):
    visitor.sign_in(camille)
    scene.instance.clock.advance(QUARTER)

    page = visitor.get(SENSITIVE)

    assert not lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']")
    assert "saisissez à nouveau votre mot de passe" in text_of(page)


def test_where_it_is_not_configured_the_overview_says_nothing_of_it(instance: Instance) -> None:
    visitor = instance.visitor()
    visitor.sign_in(instance.add_person())

    assert "FranceConnect" not in text_of(visitor.get("/compte"))
    assert visitor.get(PAGE).status_code == 404
