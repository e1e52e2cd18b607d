"""All settings of one process, as one frozen object."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import model_validator
from pydantic_settings import BaseSettings
from pydantic_settings import SettingsConfigDict

from idp.settings.formats import LOOPBACK
from idp.settings.franceconnect import FranceConnectSettings
from idp.settings.fund import FundSettings
from idp.settings.legal import LegalSettings
from idp.settings.lifetimes import LifetimeSettings
from idp.settings.limits import LimitSettings
from idp.settings.messages import MessageSettings
from idp.settings.passwords import PasswordSettings
from idp.settings.place import PlaceSettings
from idp.settings.reset import ResetSettings


class Settings(
    # The fields of the last one come first, in faults and in the manual.
    FranceConnectSettings,
    LimitSettings,
    LifetimeSettings,
    ResetSettings,
    MessageSettings,
    PasswordSettings,
    LegalSettings,
    FundSettings,
    PlaceSettings,
    BaseSettings,
):
    """The values of one process. Spans are seconds in the environment."""

    model_config = SettingsConfigDict(env_prefix="IDP_", frozen=True, extra="ignore")

    @model_validator(mode="after")
    def _anti_robot(self) -> "Settings":
        if self.anti_robot_answer and not self.is_loopback:
            message = "IDP_ANTI_ROBOT_ANSWER: it is for tests, on a loopback issuer only"
            raise ValueError(message)
        if self.anti_robot_from > self.network_limit and not self.is_loopback:
            message = "IDP_ANTI_ROBOT_FROM: expected IDP_NETWORK_LIMIT at most, or nobody is asked"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _franceconnect(self) -> "Settings":
        """Whole or absent: half of it would show a button that leads nowhere."""
        proofs = [self.franceconnect_client_secret_file, self.franceconnect_private_key_file]
        given = [one for one in proofs if one is not None]
        if not self.franceconnect_issuer:
            if self.franceconnect_client_id or given:
                message = "IDP_FRANCECONNECT_ISSUER: not set, and others of FranceConnect are"
                raise ValueError(message)
            return self
        if urlsplit(self.franceconnect_issuer).hostname in LOOPBACK and not self.is_loopback:
            message = "IDP_FRANCECONNECT_ISSUER: a simulator serves a loopback issuer only"
            raise ValueError(message)
        if not self.franceconnect_client_id:
            message = "IDP_FRANCECONNECT_CLIENT_ID: not set, and FranceConnect knows us by it"
            raise ValueError(message)
        if len(given) != 1:
            message = (
                "IDP_FRANCECONNECT_CLIENT_SECRET_FILE, IDP_FRANCECONNECT_PRIVATE_KEY_FILE:"
                " set one of them, and not both"
            )
            raise ValueError(message)
        return self

    @property
    def spool_path(self) -> Path:
        """Where letters wait for the printer."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def sql_url(self) -> str:
        """The durable store; the embedded SQLite file where none is named."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'idp.sqlite').resolve()}"

    @property
    def logos_path(self) -> Path:
        """The folder of the services' logos."""
        return self.logos_folder or self.data_dir / "logos"

    @property
    def maintenance_path(self) -> Path:
        """The file whose presence closes the service."""
        return self.maintenance_file or self.data_dir / "maintenance"

    @property
    def keys_path(self) -> Path:
        """The folder of the signing keys."""
        return self.keys_dir or self.data_dir / "keys"

    @property
    def keys_passphrase_path(self) -> Path:
        """The file with the passphrase of the signing keys."""
        return self.keys_passphrase_file or self.secrets_path / "keys_passphrase"

    @property
    def secrets_path(self) -> Path:
        """The folder of the pepper, the pairwise salt, the decoy key and the cookie key."""
        return self.secrets_dir or self.data_dir / "secrets"

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can be a browser: the embedded start."""
        return urlsplit(self.issuer).hostname in LOOPBACK
