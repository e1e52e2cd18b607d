"""The examples on Flask with Authlib and on Node with openid-client, in Chromium and by plain HTTP.

Both libraries find everything by discovery, and refuse by themselves what is wrong in an answer:
signature, ``nonce``, ``iss``, ``aud``, PKCE, ``sub``. Each example stands for three registrations:
its own, one that is silent where it can be (ID tokens in RS256), and one without a secret.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from lxml import html as lxml_html
from playwright.sync_api import Page

from tests.browser import examples
from tests.browser.examples import PlainBrowser
from tests.browser.servers import Provider
from tests.browser.servers import free_port
from tests.browser.visit import sign_in
from tests.instance import Person

LIBRARIES = ("flask_authlib", "node_openid_client")
REGISTRATIONS: dict[str, dict[str, Any]] = {
    "its own": {},
    "silent": {
        "id_token_signed_response_alg": None,
        "token_endpoint_auth_method": "client_secret_post",
    },
    "public": {"token_endpoint_auth_method": "none"},
}


@dataclass(frozen=True)
class Party:
    """An example that runs.

    Attributes:
        another: another library's example, whose cookie has another name: ports share cookies.
    """

    another: str
    origin: str
    client_id: str
    alg: str
    is_public: bool
    log: Path


@pytest.fixture(
    scope="module",
    params=[(library, how) for library in LIBRARIES for how in REGISTRATIONS],
    ids=lambda param: f"{param[0]}, {param[1]}",
)
def party(request, provider: Provider, tmp_path_factory) -> Iterator[Party]:
    library, how = request.param
    folder = tmp_path_factory.mktemp(library) / "registered"
    with running_example(provider, library, how, folder) as running:
        yield running


@contextmanager
def running_example(provider: Provider, library: str, how: str, folder: Path) -> Iterator[Party]:
    changes = REGISTRATIONS[how]
    own_key = (library, how) == ("node_openid_client", "its own")
    if library == "node_openid_client" and how == "silent":
        changes = changes | {"token_endpoint_auth_method": "client_secret_basic"}
    if own_key:
        metadata = examples.moved(examples.registration_of(library), free_port())
        file = examples.write(folder, metadata)
        key = examples.make_key(file)
        registered = examples.add(provider.running, file)
        serving = examples.node_openid_client(provider.running, registered, key)
    else:
        registered = examples.register(provider.running, folder, library, **changes)
        serving = getattr(examples, library)(provider.running, registered)
    alg = "RS256" if how == "silent" else "ES256"
    with serving as origin:
        another = next(one for one in LIBRARIES if one != library)
        log = registered.file.with_name("log")
        yield Party(another, origin, registered.client_id, alg, how == "public", log)


@pytest.fixture(scope="module")
def other_than(provider: Provider, tmp_path_factory) -> Iterator[Callable[[Party], Party]]:
    """Give another service, on the other library; it stays for every test."""
    started: dict[str, Party] = {}
    with ExitStack() as running:

        def other_one(party: Party) -> Party:
            if party.another not in started:
                folder = tmp_path_factory.mktemp("another") / "registered"
                example = running_example(provider, party.another, "silent", folder)
                started[party.another] = running.enter_context(example)
            return started[party.another]

        yield other_one


@pytest.fixture
def plain() -> PlainBrowser:
    return PlainBrowser()


def known_to(page_source: str) -> dict[str, Any]:
    """What an example's page says it knows."""
    (shown,) = lxml_html.fromstring(page_source).xpath("//pre[@id='session']")
    known: dict[str, Any] = json.loads(shown.text_content())
    return known


def alg_of(id_token: str) -> str:
    """The algorithm that an ID token is signed with."""
    header = id_token.partition(".")[0]
    alg: str = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"]
    return alg


def expect_signed_in(known: dict[str, Any], person: Person) -> None:
    assert known["signed_in"], known
    assert known["claims"]["qualite"] == person.qualite
    assert known["claims"]["amr"] == ["pwd"]
    assert known["userinfo"]["numero_dossier"] == person.numero
    assert known["userinfo"]["sub"] == known["claims"]["sub"]


