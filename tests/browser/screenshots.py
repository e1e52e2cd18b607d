"""``bin/screenshots FOLDER``: pictures of every page and state, and one contact sheet of them all.

``states/`` holds every state that a template can have, at three widths in both colour schemes,
``served/`` a journey through the provider and the demo services as they run; ``sheet.html`` lays
the states out side by side, and ``sheet-1.png`` onwards are pictures of it.
"""

import argparse
import html
import math
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser
from playwright.sync_api import Page

from tests.browser import pages
from tests.browser import servers
from tests.browser.servers import Provider
from tests.browser.servers import ServerMissing
from tests.browser.visit import DESKTOP
from tests.browser.visit import TELEPHONE
from tests.browser.visit import Visit
from tests.browser.visit import chromium
from tests.browser.visit import sign_in
from tests.page_states import STAYING

SIZES = {360: TELEPHONE, 768: {"width": 768, "height": 1024}, 1280: DESKTOP}
SCHEMES = ("light", "dark")
THUMBNAILS = {360: 110, 768: 170, 1280: 230}
SHEET_WIDTH = 3400
SHEET_HEIGHT = 9000
"""Of one picture, about: Chromium paints no more than 16,384 px, and says nothing of the rest."""
SHOW_ONLY = """([first, end]) => document.querySelectorAll("figure").forEach(
  (figure, at) => { figure.hidden = at < first || at >= end; })"""
TOO_MANY = 6
SHEET = """<!doctype html><meta charset="utf-8"><title>Every page and state</title>
<style>
body { margin: 24px; font: 14px/1.4 "Liberation Sans", Arial, sans-serif; background: #8d9296; }
main { display: flex; flex-wrap: wrap; gap: 24px 32px; align-items: start; }
figure { margin: 0; padding: 10px; border-radius: 8px; background: #fff; }
figcaption { margin-bottom: 8px; font-weight: bold; }
div { display: flex; gap: 6px; align-items: start; }
a { display: block; max-height: 290px; overflow: hidden; border: 1px solid #c3c7ca; }
img { display: block; height: auto; }
</style><main>
"""


