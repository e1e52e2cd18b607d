"""Sign-in through FranceConnect, from the button to the service: who comes in, and who does not."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
import redis
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from demo.franceconnect.pages import INCIDENTS
from tests.franceconnect import FranceConnect
from tests.franceconnect import answer_in
from tests.franceconnect_journey import CAMILLE
from tests.franceconnect_journey import MONIQUE
from tests.franceconnect_journey import MONIQUE_SURVIVOR
from tests.franceconnect_journey import Scene
from tests.franceconnect_journey import Traveller
from tests.franceconnect_journey import mailed_secret
from tests.instance import CALLBACK
from tests.instance import PASSWORD
from tests.instance import SIGNED_OUT
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new

LEVEL = "urn:carpimko:acr:franceconnect"
PROOF = "/franceconnect/rattachement"
CHOOSER = "/franceconnect/dossier"


@pytest.fixture
def scene(make_instance: Callable[..., Instance], franceconnect: FranceConnect) -> Scene:
    return Scene(make_instance(signing_algs=("ES256",), **franceconnect.settings), franceconnect)


@pytest.fixture
def visitor(scene: Scene) -> Traveller:
    return scene.visitor()


@pytest.fixture
def scene_with_mail(
    make_instance: Callable[..., Instance], franceconnect: FranceConnect, mailbox: Mailbox
) -> Scene:
    settings = franceconnect.settings | mailbox.settings
    return Scene(make_instance(signing_algs=("ES256",), **settings), franceconnect)


def path_of(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    return urlsplit(answer.headers["Location"]).path


def said_by(answer: TestResponse) -> str:
    """The word that a refusal leads back with; nobody is signed in."""
    assert path_of(answer) == "/connexion", answer.headers["Location"]
    assert not any("__Host-session" in one for one in answer.headers.getlist("Set-Cookie"))
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return query["franceconnect"][0]


def told_operators(caplog: pytest.LogCaptureFixture) -> str:
    """The newest line of what FranceConnect's pages write to the log."""
    lines = [one for one in caplog.records if one.name == "idp.franceconnect"]
    return lines[-1].getMessage()


def pass_time(store_url: str, span: timedelta) -> None:
    """Let time pass for the tries, which end by the store's clock."""
    with redis.Redis.from_url(store_url) as store:
        for key in list(store.scan_iter("franceconnect-try:*")):
            store.pexpire(key, store.pttl(key) - int(span.total_seconds() * 1000))


def is_answered(answer: TestResponse) -> bool:
    return answer.status_code == 303 and answer.headers["Location"].startswith(f"{CALLBACK}?code=")


def test_the_button_leads_to_the_service_with_the_level_in_its_token(scene, visitor):
    scene.settle(CAMILLE)

    page = visitor.open_sign_in(scene.service)
    [button] = lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']/@href")
    away = visitor.get(button)
    there = parse_qs(urlsplit(away.headers["Location"]).query)
    answer = visitor.get(visitor.abroad.pick(away.headers["Location"]))

    assert away.status_code == 303
    # FranceConnect's list is closed, and both are long enough for it.
    assert set(there) == {
        *("client_id", "response_type", "redirect_uri", "scope", "acr_values", "state", "nonce"),
    }
    assert len(there["state"][0]) == len(there["nonce"][0]) == 43
    assert is_answered(answer)
    claims = visitor.redeemed(answer)
    assert (claims["acr"], claims["amr"]) == (LEVEL, ["franceconnect"])
    assert visitor.get("/compte").status_code == 200


