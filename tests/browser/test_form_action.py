"""Where the form's answer may lead: Chromium applies ``form-action`` to the whole redirect chain.

A service that redirects on after its callback, to another origin, must have registered it in
``form_action_origins``. One that has not works for whoever is signed in already (a link is no
form), and fails at the end of the form, which is what the second test writes down.
"""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.visit import sign_in
from tests.instance import Service

pytestmark = pytest.mark.browser


class MovesOn(BaseHTTPRequestHandler):
    """``/callback`` leads to the server's ``onward``; anything else says that it is the end."""

    def do_GET(self) -> None:
        if self.path.startswith("/callback"):
            self.send_response(303)
            self.send_header("Location", self.server.onward)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b"<!doctype html><title>Arrived</title><h1>Arrived</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class OnIPv6(ThreadingHTTPServer):
    """The same, on ``[::1]``."""

    address_family = socket.AF_INET6


def serve(kind: type[ThreadingHTTPServer] = ThreadingHTTPServer) -> ThreadingHTTPServer:
    server = kind(("::1" if kind is OnIPv6 else "127.0.0.1", 0), MovesOn)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def origins() -> Iterator[tuple[str, str]]:
    """A service's origin, and the one that it redirects on to."""
    callback, onward = serve(), serve()
    callback_origin, onward_origin = (
        f"http://127.0.0.1:{server.server_port}" for server in (callback, onward)
    )
    callback.onward = f"{onward_origin}/welcome"
    yield callback_origin, onward_origin
    for server in (callback, onward):
        server.shutdown()
        server.server_close()


def ask(provider, service: Service) -> str:
    return f"{provider.url}/authorize?{urlencode(service.request())}"


def test_a_service_that_redirects_on_to_an_origin_it_registered_is_followed(
    provider, open_browser, affilie, origins
):
    callback, onward = origins
    service = provider.add_service(
        "moves-on", redirect_uris=(f"{callback}/callback",), form_action_origins=(onward,)
    )
    page = open_browser().page

    page.goto(ask(provider, service))
    sign_in(page, affilie)

    page.wait_for_url(f"{onward}/welcome")
    expect(page.get_by_role("heading")).to_have_text("Arrived")


def test_a_service_that_redirects_on_without_saying_so_is_stopped_after_the_form(
    provider, chromium_visit, affilie, origins
):
    callback, onward = origins
    service = provider.add_service("moves-on-unsaid", redirect_uris=(f"{callback}/callback",))
    page = chromium_visit.page
    page.goto(ask(provider, service))

    sign_in(page, affilie)

    # What the person sees: the sign-in page stays as it was, and nothing says why. The session is
    # there all the same: the next visit of the service, by a link, goes through without a question.
    page.wait_for_timeout(1500)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Je me connecte à mon espace personnel"
    )
    assert ["form-action" in said for said in chromium_visit.violations] == [True]
    page.goto(ask(provider, service))
    page.wait_for_url(f"{onward}/welcome")


@pytest.mark.parametrize(("kind", "host"), [(ThreadingHTTPServer, "127.0.0.1"), (OnIPv6, "[::1]")])
def test_an_application_is_answered_at_the_port_that_the_system_gave_it(
    provider, open_browser, affilie, kind, host
):
    application = provider.add_service(
        f"application-{kind.__name__}",
        redirect_uris=(f"http://{host}/welcome",),
        token_endpoint_auth_method="none",
    )
    server = serve(kind)
    at_its_port = f"http://{host}:{server.server_port}/welcome"
    page = open_browser().page

    page.goto(
        f"{provider.url}/authorize?{urlencode(application.request(redirect_uri=at_its_port))}"
    )
    sign_in(page, affilie)

    page.wait_for_url(f"{at_its_port}?code=*")
    expect(page.get_by_role("heading")).to_have_text("Arrived")
    server.shutdown()
    server.server_close()


def test_no_other_place_may_receive_a_form_of_ours(provider, open_browser, origins):
    callback, _ = origins
    service = provider.add_service("stays", redirect_uris=(f"{callback}/callback",))
    page = open_browser().page

    answer = page.goto(ask(provider, service))

    policy = answer.headers["content-security-policy"]
    (directive,) = [one.strip() for one in policy.split(";") if "form-action" in one]
    assert directive == f"form-action 'self' {callback}"
