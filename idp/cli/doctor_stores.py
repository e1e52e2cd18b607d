"""``idp doctor`` on SQL and Redis, and on what they keep."""

from collections.abc import Iterator

from sqlalchemy import text

from idp import IdpError
from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.cli.findings import Unusable
from idp.infra import migrations
from idp.infra.redis_health import faults_of
from idp.infra.redis_health import read_facts
from idp.infra.sql import sql_failures_told
from idp.parts import Parts
from idp.wiring.protocol import unready_services

OLDEST_POSTGRES = 15
_WHERE = {"sql": "IDP_DATABASE_URL", "redis": "IDP_REDIS_URL"}


def mending(name: str, fault: IdpError) -> str:
    """Say what is wrong with a store, and what mends it."""
    if isinstance(fault, Unusable):
        return str(fault)
    if name not in _WHERE:
        return f"nobody can tell: {fault}"
    if "Authentication" in str(fault):
        return f"refuses us ({fault}): write its user and password into {_WHERE[name]}"
    return f"does not answer ({fault}): start it, or mend the address in {_WHERE[name]}"


def sql(built: Parts) -> Iterator[Finding]:
    """Whether SQL answers, is new enough, and has our schema."""
    url = built.settings.sql_url
    if built.settings.sql_url.startswith("sqlite"):
        # Opening would make the file: pending() does not.
        product = "SQLite"
    else:
        product = _postgres_version(built)
        if int(product.split()[1].partition(".")[0]) < OLDEST_POSTGRES:
            yield Finding(Level.FAIL, "sql", f"{product} is too old: {OLDEST_POSTGRES} at least")
    if migrations.pending(url):
        message = f"{product}: the schema is behind; run idp migrate"
        raise Unusable(message)
    yield Finding(Level.OK, "sql", f"{product}, schema up to date")


def _postgres_version(built: Parts) -> str:
    with sql_failures_told(), built.database.engine.connect() as connection:
        version = connection.execute(text("SHOW server_version")).scalar_one()
    return f"PostgreSQL {str(version).split()[0]}"


def redis(built: Parts) -> Iterator[Finding]:
    """Whether Redis answers, and keeps what it promises."""
    facts = read_facts(built.redis.client)
    faults = faults_of(facts)
    for fault in faults:
        yield Finding(Level.FAIL, "redis", fault)
    if not facts.memory_limit:
        yield Finding(
            Level.WARN,
            "redis",
            "maxmemory is 0, no limit: set maxmemory so that strangers cannot fill it",
        )
    if not faults:
        yield Finding(
            Level.OK, "redis", f"{facts.product}, append-only file on, nothing is evicted"
        )


def next_key(built: Parts) -> Iterator[Finding]:
    """Whether every service has fetched the key that signs soon."""
    unready = unready_services(built)
    for service in unready:
        yield Finding(Level.WARN, "next key", service)
    if not unready:
        yield Finding(Level.OK, "next key", "no service is without a key that signs soon")
