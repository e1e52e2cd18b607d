"""Looks without Python: a theme folder, logos of services, files as they are served."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from idp import IdpError
from tests.instance import Instance
from tests.instance import text_of

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'


def test_a_theme_changes_colours_drawings_and_templates(
    make_instance: Callable[..., Instance], tmp_path: Path
) -> None:
    theme = tmp_path / "theme"
    (theme / "static").mkdir(parents=True)
    (theme / "templates" / "pages").mkdir(parents=True)
    (theme / "colours.toml").write_text('[light]\nbrand = "#102a63"\npaper = "#fafaf2"\n')
    (theme / "static" / "wordmark.svg").write_text(SVG)
    (theme / "templates" / "pages" / "expired.html").write_text(
        '{% extends "layout.html" %}'
        "{% block content %}<h1>À la mode de la caisse</h1>{% endblock %}"
    )
    visitor = make_instance(theme_folder=theme, fund_tagline="Notre devise").visitor()

    page = visitor.get("/connexion?demande=illisible")

    assert "À la mode de la caisse" in text_of(page)
    assert "– Notre devise" in page.text
    assert '<meta name="theme-color" content="#fafaf2" media="(prefers-color-scheme: light)">' in (
        page.text
    )
    assert visitor.get("/static/pages.css").text.endswith(":root{--brand:#102a63;--paper:#fafaf2}")
    assert "M0 0h8v8z" in visitor.get("/static/wordmark.svg").text
    assert visitor.get("/static/favicon.svg").status_code == 200


def test_a_theme_that_is_wrong_refuses_the_start_by_name(
    make_instance: Callable[..., Instance], tmp_path: Path
) -> None:
    (tmp_path / "colours.toml").write_text('[light]\nbrnad = "#102a63"\n')

    with pytest.raises(IdpError, match="brnad"):
        make_instance(theme_folder=tmp_path)


def test_files_come_compressed_to_whom_it_helps_and_are_the_same_for_all(
    instance: Instance,
) -> None:
    visitor = instance.visitor()

    plain = visitor.get("/static/pages.css")
    small = visitor.http.get("/static/pages.css", headers={"Accept-Encoding": "br, gzip"})
    icon = visitor.http.get("/static/favicon.svg", headers={"Accept-Encoding": "gzip;q=0"})

    assert gzip.decompress(small.data) == plain.data
    assert len(small.data) < 5_000
    assert (small.headers["Content-Encoding"], plain.headers.get("Content-Encoding")) == (
        "gzip",
        None,
    )
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert "Content-Encoding" not in icon.headers
    assert plain.headers["Content-Type"] == "text/css; charset=utf-8"
    again = visitor.http.get("/static/pages.css", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/static/altcha", "/static/x"],
)
def test_no_other_file_is_served(instance: Instance, path: str) -> None:
    assert instance.visitor().get(path).status_code == 404


def test_a_service_shows_its_logo_on_its_sign_in_page_and_we_alone_serve_it(
    instance: Instance,
) -> None:
    service = instance.add_service(logo_uri="https://elsewhere.example/logo.png")
    visitor = instance.visitor()
    assert "service-logo" not in visitor.open_sign_in(service).text

    instance.parts.logos.put(service.client.client_id, SVG.encode())

    page = visitor.open_sign_in(service).text
    (address,) = re.findall(r'class="service-logo"><img src="([^"]+)" alt="">', page)
    answer = visitor.get(address)
    assert "M0 0h8v8z" in answer.text
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "elsewhere.example" not in page
    instance.parts.logos.remove(service.client.client_id)
    assert visitor.get(address).status_code == 404


def test_a_logo_of_another_kind_takes_the_place_of_the_former_one(instance: Instance) -> None:
    logos = instance.parts.logos
    picture = (
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
        "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
    )
    logos.put("a-service", SVG.encode())

    logos.put("a-service", bytes.fromhex(picture))

    found = logos.find("a-service")
    assert found is not None
    assert found[0] == ".png"
    assert len(list(logos.folder.iterdir())) == 1


@pytest.mark.parametrize("client_id", ["../../etc/passwd", "a/b", "", "\0"])
def test_no_client_id_leads_out_of_the_folder(instance: Instance, client_id: str) -> None:
    assert instance.parts.logos.find(client_id) is None
