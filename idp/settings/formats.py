"""The formats of addresses, networks and patterns; each raises ValueError with what is expected."""

import re
from datetime import UTC
from datetime import datetime
from ipaddress import IPv4Network
from ipaddress import IPv6Network
from ipaddress import ip_address
from ipaddress import ip_network
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LAST_PORT = 65535
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_UPSTREAM = re.compile(r"(https?://[^/?#]+)((?:/[A-Za-z0-9._~-]+)*)")
_SCOPE = re.compile(r"[a-z_]+(?: [a-z_]+)*")
_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5})?)?")
_REDIS_DATABASE = re.compile(r"/?|/[0-9]{1,5}")
_REDIS_OPTION = re.compile(
    r"db=[0-9]{1,5}|ssl_(?:ca_certs|ca_path|certfile|keyfile)=[^&]+|ssl_cert_reqs=(?:required|none)"
)


def issuer(value: str) -> str:
    """Read the issuer: an origin of https, or of http on loopback."""
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


def upstream_issuer(value: str) -> str:
    """Read the issuer of another provider, empty for none: it may have a path."""
    origin, path = match.groups() if (match := _UPSTREAM.fullmatch(value)) else ("", "")
    if value and not origin:
        message = "https://host/path, without query, fragment or a slash at its end"
        raise ValueError(message)
    return issuer(origin) + path if value else ""


def scope(value: str) -> str:
    """Read what is asked for of OpenID Connect. Spec: OIDC Core 1.0 §3.1.2.1, RFC 6749 §3.3."""
    if "openid" not in value.split(" ") or _SCOPE.fullmatch(value) is None:
        message = "words with one space between them, openid among them"
        raise ValueError(message)
    return value


def bind(value: str) -> str:
    """Read an address to listen on, empty for none."""
    host, _, port = value.rpartition(":")
    if value and not (
        (host == "localhost" or _is_address(host.removeprefix("[").removesuffix("]")))
        and _PORT.fullmatch(value)
        and 0 < int(port or 0) <= LAST_PORT
    ):
        message = "127.0.0.1:9464 or [::1]:9464, an address and a port"
        raise ValueError(message)
    return value


def is_loopback(bound: str) -> bool:
    """Tell whether an address to listen on is this machine's alone."""
    host = bound.rpartition(":")[0].removeprefix("[").removesuffix("]")
    return host == "localhost" or ip_address(host).is_loopback


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def database_url(value: str) -> str:
    """Read the address of the SQL store, empty for the embedded one."""
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


def redis_url(value: str) -> str:
    """Read the address of the Redis store, empty for none."""
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


def pattern(value: str) -> str:
    """Read a regular expression that matches something and not everything."""
    try:
        pattern = re.compile(value)
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from None
    if pattern.fullmatch(""):
        message = "a pattern that the empty text does not match"
        raise ValueError(message)
    return value


def networks(value: str) -> str:
    """Read networks, and keep the text."""
    try:
        networks_of(value)
    except ValueError:
        message = "networks separated by commas, as in 10.20.0.0/16, fd00:20::/48"
        raise ValueError(message) from None
    return value


def log_level(value: str) -> str:
    """Read the name of a level, in any case."""
    if value.upper() not in LOG_LEVELS:
        message = f"one of {', '.join(LOG_LEVELS)}"
        raise ValueError(message)
    return value.upper()


def aware(value: datetime) -> datetime:
    """Read an instant without a zone as UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read networks separated by commas.

    Raises:
        ValueError: one of them is no network, or an address inside of one.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


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
