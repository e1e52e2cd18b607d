"""In a real browser, as a new user: the button, the simulator, the chooser, the service, out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser import servers
from tests.browser.servers import Provider
from tests.franceconnect import FranceConnect
from tests.franceconnect import add_member
from tests.franceconnect_journey import MONIQUE
from tests.franceconnect_journey import MONIQUE_SURVIVOR
from tests.running import eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def franceconnect(tmp_path) -> Iterator[FranceConnect]:
    running = FranceConnect(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def provider(tmp_path, franceconnect) -> Iterator[Provider]:
    with servers.provider(tmp_path, **franceconnect.settings) as running:
        here = franceconnect.simulator.configuration  # its port was not known before
        declared = replace(
            here.registration,
            redirect_uris=(f"{running.url}/franceconnect/retour",),
            post_logout_redirect_uris=(f"{running.url}/franceconnect/deconnexion",),
        )
        franceconnect.simulator.configuration = replace(here, registration=declared)
        yield running


@pytest.fixture
def demo(provider, tmp_path) -> Iterator[str]:
    with servers.demo_services(provider, tmp_path) as origin:
        yield origin


def test_a_person_with_two_dossiers_comes_by_franceconnect_and_signs_out_of_both(
    provider, demo, franceconnect, open_browser
):
    for numero in (MONIQUE, MONIQUE_SURVIVOR):
        add_member(provider.running.instance, numero)
    page = open_browser().page

    page.goto(demo)
    page.get_by_role("link", name="Se connecter").click()
    page.get_by_role("link", name="S’identifier avec FranceConnect").click()
    assert page.url.startswith(franceconnect.issuer)
    page.locator("a[href$='/personne/monique-garnier']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choisissez un dossier")
    page.get_by_label("Ayant droit").check()
    page.get_by_role("button", name="Ouvrir ce dossier").click()
    page.wait_for_url(f"{demo}/")
    expect(page.locator(".number")).to_have_text(MONIQUE_SURVIVOR)
    row = page.locator("tr").filter(has=page.get_by_role("rowheader", name="acr", exact=True))
    expect(row.locator("td").first).to_have_text("urn:carpimko:acr:franceconnect")

    # By the member's own page: its form is answered by a page between, which goes on by itself.
    page.goto(f"{provider.url}/compte")
    page.get_by_role("button", name="Me déconnecter").click()
    page.wait_for_url(f"{provider.url}/deconnexion")
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre session est terminée")
    eventually(lambda: "logout" in franceconnect.simulator.calls)
    page.goto(f"{provider.url}/connexion")
    page.get_by_role("link", name="S’identifier avec FranceConnect").click()
    assert page.get_by_text("Continuer comme").count() == 0
