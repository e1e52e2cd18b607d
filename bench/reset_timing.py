"""What the duration of an answer tells about a number: nothing, if all is well.

One client on a connection kept alive, one gunicorn worker, SQLite and Valkey of its own. In each
round one number of every group, never used before, goes through the same steps; at each step the
groups come in an order drawn anew, so that whatever else the machine does meets them all alike.

    .venv/bin/python -m bench.reset_timing [--rounds 1000] [--reset-alone] [--sql URL]

Quotas are lifted by settings, and every try comes from a network of its own. See README.md.
"""

import argparse
import http.client
import os
import random
import re
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import insert

from bench.difference import difference
from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from idp.identity.password import PasswordHash
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import draw
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from tests.instance import ANTI_ROBOT_ANSWER
from tests.instance import PASSWORD
from tests.instance import Instance
from tests.running import Running

UNKNOWN = "unknown number"
MAIL = "known, with mail"
POST_ONLY = "known, without mail"
PENDING = "known, with mail, reset pending"
CLOSED = "known, dossier closed"
NEVER = "known, without password"
GROUPS = (UNKNOWN, MAIL, POST_ONLY, PENDING, CLOSED, NEVER)

SIGN_IN_WRONG = "POST sign-in, wrong password"
SIGN_IN_TEMPORARY = "POST sign-in, wrong temporary password, right check symbol"
NUMBER = "POST number"
CHANNELS = "GET channels"
LETTER = "POST choice, letter"
BY_MAIL = "POST choice, mail"
STEPS = (SIGN_IN_WRONG, SIGN_IN_TEMPORARY, NUMBER, CHANNELS, LETTER, BY_MAIL)

MAIL_OFFERED = "GET channels, mail offered"
POST_OFFERED = "GET channels, post only"
REPORTED = (SIGN_IN_WRONG, SIGN_IN_TEMPORARY, NUMBER, MAIL_OFFERED, POST_OFFERED, LETTER, BY_MAIL)
"""Two pages that anybody tells apart by reading them are not compared by their time."""

WARM_UP = 30
LIFTED = 1_000_000
FIELD = re.compile(r'name="(csrf|anti_robot_question)" value="([^"]*)"')
ACTION = re.compile(r'<form [^>]*action="([^"]*)"')
PAIRS = [
    *((UNKNOWN, other) for other in GROUPS[1:]),
    (MAIL, POST_ONLY),
    (MAIL, PENDING),
]


@dataclass
class Page:
    """An answer, and how long it was waited for in milliseconds."""

    status: int
    location: str
    text: str
    waited: float

    @property
    def action(self) -> str:
        """Where its form goes."""
        found = ACTION.search(self.text)
        if found is None:
            raise SystemExit(f"no form on the page: {self.status}")
        return unescape(found[1])

    @property
    def fields(self) -> dict[str, str]:
        """The hidden fields that a form must send back."""
        return {name: unescape(value) for name, value in FIELD.findall(self.text)}


