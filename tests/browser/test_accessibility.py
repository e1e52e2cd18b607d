"""Every page in every state: nothing for axe-core to find, nothing to scroll sideways for."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import ViewportSize
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser import pages
from tests.browser import trees
from tests.browser.visit import DESKTOP
from tests.browser.visit import sign_in
from tests.page_states import STAYING
from tests.page_states import named

pytestmark = pytest.mark.browser

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROWEST = 320  # WCAG 2.2, 1.4.10: 1280 px at 400 %
SPACED = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important;"
    + " word-spacing: .16em !important } p { margin-bottom: 2em !important }");
  document.adoptedStyleSheets = [sheet];
}"""  # WCAG 2.2, 1.4.12
CUT = """() => [...document.querySelectorAll("main *")].filter((one) => {
  const style = getComputedStyle(one);
  return !one.matches("input, .visually-hidden, .visually-hidden *") &&
    style.overflow === "hidden" && style.visibility !== "hidden" &&
    one.scrollHeight > one.clientHeight + 1; }).map((one) => one.className || one.tagName)"""
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
    axe.stand_by(context)
    yield context.new_page()
    context.close()


def check_accessibility(page: Page) -> None:
    """Look with every rule once, wide and light; in the dark, narrow, at what a scheme changes."""
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    assert axe.violations(page) == [], f"{page.url}, wide, light"
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme="dark")
    assert axe.violations(page, "color-contrast") == [], f"{page.url}, narrow, dark"


def check_reflow(page: Page) -> None:
    page.set_viewport_size({"width": NARROWEST, "height": 800})
    width, overflowing = page.evaluate(OVERFLOWING)
    assert (width, overflowing) == (NARROWEST, [])


@pytest.mark.parametrize("state", STAYING, ids=lambda state: state.name)
def test_axe_finds_nothing_in_a_state_in_either_language_and_it_fits_320_px(tab, states, state):
    tab.set_viewport_size(WIDE)
    tab.emulate_media(color_scheme="light")
    tab.goto(f"{states}/{state.name}")
    assert axe.violations(tab) == [], f"{tab.url}, wide, light"
    check_reflow(tab)

    # The dark with the other language: no template gives one language colours of its own.
    tab.emulate_media(color_scheme="dark")
    tab.goto(f"{states}/{state.name}?langue=en")
    check_reflow(tab)
    assert axe.violations(tab) == [], f"{tab.url}, at its narrowest, dark"
    tab.context.clear_cookies()  # the language was kept


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


def test_text_with_more_space_is_neither_cut_nor_wider_than_the_page(tab, states):
    tab.set_viewport_size({"width": NARROWEST, "height": 800})
    for name in (
        *("login-empty", "reset_channel-long", "reset_channel-none-chosen"),
        *("account_services-visits", "account_email-recorded", "consent-all"),
    ):
        tab.goto(f"{states}/{name}")
        tab.evaluate(SPACED)
        assert tab.evaluate(OVERFLOWING) == [NARROWEST, []], name
        assert tab.evaluate(CUT) == [], name


@pytest.mark.parametrize("name", trees.STATES)
def test_a_screen_reader_is_told_what_it_was_told_before(tab, states, name):
    tab.set_viewport_size(DESKTOP)
    tab.goto(f"{states}/{name}")

    assert tab.locator("body").aria_snapshot() == trees.kept(name), (
        "where the change is meant: .venv/bin/python -m tests.browser.trees"
    )


def test_in_forced_colours_what_is_chosen_pressed_or_wrong_is_still_seen(tab, states):
    tab.emulate_media(forced_colors="active", color_scheme="light")
    try:
        tab.goto(f"{states}/login-switch-to-ayant-droit")
        for shape in (".sheet", ".field__input", ".choice__label", ".button", ".notice"):
            style = tab.locator(shape).first.evaluate(
                "one => [getComputedStyle(one).borderTopWidth, getComputedStyle(one).borderTopColor"
                ", getComputedStyle(one).backgroundColor]"
            )
            assert style[0] != "0px", shape
            assert style[1] != style[2], shape
        chosen, other = (
            tab.locator(f"label[for=qualite-{one}]").evaluate(
                "one => getComputedStyle(one).borderTopColor"
            )
            for one in ("affilie", "ayant-droit")
        )
        assert chosen != other
        tab.locator("#numero").focus()
        outline = tab.locator("#numero").evaluate("one => getComputedStyle(one).outlineStyle")
        assert outline == "solid"
        tab.goto(f"{states}/account")
        apart = tab.locator(".apart").evaluate("one => getComputedStyle(one).borderTopWidth")
        assert apart == "2px"
    finally:
        tab.emulate_media(forced_colors="none")


def test_nothing_moves_for_who_asked_for_no_movement(tab, states):
    tab.goto(f"{states}/login-filled")
    for wish, seconds in (("reduce", "0s"), ("no-preference", "0.15s")):
        tab.emulate_media(reduced_motion=wish)
        moving = tab.evaluate(
            "[...new Set([...document.querySelectorAll('*')].map("
            "one => getComputedStyle(one).transitionDuration))].filter(one => one !== '0s')"
        )
        assert moving == [one for one in (seconds,) if one != "0s"]
        animated = tab.evaluate("document.getAnimations().length")
        assert animated == 0
    tab.emulate_media(reduced_motion="reduce")


def test_on_paper_stand_the_words_and_none_of_the_buttons(tab, states):
    tab.emulate_media(media="print")
    try:
        tab.goto(f"{states}/reset_sent-letter")
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        expect(tab.locator(".actions")).to_be_hidden()
        expect(tab.locator(".skip")).to_be_hidden()
    finally:
        tab.emulate_media(media="screen")


def test_a_telephone_on_its_side_and_a_page_at_400_percent_scroll_one_way_and_hide_nothing(
    tab, states
):
    # 1280 x 1024 at 400 %, and a telephone on its side (RGAA 13.9).
    for width, height in ((320, 256), (740, 360)):
        tab.set_viewport_size({"width": width, "height": height})
        for name in ("login-empty", "reset_channel-both", "personal-data-filled"):
            tab.goto(f"{states}/{name}")
            found, overflowing = tab.evaluate(OVERFLOWING)
            assert (found, overflowing) == (width, []), name
            stuck = tab.evaluate(
                "[...document.querySelectorAll('body *')].filter(one => "
                "['fixed', 'sticky'].includes(getComputedStyle(one).position)).length"
            )
            assert stuck == 0, name


def test_axe_finds_nothing_on_the_pages_that_the_provider_serves(
    provider, demo, open_browser, affilie
):
    page = open_browser().page
    axe.stand_by(page.context)

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


def test_axe_finds_nothing_on_the_pages_of_the_simulated_franceconnect(open_browser, franceconnect):
    page = open_browser().page
    page.goto(franceconnect.request(max_age="0"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Une erreur est survenue")
    check_accessibility(page)
    check_reflow(page)

    page.goto(franceconnect.request())
    check_accessibility(page)
    check_reflow(page)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Aller au contenu")).to_be_focused()
    for name in ("Revenir sans m’identifier", "Camille Durand", "Paulette Mercier"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name)).to_be_focused()
