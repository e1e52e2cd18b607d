"""A provider of a test's own: real stores, real keys and secrets, people and services.

``Instance`` builds one; ``Visitor`` is a browser without JavaScript that speaks HTTP to it.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from typing import ClassVar
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from flask import Flask
from jinja2.bccache import Bucket
from jinja2.bccache import BytecodeCache
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jwk import KeySet
from lxml import html as lxml_html
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from werkzeug.routing import Rule
from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import TestResponse

from idp.app import create_app
from idp.identity.password import PasswordHash
from idp.infra.private_files import make_private_folder
from idp.infra.private_files import write_private_file
from idp.infra.secret_files import LENGTH
from idp.infra.secret_files import NAMES
from idp.infra.secret_files import generate_missing_secrets
from idp.infra.tables import AccountRow
from idp.infra.tables import AuditRow
from idp.infra.tables import DossierRow
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.clients import Client
from idp.oidc.signer import generate
from idp.parts import Parts
from idp.settings import Settings
from idp.settings import read_settings
from idp.web import EXTENSION
from idp.web import Services
from tests.schema import migrate

ISSUER = "http://localhost:8000"
CALLBACK = "http://127.0.0.1:9001/callback"
SIGNED_OUT = "http://127.0.0.1:9001/signed-out"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ANTI_ROBOT_ANSWER = "une réponse pour les essais"
PASSWORD = "les glycines du moulin 1978"


class Clock:
    """The instant a test says it is; given to the application like the real clock."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        self.at += span


@dataclass(frozen=True)
class Person:
    """Somebody of the directory, and what they type."""

    account_id: str
    qualite: str
    numero: str
    password: str


@dataclass
class Service:
    """A relying service's side of the protocol: what it sends, what it kept."""

    client: Client
    secret: str | None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(40))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def challenge(self) -> str:
        """S256 of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None takes one away."""
        params: dict[str, str | None] = {
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uris[0],
            "response_type": "code",
            "scope": "openid profile dossier",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in params.items() if value is not None}

    @property
    def basic(self) -> dict[str, str]:
        """Its Authorization header; empty for a public client."""
        if self.secret is None:
            return {}
        credentials = f"{self.client.client_id}:{self.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    def redemption(self, code: str, /, **changes: str | None) -> dict[str, str]:
        """The form of a token request; None takes a parameter away."""
        params: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uris[0],
            "code_verifier": self.verifier,
            **changes,
        }
        if self.secret is None:
            params.setdefault("client_id", self.client.client_id)
        return {name: value for name, value in params.items() if value is not None}