class Browser:
    """One try's browser: a name and a network of its own, on the connection of all."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._network = f"2001:db8:{secrets.randbits(16):x}:{secrets.randbits(16):x}::1"
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, form: dict[str, str] | None, *expected: int) -> Page:
        """Send one request and read the whole answer; what is measured is between the two."""
        headers = {"X-Forwarded-For": self._network}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        began = time.perf_counter_ns()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        waited = (time.perf_counter_ns() - began) / 1e6
        if response.status not in expected:
            raise SystemExit(f"{method} {path.partition('?')[0]}: {response.status}")
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        location = response.headers.get("Location", "")
        return Page(response.status, location, content.decode(), waited)


class Try:
    """One number that goes through the steps."""

    def __init__(self, group: str, numero: str, connection: http.client.HTTPConnection) -> None:
        self.group = group
        self._numero = numero
        self._browser = Browser(connection)
        self._page = Page(0, "", "", 0.0)

    def prepare(self, step: str) -> bool:
        """Open the page that the step is sent from, unmeasured; False: no such step for it."""
        if step == SIGN_IN_WRONG:
            self._page = self._browser.ask("GET", "/connexion", None, 200)
        elif step == NUMBER:
            self._page = self._browser.ask("GET", "/mot-de-passe-oublie", None, 200)
        elif step == BY_MAIL:
            self._page = self._browser.ask("GET", "/mot-de-passe-oublie", None, 200)
            self._page = self._send_number()
            self._page = self._browser.ask("GET", self._page.location, None, 200)
            return 'value="mail"' in self._page.text
        return True

    def take(self, step: str) -> float:
        """Do one step and give how long it took."""
        if step in (SIGN_IN_WRONG, SIGN_IN_TEMPORARY):
            wrong = "pas le bon mot de passe" if step == SIGN_IN_WRONG else draw(Channel.MAIL)
            self._page = self._sign_in(wrong)
        elif step == NUMBER:
            self._page = self._send_number()
        elif step == CHANNELS:
            self._page = self._browser.ask("GET", self._page.location, None, 200)
        else:
            channel = "letter" if step == LETTER else "mail"
            form = {**self._page.fields, "canal": channel}
            self._page = self._browser.ask("POST", self._page.action, form, 303)
        return self._page.waited

    def reported(self, step: str) -> str:
        """Under which name the step that was just taken is reported."""
        if step != CHANNELS:
            return step
        return MAIL_OFFERED if 'value="mail"' in self._page.text else POST_OFFERED

    def _sign_in(self, password: str) -> Page:
        typed = {"qualite": "affilie", "numero": self._numero, "password": password}
        return self._browser.ask("POST", self._page.action, {**self._page.fields, **typed}, 403)

    def _send_number(self) -> Page:
        typed = {"qualite": "affilie", "numero": self._numero}
        robot = {"anti_robot_answer": ANTI_ROBOT_ANSWER}
        return self._browser.ask(
            "POST", self._page.action, {**self._page.fields, **typed, **robot}, 303
        )


@contextmanager
def provider(sql_url: str) -> Iterator[Running]:
    """A provider whose quotas nobody reaches."""
    with tempfile.TemporaryDirectory(prefix="idp-bench-") as name:
        folder = Path(name)
        (folder / "valkey").mkdir()
        (folder / "data").mkdir()
        valkey = ValkeyServer(folder / "valkey", durability=FORGETFUL)
        valkey.start()
        valkey.wait()
        running = Running(
            folder / "data",
            sql_url=sql_url or f"sqlite:///{folder / 'idp.sqlite'}",
            redis_url=valkey.url,
            workers=1,
            trusted_proxies=1,
            network_limit=LIFTED,
            reset_requests_an_hour=LIFTED,
            reset_questions_an_hour=LIFTED,
            mails_an_hour=LIFTED,
            mails_a_day=LIFTED,
            letter_every=1,
            letters_in_90_days=LIFTED,
            letters_of_network_a_day=LIFTED,
            letters_a_day=LIFTED,
            anti_robot_answer=ANTI_ROBOT_ANSWER,
        )
        try:
            yield running
        finally:
            running.close()
            valkey.stop()


def fill(instance: Instance, numbers: dict[str, list[str]]) -> None:
    """Put the known numbers into the directory, and a live secret into the pending ones."""
    stored = instance.services.sign_in.passwords.hash(PASSWORD)
    now = datetime.now(UTC)
    dossiers: list[dict[str, object]] = []
    accounts: list[dict[str, object]] = []
    pending: list[str] = []
    known = [(group, numero) for group in GROUPS[1:] for numero in numbers[group]]
    # In any order but that of the rounds: what lies beside the row of the last round is at hand.
    random.shuffle(known)
    for group, numero in known:
        dossiers.append(_dossier(group, numero, len(dossiers) + 1, now))
        accounts.append(_account(group, len(dossiers), stored, now))
        if group == PENDING:
            pending.append(str(accounts[-1]["id"]))
    with instance.app.app_context(), instance.parts.database.transaction():
        instance.parts.database.execute(insert(DossierRow), dossiers)
        instance.parts.database.execute(insert(AccountRow), accounts)
    until = now + timedelta(hours=20)
    for promise, account_id in enumerate(pending):
        kept = instance.parts.temporaries
        kept.request(account_id, Channel.MAIL, promise + 1, version=1)
        kept.issue(
            account_id, Channel.MAIL, promise + 1, version=1, hashed=stored, expires_at=until
        )


def _dossier(group: str, numero: str, id: int, now: datetime) -> dict[str, object]:
    return {
        "id": id,
        "qualite": "affilie",
        "numero_dossier": numero,
        "family_name": "LEFÈVRE",
        "given_names": "Anne Marie",
        "email": "" if group == POST_ONLY else f"anne.lefevre{numero}@exemple.example",
        "address_4": "12 RUE DES LILAS",
        "address_6": "75010 PARIS",
        "situations": "cotisant",
        "status": "deceased" if group == CLOSED else "active",
        "updated_at": now,
    }


def _account(group: str, dossier: int, stored: PasswordHash, now: datetime) -> dict[str, object]:
    return {
        "id": secrets.token_urlsafe(16),
        "dossier_id": dossier,
        "password_hash": None if group == NEVER else stored.phc,
        "password_scheme": None if group == NEVER else stored.scheme,
        "credential_version": 1,
        "last_sign_in_at": None if group == NEVER else now,
        "created_at": now,
    }


def measure(
    running: Running, numbers: dict[str, list[str]], steps: tuple[str, ...]
) -> dict[str, dict[str, list[float]]]:
    """Give milliseconds by step and group, warm-up left out."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    order = random.Random()  # noqa: S311 - an order, not a secret
    taken: dict[str, dict[str, list[float]]] = {name: {g: [] for g in GROUPS} for name in REPORTED}
    for round_, row in enumerate(zip(*(numbers[group] for group in GROUPS), strict=True)):
        tries = [Try(group, n, connection) for group, n in zip(GROUPS, row, strict=True)]
        for step in steps:
            order.shuffle(tries)
            for one in tries:
                # One after the other, so that what stands before each measured step is the same.
                if one.prepare(step):
                    milliseconds = one.take(step)
                    if round_ >= WARM_UP:
                        taken[one.reported(step)][one.group].append(milliseconds)
    connection.close()
    return taken


