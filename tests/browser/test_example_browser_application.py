"""The example on oidc-client-ts: an application of files alone, whose script holds the tokens.

It is public, calls discovery, JWKS, token, userinfo and revocation from its own origin, and its
policy lets it call nobody else.
"""

import json
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from playwright.sync_api import Response
from playwright.sync_api import expect

from tests.browser import examples
from tests.browser.examples import EXAMPLES
from tests.browser.servers import Provider
from tests.browser.servers import ServerMissing
from tests.browser.static_site import static_site
from tests.browser.visit import Visit
from tests.browser.visit import sign_in
from tests.instance import Person

pytestmark = pytest.mark.browser

LIBRARY = (
    EXAMPLES / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"
)


@pytest.fixture(scope="module")
def application(provider: Provider, tmp_path_factory) -> Iterator[str]:
    if not LIBRARY.is_file():
        message = f"oidc-client-ts is not installed: npm ci --ignore-scripts in {EXAMPLES}"
        raise ServerMissing(message)
    folder = tmp_path_factory.mktemp("browser")
    registered = examples.register(
        provider.running, folder / "registered", "browser_oidc_client_ts"
    )
    site = folder / "site"
    shutil.copytree(EXAMPLES / "browser_oidc_client_ts", site)
    shutil.copy(LIBRARY, site)
    settings = {"authority": provider.url, "client_id": registered.client_id}
    (site / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src 'self'; connect-src 'self' {provider.url};"
        " img-src data:; frame-ancestors 'none'; base-uri 'none'"
    )
    with static_site(site, registered.port, policy=policy) as origin:
        yield f"{origin}/"


@pytest.fixture
def visit(open_browser: Callable[..., Visit]) -> Visit:
    return open_browser()


def known_to(page: Page) -> dict[str, Any]:
    """What the application says it knows, once it says something."""
    expect(page.locator("#session")).not_to_be_empty()
    known: dict[str, Any] = json.loads(page.text_content("#session") or "")
    return known


def open_and_sign_in(page: Page, application: str, person: Person) -> dict[str, Any]:
    page.goto(application)
    page.click("#sign-in")
    sign_in(page, person)
    page.wait_for_url(application)
    return known_to(page)


def test_it_signs_in_and_reads_who_it_is(
    application: str, provider: Provider, visit: Visit
) -> None:
    person = provider.add_person("ayant_droit")

    known = open_and_sign_in(visit.page, application, person)

    assert known["signed_in"], known
    profile = known["profile"]
    assert (profile["qualite"], profile["numero_dossier"]) == (person.qualite, person.numero)
    visit.page.reload()
    assert known_to(visit.page)["signed_in"]


def test_it_refreshes_without_a_page_or_a_frame(
    application: str, provider: Provider, visit: Visit
) -> None:
    person = provider.add_person("affilie")
    first = open_and_sign_in(visit.page, application, person)
    provider.running.instance.change_dossier(person, given_names="Jeanne")
    went = len(visit.navigations())

    with visit.page.expect_response(f"{provider.url}/userinfo"):
        visit.page.click("#refresh")
    expect(visit.page.locator("#session")).to_contain_text("Jeanne")

    assert known_to(visit.page)["profile"]["sub"] == first["profile"]["sub"]
    assert len(visit.navigations()) == went


def test_a_new_password_ends_what_it_refreshes(
    application: str, provider: Provider, visit: Visit
) -> None:
    person = provider.add_person("affilie")
    open_and_sign_in(visit.page, application, person)

    provider.running.instance.change_account(person, credential_version=2)
    visit.page.click("#refresh")
    expect(visit.page.locator("#session")).to_contain_text("error")

    known = known_to(visit.page)
    assert (known["signed_in"], known["error"]) == (False, "invalid_grant")


def test_it_gives_its_tokens_back_and_signs_out(
    application: str, provider: Provider, visit: Visit
) -> None:
    person = provider.add_person("affilie")
    page = visit.page
    open_and_sign_in(page, application, person)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))

    page.click("#sign-out")

    expect(page.locator("#session")).to_contain_text('"signed_in": false')
    assert page.url == application
    revoked = [one.status for one in answers if one.url == f"{provider.url}/revoke"
               and one.request.method == "POST"]  # fmt: skip
    assert revoked == [200, 200]  # the access token and the refresh token
    page.click("#sso")
    expect(page.locator("#session")).to_contain_text("login_required")
