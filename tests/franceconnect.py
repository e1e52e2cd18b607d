"""A FranceConnect for tests: the simulator of ``demo/``, on a free port, in a thread of the test.

``simulator`` is its inside: faults, records, keys. ``settings`` make a provider its client, and
``Abroad`` is what a browser does there between the provider's redirect and its callback.
"""

import base64
import json
import socket
import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urljoin
from urllib.parse import urlsplit

import requests
from joserfc.jwk import ECKey
from werkzeug.serving import make_server

from demo.franceconnect import Configuration
from demo.franceconnect import Registration
from demo.franceconnect import Simulator
from demo.franceconnect import create_app
from demo.franceconnect.configuration import drawn_secret
from tests.instance import ISSUER
from tests.service_signer import drawn

CLIENT_ID = "une-caisse-de-retraite"
SECONDS = 10


class FranceConnect:
    """One that runs until ``stop``."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        provider: str = ISSUER,
        by_key: bool = False,
        signed_response_alg: str = "ES256",
        **registration: Any,
    ) -> None:
        self._folder = folder
        self._by_key = by_key
        self.key = drawn("EC", 7)
        public = {**self.key.as_dict(private=False), "kid": self.key.thumbprint(), "use": "sig"}
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port: int = listening.getsockname()[1]
            self.issuer = f"http://127.0.0.1:{port}/api/v2"
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
                            "signed_response_alg": signed_response_alg,
                            **registration,
                        }
                    ),
                ),
                now=now,
            )
            app = create_app(self.simulator)
            self._server = make_server("127.0.0.1", port, app, threaded=True, fd=listening.fileno())
        self._server.log = lambda *_: None  # type: ignore[method-assign]
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
        return made

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
        return self._http.get(address, allow_redirects=False, timeout=SECONDS)

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
