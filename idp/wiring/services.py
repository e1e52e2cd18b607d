"""Join everything that pages and endpoints need."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from idp import draining
from idp.hops import HopWatch
from idp.identity.devices import Devices
from idp.identity.email_address import EmailAddresses
from idp.identity.franceconnect import ACR_FRANCECONNECT
from idp.identity.hash_pool import HashPool
from idp.identity.login import ACR_VALUES
from idp.identity.reset_journey import Journeys
from idp.metrics.not_counted import NOT_COUNTED
from idp.metrics.not_counted import NotCounted
from idp.oidc.access_tokens import AccessTokens
from idp.oidc.consent import Accesses
from idp.oidc.consent import ConsentRule
from idp.oidc.discovery import PublishedKeys
from idp.oidc.discovery import document
from idp.oidc.discovery import metadata
from idp.oidc.frontchannel_logout import FrontChannelLogout
from idp.oidc.introspection import Introspection
from idp.oidc.key_watch import KeyWatch
from idp.oidc.logout import Logout
from idp.oidc.provider import Provider
from idp.oidc.refresh import RefreshTokens
from idp.oidc.revocation import Revocation
from idp.oidc.userinfo import Userinfo
from idp.oidc.waiting import WaitingRequests
from idp.probes import keys_probe
from idp.probes import maintenance_probe
from idp.probes import probe_of
from idp.probes import sql_probe
from idp.sealed import Sealer
from idp.spoken_of import SubjectsSpokenOf
from idp.spoken_of import begin_request
from idp.spoken_of import speaker
from idp.web import Services
from idp.wiring.franceconnect import build_franceconnect
from idp.wiring.members import build_franceconnect_sign_in
from idp.wiring.members import build_freeze
from idp.wiring.members import build_new_password
from idp.wiring.members import build_notices
from idp.wiring.members import build_reset
from idp.wiring.members import build_sign_in
from idp.wiring.members import numero_patterns
from idp.wiring.pages import build_legal
from idp.wiring.protocol import build_authenticator
from idp.wiring.protocol import build_farewell
from idp.wiring.protocol import build_tokens

if TYPE_CHECKING:
    from idp.parts import Parts


log = logging.getLogger("idp")


def build_services(parts: Parts, counts: NotCounted = NOT_COUNTED) -> Services:
    """Build what pages and endpoints need.

    Raises:
        IdpError: a secret or a key is missing or unreadable; the text names the file.
    """
    settings, secrets = parts.settings, parts.secrets
    parts.key_files.ring()  # a broken key refuses the start, not the first sign-in
    published = PublishedKeys(parts.key_files, max_age=settings.jwks_max_age, now=parts.now)
    sql = sql_probe(parts)
    if fault := sql():
        # It may be mended before the first request; /readyz says so meanwhile, and looks again.
        log.warning("started all the same: SQL: %s", fault)
    tokens = build_tokens(parts)
    farewell = build_farewell(parts)
    refresh_tokens = RefreshTokens(
        parts.refresh_families,
        parts.codes,
        idle=settings.refresh_idle,
        absolute=settings.refresh_absolute,
        access_token_lifetime=settings.access_token_lifetime,
        now=parts.now,
    )
    parts.audit.speak_of = speak_of = speaker(secrets.decoy_key)
    acr_values = (*ACR_VALUES, *([ACR_FRANCECONNECT] if settings.franceconnect_issuer else []))
    subjects = SubjectsSpokenOf(parts.accounts, speak_of)
    consent_rule = ConsentRule(parts.consents)
    access_tokens = AccessTokens(
        tokens, parts.codes, parts.service_grants, subjects, parts.clients, consent_rule
    )
    pool = HashPool(threads=settings.hash_pool_size, queue=settings.hash_pool_queue, watch=counts)
    return Services(
        issuer=settings.issuer,
        fund_name=settings.fund_name,
        fund_tagline=settings.fund_tagline,
        theme=parts.theme,
        support_phone=settings.support_phone,
        default_client_id=settings.default_client_id,
        patterns=numero_patterns(parts),
        cookie_keys=secrets.cookie_keys,
        trusted_proxies=settings.trusted_proxies,
        session_absolute=settings.session_absolute,
        audit_retention=settings.audit_retention,
        recent_sign_in=settings.recent_sign_in,
        sessions_of_account=settings.sessions_of_account,
        code_lifetime=settings.code_lifetime,
        sign_in=build_sign_in(parts, pool),
        reset=build_reset(parts),
        journeys=Journeys(secrets.cookie_keys, lifetime=settings.reset_journey, now=parts.now),
        new_password=build_new_password(parts, pool, farewell),
        addresses=EmailAddresses(
            accounts=parts.accounts,
            contacts=parts.contacts,
            pending=parts.pending_addresses,
            quotas=parts.reset_quotas,
            outbox=parts.outbox,
            audit=parts.audit,
            code_key=secrets.decoy_key,
            now=parts.now,
        ),
        franceconnect=build_franceconnect(parts, counts),
        franceconnect_links=parts.franceconnect_links,
        franceconnect_tries=parts.franceconnect_tries,
        franceconnect_failures=parts.franceconnect_failures,
        franceconnect_arrivals=parts.franceconnect_arrivals,
        franceconnect_hints=parts.franceconnect_hints,
        franceconnect_returns=Sealer(secrets.cookie_keys, "franceconnect-return:1"),
        franceconnect_sign_in=build_franceconnect_sign_in(parts),
        freeze=build_freeze(parts, farewell),
        notices=build_notices(parts),
        anti_robot=parts.anti_robot,
        choices=Sealer(secrets.cookie_keys, "choice:1"),
        privacy_url=settings.privacy_url,
        terms_url=settings.terms_url,
        legal=build_legal(parts),
        closure=parts.maintenance.closure,
        logo=parts.logos.find,
        sessions=parts.sessions,
        known_dossiers=parts.known_dossiers,
        downloads=parts.once_of_known,
        promises=parts.outbox,
        devices=Devices(
            sessions=parts.sessions,
            farewell=farewell,
            attempts=parts.attempts,
            audit=parts.audit,
            decoy_key=secrets.decoy_key,
        ),
        farewell=farewell,
        frames=FrontChannelLogout(settings.issuer, parts.clients, secrets.pairwise_salt),
        codes=parts.codes,
        clients=parts.clients,
        subjects=subjects,
        waiting=WaitingRequests(
            secrets.cookie_keys, lifetime=settings.waiting_request_lifetime, now=parts.now
        ),
        provider=Provider(
            token_endpoint=f"{settings.issuer}/token",
            authenticator=build_authenticator(parts),
            codes=parts.codes,
            service_grants=parts.service_grants,
            subjects=subjects,
            consent_rule=consent_rule,
            tokens=tokens,
            refresh_tokens=refresh_tokens,
            revocation=Revocation(tokens, parts.codes, parts.service_grants, refresh_tokens),
            introspection=Introspection(access_tokens, refresh_tokens, subjects),
            audit=parts.audit,
        ),
        userinfo=Userinfo(access_tokens),
        consent_rule=consent_rule,
        accesses=Accesses(parts.consents, refresh_tokens, parts.clients, parts.now),
        logout=Logout(tokens, parts.clients),
        acr_values=acr_values,
        audit=parts.audit,
        audit_trail=parts.audit,
        trail=parts.audit,
        refusals=parts.refusals,
        metadata=document(
            metadata(
                settings.issuer,
                acr_values=acr_values,
                service_documentation=settings.service_documentation_url,
            ),
            settings.jwks_max_age,
        ),
        keys=published,
        key_watch=KeyWatch(parts.key_fetches, parts.now),
        hop_watch=HopWatch(parts.hop_counts, parts.now),
        catalogues=parts.catalogues,
        transaction=parts.database.transaction,
        together=parts.redis.together,
        probes={
            "redis": probe_of(
                parts.redis.refuse_unsafe_store, parts.redis.refuse_store_that_does_not_write
            ),
            "sql": sql,
            "keys": keys_probe(parts, published.document),
            "maintenance": maintenance_probe(parts),
            "server": draining.probe,
        },
        begin_request=begin_request,
        speak_of=speak_of,
        counts=counts,
        now=parts.now,
    )
