"""What every other part stands on: settings, files, and the two stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from idp.settings import Settings

if TYPE_CHECKING:
    from babel.support import Translations

    from idp.infra.key_files import KeyFiles
    from idp.infra.logo_folder import LogoFolder
    from idp.infra.maintenance_file import MaintenanceFile
    from idp.infra.redis_store import RedisStore
    from idp.infra.secret_files import Secrets
    from idp.infra.sql import Database
    from idp.oidc.rotation import RotationPolicy
    from idp.theme import Theme


PACKAGE = Path(__file__).parents[1]


def templates_dir() -> Path:
    """Wheel: ``idp/templates``. Checkout or editable install: ``templates`` beside the package."""
    shipped = PACKAGE / "templates"
    return shipped if shipped.is_dir() else PACKAGE.parent / "templates"


def utc_now() -> datetime:
    """The clock of a real process."""
    return datetime.now(UTC)


class Ground:
    """What stands on its own: settings, files, the two stores."""

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
