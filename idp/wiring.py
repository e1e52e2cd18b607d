"""Join parts to services: which adapter stands behind which port."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from idp import draining
from idp.hops import HopWatch
from idp.identity.composers import TemporaryPasswordMail
from idp.identity.composers import notices
from idp.identity.delivery import Delivery
from idp.identity.delivery import Mailer
from idp.identity.devices import Devices
from idp.identity.dossier import NumeroPatterns
from idp.identity.email_address import AddressCodeMail
from idp.identity.email_address import EmailAddresses
from idp.identity.freeze import Freeze
from idp.identity.hash_pool import HashPool
from idp.identity.login import ACR_VALUES
from idp.identity.login import SignIn
from idp.identity.mask import Decoys
from idp.identity.mask import mask_email
from idp.identity.new_password import NewPassword
from idp.identity.notices import Notices
from idp.identity.outbox import Kind
from idp.identity.password_policy import PasswordPolicy
from idp.identity.reset import Reset
from idp.identity.reset_journey import Journeys
from idp.legal import Audit
from idp.legal import Legal
from idp.legal import lines_of
from idp.metrics.not_counted import NOT_COUNTED
from idp.metrics.not_counted import NotCounted
from idp.oidc.access_tokens import AccessTokens
from idp.oidc.assertions import Assertions
from idp.oidc.authenticate import ClientAuthenticator
from idp.oidc.backchannel_logout import BackChannelLogout
from idp.oidc.backchannel_logout import Farewell
from idp.oidc.consent import Accesses
from idp.oidc.consent import ConsentRule
from idp.oidc.discovery import PublishedKeys
from idp.oidc.discovery import document
from idp.oidc.discovery import metadata
from idp.oidc.frontchannel_logout import FrontChannelLogout
from idp.oidc.introspection import Introspection
from idp.oidc.key_compromise import KeyCompromise
from idp.oidc.key_drill import drill
from idp.oidc.key_drill import told
from idp.oidc.key_drill import unready
from idp.oidc.key_watch import KeyWatch
from idp.oidc.logout import Logout
from idp.oidc.provider import Provider
from idp.oidc.refresh import RefreshTokens
from idp.oidc.revocation import Revocation
from idp.oidc.tokens import Tokens
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

if TYPE_CHECKING:
    from idp.infra.mail import SmtpMailer
    from idp.parts import Parts

log = logging.getLogger("idp")


def build_services(parts: Parts, counts: NotCounted = NOT_COUNTED) -> Services:
    """Build what pages and endpoints need.

    Raises:
        IdpError: a secret or a key is missing or unreadable; the text names the file.
    """
    settings, secrets = parts.settings, parts.secrets
    parts.key_files.ring()  # a broken key refuses the start, not the first sign-in
    sql = sql_probe(parts)
    if fault := sql():
        # It may be mended before the first request; /readyz says so meanwhile, and looks again.
        log.warning("started all the same: SQL: %s", fault)
    tokens = _tokens(parts)
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
        recent_sign_in=settings.recent_sign_in,
        sessions_of_account=settings.sessions_of_account,
        code_lifetime=settings.code_lifetime,
        sign_in=_sign_in(parts, pool),
        reset=_reset(parts),
        journeys=Journeys(secrets.cookie_keys, lifetime=settings.reset_journey, now=parts.now),
        new_password=_new_password(parts, pool, farewell),
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
        freeze=build_freeze(parts, farewell),
        notices=_notices(parts),
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
            authenticator=_authenticator(parts),
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
        acr_values=ACR_VALUES,
        audit=parts.audit,
        audit_trail=parts.audit,
        trail=parts.audit,
        refusals=parts.refusals,
        metadata=document(
            metadata(
                settings.issuer,
                acr_values=ACR_VALUES,
                service_documentation=settings.service_documentation_url,
            ),
            settings.jwks_max_age,
        ),
        keys=PublishedKeys(parts.key_files, max_age=settings.jwks_max_age, now=parts.now),
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
            "keys": keys_probe(parts),
            "maintenance": maintenance_probe(parts),
            "server": draining.probe,
        },
        begin_request=begin_request,
        speak_of=speak_of,
        counts=counts,
        now=parts.now,
    )


def build_legal(parts: Parts) -> Legal:
    """What the pages of the footer say, from the settings."""
    settings = parts.settings
    audited_on = settings.accessibility_audited_on
    return Legal(
        seat=lines_of(settings.fund_seat),
        registration=settings.fund_registration,
        director=settings.publication_director,
        host=lines_of(settings.hosting_provider),
        data_contact=lines_of(settings.data_protection_contact),
        accessibility_contact=lines_of(settings.accessibility_contact),
        scheme_url=settings.accessibility_scheme_url,
        audit=Audit(audited_on, settings.accessibility_audited_by, settings.accessibility_rate)
        if audited_on
        else None,
    )


def numero_patterns(parts: Parts) -> NumeroPatterns:
    """The patterns of dossier numbers, from the settings."""
    return NumeroPatterns(
        affilie=re.compile(parts.settings.affilie_pattern),
        ayant_droit=re.compile(parts.settings.ayant_droit_pattern),
    )


def _tokens(parts: Parts) -> Tokens:
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
        tokens=_tokens(parts),
        post=HttpsLogoutPost(parts.service_calls(POST_SECONDS)),
        audit=parts.audit,
        transaction=parts.database.transaction,
        now=parts.now,
    )


def _authenticator(parts: Parts) -> ClientAuthenticator:
    issuer = parts.settings.issuer
    assertions = Assertions(
        issuer=issuer,
        token_endpoint=f"{issuer}/token",
        fetched=parts.remote_keys,
        once=parts.once_of_known,
        now=parts.now,
    )
    return ClientAuthenticator(parts.clients, parts.client_failures, assertions)


def _sign_in(parts: Parts, pool: HashPool) -> SignIn:
    return SignIn(
        accounts=parts.accounts,
        attempts=parts.attempts,
        temporaries=parts.temporaries,
        passwords=parts.passwords,
        pool=pool,
        quotas=parts.reset_quotas,
        outbox=parts.outbox,
        once=parts.once,
        notices=_notices(parts) if parts.settings.new_browser_notice else None,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        redesign_at=parts.settings.redesign_at,
        now=parts.now,
    )


def _notices(parts: Parts) -> Notices:
    return Notices(parts.outbox, parts.once_of_known)


def build_freeze(parts: Parts, farewell: Farewell) -> Freeze:
    """Build what freezes accounts, for their members and for the help desk."""
    return Freeze(
        accounts=parts.accounts,
        contacts=parts.contacts,
        temporaries=parts.temporaries,
        sessions=farewell,
        attempts=parts.attempts,
        quotas=parts.reset_quotas,
        outbox=parts.outbox,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        print_hour=parts.settings.print_hour,
        now=parts.now,
    )


def _reset(parts: Parts) -> Reset:
    return Reset(
        contacts=parts.contacts,
        masks=Decoys(
            parts.secrets.decoy_key,
            parts.contacts,
            post_only_share=parts.settings.decoy_post_only_share,
        ),
        temporaries=parts.temporaries,
        outbox=parts.outbox,
        quotas=parts.reset_quotas,
        once=parts.once,
        anti_robot=parts.anti_robot,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        journey_lifetime=parts.settings.reset_journey,
        print_hour=parts.settings.print_hour,
        letter_every=parts.settings.letter_every,
        now=parts.now,
    )


def _new_password(parts: Parts, pool: HashPool, farewell: Farewell) -> NewPassword:
    return NewPassword(
        accounts=parts.accounts,
        contacts=parts.contacts,
        temporaries=parts.temporaries,
        sessions=farewell,
        attempts=parts.attempts,
        passwords=parts.passwords,
        policy=PasswordPolicy(
            minimum=parts.settings.password_min_length,
            guesses=parts.settings.password_min_guesses,
        ),
        pool=pool,
        outbox=parts.outbox,
        once=parts.once_of_known,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        now=parts.now,
    )


def build_mailer(parts: Parts) -> SmtpMailer | None:
    """Build what hands mails over; None while no mail server is set. Nothing is opened yet.

    Raises:
        InvalidSender, UnsafeMailServer: a setting of the mail is wrong.
    """
    from idp.infra.mail import SmtpMailer
    from idp.infra.mail import SmtpSecurity
    from idp.infra.mail import SmtpServer
    from idp.infra.mail_text import Letterhead
    from idp.infra.mail_text import MailText

    settings = parts.settings
    if not settings.smtp_host:
        return None
    letterhead = Letterhead(
        fund_name=settings.fund_name,
        mail_from=settings.mail_from,
        sign_in_url=f"{settings.issuer}/connexion",
        reply_to=settings.mail_reply_to,
        support_phone=settings.support_phone,
    )
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=SmtpSecurity(settings.smtp_security),
        user=settings.smtp_user,
        password_file=settings.smtp_password_file,
        ca_file=settings.smtp_ca_file,
        timeout=settings.smtp_timeout.total_seconds(),
    )
    return SmtpMailer(server, MailText(parts.templates, letterhead))


def build_delivery(parts: Parts, mailer: Mailer) -> Delivery:
    """Build what the worker sends mails with."""
    return Delivery(
        outbox=parts.outbox,
        contacts=parts.contacts,
        composers={
            Kind.TEMPORARY_PASSWORD: TemporaryPasswordMail(parts.temporaries, parts.passwords),
            Kind.ADDRESS_CODE: AddressCodeMail(parts.pending_addresses, parts.secrets.decoy_key),
            **notices(mask_email),
        },
        mailer=mailer,
        audit=parts.audit,
        transaction=parts.database.transaction,
        now=parts.now,
    )
