"""FranceConnect freezes: it takes every connection and never answers. Who feels it?

Three servers of two gunicorn workers, as they are deployed, over one Valkey and SQLite; the
simulator in this process. At each of them members sign in by their number, at the same even pace
and in the same minute, so that whatever else the machine does meets them alike, and are timed. To
the second and third others come through FranceConnect, at an even pace too, whether those before
them have had their answer or not. The third is a planted fault: neither bulkhead nor breaker.

    .venv/bin/python -m bench.franceconnect_frozen [--seconds 60] [--native 1.5] [--abroad 3]

First FranceConnect is well, then it freezes: who was over there comes back with a code all the
same. See README.md.
"""

import argparse
import http.client
import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.parse import urlsplit

from flask import Flask

from bench.http_cost import PROVIDER
from bench.http_cost import Server
from bench.http_cost import provider
from bench.http_cost import signed_in
from idp.app import create_app
from idp.infra import circuit_breaker
from idp.infra import franceconnect_calls
from idp.parts import utc_now
from tests.franceconnect import FranceConnect
from tests.franceconnect import answer_in
from tests.instance import Service

UNPROTECTED = "bench.franceconnect_frozen:unprotected()"
PATIENCE = 60.0
"""Of a person here; nobody waits so long."""


def unprotected() -> Flask:
    """The provider without bulkhead and breaker: what the benchmark must be able to see."""
    franceconnect_calls.SEATS = 10_000
    circuit_breaker.FAILURES = 10**9
    return create_app()


class Pace:
    """Does something so many times a second, each time in a thread of its own, and times it."""

    def __init__(self, a_second: float, act: Callable[[], str]) -> None:
        self._every = 1 / a_second if a_second else 0.0
        self._act = act
        self._lock = threading.Lock()
        self.waited: dict[str, list[float]] = {}

    def run(self, seconds: float) -> None:
        """Go on for so long, then wait for whoever still waits."""
        self.waited.clear()
        people: list[threading.Thread] = []
        began, number = time.monotonic(), 0
        while self._every and (due := began + number * self._every) < began + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            people.append(threading.Thread(target=self._one))
            people[-1].start()
            number += 1
        for one in people:
            one.join()

    def _one(self) -> None:
        began = time.perf_counter()
        try:
            outcome = self._act()
        except (OSError, http.client.HTTPException) as error:
            outcome = type(error).__name__
        waited = time.perf_counter() - began
        with self._lock:
            self.waited.setdefault(outcome, []).append(waited)


class Site:
    """One server, and what people do there."""

    def __init__(self, server: Server, there: FranceConnect, sign_in: tuple[str, str, str]) -> None:
        self._server = server
        self._there = there
        self._session, self._address, self._form = sign_in

    def sign_in(self) -> str:
        """Sign in by number and password; the page was fetched before."""
        headers = {
            "Cookie": self._session,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer, _ = self._ask("POST", self._address, self._form, headers)
        return "signed in" if answer.status == 303 else f"status {answer.status}"

    def abroad(self) -> str:
        """Go through FranceConnect; who was already there when it froze brings a code from it."""
        answer, browser = self._ask("GET", "/franceconnect", None, {})
        location = answer.headers["Location"] or ""
        if not location.startswith(self._there.issuer):
            return "told at the beginning"
        if self._there.simulator.fault.frozen:
            state = answer_in(location)["state"]
            asked = {"code": "c" * 43, "state": state, "iss": self._there.issuer}
        else:
            asked = answer_in(self._there.abroad().pick(location))
        answer, _ = self._ask(
            "GET", f"/franceconnect/retour?{urlencode(asked)}", None, {"Cookie": browser}
        )
        back = urlsplit(answer.headers["Location"] or "").path
        return "told at the end" if back == "/connexion" else "arrived"

    def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        kept = (cookie.partition(";")[0] for cookie in answer.headers.get_all("Set-Cookie", []))
        return answer, "; ".join(kept)


@dataclass
class Row:
    """One server of a phase: who comes, at what pace, and how long they waited."""

    name: str
    native: Pace
    abroad: Pace


def go_on(rows: list[Row], seconds: float) -> None:
    """Let all go on at once for so long."""
    paces = [pace for row in rows for pace in (row.native, row.abroad)]
    going = [threading.Thread(target=pace.run, args=[seconds]) for pace in paces]
    for one in going:
        one.start()
    for one in going:
        one.join()


def report(what: str, rows: list[Row]) -> None:
    """Print how long they waited."""
    print(f"\n{what:<34}{'median':>9}{'95 of 100':>12}{'longest':>10}   load {load()}")
    quiet = 0.0
    for row in rows:
        good = row.native.waited.pop("signed in", [float("inf")])
        others = {why: len(waits) for why, waits in row.native.waited.items()}
        median = statistics.median(good)
        quiet = quiet or median
        print(
            f"{row.name:<34}{median * 1000:6.0f} ms{at(good, 0.95) * 1000:9.0f} ms"
            f"{max(good) * 1000:7.0f} ms   {len(good)} signed in, {median / quiet:.2f} of nobody's"
            f"{f'; lost: {others}' if others else ''}"
        )
        for why, waits in sorted(row.abroad.waited.items()):
            middle = statistics.median(waits)
            print(f"    {why}: {len(waits)}, median {middle:.2f} s, longest {max(waits):.2f} s")


def load() -> str:
    """The load of the machine in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def at(waits: list[float], share: float) -> float:
    """The time within which such a share was served."""
    return sorted(waits)[int(share * (len(waits) - 1))] if waits else float("inf")


def settings_of(there: FranceConnect) -> dict[str, str]:
    """What makes a server its client."""
    return {f"IDP_{name.upper()}": str(value) for name, value in there.settings.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of the freeze")
    parser.add_argument("--native", type=float, default=1.5, help="sign-ins a second")
    parser.add_argument("--abroad", type=float, default=3, help="people a second")
    options = parser.parse_args()
    logging.getLogger("werkzeug").disabled = True
    native, abroad, seconds = options.native, options.abroad, options.seconds
    with (
        tempfile.TemporaryDirectory(prefix="idp-frozen-") as folder,
        provider("") as (instance, environment),
        ExitStack() as running,
    ):
        there = FranceConnect(Path(folder), now=utc_now, provider=instance.settings.issuer)
        running.callback(there.stop)
        environment |= settings_of(there) | {"IDP_DRAIN_SECONDS": "0"}
        service: Service = instance.add_service()
        rows: list[Row] = []
        for name, application, people in (
            ("nobody at FranceConnect", PROVIDER, 0.0),
            ("others at FranceConnect", PROVIDER, abroad),
            ("planted: unprotected", UNPROTECTED, abroad),
        ):
            server = Server(application, environment)
            running.callback(server.stop)
            site = Site(server, there, signed_in(instance, service, f"100000{len(rows)}"))
            rows.append(Row(name, Pace(native, site.sign_in), Pace(people, site.abroad)))
        go_on(rows, 8)  # to warm up
        go_on(rows, seconds / 2)
        report("FranceConnect well", rows)
        there.simulator.misbehave("frozen")
        go_on(rows, seconds)
        report("FranceConnect frozen", rows)


if __name__ == "__main__":
    main()