def test_it_signs_in_refreshes_introspects_and_signs_out_by_http(
    party: Party, provider: Provider, plain: PlainBrowser
) -> None:
    person = provider.add_person("ayant_droit")
    plain.get(f"{party.origin}/sign-in")
    assert plain.url.startswith(f"{provider.url}/connexion")

    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)
    first = known_to(plain.text)
    expect_signed_in(first, person)

    provider.running.instance.change_dossier(person, given_names="Jeanne")
    plain.press("refresh")
    refreshed = known_to(plain.text)
    expect_signed_in(refreshed, person)
    assert refreshed["userinfo"]["given_name"] == "Jeanne"
    for claim in ("sub", "sid", "auth_time"):
        assert refreshed["claims"][claim] == first["claims"][claim]

    if not party.is_public:  # who cannot prove itself is told of no token
        plain.press("introspect")
        told = known_to(plain.text)["introspection"]
        assert (told["active"], told["client_id"]) == (True, party.client_id)

    plain.get(f"{party.origin}/sign-in?prompt=none")
    again = known_to(plain.text)
    expect_signed_in(again, person)
    assert again["claims"]["sid"] == first["claims"]["sid"]
    assert again["claims"]["nonce"] != first["claims"]["nonce"]

    plain.press("sign-out")
    assert alg_of(plain.sent_with("id_token_hint")) == party.alg
    assert plain.url == f"{party.origin}/"
    assert not known_to(plain.text)["signed_in"]
    plain.get(f"{party.origin}/sign-in?prompt=none")
    assert known_to(plain.text)["error"] == "login_required"


def test_one_sign_in_serves_every_service(
    party: Party,
    provider: Provider,
    plain: PlainBrowser,
    other_than: Callable[[Party], Party],
) -> None:
    person = provider.add_person("affilie")
    plain.get(f"{party.origin}/sign-in")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)

    plain.get(f"{other_than(party).origin}/sign-in?prompt=none")
    expect_signed_in(known_to(plain.text), person)


def test_a_new_password_ends_what_it_refreshes(
    party: Party, provider: Provider, plain: PlainBrowser
) -> None:
    person = provider.add_person("affilie")
    plain.get(f"{party.origin}/sign-in")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)

    provider.running.instance.change_account(person, credential_version=2)
    plain.press("refresh")

    known = known_to(plain.text)
    assert (known["signed_in"], known["error"]) == (False, "invalid_grant")


def test_it_hears_of_a_sign_out_at_another_service(
    party: Party,
    provider: Provider,
    plain: PlainBrowser,
    other_than: Callable[[Party], Party],
) -> None:
    person = provider.add_person("affilie")
    plain.get(f"{party.origin}/sign-in")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)
    plain.get(f"{other_than(party).origin}/sign-in?prompt=none")
    plain.press("sign-out")
    plain.get(f"{party.origin}/")
    expect_signed_in(known_to(plain.text), person)

    provider.tell_services()

    plain.get(f"{party.origin}/")
    assert not known_to(plain.text)["signed_in"]


def test_its_back_channel_takes_nothing_but_a_logout_token(
    party: Party, provider: Provider, plain: PlainBrowser
) -> None:
    person = provider.add_person("affilie")
    plain.get(f"{party.origin}/sign-in")
    plain.submit(qualite=person.qualite, numero=person.numero, password=person.password)
    plain.press("sign-out")
    id_token = plain.sent_with("id_token_hint")

    for token in (id_token, "not-a-token", ""):
        body = urlencode({"logout_token": token}).encode()
        with pytest.raises(HTTPError, match="400"):
            urlopen(f"{party.origin}/backchannel-logout", data=body, timeout=20)  # noqa: S310


def test_whoever_is_not_signed_in_is_asked_nothing_by_prompt_none(
    party: Party, provider: Provider, plain: PlainBrowser
) -> None:
    plain.get(f"{party.origin}/sign-in?prompt=none")

    assert plain.url == f"{party.origin}/"
    assert known_to(plain.text)["error"] == "login_required"
    incident = re.findall(r"\(incident ([0-9a-f]{16})\)", party.log.read_text())[-1]
    refusal = provider.running.instance.parts.refusals.find(incident)
    assert (refusal.client_id, refusal.error) == (party.client_id, "login_required")


def test_who_is_not_signed_in_there_any_more_signs_in_again(
    party: Party, provider: Provider, plain: PlainBrowser
) -> None:
    plain.get(f"{party.origin}/")

    plain.press("refresh")

    assert plain.url.startswith(f"{provider.url}/connexion")


@pytest.mark.browser
def test_it_signs_in_refreshes_and_signs_out_in_a_browser(
    party: Party, provider: Provider, open_browser
) -> None:
    person = provider.add_person("affilie")
    page: Page = open_browser().page
    home = f"{party.origin}/"

    page.goto(home)
    page.click("#sign-in")
    sign_in(page, person)
    page.wait_for_url(home)
    expect_signed_in(known_to(page.content()), person)

    with page.expect_navigation(url=home):
        page.click("#refresh")
    expect_signed_in(known_to(page.content()), person)
    with page.expect_navigation(url=home):
        page.click("#sso")
    expect_signed_in(known_to(page.content()), person)

    with page.expect_navigation(url=home):
        page.click("#sign-out")
    assert not known_to(page.content())["signed_in"]
    with page.expect_navigation(url=home):
        page.click("#sso")
    assert known_to(page.content())["error"] == "login_required"
    page.goto(f"{provider.url}/compte")
    page.wait_for_url(f"{provider.url}/connexion")
