"""The parts of the SQL store: what must survive."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from idp.parts.ground import Ground

if TYPE_CHECKING:
    from idp.audit_sealing import Sealing
    from idp.identity.password import Passwords
    from idp.infra.accounts import SqlAccounts
    from idp.infra.audit import SqlAuditLog
    from idp.infra.audit_seals import SqlAuditSeals
    from idp.infra.clients import SqlClients
    from idp.infra.consents import SqlConsents
    from idp.infra.contacts import SqlContacts
    from idp.infra.franceconnect_links import SqlLinks
    from idp.infra.franceconnect_links import SqlPivotDirectory
    from idp.infra.known_dossiers import SqlKnownDossiers
    from idp.infra.logout_notices import SqlLogoutNotices
    from idp.infra.outbox import SqlOutbox
    from idp.infra.refresh_families import SqlRefreshFamilies
    from idp.oidc.audit_heads import SignedHeads


class InSql(Ground):
    """Parts that keep what they know in the SQL store."""

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
    def known_dossiers(self) -> SqlKnownDossiers:
        """The whole of a dossier, for its member."""
        from idp.infra.known_dossiers import SqlKnownDossiers

        return SqlKnownDossiers(self.database)

    @cached_property
    def franceconnect_links(self) -> SqlLinks:
        """Which accounts FranceConnect opens."""
        from idp.infra.franceconnect_links import SqlLinks

        return SqlLinks(self.database)

    @cached_property
    def pivot_directory(self) -> SqlPivotDirectory:
        """Where dossiers are found by a date of birth."""
        from idp.infra.franceconnect_links import SqlPivotDirectory

        return SqlPivotDirectory(self.database)
