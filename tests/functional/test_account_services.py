"""``/compte/services``: which services have access, and how a member takes it back."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from tests.instance import Clock
from tests.instance import Instance
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.third_party import OFFLINE
from tests.third_party import ThirdParty
from tests.third_party import asks_consent

DAY = timedelta(days=1)
HEADING = "Services qui ont accès à vos informations"


@pytest.fixture
def here(instance: Instance) -> ThirdParty:
    return ThirdParty(instance)


def take_back(here: ThirdParty, page: TestResponse, number: int = 0, **more: str) -> TestResponse:
    """Press « Retirer l'accès » of one service of the page."""
    form = lxml_html.fromstring(page.text).xpath("//ul[@class='gifts']//form")[number]
    fields = {one.get("name"): one.get("value") for one in form.xpath(".//input")}
    return here.visitor.post(form.get("action"), fields | more)


def test_without_any_service_there_is_no_list(instance: Instance) -> None:
    visitor = instance.visitor()
    visitor.sign_in(instance.add_person(), instance.add_service())

    assert HEADING not in text_of(visitor.get("/compte/services"))


def test_a_service_of_others_stands_there_with_what_it_was_allowed_and_since_when(
    here: ThirdParty,
) -> None:
    here.consent()

    text = text_of(here.visitor.get("/compte/services"))

    assert HEADING in text
    assert (
        "« Mon agenda » Avec votre accord depuis le mardi 24 novembre 2026 : votre dossier,"
        " vous reconnaître, votre identité." in text
    )
    assert "en votre absence" not in text


def test_what_goes_on_in_the_members_absence_is_told_with_its_days(
    here: ThirdParty, clock: Clock
) -> None:
    tokens = here.tokens(scope=OFFLINE)
    clock.advance(2 * DAY)
    assert here.refresh(tokens["refresh_token"]).status_code == 200
    here.visitor.sign_in(here.person)

    text = text_of(here.visitor.get("/compte/services"))

    assert "en votre absence depuis le mardi 24 novembre 2026." in text
    assert "Dernier usage : le jeudi 26 novembre 2026." in text
    assert "prendra fin le samedi 26 décembre 2026." in text


def test_a_service_of_the_fund_stands_there_where_it_goes_on_in_the_members_absence(
    instance: Instance,
) -> None:
    here = ThirdParty(instance, first_party=True)
    tokens = here.visitor.tokens(here.person, here.service, scope=OFFLINE)

    page = here.visitor.get("/compte/services")
    taken = take_back(here, page)

    assert "C’est un service de la CARPIMKO." in text_of(page)
    assert HEADING not in text_of(taken)
    assert here.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401


def test_taking_access_back_ends_consent_refresh_and_access_tokens_at_once(
    here: ThirdParty,
) -> None:
    tokens = here.tokens(scope=OFFLINE)
    assert here.visitor.userinfo(tokens["access_token"]).status_code == 200
    assert here.introspect(tokens["refresh_token"])

    taken = take_back(here, here.visitor.get("/compte/services"))

    assert taken.status_code == 200
    assert "L’accès est retiré" in text_of(taken)
    assert HEADING not in text_of(taken)
    assert here.granted() == frozenset()
    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401
    assert not here.introspect(tokens["access_token"])
    assert not here.introspect(tokens["refresh_token"])
    assert here.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert asks_consent(here.ask())
    assert answer_of(here.ask(prompt="none"))["error"] == "consent_required"


def test_an_access_token_of_the_session_alone_ends_with_the_consent_too(here: ThirdParty) -> None:
    tokens = here.tokens()

    take_back(here, here.visitor.get("/compte/services"))

    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401
    assert not here.introspect(tokens["access_token"])


def test_b38_a_token_taken_back_stays_dead_when_access_is_given_again(here: ThirdParty) -> None:
    tokens = here.tokens(scope=OFFLINE)
    take_back(here, here.visitor.get("/compte/services"))

    here.answer(here.ask(scope=OFFLINE))

    assert here.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401


def test_a_code_on_its_way_begins_nothing_when_access_is_taken_back(here: ThirdParty) -> None:
    code = here.consent(scope=OFFLINE)["code"]
    take_back(here, here.visitor.get("/compte/services"))

    refused = here.visitor.redeem(here.service, code)

    assert refused.get_json()["error"] == "invalid_grant"
    assert HEADING not in text_of(here.visitor.get("/compte/services"))


def test_the_other_services_and_the_other_members_keep_theirs(here: ThirdParty) -> None:
    tokens = here.tokens(scope=OFFLINE)
    neighbour = ThirdParty.__new__(ThirdParty)
    neighbour.__dict__.update(here.__dict__)
    neighbour.visitor = here.instance.visitor()
    neighbour.person = here.instance.add_person("ayant_droit", "7654321")
    others = neighbour.tokens(scope=OFFLINE)
    here.service = here.instance.add_service(
        "banque", client_name="Banque", first_party=False, redirect_uris=("https://b.example/r",)
    )
    here.answer(here.ask())

    taken = take_back(here, here.visitor.get("/compte/services"))

    assert "« Banque »" not in text_of(taken)  # by name: it stood first
    assert "« Mon agenda »" in text_of(taken)
    here.service = neighbour.service
    assert here.refresh(tokens["refresh_token"]).status_code == 200
    assert neighbour.refresh(others["refresh_token"]).status_code == 200


