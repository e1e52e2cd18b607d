"""The member's own pages by the keyboard alone, with and without JavaScript."""

import json

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from tests.browser.visit import sign_in
from tests.instance import Person

pytestmark = pytest.mark.browser

MANY = 40
NEW = "quatre hirondelles sous le préau 62"


def press_enter_on(page: Page, name: str) -> None:
    """Go on from what has the focus, a tab at a time, to a link or a button, and press it."""
    for _ in range(MANY):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == name:
            page.keyboard.press("Enter")
            return
    pytest.fail(f"no tab leads to {name!r}")


def type_into(page: Page, field: str, words: str) -> None:
    for _ in range(MANY):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == field:
            page.keyboard.type(words)
            return
    pytest.fail(f"no tab leads to {field}")


def back_to_the_overview(page: Page) -> None:
    press_enter_on(page, "Retour à mon espace")
    page.wait_for_url("**/compte")


def stands_first(page: Page, title: str) -> None:
    """What was done has the focus and begins the title."""
    expect(page.locator("[autofocus]")).to_be_focused()
    expect(page.locator("[autofocus] h2")).to_have_text(title)
    assert page.title().startswith(f"{title} – ")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_the_account_is_looked_after_by_the_keyboard_alone(
    provider, demo, open_browser, javascript
):
    person = provider.add_person()
    visit = open_browser(java_script_enabled=javascript)
    page = visit.page
    page.goto(f"{provider.url}/connexion")
    sign_in(page, person)
    page.wait_for_url(f"{demo}/**")
    page.goto(f"{provider.url}/compte")

    press_enter_on(page, "Changer mon mot de passe")
    page.wait_for_url("**/mot-de-passe")
    type_into(page, "current", person.password)
    type_into(page, "password", NEW)
    if not javascript:
        type_into(page, "confirm", NEW)
    page.keyboard.press("Enter")
    stands_first(page, "Votre mot de passe est changé")

    changed = Person(person.account_id, person.qualite, person.numero, NEW)
    elsewhere = open_browser().page
    elsewhere.goto(f"{provider.url}/connexion")
    sign_in(elsewhere, changed)
    elsewhere.wait_for_url(f"{demo}/**")
    back_to_the_overview(page)
    press_enter_on(page, "Voir mes appareils")
    page.wait_for_url("**/appareils")
    press_enter_on(page, "Déconnecter tous les autres appareils")
    stands_first(page, "Vos autres appareils sont déconnectés")

    back_to_the_overview(page)
    press_enter_on(page, "Voir et télécharger mes données")
    page.wait_for_url("**/mes-donnees")
    with page.expect_download() as download:
        press_enter_on(page, "Télécharger mes données")
    told = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert told["dossier"]["numero_dossier"] == person.numero

    back_to_the_overview(page)
    press_enter_on(page, "Bloquer mon espace")
    page.wait_for_url("**/ce-n-etait-pas-moi")
    press_enter_on(page, "Bloquer mon espace maintenant")
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre espace est bloqué")
    page.goto(f"{provider.url}/compte")
    page.wait_for_url(f"{provider.url}/connexion")
    sign_in(page, changed)
    expect(page.locator("#error-summary")).to_contain_text("ne permettent pas de vous connecter")
