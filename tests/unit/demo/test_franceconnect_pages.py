"""What a person meets at the simulated FranceConnect: the choice, the errors, the way out."""

import csv
import re
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import lxml.html
import pytest
import requests

from demo.franceconnect.pages import INCIDENTS
from demo.franceconnect.pages import REFUSALS
from demo.franceconnect.people import PEOPLE
from demo.prepare import DOSSIERS
from tests.franceconnect import answer_in
from tests.instance import ISSUER
from tests.unit.demo.conftest import tokens_of

ROOT = Path(__file__).parents[3]
AFTER = f"{ISSUER}/franceconnect/deconnexion"


def error_of(callback):
    answer = answer_in(callback)
    assert answer.keys() == {"error", "error_description", "state", "iss"}
    return answer["error"]


def sign_out(there, **changes):
    given = {
        "id_token_hint": tokens_of(there)["id_token"],
        "state": secrets.token_urlsafe(32),
        "post_logout_redirect_uri": AFTER,
        **changes,
    }
    kept = {name: value for name, value in given.items() if value is not ...}
    return f"{there.issuer}/session/end?{urlencode(kept)}"


def test_everybody_stands_on_the_page_with_a_link_and_a_story_of_their_own(there):
    page = lxml.html.fromstring(there.abroad().open(there.request()).text)

    links = page.xpath("//a[contains(@href, '/personne/')]")
    names = [" ".join(link.text_content().split()) for link in links]
    assert page.get("lang") == "fr"
    assert page.xpath("count(//h1)") == 1
    assert "Simulateur – aucune donnée réelle" in page.text_content()
    assert all(name.endswith(one.story) for name, one in zip(names, PEOPLE, strict=True))
    assert len(set(names)) == len(PEOPLE)


def test_no_page_runs_a_script_or_loads_anything_from_elsewhere(there):
    for address in (there.request(), there.request(max_age="0"), f"{there.issuer}/nothing"):
        answer = there.abroad().open(address)
        policy = answer.headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "<script" not in answer.text
        assert "style=" not in answer.text


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("retour", "access_denied"),
        ("fournisseur", "access_denied"),
        ("requete", "invalid_request"),
        ("perimetre", "invalid_scope"),
        ("serveur", "server_error"),
        ("indisponible", "temporarily_unavailable"),
    ],
)
def test_each_error_comes_back_as_it_is_named(there, word, error):
    assert error_of(there.abroad().fail(there.request(), word)) == error
    assert word in INCIDENTS


@pytest.mark.parametrize("person", ["jean-morel", "paul-bernard", "yvette-blanc"])
def test_whom_the_register_does_not_vouch_for_comes_back_denied(there, person):
    assert error_of(there.abroad().pick(there.request(), person)) == "access_denied"
    assert {one.refusal for one in PEOPLE} == {"", *REFUSALS}


def test_a_sign_in_is_finished_once_in_its_browser_and_within_thirty_minutes(there, time):
    browser, other = there.abroad(), there.abroad()
    page = browser.open(there.request()).url

    elsewhere = other.open(f"{page}/personne/camille-durand")
    first = browser.open(f"{page}/personne/camille-durand")
    again = browser.open(f"{page}/personne/camille-durand")
    late_page = browser.open(there.request()).url
    time.advance(timedelta(minutes=30))
    late = browser.open(f"{late_page}/erreur/retour")

    assert elsewhere.status_code == again.status_code == late.status_code == 400
    assert first.status_code == 303


@pytest.mark.parametrize("path", ["personne/nobody", "erreur/nothing", "nothing"])
def test_an_address_that_nobody_links_to_leads_nowhere(there, path):
    browser = there.abroad()
    page = browser.open(there.request()).url

    assert browser.open(f"{page}/{path}").status_code in (400, 404)


def test_a_session_there_is_offered_again_for_thirty_minutes_from_its_last_use(there, time):
    browser = there.abroad()

    def offered():
        return "Continuer comme Camille Durand" in browser.open(there.request()).text

    assert not offered()
    browser.pick(there.request())
    for minutes, expected in ((29, True), (29, True), (30, False)):
        time.advance(timedelta(minutes=minutes))
        assert offered() is expected


def test_signing_out_ends_the_session_there_and_comes_back_with_the_state(there):
    browser = there.abroad()
    browser.pick(there.request())
    state = secrets.token_urlsafe(32)

    back = browser.follow(sign_out(there, state=state))

    assert back == f"{AFTER}?state={state}"
    assert "Continuer comme" not in browser.open(there.request()).text


def test_an_id_token_is_a_good_hint_long_after_its_sixty_seconds_and_after_a_rotation(there, time):
    address = sign_out(there)
    time.advance(timedelta(hours=8))
    there.simulator.keys.rotate(publish_old=False)

    assert there.abroad().follow(address).startswith(AFTER)


@pytest.mark.parametrize(
    "changes",
    [
        {"id_token_hint": ...},
        {"id_token_hint": "x"},
        {"id_token_hint": "e30.e30.e30"},
        {"state": ...},
        {"state": ""},
        {"post_logout_redirect_uri": ...},
        {"post_logout_redirect_uri": "https://mallory.example/"},
    ],
    ids=repr,
)
def test_a_sign_out_without_its_three_parameters_ends_on_a_page_there(there, changes):
    browser = there.abroad()
    browser.pick(there.request())

    answer = browser.open(sign_out(there, **changes))

    assert answer.status_code == 400
    assert "mallory" not in answer.text
    assert "Continuer comme" in browser.open(there.request()).text


def test_the_address_without_a_path_says_what_this_is_and_another_name_is_refused(there):
    address = there.issuer.removesuffix("/api/v2")

    said = requests.get(address, timeout=10)
    rebound = requests.get(address, headers={"Host": "mallory.example"}, timeout=10)

    assert "Le simulateur de FranceConnect" in said.text
    assert rebound.status_code == 400


def test_the_documentation_knows_everybody_and_every_dossier():
    told = (ROOT / "docs" / "franceconnect.md").read_text(encoding="utf-8")
    people = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", told.split("**As the real one.**")[0]))
    with DOSSIERS.open(encoding="utf-8") as file:
        dossiers = {row["numero_dossier"] for row in csv.DictReader(file, delimiter=";")}

    assert people == {person.key for person in PEOPLE}
    assert set(re.findall(r"\b(?:\d{7}|\d{9})\b", told)) == dossiers
