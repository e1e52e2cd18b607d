"""``bin/start`` as a newcomer meets it: one command, one screen, people to sign in as, Ctrl-C.

What bin/start does before (the virtual environment) is what bin/test did for this run.
"""

import http.cookiejar
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import lxml.html
import pytest
import requests

from demo.screen import PEOPLE

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
QUALITES = {"Affilié": "affilie", "Ayant droit": "ayant_droit"}


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def free_ports(number: int) -> list[int]:
    """Ports in a row, with free ones above them: there stand the mailbox and FranceConnect.

    Below those that the system gives to whoever connects, which come and go.
    """
    while True:
        first = 20_000 + secrets.randbelow(12_000)
        with ExitStack() as probes, suppress(OSError):
            for port in range(first, first + number + 2):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return list(range(first, first + number))


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        # Whoever has ended stays a zombie where process 1 is not an init.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Start:
    """One ``bin/start``, seen from its terminal."""

    def __init__(self, data: Path, output: Path, ports: list[int] | None = None) -> None:
        self.data = data
        self.port, self.demo_port = ports or free_ports(2)
        self.demo_url = f"http://127.0.0.1:{self.demo_port}"
        self._output = output
        options = ["--port", self.port, "--demo-port", self.demo_port, "--data", data]
        with output.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "demo.start", *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                cwd=output.parent,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def wait_for_screen(self) -> "Start":
        wait_until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        return self

    def servers(self) -> list[int]:
        """The process ids of its children and of their workers."""
        mine = children_of(self.process.pid)
        return mine + [worker for child in mine for worker in children_of(child)]

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_SECONDS)

    def refused(self) -> str:
        """What it said when it would not start."""
        assert self.process.wait(PATIENCE_SECONDS) == 1, self.said
        return self.said


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Start]]:
    """Start as often as wanted; whatever still runs at the end is killed."""
    started: list[Start] = []

    def one(data: Path | None = None, ports: list[int] | None = None) -> Start:
        output = tmp_path / f"terminal-{len(started)}"
        started.append(Start(data or tmp_path / "data", output, ports))
        return started[-1]

    yield one
    for left in started:
        left.process.kill()
        left.process.wait()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """A start that is only looked at and signed in to."""
    folder = tmp_path_factory.mktemp("start")
    shown = Start(folder / "data", folder / "terminal").wait_for_screen()
    yield shown
    shown.stop()


class Browser:
    """A browser without JavaScript, that takes localhost for a secure place as real ones do."""

    def __init__(self) -> None:
        policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("https", "http"))
        jar = http.cookiejar.CookieJar(policy)
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.url = ""
        self.page = lxml.html.fromstring("<p>nothing yet")

    def open(self, url: str, body: bytes | None = None) -> None:
        with self._opener.open(url, body, timeout=20) as answer:
            self.url = answer.geturl()
            self.page = lxml.html.fromstring(answer.read().decode())
        self.page.make_links_absolute(self.url)

    def follow(self, link: str) -> None:
        (address,) = self.page.xpath(f"//a[{link}]/@href")
        self.open(address)

    def submit(self, form: lxml.html.FormElement) -> None:
        assert form.method == "POST"
        self.open(form.action or self.url, urlencode(form.form_values()).encode())

    def sign_in(self, qualite: str, numero: str, password: str) -> None:
        form = next(f for f in self.page.forms if "numero" in f.fields)
        form.fields["qualite"] = QUALITES[qualite]
        form.fields["numero"] = numero
        form.fields["password"] = password
        self.submit(form)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.page.itertext()).split())


