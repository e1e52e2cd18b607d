"""Forms of other sites: Lax cookies stay behind, and the other tabs must not suffer."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from tests.browser.visit import sign_in

pytestmark = pytest.mark.browser

ELSEWHERE = "http://127.0.0.1:9002/form"  # another site than localhost; answered by the test itself


def post_from_elsewhere(page: Page, action: str) -> None:
    """Press the button of another site's form."""
    form = f'<form method="post" action="{action}"><button>Send</button></form>'
    page.route(ELSEWHERE, lambda route: route.fulfill(content_type="text/html", body=form))
    page.goto(ELSEWHERE)
    page.click("button")


@pytest.mark.parametrize("path", ["/connexion", "/logout"])
def test_a_form_of_another_site_leaves_the_form_of_another_tab_good(
    provider, demo, open_browser, affilie, path
):
    visit = open_browser()
    tab, other = visit.page, visit.context.new_page()
    tab.goto(f"{demo}/cotisations/connexion")

    post_from_elsewhere(other, f"{provider.url}{path}")
    expect(other).to_have_url(f"{provider.url}{path}")
    sign_in(tab, affilie)

    tab.wait_for_url(f"{demo}/")


def test_a_service_that_posts_signs_the_person_out_after_one_click(
    provider, demo, open_browser, affilie
):
    page = open_browser().page
    page.goto(f"{demo}/cotisations/connexion")
    sign_in(page, affilie)
    page.wait_for_url(f"{demo}/")

    post_from_elsewhere(page, f"{provider.url}/logout")
    page.click("#logout-confirm")

    expect(page.locator("main")).to_contain_text("Votre session est terminée")
    page.goto(f"{provider.url}/compte")
    expect(page).to_have_url(f"{provider.url}/connexion")
