"""Provider metadata and JWKS, as ready bytes with their ETag and how long they may be cached.

The metadata is built from what is served: each line names the thing that makes it true.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta

from idp.oidc.authorize import PROMPTS
from idp.oidc.claims import CLAIMS_OF
from idp.oidc.claims import SCOPES
from idp.oidc.clients import AUTH_METHODS
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.clients import SUBJECT_TYPES
from idp.oidc.keys import KeyRing
from idp.oidc.keys import KeyRings
from idp.oidc.provider import GRANTS
from idp.oidc.return_address import RESPONSE_MODES
from idp.oidc.service_keys import ASSERTION_ALGS
from idp.sentence import LANGUAGES

CLAIMS = (
    "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid",
    *(claim for claims in CLAIMS_OF.values() for claim in claims),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """A published document; ``kids`` names the keys in it, where it is the list of keys."""

    body: bytes
    etag: str
    cache_control: str
    kids: tuple[str, ...] = ()


def document(content: object, max_age: timedelta) -> Document:
    """Make the bytes of a document once."""
    body = json.dumps(content, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Document(body, etag, _cache_control(max_age))


def _cache_control(max_age: timedelta) -> str:
    return f"public, max-age={max(1, int(max_age.total_seconds()))}"


def metadata(
    issuer: str, *, acr_values: tuple[str, ...], service_documentation: str = ""
) -> dict[str, object]:
    """Describe this provider: one document for both of its addresses.

    A list here is that of the code which serves it, and each member has its use in
    ``tests/functional/test_metadata_is_true.py``.

    Spec: OIDC Discovery 1.0 §3, RFC 8414 §2, RFC 9207 §3, OIDC Back-Channel
    Logout 1.0 §2.1, OIDC Front-Channel Logout 1.0 §3.
    """
    proved_methods = [method for method in AUTH_METHODS if method != "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/logout",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
        "subject_types_supported": list(SUBJECT_TYPES),
        "id_token_signing_alg_values_supported": list(SIGNING_ALGS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": proved_methods,
        **{
            f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGS)
            for endpoint in ("token", "revocation", "introspection")
        },
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": list(PROMPTS),
        "acr_values_supported": list(acr_values),
        "claims_supported": list(CLAIMS),
        "claim_types_supported": ["normal"],
        "ui_locales_supported": list(LANGUAGES),
        "display_values_supported": ["page"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        **({"service_documentation": service_documentation} if service_documentation else {}),
    }


@dataclass(frozen=True, slots=True)
class _Published:
    """A document and what it was made of; replaced whole, so that threads need no lock."""

    ring: KeyRing
    changes_at: datetime | None
    document: Document

    def holds(self, ring: KeyRing, now: datetime) -> bool:
        """Tell whether it is still what ``ring`` publishes."""
        return self.ring is ring and (self.changes_at is None or now < self.changes_at)


class PublishedKeys:
    """The JWKS, written again only when the ring changes or a key's time has come.

    No copy outlives the calendar: a key that leaves the list leaves every copy that follows its
    header at the same instant. A key that joins it is announced for longer than a copy lives.
    """

    def __init__(self, rings: KeyRings, *, max_age: timedelta, now: Callable[[], datetime]) -> None:
        self._rings = rings
        self._max_age = max_age
        self._now = now
        self._published: _Published | None = None

    def document(self) -> Document:
        """Give the keys published now. Spec: RFC 7517 §5, OIDC Core 1.0 §10.1.1, RFC 9111 §5.2."""
        ring, now = self._rings.ring(), self._now()
        kept = self._published
        if kept is None or not kept.holds(ring, now):
            kept = self._write(ring, now)
            self._published = kept
        if kept.changes_at is not None and kept.changes_at - now < self._max_age:
            return replace(kept.document, cache_control=_cache_control(kept.changes_at - now))
        return kept.document

    def _write(self, ring: KeyRing, now: datetime) -> _Published:
        keys = ring.published(now=now)
        made = document({"keys": [dict(key.public_jwk) for key in keys]}, self._max_age)
        named = replace(made, kids=tuple(key.kid for key in keys))
        return _Published(ring, ring.published_changes_at(now), named)