def test_somebody_with_two_dossiers_chooses_one(scene, visitor):
    mine, survivor = scene.settle(MONIQUE), scene.settle(MONIQUE_SURVIVOR)

    asked = visitor.come_as("monique-garnier")
    page = visitor.get(asked.headers["Location"])
    rows = lxml_html.fromstring(page.text).xpath("//input[@name='dossier']/@value")
    none = visitor.post(form_action(page), {"csrf": csrf_of(page)})
    other = visitor.post(form_action(page), {"csrf": csrf_of(page), "dossier": mine.account_id})
    answer = visitor.post(form_action(page), {"csrf": csrf_of(page), "dossier": rows[1]})
    again = visitor.post(form_action(page), {"csrf": csrf_of(page), "dossier": rows[0]})

    assert path_of(asked) == CHOOSER
    assert "AffiliéNuméro de dossier se terminant par 27" in text_of(page)
    assert "Ayant droitNuméro de dossier se terminant par 14" in text_of(page)
    assert MONIQUE not in page.text
    assert mine.account_id not in page.text
    assert (none.status_code, other.status_code) == (400, 400)
    assert "Choisissez un dossier" in text_of(none)
    assert is_answered(answer)
    assert visitor.redeemed(answer)["qualite"] == "ayant_droit"
    assert survivor.account_id in [who for _, who, _ in scene.instance.audit()]
    # One arrival opens one dossier.
    assert said_by(again) == "perime"


def test_a_choice_of_another_browser_opens_nothing(scene, visitor):
    """Attack: the chooser's form, replayed with what its page held, from elsewhere."""
    scene.settle(MONIQUE)
    scene.settle(MONIQUE_SURVIVOR)
    page = visitor.get(visitor.come_as("monique-garnier").headers["Location"])
    [row, _] = lxml_html.fromstring(page.text).xpath("//input[@name='dossier']/@value")

    thief = scene.visitor()
    thief.get("/connexion")
    answer = thief.post(CHOOSER, {"csrf": csrf_of(page), "dossier": row})

    assert said_by(answer) == "perime"


def test_who_is_not_found_proves_a_dossier_once(scene, visitor):
    scene.settle(CAMILLE)

    asked = visitor.come_as("ines-belkacem")
    page = visitor.get(asked.headers["Location"])
    wrong = visitor.submit_sign_in(page, "affilie", CAMILLE, "pas le bon")
    answer = visitor.submit_sign_in(page, "affilie", CAMILLE, PASSWORD)

    assert path_of(asked) == PROOF
    assert "Retrouvons votre dossier" in text_of(page)
    # On a computer of two, FranceConnect may still know the other one.
    for told in (page, wrong):
        [who] = lxml_html.fromstring(told.text).xpath("//*[@id='who']/text()")
        assert who.endswith(" BELKACEM")
    assert wrong.status_code == 403
    assert is_answered(answer)
    claims = visitor.redeemed(answer)
    assert (claims["acr"], claims["amr"]) == (LEVEL, ["franceconnect", "pwd"])
    next_time = scene.visitor()
    assert is_answered(next_time.come_as("ines-belkacem"))


def test_a_proof_is_counted_as_a_sign_in_and_asks_for_the_anti_robot(scene, visitor):
    """Attack: a stranger with a FranceConnect account of their own guesses passwords here."""
    scene.settle(CAMILLE)
    page = visitor.get(visitor.come_as("ines-belkacem").headers["Location"])

    for _ in range(5):
        page = visitor.submit_sign_in(page, "affilie", CAMILLE, "pas le bon")
    held = visitor.submit_sign_in(page, "affilie", CAMILLE, PASSWORD)

    assert "anti_robot_question" in page.text
    assert held.status_code == 429


def test_a_temporary_password_links_once_another_is_chosen(scene_with_mail, mailbox):
    scene, visitor = scene_with_mail, scene_with_mail.visitor()
    scene.settle(CAMILLE)
    secret = mailed_secret(scene, mailbox)

    page = visitor.get(visitor.come_as("ines-belkacem").headers["Location"])
    led = visitor.submit_sign_in(page, "affilie", CAMILLE, secret)
    choice = visitor.get(led.headers["Location"])
    answer = submit_new(visitor, choice)

    assert path_of(led) == "/nouveau-mot-de-passe"
    assert is_answered(answer)
    assert visitor.redeemed(answer)["amr"] == ["franceconnect", "pwd"]
    assert is_answered(scene.visitor().come_as("ines-belkacem"))


