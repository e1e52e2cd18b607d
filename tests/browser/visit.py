"""One browser of one person, watched: what it loads, and what it refuses to load."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import Page
from playwright.sync_api import Playwright
from playwright.sync_api import Request
from playwright.sync_api import ViewportSize
from playwright.sync_api import WebError
from playwright.sync_api import sync_playwright

from tests.browser.servers import ServerMissing
from tests.instance import Person

HOSTS = {"localhost", "127.0.0.1", "::1"}
PATIENCE_MS = 10_000
PROGRAMS = ("chromium-headless-shell", "chromium")
"""The second has a window that nobody sees: a context costs it four times as much."""
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
TELEPHONE: ViewportSize = {"width": 360, "height": 740}
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SHORT_LIVED = "--js-flags=--no-turbofan --no-maglev --always-sparkplug"
"""No page of a test lives long enough to win back what compiling its scripts for speed costs."""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Start the machine's Chromium, with flags of one's own."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        message = f"apt-get install {PROGRAMS[0]} (bin/test does it for root)"
        raise ServerMissing(message)
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        yield browser
        browser.close()


class Visit:
    """A browser context of its own; ``page`` is its first tab."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": DESKTOP, "locale": "fr-FR", "reduced_motion": "reduce", **options}
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.hosts: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.violations: list[str] = []
        self.errors: list[str] = []
        self.context.on("request", self._requested)
        self.context.on("console", self._said)
        self.context.on("weberror", self._failed)
        self.page: Page = self.context.new_page()

    def close(self) -> None:
        """Close every tab."""
        self.context.close()

    @property
    def faults(self) -> list[str]:
        """What no visit may show."""
        elsewhere = [f"loaded from {host}" for host in sorted(self.hosts - HOSTS)]
        return [*elsewhere, *self.violations, *self.errors]

    def navigations(self) -> list[str]:
        """The addresses that tabs were sent to, without their queries."""
        return [url.partition("?")[0] for kind, url in self.requests if kind == "document"]

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "about"):
            self.hosts.add(parts.hostname or request.url)
        self.requests.append((request.resource_type, request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "violates the following" in message.text:
            self.violations.append(message.text)

    def _failed(self, error: WebError) -> None:
        self.errors.append(str(error.error))


def fill(page: Page, person: Person, password: str | None = None) -> None:
    """Fill the sign-in form without sending it."""
    page.locator(f"label[for=qualite-{person.qualite.replace('_', '-')}]").click()
    page.fill("#numero", person.numero)
    page.fill("#password", person.password if password is None else password)


def sign_in(page: Page, person: Person, password: str | None = None) -> None:
    """Fill the sign-in form and send it."""
    fill(page, person, password)
    page.click("#login-submit")