def test_what_was_taken_back_is_in_the_audit_log_once(here: ThirdParty) -> None:
    here.tokens(scope=OFFLINE)
    page = here.visitor.get("/compte/services")

    take_back(here, page)
    take_back(here, page)

    told = [row for row in here.instance.audit() if row[0] == "access.taken_back"]
    assert told == [("access.taken_back", here.person.account_id, {"consent": 1, "families": 1})]


@pytest.mark.parametrize("csrf", ["", "x", "é"])
def test_attack_a_form_without_its_token_takes_nothing_back(here: ThirdParty, csrf: str) -> None:
    here.consent()

    answer = take_back(here, here.visitor.get("/compte/services"), csrf=csrf)

    assert answer.status_code == 403
    assert "Rien n’a été modifié." in text_of(answer)
    assert here.granted()


def test_attack_a_form_of_another_site_takes_nothing_back(here: ThirdParty) -> None:
    here.consent()
    form = lxml_html.fromstring(here.visitor.get("/compte/services").text).xpath("//ul//form")[0]
    fields = {one.get("name"): one.get("value") for one in form.xpath(".//input")}

    answer = here.visitor.post("/compte/services", fields, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert here.granted()


@pytest.mark.parametrize(
    "path", ["/compte/services", "/compte/confirmation", "/consentement", "/choix-du-dossier"]
)
def test_attack_a_post_of_another_site_without_its_cookies_signs_nobody_out(
    here: ThirdParty, path: str
) -> None:
    waiting = urlsplit(form_action(here.sign_in(prompt="consent"))).query
    without_cookies = here.instance.visitor()

    answer = without_cookies.post(f"{path}?{waiting}", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 303
    assert "__Host-session" not in str(answer.headers.getlist("Set-Cookie"))


def test_a_session_that_ended_is_taken_from_the_browser(here: ThirdParty) -> None:
    here.visitor.sign_in(here.person)
    here.instance.change_dossier(here.person, status="closed")

    answer = here.visitor.get("/compte/services")

    assert answer.headers["Location"] == "/connexion"
    assert any(
        cookie.startswith("__Host-session=;") for cookie in answer.headers.getlist("Set-Cookie")
    )


def test_attack_the_token_that_signs_out_takes_nothing_back(here: ThirdParty) -> None:
    here.consent()
    page = here.visitor.get("/compte/services")
    sign_out = csrf_of(here.visitor.get("/compte"))

    assert take_back(here, page, csrf=sign_out).status_code == 403
    assert here.granted()


def test_whose_session_has_ended_takes_nothing_back(here: ThirdParty) -> None:
    here.consent()
    page = here.visitor.get("/compte/services")
    here.visitor.restart()

    assert take_back(here, page).headers["Location"] == "/connexion"
    assert here.granted()


@pytest.mark.parametrize("service", ["", "inconnu", "x" * 5000, "\x00", "é"])
def test_a_service_that_nobody_knows_is_taken_back_without_a_trace(
    here: ThirdParty, service: str
) -> None:
    here.consent()

    answer = take_back(here, here.visitor.get("/compte/services"), service=service)

    assert answer.status_code == 200
    assert here.granted()
    assert not [row for row in here.instance.audit() if row[0] == "access.taken_back"]


def test_what_a_new_password_or_time_has_ended_is_not_listed(
    here: ThirdParty, clock: Clock
) -> None:
    here.service = here.instance.add_service(
        "caisse",
        scope=frozenset(OFFLINE.split()),
        grant_types=("authorization_code", "refresh_token"),
    )
    here.visitor.tokens(here.person, here.service, scope=OFFLINE)
    assert HEADING in text_of(here.visitor.get("/compte/services"))

    here.instance.change_account(here.person, credential_version=2)
    here.visitor.restart()
    here.visitor.sign_in(here.person)
    assert HEADING not in text_of(here.visitor.get("/compte/services"))

    redeemed = here.visitor.redeem(here.service, answer_of(here.ask(scope=OFFLINE))["code"])
    assert "refresh_token" in redeemed.get_json()
    assert HEADING in text_of(here.visitor.get("/compte/services"))
    clock.advance(30 * DAY)
    here.visitor.restart()
    here.visitor.sign_in(here.person)
    assert HEADING not in text_of(here.visitor.get("/compte/services"))


def test_a_service_that_was_removed_is_not_listed(here: ThirdParty) -> None:
    here.tokens(scope=OFFLINE)
    here.instance.remove_service(here.service)

    assert HEADING not in text_of(here.visitor.get("/compte/services"))


def test_every_service_that_was_opened_stands_there_with_its_last_day_and_no_other(
    here: ThirdParty, clock: Clock
) -> None:
    second = here.instance.add_service("retraite", client_name="Ma retraite")
    here.instance.add_service("autre", client_name="Jamais ouvert")
    here.visitor.sign_in(here.person, second)
    clock.advance(2 * DAY)
    here.consent()
    other = here.instance.add_person("ayant_droit", "7654321")
    neighbour = here.instance.visitor()
    neighbour.sign_in(other)

    page = lxml_html.fromstring(here.visitor.get("/compte/services").text)

    assert [one.replace("\u00a0", " ") for one in page.xpath("//dl/div/*/text()")] == [
        *("Mon agenda", "jeudi 26 novembre 2026"),
        *("Ma retraite", "mardi 24 novembre 2026"),
    ]
    assert "Services que vous avez ouverts" not in text_of(neighbour.get("/compte/services"))
