"""``/metrics`` on an address of its own, and nothing else there.

Of the workers of one master the first binds the address and answers for all, out of the files that
they share; the others try again and again, and one follows when it ends. No process more, and none
that forks while it holds a lock.
"""

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest

PATH = "/metrics"
TRY_AGAIN_SECONDS = 0.25
READ_SECONDS = 5.0
AT_ONCE = 4
MOST_CALLERS = 16

log = logging.getLogger("idp.metrics")


def serve(bind: str, registries: Callable[[], list[CollectorRegistry]]) -> None:
    """Serve from a thread, as soon as the address is free; returns at once."""
    threading.Thread(target=_serve, args=(bind, registries), name="metrics", daemon=True).start()


def _serve(bind: str, registries: Callable[[], list[CollectorRegistry]]) -> None:
    place = urlsplit(f"//{bind}")
    address = (place.hostname or "", place.port or 0)
    reading = threading.BoundedSemaphore(AT_ONCE)

    class Handler(_Handler):
        def text(self) -> bytes | None:
            if not reading.acquire(blocking=False):
                return None
            try:
                return b"".join(generate_latest(one) for one in registries())
            finally:
                reading.release()

    told = False
    while True:
        try:
            server = _Server(address, Handler)
        except OSError as refused:
            # In use: by a worker beside this one, most likely. Anything else waits for an operator.
            if refused.errno != errno.EADDRINUSE and not told:
                log.error("no numbers: %s cannot be bound: %s", bind, refused.strerror)
                told = True
            time.sleep(TRY_AGAIN_SECONDS)
            continue
        log.info("numbers are served")
        server.serve_forever()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(MOST_CALLERS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a caller, or hang up on one too many: each costs a thread of a worker of the web."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a caller, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: object) -> None:
        """Say nothing of who hangs up: the standard library would print it, outside of the log."""


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_SECONDS
    server_version, sys_version = "idp", ""

    def text(self) -> bytes | None:
        """The numbers; None when too many ask at once."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer Prometheus."""
        if self.path != PATH:
            self.send_error(404)
            return
        try:
            body = self.text()
        except Exception as fault:  # noqa: BLE001 - numbers are worth no traceback on the wire
            log.error("no numbers: %s", type(fault).__name__)
            self.send_error(500)
            return
        if body is None:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: whoever asks does so every few seconds."""
