"""Every page, mail and letter in every state: what the preview shows is what the suites check."""

from collections.abc import Iterable
from functools import cache
from wsgiref.types import StartResponse
from wsgiref.types import WSGIApplication
from wsgiref.types import WSGIEnvironment

from werkzeug.middleware.dispatcher import DispatcherMiddleware

PREFIX = "/apercu"


def with_preview(app: WSGIApplication) -> WSGIApplication:
    """Put the preview under ``PREFIX`` of an application that listens on loopback alone."""
    return DispatcherMiddleware(app, {PREFIX: _preview})


def _preview(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _built()(environ, start_response)


@cache
def _built() -> WSGIApplication:
    # When it is first looked at: a start waits neither for pages nor for letters.
    from demo.preview.site import create_app

    return create_app()
