"""``/static/…``: the few files that pages load, held ready in memory as they are sent.

Style sheets lose their comments and spaces, and everything that gains by it is compressed once, at
the start: on an old telephone's network the widget is a third of what it would be. A theme's files
stand in the place of ours.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Flask
from flask import Response
from flask import abort
from flask import request

from idp.theme import Theme

YEAR_SECONDS = 365 * 24 * 3600

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent; ``compressed`` is empty where that gains nothing."""

    body: bytes
    compressed: bytes
    mimetype: str
    digest: str


class Assets:
    """Every file by its name; called with one it gives the address that caches may keep."""

    def __init__(self, folder: Path, theme: Theme) -> None:
        contents = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        contents.update(theme.files)
        for name in [name for name in contents if name.endswith(".css")]:
            sheet = contents[name].decode("utf-8")
            own = theme.css() if name == "pages.css" else ""
            contents[name] = (squeezed(sheet) + own).encode("utf-8")
        self._paper = theme.paper()
        self._assets: Mapping[str, Asset] = {
            name: _asset(name, content) for name, content in contents.items()
        }

    def __call__(self, name: str) -> str:
        """Give an address that changes with the content."""
        return f"/static/{name}?v={self._assets[name].digest}"

    def size(self, name: str) -> int:
        """Tell how many bytes leave for it, to a browser that takes them compressed."""
        asset = self._assets[name]
        return len(asset.compressed or asset.body)

    def register(self, app: Flask) -> None:
        """Serve them in the place of Flask's folder; ``layout.html`` asks for the colour too."""
        app.jinja_env.globals["paper"] = self._paper
        app.view_functions["static"] = self._serve

    def _serve(self, filename: str) -> Response:
        asset = self._assets.get(filename)
        if asset is None:
            abort(404)
        response = Response(asset.body, content_type=asset.mimetype)
        if asset.compressed:
            response.vary.add("Accept-Encoding")
            if request.accept_encodings["gzip"]:
                response.set_data(asset.compressed)
                response.content_encoding = "gzip"
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_SECONDS
        response.set_etag(asset.digest, weak=True)  # one for both encodings
        response.make_conditional(request)
        return response


@cache
def squeezed(css: str) -> str:
    """Take what only people read out of a style sheet of ours."""
    lines = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL).splitlines()
    made = ""
    for line in filter(None, map(str.strip, lines)):
        made += line if not made or made[-1] in "{};," else f" {line}"
    made = re.sub(r"\s*([{}])\s*|(;)\s+", r"\1\2", made).replace(";}", "}")
    return re.sub(r"(?<=[{;])([\w-]+): ", r"\1:", made)


@cache
def _asset(name: str, content: bytes) -> Asset:
    # mtime: the same file is the same bytes on every node.
    compressed = gzip.compress(content, 9, mtime=0)
    return Asset(
        body=content,
        compressed=compressed if len(compressed) < 0.9 * len(content) else b"",
        mimetype=_TYPES.get(Path(name).suffix, "application/octet-stream"),
        digest=hashlib.sha256(content).hexdigest()[:12],
    )
