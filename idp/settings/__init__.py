"""Every setting, read once from the environment (``IDP_…``) or the file IDP_ENV_FILE names.

A missing or dangerous value refuses the start with a sentence that names it. Secrets are files,
not values: an environment is shown by too many tools. Each setting is declared once, with its type,
its bounds and what operators read of it; docs/settings.md shows the same, which a test checks.
"""

from idp.settings.formats import networks_of
from idp.settings.reading import InvalidSettings
from idp.settings.reading import misspelt_settings
from idp.settings.reading import read_settings
from idp.settings.whole import Settings

__all__ = ["InvalidSettings", "Settings", "misspelt_settings", "networks_of", "read_settings"]
