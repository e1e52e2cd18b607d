"""Join the parts of the protocol: tokens, keys, the ends of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.oidc.assertions import Assertions
from idp.oidc.authenticate import ClientAuthenticator
from idp.oidc.backchannel_logout import BackChannelLogout
from idp.oidc.backchannel_logout import Farewell
from idp.oidc.key_compromise import KeyCompromise
from idp.oidc.key_drill import drill
from idp.oidc.key_drill import told
from idp.oidc.key_drill import unready
from idp.oidc.tokens import Tokens

if TYPE_CHECKING:
    from idp.parts import Parts


def build_tokens(parts: Parts) -> Tokens:
    """Build what signs and reads tokens."""
    settings = parts.settings
    return Tokens(
        issuer=settings.issuer,
        rings=parts.key_files,
        pairwise_salt=parts.secrets.pairwise_salt,
        access_token_lifetime=settings.access_token_lifetime,
        id_token_lifetime=settings.id_token_lifetime,
        now=parts.now,
    )


def build_farewell(parts: Parts) -> Farewell:
    """Build what ends sessions and promises to tell their services."""
    return Farewell(
        parts.sessions, parts.logout_notices, parts.clients, lambda: parts.secrets.pairwise_salt
    )


def build_key_compromise(parts: Parts) -> KeyCompromise:
    """Build what ends with a key that leaked."""
    return KeyCompromise(
        families=parts.refresh_families,
        codes=parts.codes,
        sessions=parts.sessions,
        farewell=build_farewell(parts),
        transaction=parts.database.transaction,
    )


def unready_services(parts: Parts) -> list[str]:
    """Name the services that have not fetched a key which begins to sign soon.

    Raises:
        IdpError: a store is away, or the keys cannot be read.
    """
    ring, now = parts.key_files.ring(), parts.now()
    within = parts.settings.key_announced
    if not any(now < ring.begins(key) <= now + within for key in ring):
        return []
    sightings = drill(ring, parts.clients.list(), parts.key_fetches.read(), now=now)
    return [told(one, ring) for one in unready(ring, sightings, now=now, within=within)]


def build_backchannel_logout(parts: Parts) -> BackChannelLogout:
    """Build what the worker sends notices with.

    Raises:
        IdpError: a secret is missing, or the authorities of services cannot be read.
    """
    from idp.infra.logout_post import POST_SECONDS
    from idp.infra.logout_post import HttpsLogoutPost

    return BackChannelLogout(
        notices=parts.logout_notices,
        clients=parts.clients,
        tokens=build_tokens(parts),
        post=HttpsLogoutPost(parts.service_calls(POST_SECONDS)),
        audit=parts.audit,
        transaction=parts.database.transaction,
        now=parts.now,
    )


def build_authenticator(parts: Parts) -> ClientAuthenticator:
    """Build what knows a client by its credential."""
    issuer = parts.settings.issuer
    assertions = Assertions(
        issuer=issuer,
        token_endpoint=f"{issuer}/token",
        fetched=parts.remote_keys,
        once=parts.once_of_known,
        now=parts.now,
    )
    return ClientAuthenticator(parts.clients, parts.client_failures, assertions)