class Album:
    """Where the pictures go, and how they are taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def visit(self, browser: Browser, width: int, scheme: str = "light") -> Visit:
        """Open a browser of one width."""
        return Visit(browser, viewport=SIZES[width], color_scheme=scheme)

    def take(self, page: Page, name: str, width: int, scheme: str = "light") -> None:
        """Picture the whole page."""
        path = self.folder / picture_of(name, width, scheme)
        path.parent.mkdir(parents=True, exist_ok=True)
        page.wait_for_load_state("load")
        page.screenshot(path=path, full_page=True)
        self.count += 1


def picture_of(name: str, width: int, scheme: str) -> str:
    """Name a picture."""
    return f"{name}-{width}{'-dark' if scheme == 'dark' else ''}.png"


def main() -> int:
    """Take them all; 1 when a server or a program is missing."""
    parser = argparse.ArgumentParser(prog="bin/screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--states", action="store_true", help="without the journey as served")
    options = parser.parse_args()
    album = Album(options.folder)
    try:
        with chromium() as browser:
            _states(browser, album)
            _sheet(browser, album)
            if not options.states:
                with tempfile.TemporaryDirectory() as made, servers.provider(Path(made)) as run:
                    _served(browser, album, run, Path(made))
    except ServerMissing as missing:
        sys.stderr.write(f"bin/screenshots: {missing}\n")
        return 1
    sys.stdout.write(f"{album.count} pictures in {album.folder}; all at once: sheet.html\n")
    return 0


def _states(browser: Browser, album: Album) -> None:
    with pages.states() as address:
        for scheme in SCHEMES:
            for width in SIZES:
                visit = album.visit(browser, width, scheme)
                for state in STAYING:
                    answer = visit.page.goto(f"{address}/{state.name}")
                    if answer is None or not answer.ok:
                        raise ServerMissing(f"{state.name} cannot be shown")
                    album.take(visit.page, f"states/{state.name}", width, scheme)
                visit.close()


def _sheet(browser: Browser, album: Album) -> None:
    """Lay the states out on one page; picture it, in as many sheets as Chromium can paint."""
    figures = [_figure(state.name) for state in STAYING]
    whole = album.folder / "sheet.html"
    whole.write_text(SHEET + "".join(figures), encoding="utf-8")
    context = browser.new_context(viewport={"width": SHEET_WIDTH, "height": 1000})
    page = context.new_page()
    page.goto(whole.resolve().as_uri())
    height = page.evaluate("document.documentElement.scrollHeight")
    sheets = math.ceil(height / SHEET_HEIGHT)
    share = math.ceil(len(figures) / sheets)
    for number in range(sheets):
        page.evaluate(SHOW_ONLY, [number * share, (number + 1) * share])
        path = album.folder / f"sheet-{number + 1}.png"
        page.screenshot(path=path, full_page=True, timeout=120_000)
    context.close()


def _figure(name: str) -> str:
    """Show one state at every width in both schemes."""
    parts = [f"<figure><figcaption>{html.escape(name)}</figcaption><div>"]
    for scheme in SCHEMES:
        for width, shown in THUMBNAILS.items():
            picture = picture_of(f"states/{name}", width, scheme)
            parts.append(
                f'<a href="{picture}"><img src="{picture}" width="{shown}" '
                f'alt="{width} px, {scheme}"></a>'
            )
    return "".join([*parts, "</div></figure>\n"])


def _served(browser: Browser, album: Album, provider: Provider, folder: Path) -> None:
    with servers.demo_services(provider, folder) as demo:
        for width in SIZES:
            visit = album.visit(browser, width)
            _journey(visit.page, album, provider, demo, width)
            visit.close()


def _journey(page: Page, album: Album, provider: Provider, demo: str, width: int) -> None:
    affilie = provider.add_person("affilie", family_name="DURAND", given_names="Camille")
    delayed = provider.add_person("affilie")
    ayant_droit = provider.add_person("ayant_droit", family_name="MERCIER", given_names="Paulette")

    def take(name: str) -> None:
        album.take(page, f"served/{name}", width)

    page.goto(demo)
    take("01-service")
    page.get_by_role("link", name="Se connecter").click()
    take("02-sign-in")
    page.get_by_text("Que cocher ?").click()
    take("03-what-to-tick")
    page.click("#login-submit")
    take("04-empty")
    page.click("label[for=qualite-affilie]")
    page.fill("#numero", ayant_droit.numero)
    page.fill("#password", "une phrase")
    page.click("#login-submit")
    take("05-number-of-the-other-category")
    sign_in(page, affilie, "pas le bon mot de passe")
    take("06-refused")
    for _ in range(TOO_MANY):
        sign_in(page, delayed, "pas le bon mot de passe")
    take("07-wait")
    sign_in(page, affilie)
    page.wait_for_url(f"{demo}/")
    take("08-service-known")
    page.goto(f"{demo}/attestations/connexion")
    page.wait_for_url(f"{demo}/attestations")
    take("09-second-service")
    page.goto(f"{provider.url}/compte")
    take("10-account")
    page.goto(f"{provider.url}/logout")
    take("11-sign-out-asked")
    page.goto(demo)
    page.get_by_role("button", name="Se déconnecter").click()
    take("12-service-left")
    page.goto(f"{provider.url}/deconnexion")
    take("13-signed-out")
    page.goto(f"{provider.url}/connexion?demande=illisible")
    take("14-page-expired")
    page.goto(f"{provider.url}/authorize?client_id=inconnu")
    take("15-service-unknown")
    page.goto(f"{provider.url}/nulle-part")
    take("16-no-such-page")
    page.goto(f"{demo}/cotisations/connexion?silencieux=1")
    take("17-service-refused")


if __name__ == "__main__":
    sys.exit(main())
