"""Every setting, read once from the environment (``IDP_…``) or the file IDP_ENV_FILE names.

A missing or dangerous value refuses the start with a sentence that names it. Secrets are files,
not values: an environment is shown by too many tools. docs/settings.md explains each setting, and
a test compares it with this file.
"""

import os
import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from ipaddress import IPv4Network
from ipaddress import IPv6Network
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator
from pydantic import Field
from pydantic import ValidationError
from pydantic import field_validator
from pydantic import model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings
from pydantic_settings import SettingsConfigDict

from idp import IdpError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LAST_PORT = 65535
LONGEST = timedelta(days=3 * 366)
"""No span is longer: nothing of a person is kept so long, and no sum with an instant overflows."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5})?)?")
_REDIS_DATABASE = re.compile(r"/?|/[0-9]{1,5}")
_REDIS_OPTION = re.compile(
    r"db=[0-9]{1,5}|ssl_(?:ca_certs|ca_path|certfile|keyfile)=[^&]+|ssl_cert_reqs=(?:required|none)"
)
_EXPECTED = {"greater_than_equal": "{} or more", "less_than_equal": "{} at most"}


class InvalidSettings(IdpError):
    """A setting is missing or wrong; the text names each one and what is expected."""

    code = "invalid_settings"


def _seconds(value: object) -> object:
    # "60" is a minute, not the ISO 8601 duration that pydantic would look for.
    if isinstance(value, str) and value.strip().isdecimal():
        digits = value.strip().lstrip("0") or "0"
        too_long = len(digits) > len(str(LONGEST.days * 86_400))
        return timedelta.max if too_long else timedelta(seconds=int(digits))
    return value


def _has_good_port(rest: str) -> bool:
    """Look at the host and port of what follows ``scheme://``."""
    match = _PORT.fullmatch(re.split("[/?]", rest.rpartition("@")[2])[0])
    return match is not None and (match["port"] is None or 0 < int(match["port"]) <= LAST_PORT)


def _has_good_options(rest: str, *, tls: bool) -> bool:
    """Look at the options of what follows ``redis://`` or ``unix://``.

    One that we set ourselves (a time-out) would be overruled, and one misspelt would fail only when
    the first request comes.
    """
    options = rest.partition("?")[2].split("&") if "?" in rest else []
    return all(
        _REDIS_OPTION.fullmatch(option) and (tls or option.startswith("db=")) for option in options
    )


def _has_good_database(rest: str) -> bool:
    """Look at the database of what follows ``redis://``: one that is no number is taken for 0."""
    _, slash, path = rest.rpartition("@")[2].partition("?")[0].partition("/")
    return _REDIS_DATABASE.fullmatch(slash + path) is not None


def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read networks separated by commas.

    Raises:
        ValueError: one of them is no network, or an address inside of one.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


Span = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(seconds=1), le=LONGEST)]


