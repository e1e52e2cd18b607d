"""Join the parts of sign-in, of passwords and of frozen accounts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from idp.identity.dossier import NumeroPatterns
from idp.identity.franceconnect import FranceConnectSignIn
from idp.identity.franceconnect_finding import Finding
from idp.identity.franceconnect_linking import Linking
from idp.identity.freeze import Freeze
from idp.identity.hash_pool import HashPool
from idp.identity.login import SignIn
from idp.identity.mask import Decoys
from idp.identity.new_password import NewPassword
from idp.identity.notices import Notices
from idp.identity.password_policy import PasswordPolicy
from idp.identity.reset import Reset
from idp.oidc.backchannel_logout import Farewell

if TYPE_CHECKING:
    from idp.parts import Parts


def numero_patterns(parts: Parts) -> NumeroPatterns:
    """The patterns of dossier numbers, from the settings."""
    return NumeroPatterns(
        affilie=re.compile(parts.settings.affilie_pattern),
        ayant_droit=re.compile(parts.settings.ayant_droit_pattern),
    )


def build_sign_in(parts: Parts, pool: HashPool) -> SignIn:
    """Build what decides on a sign-in."""
    return SignIn(
        accounts=parts.accounts,
        attempts=parts.attempts,
        temporaries=parts.temporaries,
        passwords=parts.passwords,
        pool=pool,
        quotas=parts.reset_quotas,
        outbox=parts.outbox,
        once=parts.once,
        notices=build_notices(parts) if parts.settings.new_browser_notice else None,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        redesign_at=parts.settings.redesign_at,
        now=parts.now,
    )


def build_notices(parts: Parts) -> Notices:
    """Build what promises notices to members."""
    return Notices(parts.outbox, parts.once_of_known)


def build_freeze(parts: Parts, farewell: Farewell) -> Freeze:
    """Build what freezes accounts, for their members and for the help desk."""
    return Freeze(
        accounts=parts.accounts,
        contacts=parts.contacts,
        temporaries=parts.temporaries,
        sessions=farewell,
        links=parts.franceconnect_links,
        attempts=parts.attempts,
        quotas=parts.reset_quotas,
        outbox=parts.outbox,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        print_hour=parts.settings.print_hour,
        now=parts.now,
    )


def build_linking(parts: Parts) -> Linking:
    """Build what makes and ends links to FranceConnect."""
    return Linking(
        links=parts.franceconnect_links,
        contacts=parts.contacts,
        outbox=parts.outbox,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        now=parts.now,
    )


def build_franceconnect_sign_in(parts: Parts) -> FranceConnectSignIn:
    """Build what decides whose dossier a person from FranceConnect may open."""
    return FranceConnectSignIn(
        accounts=parts.accounts,
        finding=Finding(parts.pivot_directory, parts.franceconnect_links),
        linking=build_linking(parts),
        attempts=parts.attempts,
        notices=build_notices(parts) if parts.settings.new_browser_notice else None,
        audit=parts.audit,
        decoy_key=parts.secrets.decoy_key,
        redesign_at=parts.settings.redesign_at,
        now=parts.now,
    )


def build_reset(parts: Parts) -> Reset:
    """Build what takes requests for a temporary password."""
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


def build_new_password(parts: Parts, pool: HashPool, farewell: Farewell) -> NewPassword:
    """Build what takes a new password."""
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
