"""A provider that announces all it can, for the uses of its metadata."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from idp.oidc.provider import GRANTS
from tests.instance import ISSUER
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.notified_service import NotifiedService
from tests.service_signer import ServiceSigner

METADATA = "/.well-known/openid-configuration"
DOCUMENTATION = "https://www.example.org/services"
FULL_RECORD: dict[str, Any] = {
    "usage_name": "MARTIN",
    "birthdate": "1950-05-12",
    "gender": "female",
    "email": "anne@example.org",
    "phone": "06 12 34 56 78",
    "address_1": "MME ANNE MARTIN",
    "address_4": "12 RUE DES LILAS",
    "address_6": "75012 PARIS",
}
EVERYTHING: dict[str, Any] = {
    "scope": frozenset(
        {"openid", "profile", "email", "address", "phone", "dossier", "offline_access", "a:read"}
    ),
    "grant_types": tuple(grant.GRANT_TYPE for grant in GRANTS),
    "allowed_resources": ("https://api.example/",),
}
Proof = Callable[[], tuple[dict[str, str], dict[str, str]]]
"""What a service proves itself by, made anew for each request: a form and headers."""


class World:
    """A provider that announces all it can, and somebody with a full record."""

    def __init__(self, instance: Instance, back: NotifiedService) -> None:
        self.instance = instance
        self.back = back
        self.visitor: Visitor = instance.visitor()
        self.metadata: dict[str, Any] = self.visitor.get(METADATA).get_json()
        self.person: Person = instance.add_person(**FULL_RECORD)
        self.service: Service = instance.add_service(**EVERYTHING)

    def path(self, member: str) -> str:
        """Where an announced address leads, below the issuer."""
        address = urlsplit(self.metadata[member])
        assert f"{address.scheme}://{address.netloc}" == ISSUER
        return address.path

    def ask(self, **changes: str | None) -> TestResponse:
        """Send an authorization request to the address that is announced."""
        return self.visitor.get(
            self.path("authorization_endpoint"), self.service.request(**changes)
        )

    def sign_in(self, service: Service | None = None, **changes: str | None) -> dict[str, Any]:
        """The token answer of a sign-in in a new browser."""
        fresh = self.instance.visitor()
        return fresh.tokens(self.person, service or self.service, **changes)

    def id_token(self, tokens: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of an ID token."""
        return self.visitor.read_token(tokens["id_token"])

    def page_of(self, **changes: str | None) -> TestResponse:
        """The page that a request leads a new browser to."""
        return self.instance.visitor().open_sign_in(self.service, **changes)

    def has_session(self) -> None:
        """Sign this world's browser in."""
        self.visitor.tokens(self.person, self.service)


def authenticated(
    world: World, method: str, alg: str = "ES256", **metadata: Any
) -> tuple[Service, Proof]:
    """A service of this authentication method, and what it sends to prove itself each time."""
    client_id = f"{method}-{alg}"
    signer = ServiceSigner(client_id, alg=alg)
    keys = {"jwks": signer.jwks()} if method == "private_key_jwt" else {}
    service = world.instance.add_service(
        client_id, token_endpoint_auth_method=method, **keys, **metadata
    )
    now: Callable[[], datetime] = world.instance.clock
    proofs: dict[str, Proof] = {
        "client_secret_basic": lambda: ({}, service.basic),
        "client_secret_post": lambda: (
            {"client_id": client_id, "client_secret": str(service.secret)}, {},
        ),
        "private_key_jwt": lambda: (signer.form(now(), ISSUER), {}),
        "none": lambda: ({"client_id": client_id}, {}),
    }  # fmt: skip
    return service, proofs[method]


def token_of(world: World, service: Service, proof: Proof) -> str:
    """Sign in, and redeem the code under this proof."""
    code = world.instance.visitor().code(world.person, service)
    form, headers = proof()
    answer = world.visitor.post("/token", service.redemption(code) | form, headers=headers)
    assert answer.status_code == 200, answer.text
    token: str = answer.get_json()["access_token"]
    return token


def proved_at(world: World, endpoint: str, service: Service, proof: Proof) -> None:
    """Do at an endpoint what only the service may."""
    token = token_of(world, service, proof)
    if endpoint == "token":
        return
    form, headers = proof()
    answer = world.visitor.post(f"/{endpoint}", {"token": token} | form, headers=headers)
    assert answer.status_code == 200, answer.text
    if endpoint == "introspect":
        assert answer.get_json()["active"] is True
    else:
        assert world.visitor.userinfo(token).status_code == 401
