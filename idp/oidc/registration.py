"""Registration of relying services: RFC 7591 metadata becomes a ``Client``, or all of its faults.

What is unknown is refused by name, so that a typo does not pass for a default. The members that
only inform (contacts, logo_uri, …) are kept for people to read.

Spec: RFC 7591 §2, OIDC Dynamic Client Registration 1.0 §2. Ours: ``require_pkce``,
``form_action_origins``, ``require_issuer_aud``, ``refresh_grace``.
"""

import json
import re
import secrets
import unicodedata
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from idp import IdpError
from idp.oidc.authorization import OFFLINE
from idp.oidc.claims import SCOPES
from idp.oidc.clients import AUTH_METHODS
from idp.oidc.clients import GRANT_TYPES
from idp.oidc.clients import LONGEST_REFRESH_GRACE
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.clients import SUBJECT_TYPES
from idp.oidc.clients import Client
from idp.oidc.redirect_uris import faults_of_origin
from idp.oidc.redirect_uris import faults_of_page
from idp.oidc.redirect_uris import faults_of_redirect_uri
from idp.oidc.redirect_uris import host_of
from idp.oidc.service_keys import ASSERTION_ALGS
from idp.oidc.service_keys import faults_of_jwks
from idp.oidc.service_keys import registered_keys

MOST_ENTRIES = 50
LONGEST_TEXT = 255
LONGEST_NAME = 100

MEMBERS = frozenset(field.name for field in fields(Client)) - {"secret_hashes"}
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
_LATER = {
    "client_secret": "secrets are drawn here and shown once; leave it out",
    "backchannel_logout_uri": "back-channel logout comes with a later issue",
    "sector_identifier_uri": "not fetched here; a sector is the one host of redirect_uris",
}


