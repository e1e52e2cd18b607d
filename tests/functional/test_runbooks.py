"""What docs/operate says to type, typed: one service, page after page, each command ends well.

A command is a line of a block that begins with a program. ``$NAME`` stands for what the operator
has in front of them. Commands of ours and of Redis run; of an operator's machine (compose, a
backup) it is looked at that what they name is there.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import select

from idp.app import create_app
from idp.audit import Event
from idp.cli import main
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.identity.working_days import day_in_france
from idp.infra.tables import AccountRow
from idp.parts import Parts
from idp.parts import utc_now
from idp.settings import read_settings
from tests.mailbox import Mailbox
from tests.ready_service import durable
from tests.ready_service import legal_settings
from tests.running import ROOT

PAGES = ROOT / "docs" / "operate"
FIRST, LAST = ("first-installation",), ("database-restored", "redis-lost", "key-compromised")
CALLER = ("ayant_droit", "1000017")
"""Of tests/data/dossiers.csv: has addresses of both kinds, and no letter on its way."""
ELSEWHERE = ("backup", "deployment", "metrics")
"""Their commands need other machines; tests of their own run what can be run."""
PROGRAM = re.compile(r"(?:\$ )?((?:idp|docker|curl|redis-cli|systemctl|deploy/\S+) .*)")
NAMED = re.compile(r"\$([A-Z_]+)")
LASTING = {"IDP_ISSUER", "IDP_REDIS_URL", "SERVICE"}
MAY_FAIL = ("idp keys drill",)
"""Status 1 is an answer: somebody has not seen the key."""
OF_COMPOSE = frozenset({"up", "stop", "build", "logs", "restart", "ps", "exec", "run"})


def commands_of(page: Path) -> list[str]:
    """The lines of a page's blocks that begin with a program."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    return [match[1] for line in lines if (match := PROGRAM.fullmatch(line.strip()))]


def order(page: Path) -> tuple[int, str]:
    """First what makes the service, last what hurts it."""
    if page.stem in FIRST:
        return 0, page.stem
    return (2 + LAST.index(page.stem) if page.stem in LAST else 1), page.stem


def command_of(words: list[str]) -> click.Command:
    """The command of ours that words name, with the options that they give."""
    context, command = click.Context(main), main
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, words
        command, rest = found, rest[1:]
    known = {name for parameter in command.params for name in parameter.opts}
    for word in rest:
        assert not word.startswith("--") or word.partition("=")[0] in known, words
    return command


def check_compose(words: list[str]) -> None:
    """Make sure that compose has what a line names."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert words[1] == "compose", words
    assert words[2] in OF_COMPOSE, words
    if words[2] in ("run", "exec"):
        at = next(at for at, word in enumerate(words) if at > 2 and word in services)
        if words[at] == "idp":
            command_of(words[at:])
    else:
        named = [word for word in words[3:] if not word.startswith("-") and not word.isdigit()]
        assert set(named) <= set(services), words


class Operator:
    """Somebody at the keyboard of a service that was never there before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[str, str] = {"IDP_ISSUER": os.environ["IDP_ISSUER"]}

    def type(self, line: str) -> None:
        """Type one line; fail when it does not end well."""
        if "$BATCH" in line:
            self.seen["BATCH"] = max((self.folder / "data" / "spool").glob("*.pdf")).stem
        typed = NAMED.sub(lambda name: self.seen[name[1]], line)
        words = shlex.split(typed, comments=True)
        if words[0] == "docker":
            check_compose(words)
        elif words[0] == "curl":
            self._get(urlsplit(words[-1]).path)
        elif words[0] == "redis-cli":
            subprocess.run(words, check=True, capture_output=True)
        else:
            self._run(words, may_fail=line.startswith(MAY_FAIL))

    def _run(self, words: list[str], *, may_fail: bool) -> None:
        words, kept = self._redirected(words)
        ran = CliRunner().invoke(main, words[1:], catch_exceptions=False)
        assert ran.exit_code in ((0, 1) if may_fail else (0,)), f"{words}\n{ran.output}"
        if kept is not None:
            kept.write_text(ran.stdout, encoding="utf-8")

    def _redirected(self, words: list[str]) -> tuple[list[str], Path | None]:
        for arrow in (">", ">>", ">/dev/null"):
            if arrow in words:
                at = words.index(arrow)
                return words[:at], Path("/dev/null" if "/" in arrow else words[at + 1])
        return words, None

    def _get(self, path: str) -> None:
        app = create_app()
        assert app.test_client().get(path).status_code == 200, path
        app.extensions["idp"].database.engine.dispose()

    def prepare(self) -> None:
        """Have something of each kind to look at: what a night brings."""
        built = Parts(read_settings())
        with built.flask.app_context(), built.database.transaction():
            known = select(AccountRow.id).order_by(AccountRow.dossier_id).limit(2)
            account_id, other = built.database.execute(known).scalars().all()
            letter = partial(built.outbox.add, Kind.TEMPORARY_PASSWORD, Channel.LETTER)
            letter(account_id=account_id)
            built.outbox.add(Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=account_id)
            (claimed,) = built.outbox.claim(Channel.MAIL)
            built.outbox.failed(claimed, "recipient_refused", permanent=True)
        self._run(["idp", "letters", "print"], may_fail=False)
        with built.flask.app_context(), built.database.transaction():
            letter(account_id=other, held=True)
        signing = built.key_files.ring().signing_key("ES256", now=built.now())
        built.database.engine.dispose()
        self.seen |= {
            "ACCOUNT": account_id,
            "DAY": day_in_france(utc_now()).isoformat(),  # until midnight in Paris
            "INCIDENT": self._incident(),
            "KID": signing.kid,
            "NUMERO": CALLER[1],
            "QUALITE": CALLER[0],
            "ROW": str(claimed.id),
        }

    def seal_a_day(self) -> None:
        """Have an event of some days ago, and its seal."""
        at = utc_now() - timedelta(days=2)
        built = Parts(read_settings(), now=lambda: at)
        with built.flask.app_context():
            with built.database.transaction():
                built.audit.record(Event.KEY_ADDED)
            built.sealing.seal_next()
        built.database.engine.dispose()

    def sign_the_day(self) -> None:
        """Have its head, as the worker signs it after midnight."""
        built = Parts(read_settings())
        with built.flask.app_context():
            assert built.sealing.sign_head() is not None
        built.database.engine.dispose()

    def _incident(self) -> str:
        app = create_app()
        asked = app.test_client().get(
            "/authorize?client_id=nobody", base_url=self.seen["IDP_ISSUER"]
        )
        app.extensions["idp"].database.engine.dispose()
        return asked.headers["X-Request-Id"]

    def register(self, client_id: str) -> None:
        """Write down a service, as its developer would send it."""
        self.seen["SERVICE"] = client_id
        Path("service.json").write_text(
            f'{{"client_id": "{client_id}", "client_name": "Mes {client_id}",'
            f' "redirect_uris": ["https://{client_id}.example.org/callback"],'
            ' "scope": "openid dossier", "id_token_signed_response_alg": "ES256"}',
            encoding="utf-8",
        )


