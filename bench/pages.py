"""What a page costs a telephone: bytes, requests, and the time to its first paint.

Chromium with a processor six times slower, over a 3G network (780 kbit/s down, 330 up, 100 ms more
for each answer), with an empty cache, by its own debugging protocol. The pages are those of the
preview, served with the product's static files as the product sends them.

    .venv/bin/python -m bench.pages [--rounds 5] [STATE ...]

Prints the median of the rounds.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass

from playwright.sync_api import Browser

from tests.browser import pages
from tests.browser.visit import TELEPHONE
from tests.browser.visit import chromium

STATES = (
    "login-first",
    "login-all-ways",
    "login-refused",
    "login-robot",
    "login-robot-all-ways",
    "reset-first",
    "reset_channel-both",
    "new_password-first",
    "account",
    "error-404",
    "personal-data-filled",
)
SLOWER = 6
NETWORK = {
    "offline": False,
    "latency": 100,
    "downloadThroughput": 780_000 / 8,
    "uploadThroughput": 330_000 / 8,
}
PAINTED = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime"""


@dataclass(frozen=True, slots=True)
class Cost:
    """One load."""

    size: int
    requests: int
    painted_ms: float
    loaded_ms: float


def main() -> int:
    """Measure and print one row a page."""
    parser = argparse.ArgumentParser(prog="bench.pages")
    parser.add_argument("states", nargs="*", default=STATES)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print("| page | bytes | requests | first paint | all loaded |")
    print("| --- | --- | --- | --- | --- |")
    with chromium() as browser, pages.states() as address:
        load(browser, f"{address}/{given.states[0]}")  # the first one opens everything
        for state in given.states:
            costs = [load(browser, f"{address}/{state}") for _ in range(given.rounds)]
            size = statistics.median(cost.size for cost in costs)
            painted = statistics.median(cost.painted_ms for cost in costs)
            loaded = statistics.median(cost.loaded_ms for cost in costs)
            print(
                f"| `{state}` | {size / 1000:.1f} kB | {costs[0].requests} "
                f"| {painted / 1000:.2f} s | {loaded / 1000:.2f} s |"
            )
    return 0


def load(browser: Browser, address: str) -> Cost:
    """Open a page with nothing in the cache, and count until it is quiet."""
    context = browser.new_context(viewport=TELEPHONE, device_scale_factor=2)
    page = context.new_page()
    protocol = context.new_cdp_session(page)
    sizes: list[int] = []
    protocol.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    protocol.send("Network.enable")
    protocol.send("Network.emulateNetworkConditions", NETWORK)
    protocol.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address)
    page.wait_for_load_state("networkidle")
    painted = page.wait_for_function(PAINTED).json_value()
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    context.close()
    return Cost(round(sum(sizes)), len(sizes), painted, loaded)


if __name__ == "__main__":
    sys.exit(main())