class InvalidClientMetadata(IdpError):
    """Metadata that cannot be registered: each fault names its member and says what is expected.

    Spec: RFC 7591 §3.2.2 (the code).
    """

    code = "invalid_client_metadata"

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def decode(text: str | bytes) -> dict[str, object]:
    """Read a JSON object, strictly: a member written twice is a fault, not a choice.

    Raises:
        InvalidClientMetadata: not JSON, not UTF-8, not an object, or a member twice.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidClientMetadata(f"{name}: written twice" for name in twice)
        return dict(pairs)

    try:
        metadata = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidClientMetadata([f"the document is not JSON in UTF-8{where}"]) from None
    if not isinstance(metadata, dict):
        raise InvalidClientMetadata(["the document is not a JSON object"])
    return metadata


def parse(metadata: Mapping[str, object]) -> Client:
    """Make a client, without secrets; draw its ``client_id`` unless the metadata names one.

    Raises:
        InvalidClientMetadata: lists every fault, not the first one.
    """
    read = _Reader(metadata)
    auth_method = read.choice("token_endpoint_auth_method", AUTH_METHODS)
    public = auth_method == "none"
    client = Client(
        client_id=read.client_id(),
        client_name=read.name(),
        redirect_uris=read.addresses(
            "redirect_uris", lambda u: faults_of_redirect_uri(u, public=public)
        ),
        scope=read.scope(),
        token_endpoint_auth_method=auth_method,
        grant_types=read.grant_types(),
        response_types=read.only("response_types", "code"),
        post_logout_redirect_uris=read.addresses(
            "post_logout_redirect_uris", lambda u: faults_of_redirect_uri(u, public=public)
        ),
        id_token_signed_response_alg=read.choice("id_token_signed_response_alg", SIGNING_ALGS),
        subject_type=read.choice("subject_type", SUBJECT_TYPES),
        require_pkce=read.flag("require_pkce", default=True),
        form_action_origins=read.addresses("form_action_origins", faults_of_origin),
        client_uri=read.page("client_uri"),
        initiate_login_uri=read.page("initiate_login_uri"),
        default_max_age=read.seconds("default_max_age"),
        contacts=read.addresses("contacts", _faults_of_text),
        logo_uri=read.page("logo_uri"),
        tos_uri=read.page("tos_uri"),
        policy_uri=read.page("policy_uri"),
        software_id=read.text("software_id"),
        software_version=read.text("software_version"),
        jwks=read.jwks(),
        jwks_uri=read.jwks_uri(),
        token_endpoint_auth_signing_alg=read.signing_alg(),
        require_issuer_aud=read.flag("require_issuer_aud", default=False),
        refresh_grace=read.seconds("refresh_grace", most=LONGEST_REFRESH_GRACE) or 0,
    )
    read.faults += _faults_between_members(client) + _faults_of_keys(client, metadata)
    if read.faults:
        raise InvalidClientMetadata(read.faults)
    return client


def to_metadata(client: Client) -> dict[str, object]:
    """Write a client as RFC 7591 metadata, without its secrets; ``parse`` reads back the same."""
    metadata: dict[str, object] = {}
    for name in (field.name for field in fields(Client) if field.name in MEMBERS):
        value = getattr(client, name)
        if value in ("", (), None):
            continue
        if name == "scope":
            metadata[name] = " ".join(scope for scope in SCOPES if scope in client.scope)
        elif name == "jwks":
            metadata[name] = json.loads(client.jwks)
        else:
            metadata[name] = list(value) if isinstance(value, tuple) else value
    return metadata


def from_stored(metadata: Mapping[str, object], secret_hashes: Iterable[str]) -> Client:
    """Read back what ``to_metadata`` wrote.

    It is trusted: a rule that became stricter since must not make a running service unknown. What a
    newer version wrote beside is left out.
    """
    known: dict[str, Any] = {}  # Any: each value has the type of its field, as written
    for name in MEMBERS & metadata.keys():
        value = metadata[name]
        known[name] = tuple(value) if isinstance(value, list) else value
    known["scope"] = frozenset(str(known["scope"]).split())
    if "jwks" in known:
        known["jwks"] = json.dumps(known["jwks"])
    return Client(**known, secret_hashes=tuple(secret_hashes))


def _faults_between_members(client: Client) -> list[str]:
    faults = []
    if client.is_public and not client.require_pkce:
        faults.append(
            "require_pkce: false is for services with a secret; without one, PKCE is all that"
            " proves who redeems a code"
        )
    if (OFFLINE in client.scope) != client.check_grant_type("refresh_token"):
        faults.append(
            "grant_types: refresh_token and the scope offline_access go together: give both or"
            " neither"
        )
    hosts = sorted({host_of(uri) for uri in client.redirect_uris})
    if client.subject_type == "pairwise" and len(hosts) > 1:
        faults.append(
            f"subject_type: pairwise needs redirect_uris of one host, not of {', '.join(hosts)}"
            " (OIDC Core 1.0 §8.1); register one service a host, or use subject_type public if they"
            " may all know that a member is the same"
        )
    return faults


def _faults_of_keys(client: Client, given: Mapping[str, object]) -> list[str]:
    """Look at the keys of a service and at the method that needs them, together."""
    faults = []
    by_key = client.token_endpoint_auth_method == "private_key_jwt"  # noqa: S105 - a method
    alg = client.token_endpoint_auth_signing_alg
    if "jwks" in given and "jwks_uri" in given:
        faults.append("jwks_uri: give jwks or jwks_uri, not both (RFC 7591 §2)")
    if by_key and not ("jwks" in given or "jwks_uri" in given):
        faults.append(
            "jwks_uri: private_key_jwt needs the service's public keys: jwks_uri where it publishes"
            " them, or jwks with the keys themselves"
        )
    if alg and not by_key:
        faults.append("token_endpoint_auth_signing_alg: it is for private_key_jwt")
    if by_key and client.jwks:
        algs = (alg,) if alg else ASSERTION_ALGS
        keys = registered_keys(client.jwks)
        if not any(key.serves(one, "") for key in keys for one in algs):
            faults.append(f"jwks: no key of it verifies {' or '.join(algs)}")
    return faults


def _faults_of_text(value: str) -> list[str]:
    # Categories C*: control, bidirectional and invisible characters, which make a text lie.
    if any(unicodedata.category(character).startswith("C") for character in value):
        return ["it has invisible or control characters"]
    return []


class _Reader:
    """Takes members out of a document and notes what is wrong with each; gives back what it can."""

    def __init__(self, metadata: Mapping[str, object]) -> None:
        self.metadata = metadata
        self.faults: list[str] = []
        for name in sorted(metadata.keys() - MEMBERS):
            reason = _LATER.get(name, "no such member here; is it a typo?")
            self.faults.append(f"{ascii(name)[1:-1]}: {reason}")

    def fault(self, name: str, expected: str) -> None:
        self.faults.append(f"{name}: {expected}")

    def text(self, name: str, *, longest: int = LONGEST_TEXT) -> str:
        value = self.metadata.get(name, "")
        if name not in self.metadata:
            return ""
        if not isinstance(value, str) or not value.strip():
            self.fault(name, "expected a text, or leave it out")
            return ""
        if len(value) > longest:
            self.fault(name, f"{len(value)} characters, {longest} at most")
            return ""
        for reason in _faults_of_text(value):
            self.fault(name, reason)
            return ""
        return value

    def name(self) -> str:
        if "client_name" not in self.metadata:
            self.fault("client_name", "required: members read it")
        return self.text("client_name", longest=LONGEST_NAME)

    def client_id(self) -> str:
        if "client_id" not in self.metadata:
            return secrets.token_hex(8)
        value = self.metadata["client_id"]
        if isinstance(value, str) and _CLIENT_ID.fullmatch(value):
            return value
        self.fault(
            "client_id",
            "expected 3 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first; leave it out to"
            " have one drawn",
        )
        return ""

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Read one of ``allowed``; the first where the document is silent."""
        value = self.metadata.get(name, allowed[0])
        if isinstance(value, str) and value in allowed:
            return value
        self.fault(name, f"expected {' or '.join(allowed)}")
        return allowed[0]

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.metadata.get(name, default)
        if isinstance(value, bool):
            return value
        self.fault(name, "expected true or false")
        return default

    def seconds(self, name: str, *, most: int = 10**9) -> int | None:
        value = self.metadata.get(name)
        if name not in self.metadata:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        self.fault(name, f"expected a whole number of seconds, 0 to {most}")
        return None

    def page(self, name: str) -> str:
        value = self.text(name, longest=2 * 1024)
        for reason in faults_of_page(value) if value else ():
            self.fault(name, f"{value!a}: {reason}")
        return value

    def jwks(self) -> str:
        """Read a JWK set that is given by value, as JSON text."""
        if "jwks" not in self.metadata:
            return ""
        value = self.metadata["jwks"]
        reasons = faults_of_jwks(value)
        for reason in reasons:
            self.fault("jwks", reason)
        return "" if reasons else json.dumps(value)

    def jwks_uri(self) -> str:
        value = self.page("jwks_uri")
        if value.startswith("http:"):
            self.fault("jwks_uri", "it must begin with https://, on this machine too")
        if "#" in value:
            self.fault("jwks_uri", "it has a fragment (#)")
        return value

    def signing_alg(self) -> str:
        if "token_endpoint_auth_signing_alg" not in self.metadata:
            return ""
        return self.choice("token_endpoint_auth_signing_alg", ASSERTION_ALGS)

    def only(self, name: str, expected: str) -> tuple[str, ...]:
        """Read a list that holds ``expected`` and nothing else, which is also its default."""
        values = self.texts(name) if name in self.metadata else (expected,)
        if values != (expected,) and values is not None:
            self.fault(name, f'expected ["{expected}"]')
        return (expected,)

    def grant_types(self) -> tuple[str, ...]:
        """Read the grants: that of codes always, refresh tokens where they are named."""
        if "grant_types" not in self.metadata:
            return GRANT_TYPES[:1]
        values = self.texts("grant_types")
        if values is not None and not {GRANT_TYPES[0]} <= set(values) <= set(GRANT_TYPES):
            self.fault("grant_types", 'expected "authorization_code", and "refresh_token" or not')
        return tuple(name for name in GRANT_TYPES if name in (values or GRANT_TYPES[:1]))

    def addresses(self, name: str, faults_of: Callable[[str], list[str]]) -> tuple[str, ...]:
        """Read a list of texts, each judged by ``faults_of``, none of them twice."""
        if name not in self.metadata:
            if name == "redirect_uris":
                self.fault(name, "required: at least one address that codes may go to")
            return ()
        values = self.texts(name) or ()
        good = []
        for index, value in enumerate(values):
            reasons = faults_of(value)
            if value in values[:index]:
                reasons = ["it is there twice"]
            for reason in reasons:
                self.fault(f"{name}[{index}]", f"{value!a}: {reason}")
            if not reasons:
                good.append(value)
        return tuple(good)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Read a list of texts; None, with a fault, when it is something else."""
        values = self.metadata[name]
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self.fault(name, "expected a list of texts")
            return None
        if not 1 <= len(values) <= MOST_ENTRIES:
            self.fault(name, f"expected 1 to {MOST_ENTRIES} entries, or leave it out")
            return None
        return tuple(values)

    def scope(self) -> frozenset[str]:
        if "scope" not in self.metadata:
            self.fault("scope", f"required: openid, and what it needs of {' '.join(SCOPES[1:])}")
            return frozenset()
        scopes = self.text("scope").split()
        for scope in scopes:
            if scope not in SCOPES:
                self.fault("scope", f"{scope!a} is none of {' '.join(SCOPES)}")
        if scopes and "openid" not in scopes:
            self.fault("scope", "openid is missing: this is an OpenID Connect provider")
        return frozenset(scopes)