@pytest.mark.stores
@pytest.mark.parametrize(("_who", "qualite", "numero", "password"), PEOPLE)
def test_everybody_on_the_screen_can_sign_in_go_to_a_second_service_and_sign_out(
    ready, _who, qualite, numero, password
):
    assert f"{numero} " in ready.said
    assert password in ready.said
    browser = Browser()
    browser.open(f"{ready.demo_url}/cotisations/connexion")

    browser.sign_in(qualite, numero, password)

    assert browser.url == f"{ready.demo_url}/"
    assert f"Qualité {qualite} Numéro de dossier {numero}" in browser.text
    browser.open(f"{ready.demo_url}/attestations/connexion")
    assert browser.url == f"{ready.demo_url}/attestations"
    assert f"Numéro de dossier {numero}" in browser.text
    browser.open(f"{ready.demo_url}/attestations/connexion?silencieux=1")
    assert browser.url == f"{ready.demo_url}/attestations"
    browser.submit(browser.page.forms[0])
    assert "Vous êtes déconnecté" in browser.text
    browser.open(f"{ready.demo_url}/cotisations/connexion")
    assert browser.url.startswith(f"http://localhost:{ready.port}/connexion")


@pytest.mark.stores
def test_franceconnect_works_out_of_the_box_and_signing_out_ends_the_session_there_too(ready):
    browser = Browser()
    browser.open(f"{ready.demo_url}/cotisations/connexion")
    browser.follow("@class = 'fr-connect'")
    assert "Simulateur – aucune donnée réelle" in browser.text
    browser.follow("contains(@href, '/personne/monique-garnier')")
    assert "Choisissez un dossier" in browser.page.xpath("string(//h1)")
    form = next(f for f in browser.page.forms if "dossier" in f.fields)
    form.fields["dossier"] = form.inputs["dossier"].value_options[1]

    browser.submit(form)

    assert browser.url == f"{ready.demo_url}/"
    assert "Qualité Ayant droit Numéro de dossier 305927814" in browser.text
    assert "acr urn:carpimko:acr:franceconnect" in browser.text
    browser.submit(browser.page.forms[0])
    browser.follow("@id = 'logging-out-continue'")
    assert browser.url.startswith(f"{ready.demo_url}/cotisations/au-revoir")
    assert "Vous êtes déconnecté" in browser.text
    browser.open(f"{ready.demo_url}/cotisations/connexion")
    browser.follow("@class = 'fr-connect'")
    assert "Qui êtes-vous ?" in browser.text
    assert "Continuer comme" not in browser.text


@pytest.mark.stores
def test_the_reset_has_the_links_of_the_guide_and_they_lead_somewhere(ready):
    browser = Browser()
    for label, heading in [("Confidentialité", "Confidentialité"), ("Conditions", "Conditions d’")]:
        browser.open(f"http://localhost:{ready.port}/mot-de-passe-oublie")
        (address,) = browser.page.xpath(f"//a[. = '{label}']/@href")

        browser.open(address)

        assert heading in browser.page.xpath("string(//h1)")


@pytest.mark.stores
@pytest.mark.parametrize("way_out", ["a service", "the account page"])
def test_signing_out_anywhere_signs_out_of_both_services(ready, way_out):
    _who, qualite, numero, password = PEOPLE[0]
    browser = Browser()
    browser.open(f"{ready.demo_url}/cotisations/connexion")
    browser.sign_in(qualite, numero, password)
    browser.open(f"{ready.demo_url}/attestations/connexion")
    assert f"Numéro de dossier {numero}" in browser.text

    if way_out == "the account page":
        browser.open(f"http://localhost:{ready.port}/compte")
    browser.submit(browser.page.forms[0])

    def is_known(path: str) -> bool:
        browser.open(f"{ready.demo_url}{path}")
        return f"Numéro de dossier {numero}" in browser.text

    wait_until(lambda: not is_known("/"), seconds=15)
    wait_until(lambda: not is_known("/attestations"), seconds=15)


def test_back_channel_a_token_that_is_not_the_provider_s_ends_no_visit(ready):
    address = f"{ready.demo_url}/cotisations/fin-de-session"

    for form in ({}, {"logout_token": "x"}, {"logout_token": "e30.e30.e30"}):
        assert requests.post(address, data=form, timeout=10).status_code == 400