class Visitor:
    """A browser without JavaScript: keeps cookies, fills forms, follows no redirect by itself."""

    def __init__(self, app: Flask, network: str = "192.0.2.10") -> None:
        self.http = WerkzeugClient(app)
        self._peer = {"REMOTE_ADDR": network}

    def restart(self) -> None:
        """Close the browser and open it again: the session's cookie goes, the others stay."""
        self.http.delete_cookie("__Host-session")

    def get(self, url: str, params: Mapping[str, str] | None = None, **kwargs: Any) -> TestResponse:
        """GET a path or an address of the issuer."""
        return self.http.get(
            url, query_string=params, environ_overrides=self._peer, buffered=True, **kwargs
        )

    def post(self, url: str, form: Mapping[str, str] | None = None, **kwargs: Any) -> TestResponse:
        """POST a form."""
        return self.http.post(url, data=form, environ_overrides=self._peer, **kwargs)

    def open_sign_in(self, service: Service | None = None, **changes: str | None) -> TestResponse:
        """Reach the sign-in page, with a service waiting or none."""
        if service is None:
            return self.get("/connexion")
        asked = self.get("/authorize", service.request(**changes))
        assert asked.status_code == 303, asked.text
        return self.get(asked.headers["Location"])

    def submit_sign_in(
        self, page: TestResponse, qualite: str, numero: str, password: str, **more: str
    ) -> TestResponse:
        """Send the form of a page as a browser would."""
        typed = {"qualite": qualite, "numero": numero, "password": password}
        if "anti_robot_question" in page.text:
            typed |= {
                "anti_robot_question": value_of(page, "anti_robot_question"),
                "anti_robot_answer": ANTI_ROBOT_ANSWER,
            }
        return self.post(form_action(page), {"csrf": csrf_of(page), **typed, **more})

    def sign_in(
        self, person: Person, service: Service | None = None, **changes: str | None
    ) -> TestResponse:
        """Sign in and give the answer to the form: the redirect to the service, mostly."""
        page = self.open_sign_in(service, **changes)
        return self.submit_sign_in(page, person.qualite, person.numero, person.password)

    def code(self, person: Person, service: Service, **changes: str | None) -> str:
        """Sign in and give the code that the service receives."""
        return answer_of(self.sign_in(person, service, **changes))["code"]

    def tokens(self, person: Person, service: Service, **changes: str | None) -> dict[str, Any]:
        """Sign in and redeem the code as the service does."""
        answer = self.redeem(service, self.code(person, service, **changes))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.get_json()
        return body

    def redeem(self, service: Service, code: str, /, **changes: str | None) -> TestResponse:
        """Send a token request."""
        return self.post("/token", service.redemption(code, **changes), headers=service.basic)

    def read_token(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Verify a token by the published keys, as a service does: its header and its claims."""
        keys = KeySet.import_key_set(self.get("/jwks").get_json())
        read = jwt.decode(token, keys, algorithms=["ES256", "RS256"])
        return dict(read.header), dict(read.claims)

    def userinfo(self, access_token: str) -> TestResponse:
        """Ask userinfo."""
        return self.get("/userinfo", headers={"Authorization": f"Bearer {access_token}"})


def form_action(page: TestResponse) -> str:
    """Where the page's form goes."""
    action: str = lxml_html.fromstring(page.text).xpath("//form/@action")[0]
    return action


def csrf_of(page: TestResponse) -> str:
    """The page's CSRF token."""
    token: str = lxml_html.fromstring(page.text).xpath("//input[@name='csrf']/@value")[0]
    return token


def value_of(page: TestResponse, name: str) -> str:
    """What a field of the page's form holds; of radio buttons, the one that is ticked."""
    fields = lxml_html.fromstring(page.text).xpath(f"//input[@name='{name}']")
    assert fields, f"no field {name}"
    shown = [f for f in fields if f.get("type") != "radio" or f.get("checked") is not None]
    value: str = shown[0].get("value", "") if shown else ""
    return value


def text_of(page: TestResponse) -> str:
    """What a person reads on a page, spaces folded."""
    document = lxml_html.fromstring(page.text)
    for hidden in document.xpath("//script|//style"):
        hidden.drop_tree()
    return re.sub(r"\s+", " ", str(document.text_content()))


def without_incident(description: str) -> str:
    """What a refusal says, without the id that each has for itself."""
    return re.sub(r" \(incident [0-9a-f]{16}\)$", "", description)


def answer_of(response: TestResponse) -> dict[str, str]:
    """The parameters that a redirect brings to a service."""
    assert response.status_code == 303, response.text
    query = parse_qs(urlsplit(response.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


class _CompiledOnce(BytecodeCache):
    """Templates are compiled once a run, not once a test."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _CompiledOnce()


class _RouteOfTheRun(Rule):
    """A route is compiled once a run: werkzeug's two functions for each of sixty cost 25 ms."""

    _written: ClassVar[dict[Hashable, Callable[..., tuple[str, str]]]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        defaults = tuple(sorted((self.defaults or {}).items()))
        what = (self.rule, tuple(self._trace), defaults, append_unknown)
        if what not in self._written:
            self._written[what] = super()._compile_builder(append_unknown)
        return self._written[what]


Flask.url_rule_class = _RouteOfTheRun


@cache
def _key_of_the_run(alg: str) -> bytes:
    """A key for every instance of this run: drawing 3072 bits anew would cost each test 0.2 s."""
    return generate(alg)


@cache
def _secret_of_the_run(_name: str) -> bytes:
    return base64.urlsafe_b64encode(secrets.token_bytes(LENGTH))


_HASHES: dict[tuple[bytes, tuple[int, int], str], PasswordHash] = {}


def _draw_secrets(folder: Path) -> None:
    """The same for every instance of this run, and as private as real ones."""
    if not folder.exists():
        make_private_folder(folder)
        for name in NAMES:
            (folder / name).touch(0o600)
            (folder / name).write_bytes(_secret_of_the_run(name))
    generate_missing_secrets(folder)


class Instance:
    """One provider, in process, over the stores it is given."""

    def __init__(
        self,
        folder: Path,
        *,
        sql_url: str,
        redis_url: str,
        clock: Clock,
        signing_algs: tuple[str, ...] = SIGNING_ALGS,
        **settings: object,
    ) -> None:
        self.clock = clock
        self.settings: Settings = read_settings(
            **{
                "issuer": ISSUER,
                "data_dir": folder,
                "database_url": sql_url,
                "redis_url": redis_url,
                # A fixed answer is refused off loopback, as it should be.
                "anti_robot_answer": "" if "issuer" in settings else ANTI_ROBOT_ANSWER,
                **settings,
            }
        )
        _draw_secrets(self.settings.secrets_path)
        keys = self.settings.keys_path
        if not keys.is_dir():
            make_private_folder(keys)
            for alg in signing_algs:
                began = clock() - timedelta(hours=1)
                write_private_file(
                    keys / f"{began:%Y-%m-%dT%H-%MZ}.{alg}.pem", _key_of_the_run(alg)
                )
        migrate(self.settings.sql_url)
        self.app = create_app(self.settings, now=clock)
        self.app.jinja_env.bytecode_cache = _COMPILED
        self.parts: Parts = self.app.extensions["idp"]
        self.services: Services = self.app.extensions[EXTENSION]

    def private_key(self, kid: str) -> ECKey:
        """The ES256 key of this name: what whoever stole it forges tokens with."""
        files = self.parts.key_files
        (key,) = (key for key in files.ring() if key.kid == kid)
        return ECKey.import_key(files.path_of(key).read_bytes())

    def visitor(self, network: str = "192.0.2.10") -> Visitor:
        """A new browser."""
        return Visitor(self.app, network)

    def add_person(
        self,
        qualite: str = "affilie",
        numero: str = "1234567",
        password: str | None = PASSWORD,
        *,
        stored: PasswordHash | None = None,
        last_sign_in_at: datetime | None = None,
        **dossier: object,
    ) -> Person:
        """Put somebody into the directory; ``stored`` is an imported hash in the place of ours."""
        values = {
            "qualite": qualite,
            "numero_dossier": numero,
            "family_name": "LEFÈVRE",
            "given_names": "Anne Marie",
            "situations": "cotisant" if qualite == "affilie" else "reversion",
            "status": "active",
            "updated_at": self.clock(),
            **dossier,
        }
        if stored is None and password is not None:
            stored = self._hashed(password)
        account_id = secrets.token_urlsafe(16)
        with self.app.app_context(), self.parts.database.transaction():
            made = self.parts.database.execute(insert(DossierRow).values(**values))
            self.parts.database.execute(
                insert(AccountRow).values(
                    id=account_id,
                    dossier_id=made.inserted_primary_key[0],  # type: ignore[attr-defined]
                    password_hash=stored.phc if stored else None,
                    password_scheme=stored.scheme if stored else None,
                    credential_version=1,
                    last_sign_in_at=last_sign_in_at,
                    created_at=self.clock(),
                )
            )
        return Person(account_id, qualite, numero, password or "")

    def _hashed(self, password: str) -> PasswordHash:
        """One hash a password and a run: what it costs is measured where it matters."""
        given = self.settings
        cost = (given.argon2_memory_kib, given.argon2_passes)
        kept = (self.parts.secrets.pepper, cost, password)
        if kept not in _HASHES:
            _HASHES[kept] = self.services.sign_in.passwords.hash(password)
        return _HASHES[kept]

    def change_dossier(self, person: Person, **values: object) -> None:
        """Change the directory's row of somebody, as an import would."""
        with self.app.app_context(), self.parts.database.transaction():
            dossier = select(AccountRow.dossier_id).where(AccountRow.id == person.account_id)
            self.parts.database.execute(
                update(DossierRow).where(DossierRow.id.in_(dossier)).values(**values)
            )

    def change_account(self, person: Person, **values: object) -> None:
        """Change the account's row of somebody; a new password raises ``credential_version``."""
        with self.app.app_context(), self.parts.database.transaction():
            self.parts.database.execute(
                update(AccountRow).where(AccountRow.id == person.account_id).values(**values)
            )

    def add_service(self, client_id: str = "cotisations", **metadata: Any) -> Service:
        """Register a relying service; with a secret unless its method has none."""
        client = Client(
            **{
                "client_id": client_id,
                "client_name": "Mes cotisations",
                "redirect_uris": (CALLBACK,),
                "post_logout_redirect_uris": (SIGNED_OUT,),
                "scope": frozenset({"openid", "profile", "email", "address", "phone", "dossier"}),
                "id_token_signed_response_alg": "ES256",
                **metadata,
            }
        )
        secret = secrets.token_urlsafe(32) if client.has_secrets else None
        with self.app.app_context(), self.parts.database.transaction():
            self.parts.clients.add(client, secret)
        return Service(client, secret)

    def new_secret(self, service: Service) -> Service:
        """Draw another secret of a service, as ``idp clients new-secret`` does."""
        with self.app.app_context(), self.parts.database.transaction():
            secret = self.parts.clients.add_secret(service.client.client_id)
        return Service(service.client, secret)

    def remove_service(self, service: Service) -> None:
        """Remove a service, as ``idp clients remove`` does."""
        with self.app.app_context(), self.parts.database.transaction():
            self.parts.clients.remove(service.client.client_id)

    def audit(self) -> list[tuple[str, str | None, dict[str, object]]]:
        """The audit log: event, account, detail, oldest first."""
        with self.app.app_context(), self.parts.database.transaction():
            rows = self.parts.database.execute(
                select(AuditRow.event, AuditRow.account_id, AuditRow.detail).order_by(AuditRow.id)
            )
            return [(row.event, row.account_id, row.detail) for row in rows]
