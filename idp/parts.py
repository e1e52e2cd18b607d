"""The parts of one process: stores, secrets, keys.

Each is built when first asked for, so that a command opens only the stores it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from idp.settings import Settings
from idp.settings import networks_of

if TYPE_CHECKING:
    from babel.support import Translations

    from idp.audit_sealing import Sealing
    from idp.identity.password import Passwords
    from idp.identity.temporary_password import TryPolicy
    from idp.infra.accounts import SqlAccounts
    from idp.infra.anti_robot import AltchaAntiRobot
    from idp.infra.attempts import RedisAttempts
    from idp.infra.audit import SqlAuditLog
    from idp.infra.audit_seals import SqlAuditSeals
    from idp.infra.client_failures import RedisClientFailures
    from idp.infra.clients import SqlClients
    from idp.infra.codes import RedisCodes
    from idp.infra.consents import SqlConsents
    from idp.infra.contacts import SqlContacts
    from idp.infra.hop_counts import RedisHopCounts
    from idp.infra.jwks_fetch import RemoteKeys
    from idp.infra.key_fetches import RedisKeyFetches
    from idp.infra.key_files import KeyFiles
    from idp.infra.known_dossiers import SqlKnownDossiers
    from idp.infra.logo_folder import LogoFolder
    from idp.infra.logout_notices import SqlLogoutNotices
    from idp.infra.maintenance_file import MaintenanceFile
    from idp.infra.once import RedisOnce
    from idp.infra.outbox import SqlOutbox
    from idp.infra.pending_addresses import RedisPendingAddresses
    from idp.infra.redis_store import RedisStore
    from idp.infra.refresh_families import SqlRefreshFamilies
    from idp.infra.refusals import RedisRefusals
    from idp.infra.reset_quotas import RedisResetQuotas
    from idp.infra.secret_files import Secrets
    from idp.infra.service_calls import ServiceCalls
    from idp.infra.service_grants import RedisServiceGrants
    from idp.infra.sessions import RedisSessions
    from idp.infra.sql import Database
    from idp.infra.temporary_passwords import RedisTemporaryPasswords
    from idp.oidc.audit_heads import SignedHeads
    from idp.oidc.rotation import RotationPolicy
    from idp.theme import Theme

PACKAGE = Path(__file__).parent


def templates_dir() -> Path:
    """Wheel: ``idp/templates``. Checkout or editable install: ``templates`` beside the package."""
    shipped = PACKAGE / "templates"
    return shipped if shipped.is_dir() else PACKAGE.parent / "templates"


def utc_now() -> datetime:
    """The clock of a real process."""
    return datetime.now(UTC)


class Parts:
    """The parts of one process, each built once, on first use."""

    def __init__(self, settings: Settings, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.now = now

    @cached_property
    def flask(self) -> Flask:
        """The bare application: no page yet, but what the SQL store needs."""
        return Flask(
            "idp", static_folder=str(PACKAGE / "static"), template_folder=str(templates_dir())
        )

    @cached_property
    def catalogues(self) -> dict[str, Translations]:
        """The words of each language."""
        from idp.infra.catalogues import read_catalogues

        return read_catalogues(PACKAGE / "locales")

    @cached_property
    def theme(self) -> Theme:
        """What the fund replaces of colours, drawings and templates."""
        from idp.theme import Theme

        folder = self.settings.theme_folder
        if not folder:
            return Theme()
        from idp.infra.theme_folder import read_theme  # it knows drawings, and so XML

        return read_theme(folder, templates_dir())

    @property
    def templates(self) -> list[Path]:
        """The folders of templates, the theme's first."""
        return [*map(Path, filter(None, [self.theme.templates])), templates_dir()]

    @cached_property
    def logos(self) -> LogoFolder:
        """The logos of services."""
        from idp.infra.logo_folder import LogoFolder

        return LogoFolder(self.settings.logos_path)

    @cached_property
    def database(self) -> Database:
        """The SQL store."""
        from idp.infra.sql import Database

        return Database(self.flask, self.settings.sql_url)

    @cached_property
    def redis(self) -> RedisStore:
        """The Redis or Valkey store."""
        from idp.infra.redis_store import RedisStore

        return RedisStore(self.settings.redis_url)

    @cached_property
    def maintenance(self) -> MaintenanceFile:
        """The file that closes the service."""
        from idp.infra.maintenance_file import MaintenanceFile

        return MaintenanceFile(self.settings.maintenance_path)

    @cached_property
    def secrets(self) -> Secrets:
        """The pepper, the pairwise salt, the decoy key and the cookie key."""
        from idp.infra.secret_files import read_secrets

        return read_secrets(self.settings.secrets_path)

    @cached_property
    def key_files(self) -> KeyFiles:
        """The signing keys."""
        from idp.infra.key_files import KeyFiles
        from idp.infra.key_passphrase import read_passphrases
        from idp.oidc.rotation import MARGIN
        from idp.oidc.tokens import LOGOUT_TOKEN_LIFETIME

        settings = self.settings
        return KeyFiles(
            settings.keys_path,
            longest_token=MARGIN
            + max(
                settings.id_token_lifetime,
                settings.access_token_lifetime,
                LOGOUT_TOKEN_LIFETIME,
            ),
            # A service keeps its last ID token for as long as its session, or its refresh token.
            longest_hint=max(settings.session_absolute, settings.refresh_idle),
            passphrases=lambda: read_passphrases(
                settings.keys_passphrase_path, needed=settings.keys_passphrase_file is not None
            ),
        )

    @cached_property
    def rotation_policy(self) -> RotationPolicy:
        """What the settings ask of the signing keys."""
        from idp.oidc.rotation import RotationPolicy

        settings = self.settings
        return RotationPolicy(
            lifetime=settings.key_lifetime,
            announced=settings.key_announced,
            cached=settings.jwks_max_age,
        )

    @cached_property
    def accounts(self) -> SqlAccounts:
        """Accounts and the subjects that tokens speak of."""
        from idp.infra.accounts import SqlAccounts

        return SqlAccounts(self.database)

    @cached_property
    def clients(self) -> SqlClients:
        """The relying services."""
        from idp.infra.clients import SqlClients

        return SqlClients(self.database, now=self.now)

    @cached_property
    def audit(self) -> SqlAuditLog:
        """The audit log."""
        from idp.infra.audit import SqlAuditLog

        return SqlAuditLog(self.database, now=self.now)

    @cached_property
    def refusals(self) -> RedisRefusals:
        """The newest refused requests of services."""
        from idp.infra.refusals import RedisRefusals

        return RedisRefusals(self.redis, now=self.now)

    @cached_property
    def audit_seals(self) -> SqlAuditSeals:
        """The audit log as a chain."""
        from idp.infra.audit_seals import SqlAuditSeals

        return SqlAuditSeals(self.database)

    @cached_property
    def audit_heads(self) -> SignedHeads:
        """Who signs the audit log's heads and reads them."""
        from idp.oidc.audit_heads import SignedHeads

        return SignedHeads(self.settings.issuer, self.key_files, self.now)

    @cached_property
    def sealing(self) -> Sealing:
        """What seals the audit log and forgets its oldest rows."""
        from idp.audit_sealing import Sealing

        return Sealing(
            self.audit_seals, self.audit_heads, self.audit, self.database.transaction, self.now
        )

    @cached_property
    def key_fetches(self) -> RedisKeyFetches:
        """Who fetched the list of keys."""
        from idp.infra.key_fetches import RedisKeyFetches

        return RedisKeyFetches(
            self.redis,
            lambda: [
                network for client in self.clients.known() for network in client.jwks_fetch_networks
            ],
            self.now,
        )

    @cached_property
    def hop_counts(self) -> RedisHopCounts:
        """How many addresses requests brought."""
        from idp.infra.hop_counts import RedisHopCounts

        return RedisHopCounts(self.redis, self.settings.trusted_proxies)

    @cached_property
    def sessions(self) -> RedisSessions:
        """The SSO sessions."""
        from idp.infra.sessions import RedisSessions

        settings = self.settings
        return RedisSessions(
            self.redis,
            idle=settings.session_idle,
            absolute=settings.session_absolute,
            now=self.now,
        )

    @cached_property
    def codes(self) -> RedisCodes:
        """Authorization codes and the grants they became."""
        from idp.infra.codes import RedisCodes

        return RedisCodes(self.redis, session_absolute=self.settings.session_absolute, now=self.now)

    @cached_property
    def service_grants(self) -> RedisServiceGrants:
        """What services were given for themselves."""
        from idp.infra.service_grants import RedisServiceGrants

        return RedisServiceGrants(self.redis)

    @cached_property
    def refresh_families(self) -> SqlRefreshFamilies:
        """What goes on when its session has ended."""
        from idp.infra.refresh_families import SqlRefreshFamilies

        return SqlRefreshFamilies(self.database)

    @cached_property
    def consents(self) -> SqlConsents:
        """What members granted to services of others."""
        from idp.infra.consents import SqlConsents

        return SqlConsents(self.database)

    @cached_property
    def attempts(self) -> RedisAttempts:
        """The counters of failures."""
        from idp.infra.attempts import RedisAttempts
        from idp.limits import AttemptPolicy

        policy = AttemptPolicy(
            day_limit=self.settings.account_day_limit,
            network_limit=self.settings.network_limit,
            network_window=self.settings.network_window,
            anti_robot_from=self.settings.anti_robot_from,
        )
        return RedisAttempts(self.redis, policy, now=self.now)

    @cached_property
    def client_failures(self) -> RedisClientFailures:
        """The counters of wrong client credentials."""
        from idp.infra.client_failures import RedisClientFailures

        return RedisClientFailures(
            self.redis,
            limit=self.settings.client_secret_limit,
            window=self.settings.client_secret_window,
        )

    @cached_property
    def passwords(self) -> Passwords:
        """Hashing and verification."""
        from idp.identity.password import Argon2Cost
        from idp.identity.password import Passwords

        return Passwords(
            pepper=self.secrets.pepper,
            decoy_key=self.secrets.decoy_key,
            cost=Argon2Cost(self.settings.argon2_memory_kib, self.settings.argon2_passes),
            mix=self.accounts,
        )

    @cached_property
    def contacts(self) -> SqlContacts:
        """Where people can be written to."""
        from idp.infra.contacts import SqlContacts

        return SqlContacts(self.database, now=self.now)

    @cached_property
    def known_dossiers(self) -> SqlKnownDossiers:
        """The whole of a dossier, for its member."""
        from idp.infra.known_dossiers import SqlKnownDossiers

        return SqlKnownDossiers(self.database)

    @cached_property
    def outbox(self) -> SqlOutbox:
        """What was promised."""
        from idp.infra.outbox import SqlOutbox

        return SqlOutbox(self.database, self.now)

    @cached_property
    def logout_notices(self) -> SqlLogoutNotices:
        """What services were promised to be told."""
        from idp.infra.logout_notices import SqlLogoutNotices

        return SqlLogoutNotices(self.database, self.now)

    @cached_property
    def temporaries(self) -> RedisTemporaryPasswords:
        """The temporary passwords."""
        from idp.infra.temporary_passwords import RedisTemporaryPasswords

        return RedisTemporaryPasswords(self.redis, self.try_policy, now=self.now)

    @cached_property
    def try_policy(self) -> TryPolicy:
        """How often a temporary password may be typed wrong."""
        from idp.identity.temporary_password import TryPolicy

        return TryPolicy(self.settings.temporary_tries_by_origin, self.settings.temporary_tries)

    @cached_property
    def once(self) -> RedisOnce:
        """What may happen once."""
        from idp.infra.once import RedisOnce

        return RedisOnce(self.redis)

    @cached_property
    def once_of_known(self) -> RedisOnce:
        """What may happen once to services that signed and to members under a lease."""
        from idp.infra.once import RedisOnce

        return RedisOnce(self.redis, by_strangers=False)

    @cached_property
    def remote_keys(self) -> RemoteKeys:
        """The keys that services publish."""
        from idp.infra.jwks_fetch import FETCH_SECONDS
        from idp.infra.jwks_fetch import HttpsFetch
        from idp.infra.jwks_fetch import RemoteKeys

        return RemoteKeys(HttpsFetch(self.service_calls(FETCH_SECONDS)))

    def service_calls(self, seconds: float) -> ServiceCalls:
        """Calls to the addresses of services, each of so many seconds."""
        from idp.infra.service_calls import ServiceCalls

        return ServiceCalls(
            private_networks=networks_of(self.settings.services_private_networks),
            ca_file=self.settings.services_ca_file,
            seconds=seconds,
        )

    @cached_property
    def reset_quotas(self) -> RedisResetQuotas:
        """The counters of reset requests, mails and letters."""
        from idp.identity.reset_quotas import QuotaPolicy
        from idp.infra.reset_quotas import RedisResetQuotas

        settings = self.settings
        policy = QuotaPolicy(
            requests_an_hour=settings.reset_requests_an_hour,
            requests_by_question=settings.reset_questions_an_hour,
            mails_an_hour=settings.mails_an_hour,
            mails_a_day=settings.mails_a_day,
            letter_every=settings.letter_every,
            letters_in_90_days=settings.letters_in_90_days,
            letters_of_network_a_day=settings.letters_of_network_a_day,
            letters_a_day=settings.letters_a_day,
            letter_tries=self.try_policy,
        )
        return RedisResetQuotas(self.redis, policy, now=self.now)

    @cached_property
    def anti_robot(self) -> AltchaAntiRobot:
        """Challenges, and what solves them."""
        from idp.infra.anti_robot import AltchaAntiRobot

        return AltchaAntiRobot(
            self.secrets.cookie_keys,
            self.once,
            self.now,
            fixed_answer=self.settings.anti_robot_answer,
            cost=self.settings.anti_robot_cost,
            steps=self.settings.anti_robot_steps,
            catalogues=self.catalogues,
        )

    @cached_property
    def pending_addresses(self) -> RedisPendingAddresses:
        """The e-mail addresses that wait for their code."""
        from idp.infra.pending_addresses import RedisPendingAddresses

        return RedisPendingAddresses(self.redis)
