"""Join what the pages of the footer say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idp.legal import Audit
from idp.legal import Legal
from idp.legal import lines_of

if TYPE_CHECKING:
    from idp.parts import Parts


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
