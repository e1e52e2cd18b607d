"""A FranceConnect for tests: the simulator of ``demo/``, on a free port, in a thread of the test.

``simulator`` is its inside: faults, records, keys. ``settings`` make a provider its client, and
``Abroad`` is what a browser does there between the provider's redirect and its callback.
"""

import base64
import csv
import json
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.parse import urlsplit

import requests
from joserfc.jwk import ECKey
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

from demo.franceconnect import Configuration
from demo.franceconnect import Registration
from demo.franceconnect import Simulator
from demo.franceconnect import create_app
from demo.franceconnect.configuration import drawn_secret
from demo.prepare import DOSSIERS
from tests.certificates import write_certificate
from tests.instance import ISSUER
from tests.instance import PASSWORD
from tests.instance import Instance
from tests.instance import Person
from tests.service_signer import drawn

CLIENT_ID = "une-caisse-de-retraite"
SECONDS = 10
MEMBER_FIELDS = frozenset(
    {
        *("family_name", "usage_name", "given_names", "gender", "birthdate", "birthplace"),
        *("birthcountry", "email", "situations", "status"),
    }
)


class _Quiet(WSGIRequestHandler):
    """Writes no line for a request: the lines of the provider alone are looked at."""

    def log_request(self, *_: Any) -> None:
        pass


class FranceConnect:
    """One that runs until ``stop``."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        provider: str = ISSUER,
        by_key: bool = False,
        tls: bool = False,
        **registration: Any,
    ) -> None:
        self._folder = folder
        self.ca_file = folder / "franceconnect-ca.pem" if tls else None
        self._by_key = by_key
        self.key = drawn("EC", 7)
        public = {**self.key.as_dict(private=False), "kid": self.key.thumbprint(), "use": "sig"}
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port: int = listening.getsockname()[1]
            host = "https://localhost" if tls else "http://127.0.0.1"
            self.issuer = f"{host}:{port}/api/v2"
            self.simulator = Simulator(
                Configuration(
                    issuer=self.issuer,
                    pairwise_secret=drawn_secret(),
                    registration=Registration(
                        **{
                            "client_id": CLIENT_ID,
                            "client_name": "Caisse de démonstration",
                            "redirect_uris": (f"{provider}/franceconnect/retour",),
                            "post_logout_redirect_uris": (f"{provider}/franceconnect/deconnexion",),
                            "client_secret": "" if by_key else drawn_secret(),
                            "jwks": {"keys": [public]} if by_key else None,
                            **registration,
                        }
                    ),
                ),
                now=now,
            )
            self.app = create_app(self.simulator)
            if self.ca_file is not None:
                write_certificate(self.ca_file, "localhost")
            self._server = make_server(
                "127.0.0.1",
                port,
                self.app,
                threaded=True,
                fd=listening.fileno(),
                request_handler=_Quiet,
                ssl_context=(str(self.ca_file),) * 2 if self.ca_file else None,
            )
        assert isinstance(self._server, ThreadedWSGIServer)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # frozen answers are nobody's to wait for
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    @property
    def settings(self) -> dict[str, object]:
        """What ``Instance`` and ``make_instance`` take to be its client."""
        made: dict[str, object] = {
            "franceconnect_issuer": self.issuer,
            "franceconnect_client_id": self.simulator.configuration.registration.client_id,
        }
        if self._by_key:
            assert isinstance(self.key, ECKey)
            made["franceconnect_private_key_file"] = self._private(
                "franceconnect.pem", self.key.as_pem(private=True).decode()
            )
        else:
            secret = self.simulator.configuration.registration.client_secret
            made["franceconnect_client_secret_file"] = self._private("franceconnect", secret)
        if self.ca_file is not None:
            made["franceconnect_ca_file"] = self.ca_file
        return made

    def request(self, **changes: Any) -> str:
        """The address that a service sends a browser to; ``...`` takes a parameter away."""
        known = self.simulator.configuration.registration
        params = {
            "client_id": known.client_id,
            "response_type": "code",
            "redirect_uri": known.redirect_uris[0],
            "scope": "openid identite_pivot",
            "acr_values": "eidas1",
            "state": secrets.token_urlsafe(32),
            "nonce": secrets.token_urlsafe(32),
            **changes,
        }
        return f"{self.issuer}/authorize?{urlencode(_kept(params), doseq=True)}"

    def redeem(self, code: str, /, **changes: Any) -> requests.Response:
        """Exchange a code as the service does, by its secret."""
        known = self.simulator.configuration.registration
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": known.redirect_uris[0],
            "client_id": known.client_id,
            "client_secret": known.client_secret,
            **changes,
        }
        return requests.post(f"{self.issuer}/token", data=_kept(form), timeout=SECONDS)

    def userinfo(self, access_token: str) -> requests.Response:
        """Ask who the person is."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(f"{self.issuer}/userinfo", headers=headers, timeout=SECONDS)

    def abroad(self) -> "Abroad":
        """A browser that has not been here."""
        return Abroad(self)

    def stop(self) -> None:
        """Let whoever waits go, and listen no more."""
        self.simulator.behave()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _private(self, name: str, content: str) -> Path:
        path = self._folder / name
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(content)
        return path


class Abroad:
    """A browser at FranceConnect: keeps its cookies, follows its redirects and leaves with one."""

    def __init__(self, franceconnect: FranceConnect) -> None:
        self._issuer = franceconnect.issuer
        self._http = requests.Session()
        self._verify = str(franceconnect.ca_file) if franceconnect.ca_file else True

    def open(self, location: str) -> requests.Response:
        """Open an address here, and follow the redirects that stay here."""
        answer = self._get(location)
        while answer.is_redirect and self._is_here(self._next(answer)):
            answer = self._get(self._next(answer))
        return answer

    def pick(self, location: str, person: str = "camille-durand") -> str:
        """Sign in as somebody, from the address that the provider sent to; give the callback."""
        return self._leave(location, f"personne/{person}")

    def fail(self, location: str, word: str = "retour") -> str:
        """Go back, or meet an error; give the callback."""
        return self._leave(location, f"erreur/{word}")

    def follow(self, location: str) -> str:
        """Open an address that leads straight out, as a sign-out does; give where to."""
        answer = self.open(location)
        assert answer.is_redirect, answer.text
        return self._next(answer)

    def _leave(self, location: str, link: str) -> str:
        page = self.open(location)
        assert page.status_code == 200, page.text
        assert f"/{link}" in page.text
        return self.follow(f"{page.url}/{link}")

    def _get(self, address: str) -> requests.Response:
        return self._http.get(address, allow_redirects=False, timeout=SECONDS, verify=self._verify)

    def _next(self, answer: requests.Response) -> str:
        return urljoin(answer.url, answer.headers["Location"])

    def _is_here(self, address: str) -> bool:
        return address.startswith(f"{self._issuer}/")


def answer_in(callback: str) -> dict[str, str]:
    """The parameters of a callback."""
    return {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}


def claims_in(token: str) -> dict[str, Any]:
    """What a token says, unchecked."""
    payload = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


def add_member(
    instance: Instance, numero: str, password: str | None = PASSWORD, **changes: Any
) -> Person:
    """Put a dossier of ``demo/dossiers.csv`` into the directory: people here correspond to them."""
    with DOSSIERS.open(encoding="utf-8", newline="") as file:
        (row,) = (
            row for row in csv.DictReader(file, delimiter=";") if row["numero_dossier"] == numero
        )
    known: dict[str, Any] = {name: value for name, value in row.items() if name in MEMBER_FIELDS}
    return instance.add_person(row["qualite"], numero, password, **{**known, **changes})


def _kept(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not ...}
