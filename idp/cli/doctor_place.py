"""``idp doctor`` on the place of the service: address, proxies, clocks, services, browser code."""

from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import text

from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.hops import judged
from idp.infra.redis_health import read_facts
from idp.infra.sql import sql_failures_told
from idp.parts import PACKAGE
from idp.parts import Parts

CLOCK_TOLERANCE = timedelta(seconds=2)


def issuer(built: Parts) -> Iterator[Finding]:
    """Whether members can trust the address."""
    if urlsplit(built.settings.issuer).scheme == "https":
        yield Finding(Level.OK, "issuer", "is served over TLS")
    else:
        yield Finding(
            Level.WARN,
            "issuer",
            f"{built.settings.issuer} is for this machine alone; "
            "in production set IDP_ISSUER to the public https address",
        )


def proxies(built: Parts) -> Iterator[Finding]:
    """Whether the addresses that limits count are those of people."""
    trusted = built.settings.trusted_proxies
    hops = judged(built.hop_counts.read(), trusted)
    requests = f"{hops.seen} requests of the last hours"
    if hops.proxies is not None and hops.proxies > trusted:
        yield Finding(
            Level.FAIL,
            "proxies",
            f"{trusted} trusted, and none of {requests} came through fewer than {hops.proxies}: all"
            " people share the address of a proxy, and its limits; if that many are yours, set"
            f" IDP_TRUSTED_PROXIES={hops.proxies}",
        )
    elif hops.proxies is not None and hops.proxies < trusted:
        yield Finding(
            Level.FAIL,
            "proxies",
            f"{trusted} trusted, and of {requests} most that came through fewer came through"
            f" {hops.proxies}: people share the address of a proxy, or say their own; set"
            f" IDP_TRUSTED_PROXIES={hops.proxies}, or close the way past the proxies",
        )
    elif hops.strays:
        yield Finding(
            Level.WARN,
            "proxies",
            f"{trusted} trusted, and {hops.strays} of {requests} came past them: let the proxies"
            " alone reach this service",
        )
    elif hops.proxies is not None:
        yield Finding(Level.OK, "proxies", f"{trusted} trusted, as {requests} came")
    elif trusted or built.settings.is_loopback:
        what = f"{trusted} trusted in front of this service; too few requests came to tell"
        yield Finding(Level.OK, "proxies", what)
    else:
        yield Finding(
            Level.WARN,
            "proxies",
            "none is trusted: behind a TLS proxy all people would share its address, and its "
            "limits; set IDP_TRUSTED_PROXIES to the number of proxies in front",
        )


def clock(built: Parts) -> Iterator[Finding]:
    """Whether this machine, Redis and SQL live in the same second."""
    before = datetime.now(UTC)
    clocks = {"Redis": read_facts(built.redis.client).now}
    if not built.settings.sql_url.startswith("sqlite"):  # SQLite has the clock of this machine
        with sql_failures_told(), built.database.engine.connect() as connection:
            clocks["SQL"] = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    after = datetime.now(UTC)
    faults = [
        Finding(
            Level.FAIL,
            "clock",
            f"{name} is {_apart(clock, before, after).total_seconds():.0f} s away from this "
            "machine: tokens and limits would be wrong; have both follow the same time (NTP)",
        )
        for name, clock in clocks.items()
        if _apart(clock, before, after) > CLOCK_TOLERANCE
    ]
    names = " and ".join(clocks)
    within = f"{CLOCK_TOLERANCE.total_seconds():.0f} s"
    yield from faults or [
        Finding(Level.OK, "clock", f"this machine, {names} agree within {within}")
    ]


def _apart(clock: datetime, before: datetime, after: datetime) -> timedelta:
    """How far a clock is from ours, at least, when it was read between two looks at ours."""
    return max(before - clock, clock - after, timedelta(0))


def services(built: Parts) -> Iterator[Finding]:
    """Whether codes leave for this machine, as on a developer's."""
    registered = built.clients.list()
    stray = []
    if not built.settings.is_loopback:
        stray = [
            client.client_id
            for client in registered
            if not client.is_public and any(uri.startswith("http:") for uri in client.redirect_uris)
        ]
    for client_id in stray:
        yield Finding(
            Level.WARN,
            "services",
            f"{client_id} has a redirect URI without TLS, on the member's own machine: a trial"
            " that was forgotten? idp clients update or remove it",
        )
    if not stray:
        yield Finding(Level.OK, "services", f"{len(registered)} registered")


def default_client(built: Parts) -> Iterator[Finding]:
    """Whether the service that a sign-in without one leads to is there."""
    client_id = built.settings.default_client_id
    if not client_id:
        what = "none: whoever opens /connexion directly is led to /compte"
        yield Finding(Level.OK, "default client", what)
    elif built.clients.find(client_id) is None:
        yield Finding(
            Level.FAIL,
            "default client",
            f"{client_id} is not registered; idp clients add it, or change IDP_DEFAULT_CLIENT_ID",
        )
    else:
        yield Finding(Level.OK, "default client", f"{client_id} is registered")


def browser_code(_built: Parts) -> Iterator[Finding]:
    """Whether the anti-robot can work in browsers, and FranceConnect's button can be shown."""
    static = PACKAGE / "static"
    missing = [
        what
        for what, path in (
            ("the anti-robot's widget", static / "altcha" / "altcha.min.js"),
            ("FranceConnect's button", static / "franceconnect" / "button.css"),
        )
        if not path.is_file()
    ]
    if missing:
        what = f"{' and '.join(missing)}: missing; run requirements/browser-code.sh"
        yield Finding(Level.FAIL, "browser code", what)
    else:
        what = "the anti-robot's widget and FranceConnect's button are installed"
        yield Finding(Level.OK, "browser code", what)
