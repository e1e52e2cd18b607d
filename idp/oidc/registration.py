"""Registration of relying services: RFC 7591 metadata becomes a ``Client``, or all of its faults.

What is unknown is refused by name, so that a typo does not pass for a default. The members that
only inform (contacts, logo_uri, …) are kept for people to read.

Spec: RFC 7591 §2, OIDC Dynamic Client Registration 1.0 §2. Ours: ``require_pkce``,
``form_action_origins``, ``require_issuer_aud``, ``refresh_grace``, ``first_party``,
``web_origins``, ``resource_identifiers``, ``allowed_resources``, ``jwks_fetch_networks`` and
``jwks_fetch_agent``.
"""

import json
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from idp.oidc.authorization import OFFLINE
from idp.oidc.claims import SCOPES
from idp.oidc.clients import AUTH_METHODS
from idp.oidc.clients import LONGEST_REFRESH_GRACE
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.clients import SUBJECT_TYPES
from idp.oidc.clients import Client
from idp.oidc.key_watch import LONGEST_AGENT
from idp.oidc.metadata_reader import MEMBERS
from idp.oidc.metadata_reader import InvalidClientMetadata
from idp.oidc.metadata_reader import MetadataReader
from idp.oidc.metadata_reader import faults_of_network
from idp.oidc.metadata_reader import faults_of_text
from idp.oidc.redirect_uris import faults_of_origin
from idp.oidc.redirect_uris import faults_of_redirect_uri
from idp.oidc.redirect_uris import faults_of_web_origin
from idp.oidc.redirect_uris import host_of
from idp.oidc.redirect_uris import sector_of
from idp.oidc.resources import faults_of_resource
from idp.oidc.service_keys import ASSERTION_ALGS
from idp.oidc.service_keys import registered_keys

_WRITTEN_WHEN_EMPTY = frozenset({"grant_types", "response_types"})
"""Their defaults are not empty."""


def parse(metadata: Mapping[str, object]) -> Client:
    """Make a client, without secrets; draw its ``client_id`` unless the metadata names one.

    Raises:
        InvalidClientMetadata: lists every fault, not the first one.
    """
    read = MetadataReader(metadata)
    auth_method = read.choice("token_endpoint_auth_method", AUTH_METHODS)
    public = auth_method == "none"
    grant_types = read.grant_types()
    of_members = "authorization_code" in grant_types
    client = Client(
        client_id=read.client_id(),
        client_name=read.name(),
        redirect_uris=read.addresses(
            "redirect_uris", lambda u: faults_of_redirect_uri(u, public=public)
        ),
        scope=read.scope(of_members=of_members),
        token_endpoint_auth_method=auth_method,
        grant_types=grant_types,
        response_types=read.response_types(code=of_members),
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
        contacts=read.addresses("contacts", faults_of_text),
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
        first_party=read.flag("first_party", default=True),
        backchannel_logout_uri=read.page("backchannel_logout_uri", fragment=False),
        backchannel_logout_session_required=read.flag(
            "backchannel_logout_session_required", default=False
        ),
        frontchannel_logout_uri=read.page("frontchannel_logout_uri", fragment=False),
        frontchannel_logout_session_required=read.flag(
            "frontchannel_logout_session_required", default=False
        ),
        web_origins=read.addresses("web_origins", faults_of_web_origin),
        resource_identifiers=read.addresses("resource_identifiers", faults_of_resource),
        allowed_resources=read.addresses("allowed_resources", faults_of_resource),
        jwks_fetch_networks=read.addresses("jwks_fetch_networks", faults_of_network),
        jwks_fetch_agent=read.text("jwks_fetch_agent", longest=LONGEST_AGENT),
    )
    read.faults += (
        _faults_between_members(client, metadata)
        + _faults_of_machines(client, metadata)
        + _faults_of_keys(client, metadata)
    )
    if read.faults:
        raise InvalidClientMetadata(read.faults)
    return client


