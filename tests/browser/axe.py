"""axe-core on a page: every rule that it has, the experimental ones aside."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext
from playwright.sync_api import Page

from tests.browser.servers import ROOT
from tests.browser.servers import ServerMissing

SCRIPT = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async (only) => {
  const found = await axe.run(document, {
    ...(only ? { runOnly: [only] } : {}),
    resultTypes: ["violations", "incomplete"],
    ...(only ? {} : { rules: { "target-size": { enabled: true } } }),
  });
  return {
    passed: found.passes.length,
    violations: found.violations.map((one) => ({
      rule: one.id, help: one.help, where: one.nodes.map((node) => node.target.join(" ")),
    })),
  };
}"""


@cache
def script() -> str:
    """The text of axe-core, as npm installed it."""
    path: Path = SCRIPT
    if not path.is_file():
        message = "axe-core is not installed: requirements/browser-code.sh"
        raise ServerMissing(message)
    return path.read_text(encoding="utf-8")


def stand_by(context: BrowserContext) -> None:
    """Have axe-core in every page that opens from now on.

    It is kept by the browser: sent anew to each page it would cost as much as what it finds.
    """
    context.add_init_script(script())


def violations(page: Page, only: str = "") -> list[dict[str, Any]]:
    """What axe-core finds on the page as it stands, by all rules or by one.

    The script is evaluated by the debugger, which the page's policy does not bind.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(script())
    found: dict[str, Any] = page.evaluate(RUN, only)
    assert found["passed"] > (0 if only else 5), "axe-core did not look at the page"
    return list(found["violations"])
