"""A theme: what it may change, and what is refused by name."""

import struct
import zlib
from pathlib import Path

import pytest

from idp.infra.drawings import LARGEST
from idp.infra.drawings import UnsafeDrawing
from idp.infra.drawings import harmless
from idp.infra.theme_folder import InvalidTheme
from idp.infra.theme_folder import read_theme
from idp.infra.theme_folder import standard_colours
from idp.parts import PACKAGE
from idp.parts import templates_dir
from idp.theme import Theme
from idp.theme import faults_of
from idp.web.assets import squeezed

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{}</svg>'
STANDARD = standard_colours((PACKAGE / "static" / "pages.css").read_text(encoding="utf-8"))


def chunk(name: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(name + body).to_bytes(4, "big")
    return struct.pack(">I", len(body)) + name + body + crc


def png(width: int = 2, height: int = 2, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 6))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *more, rows, chunk(b"IEND", b""))
    )


def test_an_empty_folder_changes_nothing(tmp_path):
    assert read_theme(tmp_path, templates_dir()) == Theme()
    assert Theme().css() == ""


def test_colours_stand_behind_those_of_the_sheet_in_both_schemes(tmp_path):
    (tmp_path / "colours.toml").write_text(
        '[light]\nbrand = "#102a63"\n[dark]\nbrand = "#b9cbff"\n'
    )

    theme = read_theme(tmp_path, templates_dir())

    assert theme.css() == (
        ":root{--brand:#102a63}@media (prefers-color-scheme: dark){:root{--brand:#b9cbff}}"
    )
    assert list(faults_of(theme.of("light", STANDARD["light"]))) == []


def test_a_colour_too_pale_for_text_is_named_with_its_figure():
    pale = Theme({"light": {"soft": "#9aa5a5"}})

    assert "soft on surface has 2.53:1, and needs 4.5:1" in list(
        faults_of(pale.of("light", STANDARD["light"]))
    )
    assert list(faults_of(pale.of("dark", STANDARD["dark"]))) == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("colours.toml", "[light\n", "colours.toml"),
        ("colours.toml", '[light]\nbrnad = "#102a63"', "brnad: expected one of action"),
        ("colours.toml", '[light]\nbrand = "navy"', "brand: expected a colour like"),
        ("colours.toml", '[light]\nbrand = "#102a63;}"', "brand: expected a colour like"),
        ("colours.toml", '[night]\nbrand = "#102a63"', "night: expected the tables"),
        ("colours.toml", 'light = "#102a63"', "light: expected the tables"),
        ("static/logo.svg", SVG.format(""), "logo.svg: expected one of favicon.svg"),
        ("static/pages.css", "", "pages.css: expected one of favicon.svg"),
        ("static/favicon.svg", SVG.format("<script/>"), "an SVG with <script>"),
        ("templates/pages/connexion.html", "", "no template of that name"),
    ],
)
def test_what_nothing_would_read_or_no_page_may_show_is_refused_by_name(
    tmp_path, name, content, told
):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)

    with pytest.raises(InvalidTheme, match=told):
        read_theme(tmp_path, templates_dir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidTheme, match="IDP_THEME_FOLDER: no such folder"):
        read_theme(tmp_path / "none", templates_dir())


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject/>",
        "<style>a{}</style>",
        '<image href="https://elsewhere.example/a.png"/>',
        '<use href="#a"/>',
        '<path d="M0 0" onload="alert(1)"/>',
        '<path d="M0 0" style="fill:red"/>',
        '<path fill="url(https://elsewhere.example/a.svg#b)"/>',
        '<g xmlns:x="http://www.w3.org/1999/xlink" x:href="https://elsewhere.example/"/>',
        "<text>Bonjour</text>",
        '<a href="javascript:alert(1)"/>',
    ],
)
def test_an_svg_that_does_more_than_draw_is_refused(inside):
    with pytest.raises(UnsafeDrawing):
        harmless(SVG.format(inside).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<svg/>",
        b"<html></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'>",
        b"\xff\xfe<\x00s\x00v\x00g\x00",
        b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG.format("&a;").encode(),
        b'<!doctype svg [<!entity a "aaaa">]>' + SVG.format("&a;").encode(),
        SVG.format(" " * LARGEST).encode(),
        png()[:-9],
        png().replace(b"IEND", b"IENE"),
        png(0, 4),
        png(4, 70_000),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
    ],
    ids=range(14),
)
def test_what_is_broken_too_large_or_no_drawing_is_refused(content):
    with pytest.raises(UnsafeDrawing):
        harmless(content)


def test_an_svg_keeps_its_shapes_and_gradients_and_loses_the_notes_of_its_program():
    suffix, kept = harmless(
        SVG.format(
            "<title>Fait avec un logiciel</title><!-- un secret --><defs>"
            '<linearGradient id="a"><stop offset="0" stop-color="#fff"/></linearGradient></defs>'
            '<p:note xmlns:p="https://program.example/"/>'
            '<path xmlns:p="https://program.example/" p:layer="1" fill="url(#a)" d="M0 0h8"/>'
        ).encode()
    )

    assert suffix == ".svg"
    assert b'<path fill="url(#a)" d="M0 0h8"' in kept
    assert b"stop-color" in kept
    for note in (b"logiciel", b"secret", b"program.example"):
        assert note not in kept
    assert harmless(kept) == (".svg", kept)


def test_a_png_keeps_its_picture_and_loses_texts_and_what_stands_behind_its_end():
    suffix, kept = harmless(png(2, 2, chunk(b"tEXt", b"Author\0somebody")) + b"<script>")

    assert (suffix, kept) == (".png", png())


def test_the_drawings_that_are_shipped_would_be_taken_from_a_theme():
    for path in (PACKAGE / "static").glob("*.svg"):
        assert harmless(path.read_bytes())[0] == ".svg", path.name


def test_a_sheet_is_squeezed_without_changing_what_it_says():
    sheet = """/* Said to people: { } */
.a::before { content: "\\A0:"; }

.b,
.c > *:not(.d) { margin: 0 auto; padding: calc(1rem + 2px) }
@media (min-width: 60rem) {
  .e { grid-template-columns:
    minmax(0, 1fr) auto; }
}
"""

    assert squeezed(sheet) == (
        '.a::before{content:"\\A0:"}.b,.c > *:not(.d){margin:0 auto;padding:calc(1rem + 2px)}'
        "@media (min-width: 60rem){.e{grid-template-columns:minmax(0, 1fr) auto}}"
    )


def test_names_of_files_are_those_of_a_closed_list():
    assert {path.name for path in Path(PACKAGE / "static").glob("*.svg")} == {
        "wordmark.svg",
        "wordmark-dark.svg",
        "favicon.svg",
    }