class Settings(BaseSettings):
    """The values of one process. Spans are seconds in the environment."""

    model_config = SettingsConfigDict(env_prefix="IDP_", frozen=True, extra="ignore")

    issuer: str
    data_dir: Path = Path("data")
    database_url: str = ""
    redis_url: str = ""
    keys_dir: Path | None = None
    secrets_dir: Path | None = None

    fund_name: str = "CARPIMKO"
    support_phone: str = ""
    default_client_id: str = ""
    affilie_pattern: str = r"[0-9]{7}"
    ayant_droit_pattern: str = r"[0-9]{7}|[0-9]{9}"
    redesign_at: datetime = datetime(2021, 3, 1, tzinfo=UTC)
    privacy_url: str = ""
    terms_url: str = ""
    service_documentation_url: str = ""
    decoy_post_only_share: float | None = Field(default=None, ge=0, le=1)
    anti_robot_answer: str = ""
    anti_robot_from: int = Field(default=3, ge=1)
    anti_robot_cost: int = Field(default=5_000, ge=1_000, le=100_000)
    anti_robot_steps: int = Field(default=300, ge=2, le=10_000)
    password_min_length: int = Field(default=12, ge=12, le=64)
    password_min_guesses: int = Field(default=10**10, ge=10**8)
    temporary_tries_by_origin: int = Field(default=5, ge=1, le=5)
    temporary_tries: int = Field(default=50, ge=5, le=50)

    mail_from: str = ""
    mail_reply_to: str = ""
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password_file: Path | None = None
    smtp_ca_file: Path | None = None
    smtp_timeout: Span = Field(default=timedelta(seconds=10), le=timedelta(seconds=15))

    outbox_poll: Span = timedelta(seconds=1)

    spool_dir: Path | None = None
    letter_sender: str = ""
    letter_place: str = ""
    letter_retention: Span = timedelta(hours=72)

    argon2_memory_kib: int = Field(default=19_456, ge=19_456, le=131_072)
    argon2_passes: int = Field(default=2, ge=2, le=4)
    hash_pool_size: int = Field(default=1, ge=1, le=64)
    hash_pool_queue: int = Field(default=4, ge=1, le=1024)

    session_idle: Span = timedelta(minutes=30)
    session_absolute: Span = timedelta(hours=8)
    waiting_request_lifetime: Span = timedelta(hours=24)
    code_lifetime: Span = Field(default=timedelta(seconds=60), le=timedelta(seconds=60))
    access_token_lifetime: Span = Field(default=timedelta(minutes=5), le=timedelta(hours=1))
    id_token_lifetime: Span = Field(default=timedelta(minutes=10), le=timedelta(hours=1))
    refresh_idle: Span = Field(default=timedelta(days=30), le=timedelta(days=180))
    refresh_absolute: Span = Field(default=timedelta(days=180), le=timedelta(days=180))
    jwks_max_age: Span = timedelta(minutes=10)
    key_lifetime: Span = Field(default=timedelta(days=90), ge=timedelta(days=2))
    key_announced: Span = Field(default=timedelta(days=1), ge=timedelta(hours=1))
    audit_retention: Span = Field(
        default=timedelta(days=365), ge=timedelta(days=183), le=timedelta(days=3 * 366)
    )

    trusted_proxies: int = Field(default=0, ge=0, le=8)
    account_day_limit: int = Field(default=25, ge=5, le=25)
    network_limit: int = Field(default=30, ge=5)
    network_window: Span = timedelta(minutes=10)
    client_secret_limit: int = Field(default=60, ge=5)
    client_secret_window: Span = timedelta(minutes=10)
    services_private_networks: str = ""
    services_ca_file: Path | None = None

    reset_journey: Span = timedelta(minutes=30)
    reset_requests_an_hour: int = Field(default=20, ge=1)
    reset_questions_an_hour: int = Field(default=5, ge=1)
    mails_an_hour: int = Field(default=3, ge=1)
    mails_a_day: int = Field(default=5, ge=1)
    letter_every: Span = timedelta(days=10)
    letters_in_90_days: int = Field(default=3, ge=1)
    letters_of_network_a_day: int = Field(default=5, ge=1)
    letters_a_day: int = Field(default=1_000, ge=1)

    log_level: str = "INFO"

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        match = _ORIGIN.fullmatch(value)
        if match is None:
            message = "https://host or https://host:port, in lower case and without anything after"
            raise ValueError(message)
        if match["port"] and int(match["port"]) > LAST_PORT:
            message = "a port from 1 to 65535"
            raise ValueError(message)
        if match["port"] == {"https": "443", "http": "80"}[match["scheme"]]:
            message = "without the port that its scheme implies: services compare the text"
            raise ValueError(message)
        url = urlsplit(value)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
            message = "https (http is for a loopback address only)"
            raise ValueError(message)
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        scheme, _, rest = value.partition("://")
        if scheme in ("postgres", "postgresql"):
            message = "name the driver too: write postgresql+psycopg://…"
            raise ValueError(message)
        if value and not (
            (scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"))
            or (scheme == "postgresql+psycopg" and _has_good_port(rest))
        ):
            message = "postgresql+psycopg://user:password@host:port/database, or sqlite:///file"
            raise ValueError(message)
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        scheme, _, rest = value.partition("://")
        if value and not (
            _has_good_options(rest, tls=scheme == "rediss")
            and (
                (scheme == "unix" and rest.partition("?")[0])
                or (
                    scheme in ("redis", "rediss")
                    and rest
                    and _has_good_port(rest)
                    and _has_good_database(rest)
                )
            )
        ):
            message = (
                "redis://host:port/0, rediss://host:port/0 (TLS) or unix:///path; "
                "options: db, and with TLS ssl_ca_certs, ssl_ca_path, ssl_certfile, ssl_keyfile, "
                "ssl_cert_reqs"
            )
            raise ValueError(message)
        return value

    @field_validator("affilie_pattern", "ayant_droit_pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            pattern = re.compile(value)
        except re.error as error:
            message = f"not a regular expression: {error}"
            raise ValueError(message) from None
        if pattern.fullmatch(""):
            message = "a pattern that the empty text does not match"
            raise ValueError(message)
        return value

    @field_validator("services_private_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            networks_of(value)
        except ValueError:
            message = "networks separated by commas, as in 10.20.0.0/16, fd00:20::/48"
            raise ValueError(message) from None
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in LOG_LEVELS:
            message = f"one of {', '.join(LOG_LEVELS)}"
            raise ValueError(message)
        return value.upper()

    @field_validator("redesign_at")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        return value if value.tzinfo else value.replace(tzinfo=UTC)

    @model_validator(mode="after")
    def _rotation(self) -> "Settings":
        if self.key_announced < 2 * self.jwks_max_age:
            # Twice: a cache that was filled just before may be in front of another one.
            message = "IDP_KEY_ANNOUNCED: expected twice IDP_JWKS_MAX_AGE at least"
            raise ValueError(message)
        if self.key_lifetime < 2 * self.key_announced:
            message = "IDP_KEY_LIFETIME: expected twice IDP_KEY_ANNOUNCED at least"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _anti_robot(self) -> "Settings":
        if self.anti_robot_answer and not self.is_loopback:
            message = "IDP_ANTI_ROBOT_ANSWER: it is for tests, on a loopback issuer only"
            raise ValueError(message)
        if self.anti_robot_from > self.network_limit and not self.is_loopback:
            message = "IDP_ANTI_ROBOT_FROM: expected IDP_NETWORK_LIMIT at most, or nobody is asked"
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
    def keys_path(self) -> Path:
        """The folder of the signing keys."""
        return self.keys_dir or self.data_dir / "keys"

    @property
    def secrets_path(self) -> Path:
        """The folder of the pepper, the pairwise salt, the decoy key and the cookie key."""
        return self.secrets_dir or self.data_dir / "secrets"

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can be a browser: the embedded start."""
        return urlsplit(self.issuer).hostname in LOOPBACK


ELSEWHERE = frozenset(
    {
        "IDP_ENV_FILE",
        "IDP_OPERATOR",
        "IDP_BIND",
        "IDP_WORKERS",
        "IDP_THREADS",
        "IDP_GRACEFUL_SECONDS",
    }
)
"""Read by the commands and by ``deploy/gunicorn.conf.py``, not by ``Settings``."""


def misspelt_settings() -> list[str]:
    """Name the ``IDP_…`` variables that nothing reads: a setting written wrong is not in force."""
    known = {f"IDP_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    env_file = os.environ.get("IDP_ENV_FILE")
    given = {*os.environ, *(dotenv_values(env_file) if env_file else ())}
    return sorted(name for name in given if name.startswith("IDP_") and name not in known)


def read_settings(**given: object) -> Settings:
    """Read the settings; ``given`` values outrank the environment, which outranks the file.

    Raises:
        InvalidSettings: names every value that is missing or wrong.
    """
    env_file = os.environ.get("IDP_ENV_FILE")
    if env_file and not Path(env_file).exists():
        message = f"IDP_ENV_FILE: no such file: {env_file}"
        raise InvalidSettings(message)
    try:
        # mypy cannot know that the environment fills what is not given.
        return Settings(_env_file=env_file, **given)  # type: ignore[arg-type, call-arg]
    except ValidationError as error:
        faults = [
            _named(fault) + _told(fault)
            for fault in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidSettings("\n".join(faults)) from None


def _named(fault: ErrorDetails) -> str:
    """Name the setting; a fault between several of them names its own."""
    where = ".".join(str(part) for part in fault["loc"]).upper()
    return f"IDP_{where}: " if where else ""


def _told(fault: ErrorDetails) -> str:
    """Say what is expected, in the words of docs/settings.md and not in those of the library."""
    if fault["type"].startswith("time_delta"):
        return "a whole number of seconds"
    name = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] in _EXPECTED and name in Settings.model_fields:
        (bound,) = fault["ctx"].values()
        if Settings.model_fields[name].annotation is timedelta:
            bound = _in_seconds(name, fault["type"])
        return _EXPECTED[fault["type"]].format(bound)
    return fault["msg"].removeprefix("Value error, ")


def _in_seconds(name: str, kind: str) -> str:
    # The library tells its own text of a bound, and not the bound.
    bound, name_of_bound = (max, "ge") if kind == "greater_than_equal" else (min, "le")
    seconds = bound(
        int(getattr(limit, name_of_bound).total_seconds())
        for limit in Settings.model_fields[name].metadata
        if hasattr(limit, name_of_bound)
    )
    return "1 second" if seconds == 1 else f"{seconds} seconds"