def report(taken: dict[str, dict[str, list[float]]]) -> None:
    """Print a table for each step, in Markdown."""
    for step in REPORTED:
        groups = taken[step]
        if len(groups[UNKNOWN]) < WARM_UP:
            continue
        base = statistics.median(groups[UNKNOWN])
        print(f"\n**{step}**: {base:.2f} ms for an unknown number, n = {len(groups[UNKNOWN])}\n")
        print("| compared | n | median differs by (95 %) | AUC (chance alone) | p |")
        print("| --- | --- | --- | --- | --- |")
        for one, other in PAIRS:
            if min(len(groups[one]), len(groups[other])) < WARM_UP:
                continue  # a page that this group does not see
            found = difference(groups[one], groups[other])
            mark = " **!**" if abs(found.auc - 0.5) > 0.03 else ""
            print(
                f"| {other} / {one} | {len(groups[other])} | "
                f"{found.median:+.3f} ms ({found.low:+.3f} to {found.high:+.3f}) | "
                f"{found.auc:.3f}{mark} (±{found.auc_error:.3f}) | {found.p:.2f} |"
            )
        planted = difference(groups[UNKNOWN], [v + 0.02 * base for v in groups[UNKNOWN]])
        print(f"| planted: 2 % longer | | {planted.median:+.3f} ms | {planted.auc:.3f} | |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--sql", default="", help="an empty database; default: SQLite")
    parser.add_argument(
        "--reset-alone", action="store_true", help="without sign-ins, which touch a row before it"
    )
    options = parser.parse_args()
    steps = STEPS[2:] if options.reset_alone else STEPS
    count = options.rounds + WARM_UP
    drawn = random.sample(range(1_000_000, 10_000_000), count * len(GROUPS))
    numbers = {
        group: [str(n) for n in drawn[at * count : (at + 1) * count]]
        for at, group in enumerate(GROUPS)
    }
    with provider(options.sql) as running:
        fill(running.instance, numbers)
        running.start()
        before = os.getloadavg()[0]
        taken = measure(running, numbers, steps)
        print(f"load {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")
    report(taken)


if __name__ == "__main__":
    main()
