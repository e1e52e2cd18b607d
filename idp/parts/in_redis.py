"""The parts of the Redis store: what ends by itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from idp.parts.in_sql import InSql

if TYPE_CHECKING:
    from idp.identity.temporary_password import TryPolicy
    from idp.infra.anti_robot import AltchaAntiRobot
    from idp.infra.attempts import RedisAttempts
    from idp.infra.client_failures import RedisClientFailures
    from idp.infra.codes import RedisCodes
    from idp.infra.franceconnect_arrivals import RedisArrivals
    from idp.infra.franceconnect_hints import RedisHints
    from idp.infra.franceconnect_tries import RedisTries
    from idp.infra.hop_counts import RedisHopCounts
    from idp.infra.key_fetches import RedisKeyFetches
    from idp.infra.once import RedisOnce
    from idp.infra.pending_addresses import RedisPendingAddresses
    from idp.infra.refusals import RedisRefusals
    from idp.infra.reset_quotas import RedisResetQuotas
    from idp.infra.service_grants import RedisServiceGrants
    from idp.infra.sessions import RedisSessions
    from idp.infra.temporary_passwords import RedisTemporaryPasswords


class InRedis(InSql):
    """Parts that keep what they know in the Redis store."""

    @cached_property
    def refusals(self) -> RedisRefusals:
        """The newest refused requests of services."""
        from idp.infra.refusals import RedisRefusals

        return RedisRefusals(self.redis, now=self.now)

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

    @cached_property
    def franceconnect_tries(self) -> RedisTries:
        """The browsers that were sent to FranceConnect."""
        from idp.infra.franceconnect_tries import RedisTries

        return RedisTries(self.redis)

    @cached_property
    def franceconnect_failures(self) -> RedisClientFailures:
        """The counters of codes that FranceConnect refused."""
        from idp.infra.client_failures import RedisClientFailures

        return RedisClientFailures(
            self.redis,
            limit=self.settings.network_limit,
            window=self.settings.network_window,
            name="franceconnect-failures",
        )

    @cached_property
    def franceconnect_arrivals(self) -> RedisArrivals:
        """The people who are back from there, and whose dossier is not known yet."""
        from idp.infra.franceconnect_arrivals import RedisArrivals

        return RedisArrivals(self.redis, self.secrets.cookie_keys)

    @cached_property
    def franceconnect_hints(self) -> RedisHints:
        """What ends sessions there too."""
        from idp.infra.franceconnect_hints import RedisHints

        return RedisHints(
            self.redis, self.secrets.cookie_keys, absolute=self.settings.session_absolute
        )