def test_the_provider_and_the_demo_are_two_sites_for_a_browser(ready):
    assert f"http://localhost:{ready.port}" in ready.said
    assert f"http://127.0.0.1:{ready.demo_port}" in ready.said


def test_an_answer_that_names_another_issuer_is_not_redeemed(ready):
    answer = requests.get(
        f"{ready.demo_url}/cotisations/retour",
        params={"code": "x", "state": "y", "iss": "https://mallory.example"},
        timeout=20,
    )

    assert answer.status_code == 400
    assert "issuer_mismatch" in answer.text


def test_the_server_tells_neither_its_product_nor_its_version(ready):
    for url in (f"http://localhost:{ready.port}/connexion", ready.demo_url):
        assert requests.get(url, timeout=20).headers["Server"] == "idp"


def test_the_provider_is_a_client_of_the_simulated_franceconnect_by_a_secret_of_this_start(ready):
    port = max(ready.port, ready.demo_port) + 2
    settings = dict(
        line.replace("'", "").split("=", 1)
        for line in (ready.data / "env").read_text().splitlines()[1:]
    )
    issuer = settings["IDP_FRANCECONNECT_ISSUER"]
    secret = Path(settings["IDP_FRANCECONNECT_CLIENT_SECRET_FILE"]).read_text()
    client_id = settings["IDP_FRANCECONNECT_CLIENT_ID"]

    published = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=20).json()
    form = {"grant_type": "authorization_code", "client_id": client_id, "client_secret": secret}
    known, stranger = (
        requests.post(published["token_endpoint"], data=sent, timeout=20).json()["error"]
        for sent in (form, {**form, "client_secret": "x" * 64})
    )

    assert f"FranceConnect        http://127.0.0.1:{port}\n" in ready.said
    assert published["issuer"] == issuer == f"http://127.0.0.1:{port}/api/v2"
    assert (known, stranger) == ("invalid_grant", "invalid_client")
    assert len(secret) == len(client_id) == 64


def test_nothing_that_a_client_writes_changes_the_addresses_that_are_told(ready):
    lies = {
        "Host": "mallory.example",
        "X-Forwarded-Host": "mallory.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/mallory",
        "Script-Name": "/mallory",
        "Forwarded": "host=mallory.example;proto=https",
    }

    for path in ("/.well-known/openid-configuration", "/connexion", "/authorize"):
        answer = requests.get(f"http://127.0.0.1:{ready.port}{path}", headers=lies, timeout=20)

        assert answer.status_code < 500
        assert "mallory" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/connexion?demande=" + "x" * 9000, {}),
        ("/connexion", {"X-Long": "x" * 9000}),
        ("/connexion", {f"X-{n}": "x" for n in range(100)}),
    ],
    ids=["address", "header", "headers"],
)
def test_a_request_larger_than_any_of_ours_is_refused_before_the_application(ready, path, headers):
    answer = requests.get(f"http://127.0.0.1:{ready.port}{path}", headers=headers, timeout=20)

    assert 400 <= answer.status_code < 500


def test_nobody_else_on_the_machine_can_read_what_a_start_writes(ready):
    def open_to_others(path: Path) -> bool:
        return bool(stat.S_IMODE(path.lstat().st_mode) & 0o077)

    written = [path for path in ready.data.rglob("*") if not path.is_socket()]

    assert not open_to_others(ready.data)
    assert {"env", "demo.json", "pepper", "idp.sqlite", "franceconnect.json"} <= {
        path.name for path in written
    }
    assert [path for path in written if open_to_others(path)] == []


