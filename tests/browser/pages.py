"""Every page in every state, served with the policy of the product, to look at and to check.

The states are those that ``demo/preview/states/`` holds.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from flask import Response
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

from tests.page_states import named
from tests.page_states import pages_app
from tests.page_states import render

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


def _app() -> Flask:
    app = pages_app()

    @app.get("/states/<name>")
    def state(name: str) -> Response:
        return Response(render(named(name)), headers={"Content-Security-Policy": POLICY})

    return app


@contextmanager
def states() -> Iterator[str]:
    """Serve ``/states/NAME``; gives the address that names are added to."""
    server = make_server("127.0.0.1", 0, _app(), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/states"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
