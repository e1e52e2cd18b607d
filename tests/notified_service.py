"""The back channel of a relying service: a real server over TLS, at times down, slow, unwilling."""

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.certificates import write_certificate


class Back(ThreadingHTTPServer):
    """What listens; it says nothing of connections that break off."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, _request: Any, _address: Any) -> None:
        """Leave it."""


class NotifiedService:
    """``forms`` keeps what it was sent; ``status`` and ``seconds`` are how it answers."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.ca_file = folder / "service.pem"
        self.tls = tls or _tls(self.ca_file)
        self.forms: list[dict[str, list[str]]] = []
        self.requests: list[tuple[str, str, str, str]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.seconds = 0.0
        self._server: Back | None = None
        self.port = 0
        self.start()

    @property
    def uri(self) -> str:
        """Its ``backchannel_logout_uri``."""
        return f"https://localhost:{self.port}/backchannel_logout"

    @property
    def tokens(self) -> list[str]:
        """The logout tokens that came."""
        return [token for form in self.forms for token in form["logout_token"]]

    def start(self) -> None:
        """Come up, at the same port as before."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                tls = str(getattr(self.connection, "version", str)())
                kind = self.headers["Content-Type"]
                service.requests.append(("POST", self.path, kind, tls))
                service.forms.append(parse_qs(body, keep_blank_values=True))
                time.sleep(service.seconds)
                self.send_response(service.status)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = Back(("127.0.0.1", self.port), Handler)
        self._server.socket = self.tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self) -> None:
        """Go down: nobody listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _tls(ca_file: Path) -> ssl.SSLContext:
    write_certificate(ca_file, "localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ca_file)
    return tls
