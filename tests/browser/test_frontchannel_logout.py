"""Sign-out by frames, in a browser: services hear of it, then the person is back, script or not."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.test_accessibility import check_accessibility
from tests.browser.test_accessibility import check_reflow
from tests.browser.visit import sign_in

pytestmark = pytest.mark.browser


class Forgets(BaseHTTPRequestHandler):
    """A service whose frame takes its time, and which keeps the order of what happens."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/sortie":
            time.sleep(self.server.seconds)
        self.server.received.append((address.path, parse_qs(address.query)))
        title = address.path.strip("/") or "home"
        body = f"<!doctype html><title>{title}</title><h1>{title}</h1>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forgets)
    server.received = []
    server.seconds = 0.5
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def signed_in(provider, open_browser, affilie, site):
    """Open a browser in which somebody is signed in at the service of ``site``."""

    def sign_in_there(**options):
        origin = f"http://127.0.0.1:{site.server_port}"
        service = provider.add_service(
            f"framed-{site.server_port}",
            redirect_uris=(f"{origin}/callback",),
            post_logout_redirect_uris=(f"{origin}/revenu",),
            frontchannel_logout_uri=f"{origin}/sortie",
        )
        visit = open_browser(**options)
        visit.page.goto(f"{provider.url}/authorize?{urlencode(service.request())}")
        sign_in(visit.page, affilie)
        code = parse_qs(urlsplit(visit.page.url).query)["code"][0]
        tokens = provider.running.instance.visitor().redeem(service, code).get_json()
        site.received.clear()
        asked = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": f"{origin}/revenu",
            "state": "s",
        }
        return visit, f"{provider.url}/logout?{urlencode(asked)}"

    return sign_in_there


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_n3_the_frame_has_loaded_when_the_browser_goes_on(provider, signed_in, site, javascript):
    visit, sign_out = signed_in(java_script_enabled=javascript)

    visit.page.goto(sign_out)

    expect(visit.page.get_by_role("heading")).to_have_text("revenu")
    frame, back = [one for one in site.received if one[0] in ("/sortie", "/revenu")]
    assert frame[0] == "/sortie"
    assert set(frame[1]) == {"iss", "sid"}
    assert frame[1]["iss"] == [provider.url]
    assert back == ("/revenu", {"state": ["s"]})


def test_a_service_that_never_answers_holds_nobody_for_longer_than_some_seconds(signed_in, site):
    site.seconds = 30.0
    visit, sign_out = signed_in()

    began = time.monotonic()
    visit.page.goto(sign_out, wait_until="commit")

    expect(visit.page.get_by_role("heading")).to_have_text("revenu", timeout=9_000)
    assert time.monotonic() - began < 9


def test_whoever_does_not_wait_chooses_to_go_on_and_sees_no_frame(signed_in, site):
    site.seconds = 30.0
    visit, sign_out = signed_in(java_script_enabled=False)
    visit.page.goto(sign_out, wait_until="commit")

    expect(visit.page.get_by_role("heading")).to_have_text("Déconnexion en cours")
    assert visit.page.locator("iframe").is_hidden()
    visit.page.get_by_role("link", name="Continuer").click()

    expect(visit.page.get_by_role("heading")).to_have_text("revenu")


def test_axe_finds_nothing_on_the_page_that_waits(signed_in, site):
    site.seconds = 60.0
    visit, sign_out = signed_in()
    visit.page.route("**/logging-out.js*", lambda route: route.fulfill(body=""))
    visit.page.goto(sign_out, wait_until="commit")
    expect(visit.page.get_by_role("heading")).to_have_text("Déconnexion en cours")

    check_accessibility(visit.page)
    check_reflow(visit.page)
