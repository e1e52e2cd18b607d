"""A relying service's registration, as the protocol reads it, and the port it is found through."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from typing import Protocol

from idp.oidc.redirect_uris import sector_of

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
LONGEST_REFRESH_GRACE = 60
SIGNING_ALGS = ("RS256", "ES256")
SUBJECT_TYPES = ("pairwise", "public")


def hash_client_secret(clear: str) -> str:
    """SHA-256, hex. A secret of ours holds 256 random bits: a slow hash would only add load."""
    return hashlib.sha256(clear.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Client:
    """A relying service. Names are RFC 7591's where it has one.

    Attributes:
        redirect_uris: compared as whole strings, never normalised; ``registered_as`` knows of one
            port that may differ.
        scope: the scopes it may ask for: ours, and with a colon in them those of APIs.
        grant_types: none for an API that only looks at tokens.
        subject_type: ``pairwise`` (our default) or ``public``.
        require_pkce: ours; False only for a confidential client that cannot.
        form_action_origins: ours; origins it redirects on to, which Chromium checks against the
            page's CSP.
        refresh_grace: ours; seconds for which a refresh token that was just used gives the same
            successor again, ``LONGEST_REFRESH_GRACE`` at most.
        jwks: its public keys, a JWK set as JSON text; or else ``jwks_uri``, or neither.
        token_endpoint_auth_signing_alg: the one algorithm of its assertions; "" for any of ours.
        require_issuer_aud: ours; its assertions name the issuer alone, as FAPI 2.0 has it.
        first_party: ours; False for a service that asks the member's consent.
        backchannel_logout_session_required: its logout tokens name a ``sid``; ours always do.
        frontchannel_logout_session_required: its frame is told ``iss`` and ``sid``.
        web_origins: ours; origins of its scripts, for CORS.
        resource_identifiers: ours; the names under which it is an API that access tokens are for.
        allowed_resources: ours; the APIs that it may ask access tokens for, by these names.
        jwks_fetch_networks: ours; where it fetches our keys from, for the drill before one signs.
        jwks_fetch_agent: ours; what its user agent begins with when it does.
        secret_hashes: ``hash_client_secret`` of each live secret, two at most.
    """

    client_id: str
    client_name: str
    redirect_uris: tuple[str, ...] = ()
    scope: frozenset[str] = frozenset()
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - the name of a method
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    post_logout_redirect_uris: tuple[str, ...] = ()
    id_token_signed_response_alg: str = "RS256"  # noqa: S105 - the name of an algorithm
    subject_type: str = "pairwise"
    require_pkce: bool = True
    form_action_origins: tuple[str, ...] = ()
    client_uri: str = ""
    initiate_login_uri: str = ""
    default_max_age: int | None = None
    contacts: tuple[str, ...] = ()
    logo_uri: str = ""
    tos_uri: str = ""
    policy_uri: str = ""
    software_id: str = ""
    software_version: str = ""
    jwks: str = field(default="", repr=False)
    jwks_uri: str = ""
    token_endpoint_auth_signing_alg: str = ""
    require_issuer_aud: bool = False
    refresh_grace: int = 0
    first_party: bool = True
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    web_origins: tuple[str, ...] = ()
    resource_identifiers: tuple[str, ...] = ()
    allowed_resources: tuple[str, ...] = ()
    jwks_fetch_networks: tuple[str, ...] = ()
    jwks_fetch_agent: str = ""
    secret_hashes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_public(self) -> bool:
        """Tell whether it cannot keep a secret, and so has none."""
        return self.token_endpoint_auth_method == "none"  # noqa: S105 - the name of a method

    @property
    def readers(self) -> tuple[str, ...]:
        """The origins whose scripts may read answers to it: of a public client alone."""
        return self.web_origins if self.is_public else ()

    @property
    def has_secrets(self) -> bool:
        """Tell whether it proves itself by a secret, and not by a key or not at all."""
        return self.token_endpoint_auth_method in SECRET_METHODS

    @property
    def signs_members_in(self) -> bool:
        """Tell whether members come to it from here; what does not is a machine."""
        return self.check_grant_type("authorization_code")

    def verifies(self, alg: str) -> bool:
        """Tell whether keys of an algorithm verify what it is sent.

        An API takes access tokens of any service, each signed as that service registered.
        """
        return self.id_token_signed_response_alg == alg or bool(self.resource_identifiers)

    @property
    def api_scopes(self) -> tuple[str, ...]:
        """The scopes of APIs that it may ask for; their names hold a colon, none of ours does."""
        return tuple(sorted(scope for scope in self.scope if ":" in scope))

    @property
    def sector(self) -> str:
        """What a pairwise ``sub`` depends on: the host that all redirect URIs share, or itself.

        Every application of a device is on loopback: to share it makes nobody the same service.

        Spec: OIDC Core 1.0 §8.1.
        """
        hosts = [sector_of(uri) for uri in self.redirect_uris[:1]]
        return next((host for host in hosts if host), self.client_id)

    def has_secret(self, clear: str) -> bool:
        """Tell whether ``clear`` is a live secret, in a time that does not depend on which."""
        presented = hash_client_secret(clear)
        matches = [hmac.compare_digest(presented, known) for known in self.secret_hashes]
        return any(matches)

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether it is registered for a grant. Authlib asks by this name."""
        return grant_type in self.grant_types


class Clients(Protocol):
    """Where clients are found."""

    def find(self, client_id: str) -> Client | None:
        """Read one client, from memory as long as the registry has not changed."""

    def readers(self) -> frozenset[str]:
        """Give the ``readers`` of all clients, from memory.

        Never fails: while the registry is away, it is those that were read last.
        """


def readers_of(clients: Iterable[Client]) -> frozenset[str]:
    """Join the origins of several clients."""
    return frozenset(origin for client in clients for origin in client.readers)
