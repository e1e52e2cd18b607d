"""One Chromium and one provider for the whole run; a browser context of its own for each test.

Every test ends with the same question: was anything loaded from elsewhere, was the pages' policy
violated, did a script fail?
"""

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import servers
from tests.browser import visit as visits
from tests.browser.servers import Provider
from tests.browser.visit import Visit
from tests.instance import Person


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and logs of the servers of this run."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def provider(run_folder: Path) -> Iterator[Provider]:
    """The product as it is served, on http://localhost."""
    # One machine fails for all the tests: the anti-robot has tests of its own.
    with servers.provider(run_folder, anti_robot_from=10_000) as running:
        yield running


@pytest.fixture(scope="session")
def demo(provider: Provider, run_folder: Path) -> Iterator[str]:
    """The origin of the two demo services."""
    with servers.demo_services(provider, run_folder) as origin:
        yield origin


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium."""
    with visits.chromium(visits.SHORT_LIVED) as browser:
        yield browser


@pytest.fixture
def open_browser(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a browser without history or cookies; options are those of a playwright context."""
    opened: list[Visit] = []

    def open_one(**options: Any) -> Visit:
        opened.append(Visit(chromium, **options))
        return opened[-1]

    yield open_one
    faults = [fault for visit in opened for fault in visit.faults]
    for visit in opened:
        visit.close()
    assert faults == []


@pytest.fixture
def affilie(provider: Provider) -> Person:
    """An affilié nobody else knows."""
    return provider.add_person("affilie")


@pytest.fixture
def ayant_droit(provider: Provider) -> Person:
    """An ayant droit nobody else knows."""
    return provider.add_person("ayant_droit", family_name="MERCIER", given_names="Paulette")


@pytest.fixture
def chromium_visit(chromium: Browser) -> Iterator[Visit]:
    """A browser whose violations the test itself judges."""
    visit = Visit(chromium)
    yield visit
    visit.close()