def test_a_password_chosen_for_another_reason_links_nobody_who_was_here_before(
    scene_with_mail, mailbox
):
    """Attack: somebody leaves their arrival in a shared browser, for the next person to link."""
    scene, visitor = scene_with_mail, scene_with_mail.visitor()
    person = scene.settle(CAMILLE)
    secret = mailed_secret(scene, mailbox)

    visitor.come_as("ines-belkacem")
    answer = submit_new(visitor, open_choice(visitor, person, secret, scene.service))

    assert visitor.redeemed(answer)["amr"] == ["pwd"]

    assert path_of(scene.visitor().come_as("ines-belkacem")) == PROOF


def test_who_is_written_otherwise_by_the_fund_is_found(scene):
    people = {
        "paulette-mercier": "204816357",
        "moussa-ndiaye": "0410552",
        "ana-ferreira": "2014188",
        "anne-laure-le-goff": "0512663",
        "henri-paoli": "1711855",
        "marie-martin-lyon": "1812966",
        "marie-martin-paris": "1913077",  # her homonym
    }
    accounts = {person: scene.settle(numero).account_id for person, numero in people.items()}

    for person, account_id in accounts.items():
        assert is_answered(scene.visitor().come_as(person)), person
        assert scene.instance.audit()[-1][:2] == ("sign_in.succeeded", account_id)


def test_who_came_before_their_civil_status_was_corrected_comes_after(scene, visitor):
    scene.settle("1508633")

    assert is_answered(visitor.come_as("luc-petit"))
    assert is_answered(scene.visitor().come_as("luc-petit-corrige"))


def test_who_is_nobody_here_learns_what_to_do_and_nobody_is_guessed(scene):
    scene.settle(CAMILLE)
    scene.settle("413077921")

    for person in ("sacha-durand", "claire-roussel", "theodora-papadimitrakopoulou"):
        assert path_of(scene.visitor().come_as(person)) == PROOF, person


def test_a_closed_dossier_and_a_frozen_account_get_the_ordinary_sentence(scene, visitor):
    scene.settle("2115299")
    frozen = scene.settle(CAMILLE)
    scene.instance.change_account(frozen, protection="frozen")

    for person in ("suzanne-faure", "camille-durand"):
        answer = visitor.come_as(person)
        assert said_by(answer) == "refuse"
        page = text_of(visitor.get(answer.headers["Location"]))
        assert "Ces informations ne permettent pas de vous connecter." in page


def test_whom_franceconnect_refuses_is_told_nothing_of_why(scene):
    for person in ("jean-morel", "paul-bernard", "yvette-blanc"):
        visitor = scene.visitor()
        answer = visitor.come_as(person)
        assert said_by(answer) == "annule"
        page = text_of(visitor.get(answer.headers["Location"]))
        assert "La connexion avec FranceConnect n’a pas abouti" in page
        assert "Pour continuer vers « Mes cotisations »" in page


def test_an_error_there_leads_back_to_the_page_that_one_left(scene, caplog):
    caplog.set_level("INFO", "idp.franceconnect")
    for word, incident in INCIDENTS.items():
        visitor = scene.visitor()
        answer = visitor.come_with(word)
        is_away = incident.error in ("server_error", "temporarily_unavailable")
        assert said_by(answer) == ("indisponible" if is_away else "annule"), word
        assert told_operators(caplog) == f"nobody came from FranceConnect: {incident.error}"
        page = visitor.get(answer.headers["Location"])
        assert page.status_code == 200
        assert "Pour continuer vers « Mes cotisations »" in text_of(page)
        assert lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']")


def test_an_error_that_a_stranger_types_reaches_no_log(scene, visitor, caplog):
    """Attack: a line of their own in the log, or a word by the megabyte in the numbers."""
    caplog.set_level("INFO", "idp.franceconnect")
    for typed in ("denied\nadmin signed in", "x" * 4000, "ACCESS_DENIED", ""):
        answer = answer_in(visitor.abroad.fail(visitor.leave()))

        said = said_by(visitor.get("/franceconnect/retour", {**answer, "error": typed}))

        assert said == "annule"
        assert told_operators(caplog) == "nobody came from FranceConnect: other"


