"""Reads the members of RFC 7591 metadata one by one, and notes what is wrong with each."""

import json
import re
import secrets
import unicodedata
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_network

from idp import IdpError
from idp.oidc.claims import SCOPES
from idp.oidc.clients import GRANT_TYPES
from idp.oidc.clients import Client
from idp.oidc.redirect_uris import faults_of_page
from idp.oidc.service_keys import ASSERTION_ALGS
from idp.oidc.service_keys import faults_of_jwks

MOST_ENTRIES = 50
LONGEST_TEXT = 255
LONGEST_NAME = 100
LONGEST_SCOPE = 1000

MEMBERS = frozenset(field.name for field in fields(Client)) - {"secret_hashes"}
_API_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
_NOT_HERE = {
    "client_secret": "secrets are drawn here and shown once; leave it out",
    "require_auth_time": "auth_time is in every ID token; leave it out",
    "default_acr_values": "acr is in every ID token, and acr_values is a wish; leave it out",
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


class MetadataReader:
    """Takes members out of a document and notes what is wrong with each; gives back what it can."""

    def __init__(self, metadata: Mapping[str, object]) -> None:
        self.metadata = metadata
        self.faults: list[str] = []
        for name in sorted(metadata.keys() - MEMBERS):
            reason = _NOT_HERE.get(name, "no such member here; is it a typo?")
            self.faults.append(f"{ascii(name)[1:-1]}: {reason}")

    def fault(self, name: str, expected: str) -> None:
        """Note a fault of a member."""
        self.faults.append(f"{name}: {expected}")

    def text(self, name: str, *, longest: int = LONGEST_TEXT) -> str:
        """Read a text that people read, or ""."""
        value = self.metadata.get(name, "")
        if name not in self.metadata:
            return ""
        if not isinstance(value, str) or not value.strip():
            self.fault(name, "expected a text, or leave it out")
            return ""
        if len(value) > longest:
            self.fault(name, f"{len(value)} characters, {longest} at most")
            return ""
        for reason in faults_of_text(value):
            self.fault(name, reason)
            return ""
        return value

    def name(self) -> str:
        """Read the name that members read."""
        if "client_name" not in self.metadata:
            self.fault("client_name", "required: members read it")
        return self.text("client_name", longest=LONGEST_NAME)

    def client_id(self) -> str:
        """Read the identifier, or draw one."""
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
        """Read true or false."""
        value = self.metadata.get(name, default)
        if isinstance(value, bool):
            return value
        self.fault(name, "expected true or false")
        return default

    def seconds(self, name: str, *, most: int = 10**9) -> int | None:
        """Read a whole number of seconds; None where the document is silent."""
        value = self.metadata.get(name)
        if name not in self.metadata:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        self.fault(name, f"expected a whole number of seconds, 0 to {most}")
        return None

    def page(self, name: str, *, fragment: bool = True) -> str:
        """Read the address of a page, or ""."""
        value = self.text(name, longest=2 * 1024)
        for reason in faults_of_page(value) if value else ():
            self.fault(name, f"{value!a}: {reason}")
        if "#" in value and not fragment:
            self.fault(name, "it has a fragment (#)")
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
        """Read where keys are published: by https alone."""
        value = self.page("jwks_uri", fragment=False)
        if value.startswith("http:"):
            self.fault("jwks_uri", "it must begin with https://, on this machine too")
        return value

    def signing_alg(self) -> str:
        """Read the one algorithm of its assertions, or ""."""
        if "token_endpoint_auth_signing_alg" not in self.metadata:
            return ""
        return self.choice("token_endpoint_auth_signing_alg", ASSERTION_ALGS)

    def grant_types(self) -> tuple[str, ...]:
        """Read the grants; that of codes where the document is silent."""
        if "grant_types" not in self.metadata:
            return GRANT_TYPES[:1]
        values = self.texts("grant_types", least=0)
        if values is None:
            return GRANT_TYPES[:1]
        if not set(values) <= set(GRANT_TYPES):
            self.fault("grant_types", f"expected some of {', '.join(GRANT_TYPES)}")
        return tuple(name for name in GRANT_TYPES if name in values)

    def response_types(self, *, code: bool) -> tuple[str, ...]:
        """Read the answers of ``/authorize``: a code, or none for a service without members."""
        expected = ("code",) if code else ()
        if "response_types" in self.metadata:
            values = self.texts("response_types", least=0)
            if values is not None and values != expected:
                self.fault("response_types", f"expected {json.dumps(expected)}")
        return expected

    def addresses(self, name: str, faults_of: Callable[[str], list[str]]) -> tuple[str, ...]:
        """Read a list of texts, each judged by ``faults_of``, none of them twice."""
        if name not in self.metadata:
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

    def texts(self, name: str, *, least: int = 1) -> tuple[str, ...] | None:
        """Read a list of texts; None, with a fault, when it is something else."""
        values = self.metadata[name]
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self.fault(name, "expected a list of texts")
            return None
        if not least <= len(values) <= MOST_ENTRIES:
            self.fault(name, f"expected {least} to {MOST_ENTRIES} entries, or leave it out")
            return None
        return tuple(values)

    def scope(self, *, of_members: bool) -> frozenset[str]:
        """Read the scopes: ours, where openid is one of them, and those of APIs.

        A colon tells the scope of an API from a typo in one of ours.
        """
        ours = SCOPES if of_members else ()
        if of_members and "scope" not in self.metadata:
            self.fault("scope", f"required: openid, and what it needs of {' '.join(SCOPES[1:])}")
            return frozenset()
        scopes = self.text("scope", longest=LONGEST_SCOPE).split()
        for scope in scopes:
            if scope not in ours and not (":" in scope and _API_SCOPE.fullmatch(scope)):
                expected = (
                    f"none of {' '.join(ours)}" if ours else "about members, who are not here"
                )
                self.fault(
                    "scope", f"{scope!a} is {expected}; those of APIs have a colon (api:read)"
                )
        if of_members and scopes and "openid" not in scopes:
            self.fault("scope", "openid is missing: this is an OpenID Connect provider")
        return frozenset(scopes)


def faults_of_network(value: str) -> list[str]:
    """Say what is wrong with a network, written as one address or as a prefix."""
    try:
        ip_network(value)
    except ValueError:
        return ["expected a network or an address, as in 192.0.2.0/24 or 2001:db8::/48"]
    return []


def faults_of_text(value: str) -> list[str]:
    """Say what makes a text that people read lie."""
    # Categories C*: control, bidirectional and invisible characters, which make a text lie.
    if any(unicodedata.category(character).startswith("C") for character in value):
        return ["it has invisible or control characters"]
    return []
