"""The sign-in page as people use it: corrections, switches, keyboards, tabs, the back button."""

import re

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from tests.browser.visit import fill
from tests.browser.visit import sign_in
from tests.instance import PASSWORD

pytestmark = pytest.mark.browser

with_and_without_javascript = pytest.mark.parametrize(
    "javascript", [True, False], ids=["javascript", "no-javascript"]
)

FOCUS_OF = """() => {
  const one = document.activeElement;
  const shown = one.matches("input[type=radio]") ? one.labels[0] : one;
  const style = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  return {
    id: one.id || one.className.baseVal || one.className || one.tagName,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    on_screen: box.width > 1 && box.height > 1 && box.top < innerHeight && box.bottom > 0,
  };
}"""


def open_for(page: Page, demo: str) -> None:
    page.goto(f"{demo}/cotisations/connexion")


def focus(page: Page) -> str:
    """The id of what has the focus, which must be visible on screen."""
    found = page.evaluate(FOCUS_OF)
    assert found["outlined"], f"{found['id']} does not show its focus"
    assert found["on_screen"], f"{found['id']} has the focus out of sight"
    name: str = found["id"]
    return name


@with_and_without_javascript
def test_a_wrong_password_is_corrected_with_radio_and_number_kept(
    demo, open_browser, affilie, javascript
):
    page = open_browser(java_script_enabled=javascript).page
    open_for(page, demo)

    sign_in(page, affilie, "pas le bon mot de passe")

    expect(page.get_by_role("alert")).to_contain_text("Nous n’avons pas pu vous connecter")
    expect(page).to_have_title(re.compile(r"^Erreur"))
    expect(page.locator("#qualite-affilie")).to_be_checked()
    expect(page.locator("#numero")).to_have_value(affilie.numero)
    expect(page.locator("#password")).to_have_value("")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(f"{demo}/")


@with_and_without_javascript
def test_what_went_wrong_has_the_focus_when_the_page_comes_back(
    demo, open_browser, affilie, javascript
):
    page = open_browser(java_script_enabled=javascript).page
    open_for(page, demo)

    sign_in(page, affilie, "pas le bon mot de passe")

    expect(page.locator("#error-summary")).to_be_focused()


@with_and_without_javascript
def test_an_empty_form_lists_what_to_mend_and_its_links_lead_to_the_fields(
    demo, open_browser, javascript
):
    page = open_browser(java_script_enabled=javascript).page
    open_for(page, demo)

    page.click("#login-submit")

    links = page.locator("#error-summary a[href^='#']")
    expect(links).to_have_count(3)
    expect(page.locator(".disclosure")).to_have_attribute("open", "")
    for link, field in zip(links.all(), ("qualite-affilie", "numero", "password"), strict=True):
        link.click()
        expect(page.locator(f"#{field}")).to_be_focused()


@with_and_without_javascript
@pytest.mark.parametrize("qualite", ["affilie", "ayant_droit"])
def test_a_number_of_the_other_category_is_told_and_one_click_switches_the_radio(
    provider, demo, open_browser, qualite, javascript
):
    # Seven digits may be an ayant droit too: only nine tell the categories apart by default.
    person = provider.add_person("ayant_droit")
    page = open_browser(java_script_enabled=javascript).page
    open_for(page, demo)
    if qualite == "affilie":
        page.click("label[for=qualite-affilie]")
        page.fill("#numero", f"{person.numero[:3]} {person.numero[3:6]}.{person.numero[6:]}")
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")

        expect(page.get_by_role("alert")).to_contain_text("numéro d’ayant droit")
        page.click("#switch")

        expect(page.locator("#qualite-ayant-droit")).to_be_checked()
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
    else:
        sign_in(page, person)
    page.wait_for_url(f"{demo}/")


def test_the_eye_shows_and_hides_the_password_and_never_sends_it_as_clear_text_field(
    demo, open_browser, affilie
):
    page = open_browser().page
    open_for(page, demo)
    eye = page.get_by_role("button", name="Afficher le mot de passe")
    expect(eye).to_have_attribute("aria-pressed", "false")

    fill(page, affilie, "tapé de travers")
    eye.click()
    expect(page.locator("#password")).to_have_attribute("type", "text")
    expect(eye).to_have_attribute("aria-pressed", "true")
    eye.click()
    expect(page.locator("#password")).to_have_attribute("type", "password")
    eye.click()
    page.fill("#password", PASSWORD)
    page.click("#login-submit")

    page.wait_for_url(f"{demo}/")


def test_without_javascript_no_eye_is_promised(demo, open_browser):
    page = open_browser(java_script_enabled=False).page

    open_for(page, demo)

    expect(page.locator(".eye")).to_be_hidden()


@with_and_without_javascript
def test_the_question_what_to_tick_opens_and_lists_the_situations(demo, open_browser, javascript):
    page = open_browser(java_script_enabled=javascript).page
    open_for(page, demo)
    answer = page.locator(".disclosure__answer")
    expect(answer).to_be_hidden()

    page.get_by_text("Que cocher ?").click()

    expect(answer).to_be_visible()
    for situation in ("cotisant", "rente invalidité", "réversion", "rente de survie"):
        expect(answer).to_contain_text(situation)