def test_a_callback_in_another_browser_signs_nobody_in(scene, visitor):
    """Attack (login CSRF): the attacker's own callback, opened in the victim's browser."""
    scene.settle(CAMILLE)
    callback = visitor.abroad.pick(visitor.leave())
    victim = scene.visitor()
    victim.open_sign_in(scene.service)

    stolen = victim.get(callback)
    own = visitor.get(callback)

    assert said_by(stolen) == "perime"
    assert victim.get("/compte").status_code == 303
    # The browser that left loses nothing by it.
    assert is_answered(own)


def test_a_callback_is_taken_once(scene, visitor):
    """Attack: a callback replayed; and the back button, which does the same."""
    scene.settle(CAMILLE)
    callback = visitor.abroad.pick(visitor.leave())
    first = visitor.get(callback)
    calls = scene.franceconnect.simulator.calls.count("token")

    again = visitor.get(callback)

    assert is_answered(first)
    assert said_by(again) == "perime"
    assert scene.franceconnect.simulator.calls.count("token") == calls


def test_a_callback_of_another_provider_is_refused_and_the_true_one_still_comes(scene, visitor):
    """Attack (mix-up, RFC 9700 §4.4): the answer of a provider that the attacker runs."""
    scene.settle(CAMILLE)
    callback = visitor.abroad.pick(visitor.leave())
    answer = answer_in(callback)

    for iss in ("https://mallory.example", ""):
        mixed = visitor.get("/franceconnect/retour", {**answer, "iss": iss})
        assert said_by(mixed) == "inattendu"
    assert "token" not in scene.franceconnect.simulator.calls

    assert is_answered(visitor.get(callback))


def test_a_forged_state_or_code_signs_nobody_in(scene, visitor):
    """Attack: a callback that somebody made up, whole or in part."""
    scene.settle(CAMILLE)
    answer = answer_in(visitor.abroad.pick(visitor.leave()))
    forged = {
        "state": [({**answer, "state": "x" * 43}, "perime"), ({**answer, "state": ""}, "perime")],
        "code": [({**answer, "code": "forged"}, "perime")],
    }

    for changes in forged.values():
        for sent, word in changes:
            assert said_by(visitor.get("/franceconnect/retour", sent)) == word


def test_the_code_of_another_browser_is_refused_under_ones_own_state(scene, visitor):
    """Attack (code injection): a stolen code, put into a callback of the attacker's own."""
    scene.settle(CAMILLE)
    stolen = answer_in(visitor.abroad.pick(visitor.leave()))
    attacker = scene.visitor()
    own = answer_in(attacker.abroad.pick(attacker.leave(), "ines-belkacem"))

    answer = attacker.get("/franceconnect/retour", {**own, "code": stolen["code"]})

    # Its ID token repeats the nonce of the other.
    assert said_by(answer) == "inattendu"


def test_a_network_that_invents_codes_is_held_and_takes_nobody_s_seat(make_instance, franceconnect):
    """Attack: callbacks by the hundred with codes made up hold the few seats at FranceConnect.

    It may also take them for an attack of ours, and answer nobody here any more.
    """
    settings = {**franceconnect.settings, "network_limit": 5}
    scene = Scene(make_instance(signing_algs=("ES256",), **settings), franceconnect)
    scene.settle(CAMILLE)
    attacker, elsewhere = scene.visitor(), scene.visitor("198.51.100.7")
    for _ in range(5):
        forged = {**answer_in(attacker.abroad.fail(attacker.leave())), "code": "forged"}
        del forged["error"]
        assert said_by(attacker.get("/franceconnect/retour", forged)) == "perime"
    under_way = scene.visitor()
    with_page = under_way.get("/authorize", scene.service.request()).headers["Location"]
    calls = scene.franceconnect.simulator.calls.count("token")

    held = under_way.get(with_page.replace("/connexion?", "/franceconnect?"))
    page = under_way.get(held.headers["Location"])

    # Told before one signs in over there, and the service goes on waiting.
    assert said_by(held) == "attente"
    assert "Trop de retours de FranceConnect ont échoué" in text_of(page)
    assert "Pour continuer vers « Mes cotisations »" in text_of(page)
    assert scene.franceconnect.simulator.calls.count("token") == calls
    assert is_answered(elsewhere.come_as("camille-durand"))


