"""The whole journey: from a service to the page and back, known, until signed out everywhere."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from tests.browser.visit import sign_in
from tests.instance import PASSWORD
from tests.running import eventually

pytestmark = pytest.mark.browser

LABELS = {"affilie": "Affilié", "ayant_droit": "Ayant droit"}


def open_sign_in(page: Page, demo: str) -> None:
    page.goto(demo)
    page.get_by_role("link", name="Se connecter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Je me connecte à mon espace personnel"
    )


def is_a_stranger_to(page: Page, service: str) -> bool:
    page.goto(service)
    return page.get_by_role("link", name="Se connecter").count() == 1


def expect_known(page: Page, person) -> None:
    expect(page.locator(".badge")).to_have_text(LABELS[person.qualite])
    expect(page.locator(".number")).to_have_text(person.numero)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
@pytest.mark.parametrize("qualite", ["affilie", "ayant_droit"])
def test_a_member_signs_in_is_known_to_two_services_and_signs_out_of_everything(
    provider, demo, open_browser, request, qualite, javascript
):
    person = request.getfixturevalue(qualite)
    visit = open_browser(java_script_enabled=javascript)
    page = visit.page

    open_sign_in(page, demo)
    expect(page.locator(".entry .lede")).to_contain_text("Mes cotisations")
    sign_in(page, person)
    page.wait_for_url(f"{demo}/")
    expect_known(page, person)

    asked_before = visit.navigations().count(f"{provider.url}/connexion")
    page.get_by_role("link", name="Actualiser sans rien redemander").click()
    page.wait_for_url(f"{demo}/")
    expect_known(page, person)
    page.goto(f"{demo}/attestations")
    page.get_by_role("link", name="Se connecter").click()
    page.wait_for_url(f"{demo}/attestations")
    expect_known(page, person)
    assert visit.navigations().count(f"{provider.url}/connexion") == asked_before

    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")
    page.goto(f"{provider.url}/compte")
    page.wait_for_url(f"{provider.url}/connexion")
    eventually(lambda: is_a_stranger_to(page, demo))  # the first service hears of it by itself
    open_sign_in(page, demo)


def test_a_person_with_both_dossiers_is_the_one_that_the_radio_says(provider, demo, open_browser):
    own = provider.add_person("affilie", family_name="GARNIER", given_names="Monique")
    survivor = provider.add_person("ayant_droit", family_name="GARNIER", given_names="Monique")
    page = open_browser().page
    subjects = []

    for person in (own, survivor):
        open_sign_in(page, demo)
        sign_in(page, person)
        page.wait_for_url(f"{demo}/")
        expect_known(page, person)
        row = page.locator("tr").filter(has=page.get_by_role("rowheader", name="sub", exact=True))
        subjects.append(row.locator("td").first.inner_text())
        page.get_by_role("button", name="Se déconnecter").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")

    assert subjects[0] != subjects[1]


def test_opened_with_no_service_waiting_the_page_leads_to_the_default_service(
    provider, demo, open_browser, affilie
):
    page = open_browser().page

    page.goto(provider.url)
    page.wait_for_url(f"{provider.url}/connexion")
    sign_in(page, affilie)

    page.wait_for_url(f"{demo}/")
    expect_known(page, affilie)


def test_whoever_is_signed_in_sees_their_account_and_can_leave_from_there(
    provider, demo, open_browser, affilie
):
    page = open_browser().page
    page.goto(f"{provider.url}/connexion")
    sign_in(page, affilie)
    page.wait_for_url(f"{demo}/")

    page.goto(f"{provider.url}/connexion")
    page.wait_for_url(f"{provider.url}/compte")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Anne LEFÈVRE")
    expect(page.locator(".facts")).to_contain_text(f"se terminant par {affilie.numero[-2:]}")
    assert affilie.numero not in page.content()
    page.get_by_role("button", name="Me déconnecter").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Votre session est terminée")
    page.go_back()
    page.wait_for_url(f"{provider.url}/connexion")


def test_a_journey_takes_five_requests_with_a_password_and_three_by_sso(
    provider, demo, open_browser, affilie
):
    visit = open_browser()
    page = visit.page
    open_sign_in(page, demo)
    sign_in(page, affilie)
    page.wait_for_url(f"{demo}/")

    def at_the_provider():
        return [url for url in visit.navigations() if url.startswith(provider.url)]

    # The code's redemption and userinfo are the other two; the service sends them itself.
    assert at_the_provider() == [
        f"{provider.url}/authorize",
        f"{provider.url}/connexion",
        f"{provider.url}/connexion",
    ]
    page.get_by_role("link", name="Actualiser sans rien redemander").click()
    page.wait_for_url(f"{demo}/")
    assert at_the_provider()[3:] == [f"{provider.url}/authorize"]


def test_the_password_travels_to_the_provider_alone(provider, demo, open_browser, affilie):
    visit = open_browser()
    sent = []
    visit.context.on("request", lambda request: sent.append((request.url, request.post_data or "")))

    open_sign_in(visit.page, demo)
    sign_in(visit.page, affilie)
    visit.page.wait_for_url(f"{demo}/")

    first_word = PASSWORD.split()[0]
    bearers = [url for url, body in sent if first_word in body or first_word in url]
    assert [url.partition("?")[0] for url in bearers] == [f"{provider.url}/connexion"]
    assert not any(affilie.numero in url for url, _ in sent)
