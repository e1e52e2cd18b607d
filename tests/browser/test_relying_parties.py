"""Independent relying parties sign in, refresh by SSO and sign out, in Chromium and by plain HTTP.

npm ``openid-client`` and Authlib's Flask client find everything by discovery, and refuse by
themselves what is wrong in an answer: signature, ``nonce``, ``iss``, ``aud``, PKCE, ``sub``.
"""

import json
from http.cookiejar import CookieJar
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.request import HTTPCookieProcessor
from urllib.request import Request
from urllib.request import build_opener

import pytest
from lxml import html as lxml_html
from playwright.sync_api import Page

from tests.browser.servers import relying_party
from tests.browser.visit import sign_in
from tests.instance import Person

CLIENTS = ("es256", "rs256", "public")
ALGS = {"es256": "ES256", "rs256": "RS256", "public": "ES256"}


@pytest.fixture(scope="module", params=["openid-client", "authlib"])
def party(request, provider, run_folder):
    with relying_party(provider, request.param, run_folder) as origin:
        yield origin


every_client = pytest.mark.parametrize("client", CLIENTS)


class PlainBrowser:
    """Cookies and redirects, nothing else: what the protocol needs of a browser."""

    def __init__(self) -> None:
        # As browsers do on loopback: Secure cookies travel over plain http.
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))
        self._opener = build_opener(HTTPCookieProcessor(CookieJar(policy)))
        self.url = ""
        self.text = ""

    def get(self, url: str) -> None:
        """Go somewhere, redirects followed."""
        self._send(Request(url))  # noqa: S310 - loopback, as in all of this file

    def submit(self, **typed: str) -> None:
        """Send the page's form with what it carries and what is typed."""
        form = lxml_html.fromstring(self.text).forms[0]
        carried = {one.name: one.value for one in form.xpath(".//input[@type='hidden']")}
        body = urlencode({**carried, **typed}).encode()
        self._send(Request(urljoin(self.url, form.action), data=body))  # noqa: S310

    def _send(self, request: Request) -> None:
        with self._opener.open(request, timeout=20) as answer:
            self.url = answer.url
            self.text = answer.read().decode()


@pytest.fixture
def plain():
    return PlainBrowser()


def known_to(page_source: str) -> dict[str, Any]:
    """What a relying party's page says it knows."""
    (shown,) = lxml_html.fromstring(page_source).xpath("//pre[@id='session']")
    known: dict[str, Any] = json.loads(shown.text_content())
    return known


def expect_signed_in(known: dict[str, Any], person: Person, client: str) -> None:
    assert known["signed_in"], known
    assert known["alg"] == ALGS[client]
    assert known["claims"]["qualite"] == person.qualite
    assert known["claims"]["amr"] == ["pwd"]
    assert known["userinfo"]["numero_dossier"] == person.numero
    assert known["userinfo"]["sub"] == known["claims"]["sub"]


@every_client
def test_a_relying_party_signs_in_refreshes_by_sso_and_signs_out_by_http(
    party, provider, plain, client
):
    person = provider.add_person("ayant_droit")
    plain.get(f"{party}/{client}/sign-in")
    assert plain.url.startswith(f"{provider.url}/connexion")

    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)
    first = known_to(plain.text)
    expect_signed_in(first, person, client)

    plain.get(f"{party}/{client}/refresh")
    again = known_to(plain.text)
    expect_signed_in(again, person, client)
    for claim in ("sub", "sid", "auth_time"):
        assert again["claims"][claim] == first["claims"][claim]
    assert again["claims"]["nonce"] != first["claims"]["nonce"]

    plain.get(f"{party}/{client}/sign-out")
    assert plain.url == f"{party}/{client}"
    assert not known_to(plain.text)["signed_in"]
    plain.get(f"{party}/{client}/refresh")
    assert known_to(plain.text)["error"] == "login_required"


def test_one_sign_in_serves_every_client_of_a_relying_party(party, provider, plain):
    person = provider.add_person("affilie")
    plain.get(f"{party}/es256/sign-in")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)

    for client in CLIENTS:
        plain.get(f"{party}/{client}/refresh")
        expect_signed_in(known_to(plain.text), person, client)


def test_whoever_is_not_signed_in_is_asked_nothing_by_a_refresh(party, plain):
    plain.get(f"{party}/es256/refresh")

    assert plain.url == f"{party}/es256"
    assert known_to(plain.text)["error"] == "login_required"


@pytest.mark.browser
@every_client
def test_a_relying_party_signs_in_refreshes_by_sso_and_signs_out_in_a_browser(
    party, provider, open_browser, client
):
    person = provider.add_person("affilie")
    page: Page = open_browser().page
    home = f"{party}/{client}"

    page.goto(home)
    page.click("#sign-in")
    sign_in(page, person)
    page.wait_for_url(home)
    expect_signed_in(known_to(page.content()), person, client)

    page.click("#refresh")
    page.wait_for_url(home)
    expect_signed_in(known_to(page.content()), person, client)

    page.click("#sign-out")
    page.wait_for_url(home)
    assert not known_to(page.content())["signed_in"]
    page.click("#refresh")
    page.wait_for_url(home)
    assert known_to(page.content())["error"] == "login_required"
    page.goto(f"{provider.url}/compte")
    page.wait_for_url(f"{provider.url}/connexion")