def to_metadata(client: Client) -> dict[str, object]:
    """Write a client as RFC 7591 metadata, without its secrets; ``parse`` reads back the same."""
    metadata: dict[str, object] = {}
    for name in (field.name for field in fields(Client) if field.name in MEMBERS):
        value = getattr(client, name)
        if value in ("", (), frozenset(), None) and name not in _WRITTEN_WHEN_EMPTY:
            continue
        if name == "scope":
            ours = [scope for scope in SCOPES if scope in client.scope]
            metadata[name] = " ".join([*ours, *client.api_scopes])
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
    known["scope"] = frozenset(str(known.get("scope", "")).split())
    if "jwks" in known:
        known["jwks"] = json.dumps(known["jwks"])
    return Client(**known, secret_hashes=tuple(secret_hashes))


def _faults_between_members(client: Client, given: Mapping[str, object]) -> list[str]:
    faults = []
    if client.signs_members_in and "redirect_uris" not in given:
        faults.append("redirect_uris: required: at least one address that codes may go to")
    if client.is_public and not client.require_pkce:
        faults.append(
            "require_pkce: false is for services with a secret; without one, PKCE is all that"
            " proves who redeems a code"
        )
    if client.web_origins and not client.is_public:
        faults.append(
            "web_origins: it is for scripts in the member's browser, which keep no secret; with"
            " token_endpoint_auth_method none only"
        )
    if client.check_grant_type("refresh_token") and not client.signs_members_in:
        faults.append(
            "grant_types: refresh_token goes with authorization_code, whose sign-in it keeps"
        )
    elif (OFFLINE in client.scope) != client.check_grant_type("refresh_token"):
        faults.append(
            "grant_types: refresh_token and the scope offline_access go together: give both or"
            " neither"
        )
    if client.allowed_resources and client.signs_members_in and not client.first_party:
        faults.append(
            "allowed_resources: a member cannot consent to what the consent page has no words for;"
            " APIs are for services with first_party true, and for machines"
        )
    if client.api_scopes and not client.allowed_resources:
        faults.append(
            f"allowed_resources: {' '.join(client.api_scopes)} say what may be done at an API;"
            " name the API too"
        )
    frame = client.frontchannel_logout_uri
    if frame and _origin_of(frame) not in {_origin_of(uri) for uri in client.redirect_uris}:
        faults.append(
            "frontchannel_logout_uri: its scheme, host and port are those of a redirect URI"
            " (OIDC Front-Channel Logout 1.0 §2)"
        )
    sectors = {sector_of(uri) for uri in client.redirect_uris}
    if client.subject_type == "pairwise" and len(sectors) > 1:
        hosts = sorted({host_of(uri) for uri in client.redirect_uris})
        faults.append(
            f"subject_type: pairwise needs redirect_uris of one host, not of {', '.join(hosts)}"
            " (OIDC Core 1.0 §8.1); register one service a host, or use subject_type public if they"
            " may all know that a member is the same"
        )
    return faults


def _origin_of(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.netloc


def _faults_of_machines(client: Client, given: Mapping[str, object]) -> list[str]:
    """Look at a service that asks for itself, or only looks at tokens. Spec: RFC 6749 §4.4."""
    faults = []
    if client.is_public and client.check_grant_type("client_credentials"):
        faults.append(
            "grant_types: client_credentials is for services that prove themselves; with"
            " token_endpoint_auth_method none anybody could ask"
        )
    if client.is_public and client.resource_identifiers:
        faults.append(
            "resource_identifiers: an API proves itself before it is told of a token; with"
            " token_endpoint_auth_method none anybody could ask"
        )
    if not client.grant_types and not client.resource_identifiers:
        faults.append(
            "grant_types: without any it could do nothing here; none is for an API that is"
            " registered with resource_identifiers and only looks at tokens"
        )
    if not client.signs_members_in:
        faults += [
            f"{name}: it is for services that members sign in to, with the grant_types"
            " authorization_code; leave it out"
            for name in _OF_SIGN_IN
            if name in given
        ]
    return faults


_OF_SIGN_IN = (
    "redirect_uris", "post_logout_redirect_uris", "initiate_login_uri", "default_max_age",
    "backchannel_logout_uri", "frontchannel_logout_uri",
)  # fmt: skip


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
