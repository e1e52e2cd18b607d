"""What docs/integrate.md says to type, typed in its order: each line does what it is there for.

Three things are other than on the page: which ports are free, where the provider listens, and that
registrations are copies, which a test may change.
"""

import json
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

from tests.browser import examples
from tests.browser.servers import free_port
from tests.browser.servers import served
from tests.running import ROOT
from tests.running import Running

API_PORT = "5005"
PROVIDER = "http://localhost:8000"


def lines() -> list[str]:
    page = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


class Typing:
    """Somebody who copies the page, line by line."""

    def __init__(self, running: Running, folder: Path, servers: ExitStack) -> None:
        self._running = running
        self._folder = folder
        self._servers = servers
        self._copies: dict[str, Path] = {}
        self._shown: dict[str, dict[str, str]] = {}
        self._ports = {API_PORT: str(free_port())}

    def type(self, line: str) -> str:
        """Type a line; give what it prints, or what its first page says when it is a server."""
        file = re.findall(r"examples/\S+\.json", line)[0]
        changed = line.replace(file, str(self._copy(file)), 1)
        changed = changed.replace("key.json", str(self._folder / "key.json"))
        changed = changed.replace(PROVIDER, self._running.issuer)
        for port, free in self._ports.items():
            changed = changed.replace(port, free)
        for name, value in self._shown.get(file, {}).items():
            changed = changed.replace(f"{name}=…", f"{name}={value}")
        assert "…" not in changed, "the page uses what it has not told to make"
        if "app.py" in line or "server.mjs" in line:
            return self._serve(changed, self._of(file, "redirect_uris").replace("callback", ""))
        if "api.py" in line:
            return self._serve(changed, f"http://127.0.0.1:{self._ports[API_PORT]}/healthz")
        printed = self._run(changed)
        shown = re.findall(r"^(client_\w+): (\S+)$", printed, re.MULTILINE)
        if shown:
            self._shown[file] = {name.upper(): value for name, value in shown}
        return printed

    def _copy(self, file: str) -> Path:
        if file not in self._copies:
            metadata = examples.registration_of(file.removeprefix("examples/"))
            folder = self._folder / file.replace("/", "-")
            self._copies[file] = examples.write(folder, examples.moved(metadata, free_port()))
        return self._copies[file]

    def _of(self, file: str, member: str) -> str:
        first: str = json.loads(self._copies[file].read_text(encoding="utf-8"))[member][0]
        return first

    def _run(self, line: str) -> str:
        ran = subprocess.run(
            ["bash", "-c", line],  # noqa: S607 - as the page has it
            cwd=ROOT, env=self._running.environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def _serve(self, line: str, url: str) -> str:
        command = ["bash", "-c", f"exec env {line}"]
        log = self._folder / "log"
        self._servers.enter_context(served(line, command, url, log, self._running.environment))
        with urlopen(url, timeout=20) as page:  # noqa: S310 - loopback
            text: str = page.read().decode()
        return text


def test_what_the_page_says_to_type_works_in_its_order(
    make_running: Callable[..., Running], tmp_path: Path
) -> None:
    running = make_running()
    running.start()
    with ExitStack() as servers:
        reader = Typing(running, tmp_path, servers)
        printed = {line: reader.type(line) for line in lines()}

    assert printed
    for line, text in printed.items():
        if "clients add" in line:
            assert "client_id: " in text
        elif "machine.mjs" in line:
            assert text.startswith("200 ")
        elif "app.py" in line or "server.mjs" in line:
            assert 'id="sign-in"' in text
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0