def test_the_operators_command_finds_a_healthy_service(ready):
    report = subprocess.run(
        [sys.executable, "-m", "idp", "doctor"],
        env={**os.environ, "IDP_ENV_FILE": str(ready.data / "env")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "FAIL" not in report.stdout
    assert report.returncode == 0, report.stdout + report.stderr


def test_a_second_start_on_the_same_folder_is_refused_and_the_first_goes_on(ready, start):
    second = start(data=ready.data)

    assert f"in use by another start (process {ready.process.pid})" in second.refused()
    assert requests.get(f"http://localhost:{ready.port}/readyz", timeout=20).ok


@pytest.mark.parametrize("which", ["port", "demo_port"])
def test_a_busy_port_is_one_sentence_and_nothing_is_made(ready, start, tmp_path, which):
    ports = dict(zip(("port", "demo_port"), free_ports(2), strict=True))
    ports[which] = getattr(ready, which)

    said = start(ports=list(ports.values())).refused()

    option = "--" + which.replace("_", "-")
    assert f"Port {ports[which]} is in use" in said
    assert f"bin/start {option}" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("ports", [[0, 8001], [8000, 70_000], [8005, 8005]])
def test_ports_that_cannot_be_are_refused_at_once(start, ports):
    refused = start(ports=ports)

    assert refused.process.wait(PATIENCE_SECONDS) == 2
    assert "port" in refused.said


def test_a_data_folder_that_cannot_be_made_is_one_sentence(start, tmp_path):
    (tmp_path / "file").touch()

    said = start(data=tmp_path / "file" / "data").refused()

    assert "cannot be used" in said
    assert len(said.splitlines()) == 1


def test_ctrl_c_leaves_no_process_and_the_next_start_keeps_everything_even_sessions(start):
    first = start().wait_for_screen()
    servers = first.servers()
    assert len(servers) >= 9  # store, worker, mailbox, three masters, their workers
    kept = ["demo.json", "franceconnect.json", "franceconnect_client_secret", "secrets/pepper"]
    kept += [f"keys/{k.name}" for k in first.data.glob("keys/*")]
    before = {name: (first.data / name).read_text() for name in kept}
    browser = Browser()
    browser.open(f"{first.demo_url}/cotisations/connexion")
    browser.sign_in("Affilié", "1204816", "trois cerises sur le toit")

    assert first.stop(signal.SIGINT) == 0

    assert not any(is_running(pid) for pid in servers)
    second = start(ports=[first.port, first.demo_port]).wait_for_screen()
    assert {name: (second.data / name).read_text() for name in kept} == before
    assert len(list(second.data.glob("keys/*.pem"))) == 4  # of each algorithm: signing, and next
    browser.open(f"{second.demo_url}/cotisations/connexion?silencieux=1")
    assert "Numéro de dossier 1204816" in browser.text
    assert second.stop(signal.SIGTERM) == 0


def test_killing_the_program_ends_its_servers_and_the_folder_can_be_used_again(start):
    killed = start().wait_for_screen()
    servers = killed.servers()

    killed.process.kill()
    killed.process.wait()

    again = start(ports=free_ports(2)).wait_for_screen()  # at once, while they may still be ending
    wait_until(lambda: not any(is_running(pid) for pid in servers), 15)
    assert again.stop() == 0


def test_a_server_that_dies_is_named_and_everything_stops(start):
    shown = start().wait_for_screen()
    servers = shown.servers()
    store = next(
        pid for pid in servers if b"valkey-server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )

    os.kill(store, signal.SIGKILL)

    assert shown.process.wait(PATIENCE_SECONDS) == 1
    assert "Valkey ended by itself" in shown.said
    wait_until(lambda: not any(is_running(pid) for pid in servers), 15)


def test_a_folder_with_a_path_too_long_for_a_socket_will_do(start, tmp_path):
    deep = tmp_path / ("x" * 60) / ("y" * 60) / "it's data"
    deep.parent.mkdir(parents=True)

    shown = start(data=deep).wait_for_screen()

    address = re.search(r"IDP_REDIS_URL='unix://(.+)'", (deep / "env").read_text())
    assert address is not None
    assert len(address[1]) <= 107
    assert shown.stop() == 0
    assert not Path(address[1]).parent.exists()


def test_the_screen_gives_a_command_that_works_on_this_very_folder(ready):
    assert f"IDP_ENV_FILE={ready.data / 'env'} bin/idp doctor" in ready.said
    assert "git ignores" not in ready.said