def test_callbacks_that_were_under_way_are_held_too(make_instance, franceconnect):
    """Attack: the tries are collected first, and come back all at once."""
    settings = {**franceconnect.settings, "network_limit": 5}
    scene = Scene(make_instance(signing_algs=("ES256",), **settings), franceconnect)
    forged = []
    for _ in range(6):
        attacker = scene.visitor()
        answer = {**answer_in(attacker.abroad.fail(attacker.leave())), "code": "forged"}
        del answer["error"]
        forged.append((attacker, answer))

    said = [said_by(who.get("/franceconnect/retour", answer)) for who, answer in forged]

    assert said == ["perime"] * 5 + ["attente"]
    assert scene.franceconnect.simulator.calls.count("token") == 5


def test_a_secret_that_franceconnect_no_longer_takes_is_not_the_member_s_fault(scene, visitor):
    callback = visitor.abroad.pick(visitor.leave())
    scene.franceconnect.simulator.misbehave("token_invalid_client")

    assert said_by(visitor.get(callback)) == "indisponible"


def test_a_parameter_twice_is_no_answer(scene, visitor):
    """Attack (parameter pollution): two readers of an address would each see another answer."""
    scene.settle(CAMILLE)
    callback = visitor.abroad.pick(visitor.leave())

    for name in ("state", "code", "iss", "error"):
        assert said_by(visitor.get(f"{callback}&{name}=a&{name}=b")) == "inattendu"
    assert is_answered(visitor.get(callback))


def test_callbacks_out_of_order_each_end_their_own_try(scene, visitor):
    scene.settle(CAMILLE)
    first, second = visitor.leave(), visitor.leave()

    assert is_answered(visitor.get(visitor.abroad.pick(second)))
    assert is_answered(visitor.get(visitor.abroad.pick(first)))


def test_who_comes_back_too_late_finds_the_service_still_waiting(scene, visitor, valkey_url):
    scene.settle(CAMILLE)
    in_time, too_late = visitor.leave(), scene.visitor()
    away = too_late.leave()
    pass_time(valkey_url, timedelta(minutes=59))
    assert is_answered(visitor.get(visitor.abroad.pick(in_time)))
    pass_time(valkey_url, timedelta(minutes=1))

    answer = too_late.get(too_late.abroad.pick(away))
    page = too_late.get(answer.headers["Location"])
    [button] = lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']/@href")
    again = too_late.get(button).headers["Location"]

    assert said_by(answer) == "perime"
    assert "mais trop tard" in text_of(page)
    assert "Pour continuer vers « Mes cotisations »" in text_of(page)
    assert "token" in scene.franceconnect.simulator.calls
    assert is_answered(too_late.get(too_late.abroad.pick(again)))


def test_a_callback_for_a_request_that_went_stale_shows_no_page_at_its_own_address(
    scene, visitor, clock: Clock
):
    """Attack: whoever sits down next reads the code in the address, or in the history."""
    scene.settle(CAMILLE)
    page = visitor.open_sign_in(scene.service)
    [button] = lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']/@href")
    clock.advance(scene.instance.settings.waiting_request_lifetime - timedelta(minutes=1))
    away = visitor.get(button).headers["Location"]
    clock.advance(timedelta(minutes=2))

    answer = visitor.get(visitor.abroad.pick(away))
    told = visitor.get(answer.headers["Location"])

    assert path_of(answer) == "/connexion"
    assert "code=" not in answer.headers["Location"]
    assert told.status_code == 400
    assert "Cette page est restée ouverte trop longtemps" in text_of(told)


