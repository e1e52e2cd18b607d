"""The answer by form, in a browser: it arrives as a POST from another site, by script or button."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.visit import sign_in

pytestmark = pytest.mark.browser


class Receives(BaseHTTPRequestHandler):
    """A service's callback, which keeps what it is sent."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = parse_qs(self.rfile.read(length).decode())
        self.server.received.append((self.path, self.headers.get_content_type(), body))
        self._say("Arrived")

    def do_GET(self) -> None:
        self._say("Home")

    def _say(self, title: str) -> None:
        body = f"<!doctype html><title>{title}</title><h1>{title}</h1>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def callback() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receives)
    server.received = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_p1_p2_an_answer_by_form_arrives_and_the_way_back_sends_no_other(
    provider, open_browser, affilie, callback, javascript
):
    origin = f"http://127.0.0.1:{callback.server_port}"
    name = f"by-form-{callback.server_port}"
    service = provider.add_service(
        name, redirect_uris=(f"{origin}/callback",), client_uri=f"{origin}/"
    )
    visit = open_browser(java_script_enabled=javascript)
    page = visit.page
    page.goto(f"{provider.url}/authorize?{urlencode(service.request(response_mode='form_post'))}")

    sign_in(page, affilie)
    if not javascript:
        expect(page.get_by_role("heading", level=1)).to_contain_text("Retour vers")
        page.get_by_role("button", name="Continuer").click()

    expect(page.get_by_role("heading")).to_have_text("Arrived")
    ((path, content_type, fields),) = callback.received
    assert urlsplit(path).query == ""
    assert content_type == "application/x-www-form-urlencoded"
    assert set(fields) == {"code", "state", "iss"}
    page.go_back()
    page.wait_for_load_state()
    assert len(callback.received) == 1
