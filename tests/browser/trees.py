"""What a screen reader is told of the main pages, kept beside this file as it was when last judged.

``python -m tests.browser.trees`` writes them anew: read the difference before it is committed.
"""

from pathlib import Path

from tests.browser import pages
from tests.browser.visit import Visit
from tests.browser.visit import chromium

FOLDER = Path(__file__).parent / "trees"
STATES = (
    "login-all-ways",
    "login-empty",
    "login-refused",
    "reset-first",
    "reset_channel-both",
    "new_password-first",
    "consent-all",
    "account",
    "account_franceconnect-linked",
    "franceconnect_dossier-two",
    "franceconnect_proof-first",
    "error-maintenance",
)


def kept(name: str) -> str:
    """Read the tree of a state."""
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").removesuffix("\n")


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser, pages.states() as address:
        visit = Visit(browser)
        for name in STATES:
            visit.page.goto(f"{address}/{name}")
            tree = visit.page.locator("body").aria_snapshot()
            (FOLDER / f"{name}.yaml").write_text(f"{tree}\n", encoding="utf-8")
        visit.close()


if __name__ == "__main__":
    main()