def test_an_error_at_the_address_of_a_callback_repeats_nothing_of_it(scene, visitor):
    """Attack: a page that stays open offers the code again, in the link to the other language."""
    callback = visitor.abroad.pick(visitor.leave())
    secrets = answer_in(callback)

    page = visitor.get(callback + "&more=" * 101)

    assert page.status_code == 400
    assert secrets["code"] not in page.text
    assert secrets["state"] not in page.text


def test_a_callback_whose_code_is_over_is_too_late(scene, visitor, clock: Clock):
    scene.settle(CAMILLE)
    callback = visitor.abroad.pick(visitor.leave())
    clock.advance(timedelta(seconds=31))  # a code lives for thirty

    assert said_by(visitor.get(callback)) == "perime"


def test_what_franceconnect_cannot_have_said_signs_nobody_in(scene, visitor):
    """Attack: an answer forged between FranceConnect and us."""
    scene.settle(CAMILLE)

    for fault in ("id_token_nonce", "id_token_aud", "userinfo_other_sub"):
        scene.franceconnect.simulator.misbehave(fault)
        answer = visitor.come_as("camille-durand")
        assert said_by(answer) == "inattendu"
        page = text_of(visitor.get(answer.headers["Location"]))
        assert "ce n’est pas celle que nous attendions" in page


def test_where_franceconnect_is_away_the_other_block_works(scene, visitor):
    person = scene.settle(CAMILLE)
    scene.franceconnect.simulator.misbehave("down")

    page = visitor.open_sign_in(scene.service)
    [button] = lxml_html.fromstring(page.text).xpath("//a[@class='fr-connect']/@href")
    answer = visitor.get(button)
    told = visitor.get(answer.headers["Location"])

    assert said_by(answer) == "indisponible"
    assert "FranceConnect ne répond pas en ce moment" in text_of(told)
    assert is_answered(visitor.submit_sign_in(told, person.qualite, person.numero, person.password))


def test_signing_out_at_a_service_ends_the_session_there_by_a_page_of_ours(scene, visitor):
    """A service's form leads where its policy allows: to us, and never to FranceConnect."""
    scene.settle(CAMILLE)
    code = parse_qs(urlsplit(visitor.come_as("camille-durand").headers["Location"]).query)["code"]
    told = visitor.redeem(scene.service, code[0]).get_json()
    asked = {
        "id_token_hint": told["id_token"],
        "post_logout_redirect_uri": SIGNED_OUT,
        "state": "of-the-service",
    }

    page = visitor.get("/logout", asked)
    [onward] = lxml_html.fromstring(page.text).xpath("//a[@id='logging-out-continue']/@href")
    back = visitor.get(visitor.abroad.follow(onward))

    assert page.status_code == 200
    assert f'content="0; url={onward}"'.replace("&", "&amp;") in page.text
    assert onward.startswith(f"{scene.franceconnect.issuer}/session/end?")
    assert back.headers["Location"] == f"{SIGNED_OUT}?state=of-the-service"
    offered = visitor.abroad.open(visitor.leave()).text
    assert "Continuer comme" not in offered
    assert visitor.get("/compte").status_code == 303


def test_no_state_or_code_reaches_a_log_an_address_of_ours_or_a_referrer(scene, visitor, caplog):
    scene.settle(CAMILLE)
    callback = visitor.abroad.pick(visitor.leave())
    secrets = answer_in(callback)

    answer = visitor.get(callback)

    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    ours = [line.getMessage() for line in caplog.records if line.name.startswith("idp")]
    for secret in (secrets["code"], secrets["state"]):
        assert secret not in "".join(ours)
        assert secret not in answer.headers["Location"]
        assert all(secret not in one for one in answer.headers.getlist("Set-Cookie"))


def test_where_it_is_not_configured_nothing_of_it_is_there(instance):
    visitor = instance.visitor()

    for path in ("/franceconnect", "/franceconnect/retour", CHOOSER, PROOF):
        assert visitor.get(path).status_code == 404
    assert "FranceConnect" not in text_of(visitor.get("/connexion"))
