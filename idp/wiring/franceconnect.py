"""Join our side of a sign-in through FranceConnect; None where the fund does not offer it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import cast
from urllib.parse import urlsplit

from idp.identity.franceconnect_port import FranceConnectAway
from idp.settings import networks_of
from idp.settings.formats import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from idp.infra.franceconnect import FranceConnectClient
    from idp.infra.franceconnect_proof import Proof
    from idp.metrics.not_counted import NotCounted
    from idp.parts import Parts

RETURN = "/franceconnect/retour"
LOGGED_OUT = "/franceconnect/deconnexion"
"""Declared at FranceConnect, after our issuer."""


def build_franceconnect(parts: Parts, counts: NotCounted) -> FranceConnectClient | None:
    """Build the client.

    Raises:
        IdpError: the file of the secret or key cannot be used; the text names it.
    """
    settings = parts.settings
    if not settings.franceconnect_issuer:
        return None
    from idp.infra.circuit_breaker import CircuitBreaker
    from idp.infra.franceconnect import FranceConnectClient
    from idp.infra.franceconnect_calls import FranceConnectCalls
    from idp.infra.franceconnect_documents import Published
    from idp.infra.service_calls import ServiceCalls

    networks = settings.services_private_networks
    if urlsplit(settings.franceconnect_issuer).hostname in LOOPBACK:
        networks = ", ".join(filter(None, [networks, "127.0.0.0/8, ::1/128"]))
    seconds = settings.franceconnect_seconds.total_seconds()
    calls = ServiceCalls(
        private_networks=networks_of(networks),
        ca_file=settings.franceconnect_ca_file,
        seconds=seconds,
        ca_setting="IDP_FRANCECONNECT_CA_FILE",
    )
    return FranceConnectClient(
        issuer=settings.franceconnect_issuer,
        client_id=settings.franceconnect_client_id,
        proof=_proof(parts),
        scope=settings.franceconnect_scope,
        acr=settings.franceconnect_acr,
        redirect_uri=settings.issuer + RETURN,
        post_logout_redirect_uri=settings.issuer + LOGGED_OUT,
        calls=FranceConnectCalls(
            calls,
            seconds=seconds,
            breaker=CircuitBreaker(FranceConnectAway, changed=counts.franceconnect_rests),
        ),
        published=Published(settings.franceconnect_issuer),
        watch=counts,
        now=parts.now,
    )


def _proof(parts: Parts) -> Proof:
    from idp.infra.franceconnect_proof import OwnKey
    from idp.infra.franceconnect_proof import read_client_secret
    from idp.infra.franceconnect_proof import read_own_key

    settings = parts.settings
    if (key := settings.franceconnect_private_key_file) is not None:
        return OwnKey(settings.franceconnect_client_id, read_own_key(key), parts.now)
    # One of the two is there: the settings are whole.
    return read_client_secret(cast("Path", settings.franceconnect_client_secret_file))