@pytest.fixture
def operator(
    tmp_path: Path, valkey_url: str, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    """Empty stores, settings, and the export of the business system."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "spool").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "data" / "dossiers.csv", "export.csv")
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    settings = {
        "issuer": "https://connexion.example.org",
        "trusted_proxies": 1,
        "data_dir": data,
        "redis_url": valkey_url,
        "letter_sender": "Caisse|1 rue|75001 PARIS",
        **mailbox.settings,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"IDP_{name.upper()}", str(value))
    for name, value in legal_settings().items():
        monkeypatch.setenv(name, value)
    with durable(valkey_url):
        yield Operator(tmp_path)


def test_every_command_of_every_runbook_ends_well_in_the_order_of_the_pages(operator, valkey_url):
    pages = sorted(PAGES.glob("*.md"), key=order)
    operator.register("cotisations")
    for page in pages:
        if page.stem in ELSEWHERE:
            continue
        lines = commands_of(page)
        if page.stem not in FIRST and set(NAMED.findall("".join(lines))) - LASTING:
            operator.prepare()
        for line in lines:
            if "clients add" in line and page.stem not in FIRST:
                operator.register("attestations")
            typed = line.replace('-u "$IDP_REDIS_URL"', f"-s {urlsplit(valkey_url).path}")
            operator.type(typed)
            if line == "idp migrate" and page.stem in FIRST:
                operator.seal_a_day()
        if page.stem in FIRST:
            operator.sign_the_day()


@pytest.mark.parametrize("stem", ELSEWHERE)
def test_a_page_for_other_machines_names_commands_services_and_units_that_are_there(stem):
    units = {path.name for path in (ROOT / "deploy" / "systemd").iterdir()}
    lines = commands_of(PAGES / f"{stem}.md")

    assert lines
    for words in map(shlex.split, lines):
        if words[0] == "idp":
            assert command_of(words)
        elif words[0] == "docker":
            check_compose(words)
        for word in words:
            if words[0] == "systemctl" and word.startswith("idp-"):
                unit = re.sub(r"@\d$", "@", word)
                assert unit in units or f"{unit}.service" in units, word


def test_the_index_leads_to_every_page_and_each_link_between_them_holds():
    linked = set()
    for page in PAGES.glob("*.md"):
        for target in re.findall(
            r"\]\(([^)#]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")
        ):
            if page.stem == "README":
                linked.add(target)
            assert (PAGES / target).resolve().is_file(), (page.name, target)

    assert {page.name for page in PAGES.glob("*.md")} - {"README.md"} <= linked
