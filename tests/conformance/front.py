"""The TLS proxy that stands in front of the provider, as one does in production."""

import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.certificates import write_certificate

OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "x-forwarded-for", "host"}


class TlsFront:
    """Speaks TLS on ``port`` and hands each request on, with the address that it came from."""

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "front.pem"
        write_certificate(self.ca_file, "localhost")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(self.ca_file)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Request)
        # The handshake belongs to the thread of its connection: a peer that is slow holds no other.
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def issuer(self) -> str:
        """The provider's address behind it."""
        return f"https://localhost:{self.port}"

    def lead_to(self, port: int) -> None:
        """Hand everything on to this port from now on."""
        _Request.behind = port

    def close(self) -> None:
        """Go away."""
        self._server.shutdown()
        self._server.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    behind = 0

    def hand_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {n: v for n, v in self.headers.items() if n.lower() not in OF_ONE_CONNECTION}
        headers |= {"Host": self.headers["Host"], "X-Forwarded-For": self.client_address[0]}
        behind = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=20)
        try:
            behind.request(self.command, self.path, self.rfile.read(length) or None, headers)
            answer = behind.getresponse()
            body = answer.read()
        finally:
            behind.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = hand_on  # noqa: N815 - names of http.server
    do_PUT = do_DELETE = do_OPTIONS = hand_on  # noqa: N815

    def log_message(self, *_args: object) -> None:
        """Say nothing: the provider has its own log."""
