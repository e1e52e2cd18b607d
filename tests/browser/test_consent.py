"""Consent in a browser, by mouse, by keyboard, without JavaScript; and the choice of account."""

import re
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.visit import sign_in

pytestmark = pytest.mark.browser

HEADING = "Un service demande votre accord"


@pytest.fixture(scope="module")
def agenda(provider, demo):
    return provider.add_service(
        "agenda",
        client_name="Mon agenda",
        redirect_uris=(f"{demo}/agenda",),
        policy_uri=f"{demo}/confidentialite",
        first_party=False,
    )


def ask(page: Page, provider, agenda, **changes: str) -> None:
    page.goto(f"{provider.url}/authorize?{urlencode(agenda.request(**changes))}")


def heard(page: Page, agenda) -> dict[str, list[str]]:
    page.wait_for_url(re.compile(re.escape(agenda.client.redirect_uris[0])))
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_a_member_accepts_once_sees_it_at_the_account_and_takes_it_back(
    provider, agenda, open_browser, affilie, javascript
):
    page = open_browser(java_script_enabled=javascript).page
    ask(page, provider, agenda)
    sign_in(page, affilie)
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING)
    assert urlsplit(page.url).path == "/consentement"
    page.click("#consent-accept")
    assert heard(page, agenda)["code"]

    ask(page, provider, agenda)
    assert heard(page, agenda)["code"]

    page.goto(f"{provider.url}/compte")
    page.get_by_role("link", name="Voir mes services").click()
    page.get_by_role("button", name="Retirer l’accès de « Mon agenda »").click()
    expect(page.locator(".notice__title")).to_have_text("L’accès est retiré")
    expect(page.get_by_role("button", name="Retirer l’accès")).to_have_count(0)

    ask(page, provider, agenda)
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING)


def test_a_member_refuses_by_keyboard_alone_and_the_service_hears_it(
    provider, agenda, open_browser, affilie
):
    page = open_browser().page
    ask(page, provider, agenda)
    sign_in(page, affilie)
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING)

    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "consent-deny":
            break
    page.keyboard.press("Enter")

    assert heard(page, agenda)["error"] == ["access_denied"]


def test_who_is_signed_in_goes_on_or_is_somebody_else(provider, agenda, open_browser, affilie):
    visit = open_browser(viewport={"width": 320, "height": 640})
    page = visit.page
    page.goto(f"{provider.url}/connexion")
    sign_in(page, affilie)
    ask(page, provider, agenda, prompt="select_account")

    expect(page.locator("#account-continue")).to_contain_text("Continuer en tant que")
    assert axe.violations(page) == []
    page.click("#account-other")
    expect(page.locator("#password")).to_be_visible()
    page.go_back()
    page.click("#account-continue")

    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING)
    assert axe.violations(page) == []
    page.click("#consent-accept")
    assert heard(page, agenda)["code"]
