"""Drawings from outside, made harmless before a page shows them: PNG and SVG.

Pages show them as ``<img>``, where no script runs; but they are files of our origin, and somebody
may open one by itself.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from idp import IdpError

LARGEST = 32 * 1024
LONGEST_SIDE = 1024

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DRAWN = {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT", b"IEND"}
_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset(
    {
        *("svg", "g", "defs", "path", "circle", "ellipse", "rect", "line", "polyline", "polygon"),
        *("linearGradient", "radialGradient", "stop", "clipPath", "mask"),
    }
)
_SILENT = frozenset({"title", "desc", "metadata"})
_ATTRIBUTES = frozenset(
    {
        *("viewBox", "preserveAspectRatio", "width", "height", "id", "transform", "d", "points"),
        *("x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "offset"),
        *("fill", "fill-rule", "fill-opacity", "opacity", "clip-rule", "clip-path", "mask"),
        *("stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin"),
        *("stroke-miterlimit", "stroke-dasharray", "stop-color", "stop-opacity", "maskUnits"),
        *("gradientUnits", "gradientTransform", "clipPathUnits"),
    }
)
_OWN = re.compile(r"url\(#[\w-]+\)")


class UnsafeDrawing(IdpError):
    """A drawing is too large, broken, or holds what it may not; the text says what."""

    code = "unsafe_drawing"


def harmless(content: bytes) -> tuple[str, bytes]:
    """Give the drawing's suffix and what of it is drawn, and nothing else of it.

    Raises:
        UnsafeDrawing: it is no PNG nor SVG, or not one that pages may show.
    """
    if len(content) > LARGEST:
        message = f"{len(content)} bytes: {LARGEST} at most"
        raise UnsafeDrawing(message)
    if content.startswith(_SIGNATURE):
        return ".png", _png(content)
    return ".svg", _svg(content)


def _png(content: bytes) -> bytes:
    """Keep the chunks that draw: no text, no metadata, nothing behind the end."""
    kept = [_SIGNATURE]
    names: list[bytes] = []
    for name, body, whole in _chunks(content):
        if not names:
            _check_size(name, body)
        names.append(name)
        if name in _DRAWN:
            kept.append(whole)
        if name == b"IEND":
            break
    if b"IDAT" not in names or names[-1] != b"IEND":
        message = "a PNG that is cut"
        raise UnsafeDrawing(message)
    return b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 12 + length
        name, body = content[at + 4 : at + 8], content[at + 8 : end - 4]
        if end > len(content) or zlib.crc32(name + body) != int.from_bytes(
            content[end - 4 : end], "big"
        ):
            message = "a PNG that is cut or changed"
            raise UnsafeDrawing(message)
        yield name, body, content[at:end]
        at = end


def _check_size(name: bytes, body: bytes) -> None:
    sides = struct.unpack_from(">II", body) if name == b"IHDR" and len(body) == 13 else (0, 0)
    if not all(1 <= side <= LONGEST_SIDE for side in sides):
        message = f"a PNG of {sides[0]} x {sides[1]} pixels: 1 to {LONGEST_SIDE} each way"
        raise UnsafeDrawing(message)


def _svg(content: bytes) -> bytes:
    """Write the drawing anew from the elements and attributes that only draw."""
    if b"<!DOCTYPE" in content.upper() or b"<!ENTITY" in content.upper():
        message = "an SVG with a document type: remove it"
        raise UnsafeDrawing(message)
    try:
        # Entities are refused above, and nothing is ever fetched by this parser.
        root = ET.fromstring(content.decode("utf-8"))  # noqa: S314
    except (ET.ParseError, UnicodeDecodeError, ValueError):
        message = "neither a PNG nor an SVG in UTF-8"
        raise UnsafeDrawing(message) from None
    if root.tag != f"{_SVG}svg" or not {"viewBox", "width"} & set(root.attrib):
        message = "an SVG begins with <svg xmlns=… viewBox=…>"
        raise UnsafeDrawing(message)
    made = _copy(root)
    made.set("xmlns", _SVG[1:-1])
    written: bytes = ET.tostring(made, encoding="utf-8")
    return written


def _copy(element: ET.Element) -> ET.Element:
    made = ET.Element(element.tag.removeprefix(_SVG))
    for name, value in element.attrib.items():
        if name.startswith("{") and not name.endswith("}href"):
            continue  # notes of a drawing program
        if name not in _ATTRIBUTES or "url(" in _OWN.sub("", value):
            message = f'an SVG with {name.rpartition("}")[2]}="…" in <{made.tag}>: draw without it'
            raise UnsafeDrawing(message)
        made.set(name, value)
    for child in element:
        tag = child.tag if isinstance(child.tag, str) else ""  # a comment is a function
        name = tag.removeprefix(_SVG)
        if name in _ELEMENTS:
            made.append(_copy(child))
        elif tag.startswith(_SVG) and name not in _SILENT:
            message = f"an SVG with <{name}>: only shapes and gradients are shown"
            raise UnsafeDrawing(message)
    return made
