"""The example on Apache with mod_auth_openidc: pages that only members see.

It is written in C, certified by OpenID, and many services of the State stand behind it.
"""

import json
import time
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from lxml import html as lxml_html
from playwright.sync_api import Page

from tests.browser import examples
from tests.browser.apache import apache
from tests.browser.examples import PlainBrowser
from tests.browser.servers import Provider
from tests.browser.visit import sign_in


@pytest.fixture(scope="module")
def site(provider: Provider, tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("apache")
    registered = examples.register(provider.running, folder / "site", "apache_mod_auth_openidc")
    with apache(provider.running, registered) as origin:
        yield origin


@pytest.fixture
def plain() -> PlainBrowser:
    return PlainBrowser()


def shown(page_source: str) -> dict[str, str]:
    """What the site's page shows of the member."""
    told = lxml_html.fromstring(page_source).xpath("//dd")
    return {one.get("id"): one.text_content() for one in told}


def test_a_member_is_asked_to_sign_in_and_the_site_reads_who_it_is(
    site: str, provider: Provider, plain: PlainBrowser
) -> None:
    person = provider.add_person("ayant_droit")

    plain.get(f"{site}/espace/")
    assert plain.url.startswith(f"{provider.url}/connexion")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)

    assert plain.url == f"{site}/espace/"
    known = shown(plain.text)
    assert (known["qualite"], known["numero_dossier"]) == (person.qualite, person.numero)
    assert known["name"] == "Anne LEFÈVRE"
    assert len(known["sub"]) > 20


@pytest.mark.parametrize(("qualite", "status"), [("affilie", 200), ("ayant_droit", 403)])
def test_a_part_of_the_site_is_for_one_qualite(
    site: str, provider: Provider, plain: PlainBrowser, qualite: str, status: int
) -> None:
    person = provider.add_person(qualite)
    plain.get(f"{site}/espace/")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)

    if status == 403:
        with pytest.raises(HTTPError, match="403"):
            plain.get(f"{site}/espace/affilies/")
    else:
        plain.get(f"{site}/espace/affilies/")
        assert "For affiliés" in plain.text


def test_it_refreshes_and_reads_userinfo_again(
    site: str, provider: Provider, plain: PlainBrowser
) -> None:
    person = provider.add_person("affilie")
    plain.get(f"{site}/espace/")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)
    plain.get(f"{site}/oidc?info=json")
    first = json.loads(plain.text)
    assert first["userinfo"]["numero_dossier"] == person.numero

    time.sleep(2.1)  # Apache counts in whole seconds
    plain.get(f"{site}/oidc?info=json&access_token_refresh_interval=1")

    again = json.loads(plain.text)
    assert again["access_token_expires"] > first["access_token_expires"]


def test_it_hears_of_a_session_that_ended_elsewhere(
    site: str, provider: Provider, plain: PlainBrowser
) -> None:
    person = provider.add_person("affilie")
    plain.get(f"{site}/espace/")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)
    plain.get(f"{provider.url}/compte")
    plain.submit()
    plain.get(f"{site}/espace/")
    assert plain.url == f"{site}/espace/"

    provider.tell_services()

    plain.get(f"{site}/espace/")
    assert plain.url.startswith(f"{provider.url}/connexion")


@pytest.mark.browser
def test_it_signs_in_and_signs_out_in_a_browser(
    site: str, provider: Provider, open_browser
) -> None:
    person = provider.add_person("affilie")
    page: Page = open_browser().page

    page.goto(site)
    page.click("#sign-in")
    sign_in(page, person)
    page.wait_for_url(f"{site}/espace/")
    assert shown(page.content())["numero_dossier"] == person.numero

    page.click("#sign-out")
    page.wait_for_url(f"{site}/")
    page.click("#sign-in")
    page.wait_for_url(f"{provider.url}/connexion*")
