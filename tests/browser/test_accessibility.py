"""Every page in every state: nothing for axe-core to find, nothing to scroll sideways for."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser import pages
from tests.browser.visit import sign_in
from tests.page_states import STAYING
from tests.page_states import named

pytestmark = pytest.mark.browser

WIDTHS = (1280, 360)
SCHEMES = ("light", "dark")
NARROWEST = 320  # WCAG 2.2, 1.4.10: 1280 px at 400 %
OVERFLOWING = """() => {
  const wide = [...document.querySelectorAll("body *")].filter(
    (one) => one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest(".scroll"));
  return [document.documentElement.scrollWidth, wide.map((one) => one.className || one.tagName)];
}"""


@pytest.fixture(scope="module")
def states():
    with pages.states() as address:
        yield address


@pytest.fixture(scope="module")
def tab(chromium):
    """One tab for all states: a context for each would cost more than what it looks at."""
    context = chromium.new_context(locale="fr-FR", reduced_motion="reduce")
    yield context.new_page()
    context.close()


def check_accessibility(page: Page) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert axe.violations(page) == [], f"{page.url} at {width} px, {scheme}"


def check_reflow(page: Page) -> None:
    page.set_viewport_size({"width": NARROWEST, "height": 800})
    width, overflowing = page.evaluate(OVERFLOWING)
    assert (width, overflowing) == (NARROWEST, [])


@pytest.mark.parametrize("state", STAYING, ids=lambda state: state.name)
def test_axe_finds_nothing_in_a_state_and_it_fits_320_px(tab, states, state):
    tab.goto(f"{states}/{state.name}")

    check_accessibility(tab)
    check_reflow(tab)


def test_axe_finds_nothing_when_the_disclosure_is_open_and_the_password_shown(tab, states):
    tab.goto(f"{states}/login-filled")
    tab.get_by_text("Que cocher ?").click()
    tab.fill("#password", "visible")
    tab.get_by_role("button", name="Afficher le mot de passe").click()

    check_accessibility(tab)
    check_reflow(tab)


def test_axe_would_find_a_fault(tab, states):
    tab.goto(f"{states}/{named('login-first').name}")
    tab.evaluate("document.querySelector('label[for=numero]').remove()")

    assert "label" in [fault["rule"] for fault in axe.violations(tab)]


def test_text_at_twice_its_size_still_fits_a_telephone(tab, states):
    for name in ("login-all-ways", "login-empty", "error-protocol-with-words", "account"):
        tab.goto(f"{states}/{name}")
        tab.set_viewport_size({"width": 360, "height": 740})
        tab.evaluate("document.documentElement.style.setProperty('font-size', '225%')")
        width, overflowing = tab.evaluate(OVERFLOWING)
        assert (width, overflowing) == (360, []), name


def test_axe_finds_nothing_on_the_pages_that_the_provider_serves(
    provider, demo, open_browser, affilie
):
    page = open_browser().page

    def check(heading: str) -> None:
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        check_accessibility(page)
        check_reflow(page)

    page.goto(f"{demo}/cotisations/connexion")
    check("Je me connecte")
    sign_in(page, affilie, "pas le bon mot de passe")
    check("Je me connecte")
    sign_in(page, affilie)
    page.wait_for_url(f"{demo}/")
    check("Mes cotisations")
    page.goto(f"{provider.url}/compte")
    check("Bonjour")
    page.goto(f"{provider.url}/logout")
    check("déconnecter")
    page.locator("main button[type=submit]").click()
    check("Votre session est terminée")
    page.goto(f"{provider.url}/connexion?demande=illisible")
    check("restée ouverte trop longtemps")
    page.goto(f"{provider.url}/authorize?client_id=inconnu")
    check("Ce service ne peut pas vous connecter")
    page.goto(f"{provider.url}/nulle-part")
    check("Cette page n’existe pas")
