"""A relying party that asks, and checks what it gets, as the OpenID Foundation's suite does.

``Suite`` is one module's run: a browser with an empty cookie jar, the configuration shipped in
``deploy/conformance`` with its overrides for that module, and no PKCE.
"""

import secrets
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from tests.conformance.browser import Browser
from tests.conformance.browser import Landing
from tests.conformance.checks import check_error_answer
from tests.conformance.checks import check_id_token
from tests.conformance.checks import check_keys
from tests.conformance.checks import check_landing
from tests.conformance.checks import check_metadata
from tests.conformance.checks import check_token_answer
from tests.conformance.checks import check_userinfo
from tests.conformance.checks import read_id_token

QUERY = "query"
FORM_POST = "form_post"
FRAGMENT = "fragment"
UNRESERVED = string.ascii_letters + string.digits + "-._~"


def drawn(length: int) -> str:
    """A state or a nonce as the suite draws them."""
    return "".join(secrets.choice(UNRESERVED) for _ in range(length))


@dataclass(frozen=True)
class Provider:
    """The provider under test, and the suite's configurations for it, by the name of their file."""

    issuer: str
    ca_file: Path
    configurations: dict[str, dict[str, Any]]
    suite: str


@dataclass(frozen=True)
class Tokens:
    """What a sign-in came to: the answer of the token endpoint and the claims it leads to."""

    answer: dict[str, Any]
    id_token: dict[str, Any]
    userinfo: dict[str, Any]


class Suite:
    """One run of one module, named as the suite names it."""

    def __init__(
        self, provider: Provider, module: str, mode: str = QUERY, configured_by: str = "basic.json"
    ) -> None:
        plain = provider.configurations[configured_by]
        configuration = plain | plain.get("override", {}).get(module, {})
        self.provider = provider
        self.mode = mode
        self.configuration = configuration
        self.base = f"{provider.suite}/test/a/{configuration['alias']}"
        self.browser = Browser(provider.ca_file, provider.suite, configuration["browser"])
        self._http = requests.Session()
        self._http.verify = str(provider.ca_file)
        self._http.trust_env = False
        self.discovery_url: str = configuration["server"]["discoveryUrl"]
        found = self.call("GET", self.discovery_url)
        assert found.status_code == 200
        assert found.headers["Content-Type"] == "application/json"
        self.metadata: dict[str, Any] = found.json()
        check_metadata(self.metadata, self.discovery_url)
        self.jwks: dict[str, Any] = self.call("GET", self.metadata["jwks_uri"]).json()
        check_keys(self.jwks)
        self.asked: dict[str, str] = {}

    def close(self) -> None:
        """End the run."""
        self.browser.close()
        self._http.close()

    def call(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """C3: a call without a browser follows no redirect and waits a minute at most."""
        return self._http.request(method, url, allow_redirects=False, timeout=60, **kwargs)

    def client(self, key: str = "client") -> tuple[str, str]:
        """Name and secret of a client of the configuration."""
        registered = self.configuration[key]
        return registered["client_id"], registered["client_secret"]

    def request(self, key: str = "client", **changes: str | None) -> dict[str, str]:
        """C13: the parameters of an authorization request; None takes one away."""
        params: dict[str, str | None] = {
            "client_id": self.client(key)[0],
            "redirect_uri": f"{self.base}/callback",
            "scope": "openid",
            "state": drawn(10),
            "nonce": drawn(10),
            "response_type": "code",
            "response_mode": FORM_POST if self.mode == FORM_POST else None,
            **changes,
        }
        return {name: value for name, value in params.items() if value is not None}

    def visit(self, asked: dict[str, str], method: str = "GET") -> Landing | None:
        """Send the browser to the authorization endpoint; check what comes back, if it does."""
        self.asked = asked
        address = f"{self.metadata['authorization_endpoint']}?{urlencode(asked)}"
        landing = self.browser.visit(address, method)
        if landing is not None:
            by_fragment = "token" in asked.get("response_type", "")
            assert landing.path == f"/test/a/{self.configuration['alias']}/callback"
            check_landing(
                landing,
                mode=FRAGMENT if by_fragment and self.mode == QUERY else self.mode,
                state=asked.get("state"),
                issuer=self.metadata["issuer"],
            )
        return landing

    def answer(self, key: str = "client", *, method: str = "GET", **changes: str | None) -> Landing:
        """Ask, and be answered at the redirect URI."""
        landing = self.visit(self.request(key, **changes), method)
        assert landing is not None, f"the browser stays at {self.browser.url}: {self.browser.text}"
        return landing

    def page(self, **changes: str | None) -> str:
        """Ask, and be shown a page that explains: its text, which is the module's screenshot."""
        assert self.visit(self.request(**changes)) is None
        (screen,) = self.browser.screens
        return screen

    def code(self, key: str = "client", **changes: str | None) -> str:
        """Sign in, and get a code."""
        return self.answer(key, **changes).parameters["code"]

    def proof(self, key: str) -> dict[str, Any]:
        """How a client of the configuration proves itself."""
        client_id, secret = self.client(key)
        if key == "client_secret_post":
            return {"data": {"client_id": client_id, "client_secret": secret}}
        return {"auth": (client_id, secret)}

    def token(self, form: dict[str, str], key: str = "client") -> requests.Response:
        """Send a token request."""
        proof = self.proof(key)
        data = form | proof.pop("data", {})
        return self.call("POST", self.metadata["token_endpoint"], data=data, **proof)

    def redeem(self, code: str, key: str = "client", **more: str) -> requests.Response:
        """Redeem a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{self.base}/callback",
            **more,
        }
        return self.token(form, key)

    def read(self, id_token: str, key: str = "client", nonce: str | None = None) -> dict[str, Any]:
        """Verify an ID token by the published keys, and check what it says."""
        claims = read_id_token(id_token, self.jwks)
        check_id_token(
            claims, issuer=self.metadata["issuer"], client_id=self.client(key)[0], nonce=nonce
        )
        return claims

    def call_userinfo(self, access_token: str, method: str = "GET") -> requests.Response:
        """Call userinfo with the token in the header."""
        bearer = {"Authorization": f"Bearer {access_token}"}
        return self.call(method, self.metadata["userinfo_endpoint"], headers=bearer)

    def finish(self, code: str, key: str = "client", **more: str) -> Tokens:
        """Redeem the code of the last request, and look at everything that it gives."""
        answer = check_token_answer(self.redeem(code, key, **more))
        claims = self.read(answer["id_token"], key, self.asked.get("nonce"))
        userinfo = check_userinfo(self.call_userinfo(answer["access_token"]), claims["sub"])
        return Tokens(answer, claims, userinfo)

    def flow(self, key: str = "client", **changes: str | None) -> Tokens:
        """The whole of it: sign in, redeem, verify, userinfo."""
        return self.finish(self.code(key, **changes), key)

    def refresh(self, token: str, key: str = "client") -> requests.Response:
        """Use a refresh token."""
        return self.token({"grant_type": "refresh_token", "refresh_token": token}, key)

    def refused(self, answer: requests.Response, *errors: str) -> None:
        """C19: an error that a client can rely on."""
        check_error_answer(answer, *errors)

    def leave(self, **asked: str) -> Landing | None:
        """Send the browser to the end-session endpoint."""
        query = f"?{urlencode(asked)}" if asked else ""
        return self.browser.visit(f"{self.metadata['end_session_endpoint']}{query}")

    @property
    def post_logout_redirect_uri(self) -> str:
        """Where the suite wants to be sent after a sign-out."""
        return f"{self.base}/post_logout_redirect"