@pytest.mark.parametrize("qualite", ["affilie", "ayant_droit"])
def test_the_keyboard_alone_is_enough_and_the_focus_is_always_seen(
    provider, demo, open_browser, request, qualite
):
    person = request.getfixturevalue(qualite)
    page = open_browser().page
    open_for(page, demo)

    def tab() -> str:
        page.keyboard.press("Tab")
        return focus(page)

    assert tab() == "skip"
    assert tab() == "language"
    assert tab() == "qualite-affilie"
    page.keyboard.press("Space")
    if qualite == "ayant_droit":
        page.keyboard.press("ArrowRight")
        assert focus(page) == "qualite-ayant-droit"
    expect(page.locator(f"#qualite-{qualite.replace('_', '-')}")).to_be_checked()
    assert tab() == "disclosure__question"
    page.keyboard.press("Enter")
    expect(page.locator(".disclosure__answer")).to_be_visible()
    assert tab() == "numero"
    page.keyboard.type(person.numero)
    assert tab() == "password"
    page.keyboard.type("pas le bon")
    assert tab() == "eye"
    page.keyboard.press("Space")
    expect(page.locator("#password")).to_have_attribute("type", "text")
    assert tab() == "login-submit"
    page.keyboard.press("Enter")

    expect(page.locator("#error-summary")).to_be_focused()
    while focus(page) != "password":
        page.keyboard.press("Tab")
    page.keyboard.type(person.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{demo}/")


def test_the_skip_link_leads_past_the_header(demo, open_browser):
    page = open_browser().page
    open_for(page, demo)

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_each_tab_leads_to_the_service_that_opened_it(demo, open_browser, affilie):
    visit = open_browser()
    first, second = visit.page, visit.context.new_page()
    first.goto(f"{demo}/cotisations/connexion")
    second.goto(f"{demo}/attestations/connexion")

    sign_in(second, affilie)
    second.wait_for_url(f"{demo}/attestations")
    sign_in(first, affilie)

    first.wait_for_url(f"{demo}/")


def test_a_tab_that_waited_asks_nothing_once_another_one_signed_in(demo, open_browser, affilie):
    visit = open_browser()
    first, second = visit.page, visit.context.new_page()
    first.goto(f"{demo}/cotisations/connexion")
    second.goto(f"{demo}/attestations/connexion")
    sign_in(second, affilie)
    second.wait_for_url(f"{demo}/attestations")

    first.reload()

    first.wait_for_url(f"{demo}/")


def test_a_tab_whose_browser_lost_its_cookies_still_leads_to_its_service(
    demo, open_browser, affilie
):
    visit = open_browser()
    page = visit.page
    open_for(page, demo)
    at_service = [one for one in visit.context.cookies() if one["domain"] == "127.0.0.1"]
    visit.context.clear_cookies()
    visit.context.add_cookies(at_service)
    typed = []

    while page.locator("#login-submit").count():
        typed.append(affilie.numero)
        sign_in(page, affilie)
        page.wait_for_load_state()

    page.wait_for_url(f"{demo}/")
    assert len(typed) <= 2


def test_the_back_button_after_signing_in_never_shows_an_error_nor_the_password(
    provider, demo, open_browser, affilie
):
    page = open_browser().page
    page.goto(demo)
    page.get_by_role("link", name="Se connecter").click()
    sign_in(page, affilie)
    page.wait_for_url(f"{demo}/")

    page.go_back()

    # Either the page asks again, empty, or the session answers and leads to the service.
    page.wait_for_load_state()
    if page.url.startswith(provider.url):
        expect(page.locator("#password")).to_have_value("")
    else:
        expect(page.locator(".number")).to_have_text(affilie.numero)


def test_the_back_button_after_a_refusal_gives_a_form_that_works(demo, open_browser, affilie):
    page = open_browser().page
    open_for(page, demo)
    sign_in(page, affilie, "pas le bon mot de passe")
    expect(page.get_by_role("alert")).to_be_visible()

    page.go_back()
    sign_in(page, affilie)

    page.wait_for_url(f"{demo}/")


def test_pressing_twice_sends_the_form_once(demo, open_browser, affilie):
    visit = open_browser()
    page = visit.page
    open_for(page, demo)
    fill(page, affilie)

    page.evaluate(
        """() => {
          const button = document.getElementById("login-submit");
          button.click();
          button.click();
        }"""
    )

    page.wait_for_url(f"{demo}/")
    posts = [url for url in visit.navigations() if url.endswith("/connexion")]
    assert len(posts) == 3  # the service's own, the page, the form


def test_an_account_that_must_wait_is_told_how_long_and_how_to_get_out(demo, open_browser, affilie):
    page = open_browser().page
    open_for(page, demo)

    for _ in range(6):
        sign_in(page, affilie, "pas le bon mot de passe")
        expect(page.get_by_role("alert").first).to_be_visible()

    wait = page.locator(".notice--wait")
    expect(wait).to_contain_text(re.compile(r"dans (une|\d+)\s(seconde|minute)"))
    expect(wait).to_contain_text("01 23 45 67 89")
    expect(wait).to_be_focused()
