"""Whether a Redis or Valkey server keeps what it promises; asked by ``idp doctor``.

Everything is read from INFO: hosted stores often refuse CONFIG.
"""

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime

import redis

from idp.infra.redis_store import STRANGERS_SHARE
from idp.infra.redis_store import redis_failures_told

OLDEST_REDIS = (7, 0)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a server says of itself.

    Attributes:
        product: name and version, for people; Valkey also tells the Redis version it stands for.
        compatible_with: the Redis version that it implements.
        memory_limit: bytes, 0 for none.
        memory_used: bytes.
    """

    product: str
    compatible_with: tuple[int, ...]
    eviction_policy: str
    append_only: bool
    last_write_failed: bool
    memory_limit: int
    memory_used: int
    now: datetime


def read_facts(client: redis.Redis) -> StoreFacts:
    """Ask the server.

    Raises:
        StoreUnavailable: it does not answer.
    """
    with redis_failures_told():
        facts = client.info()
        seconds, microseconds = client.time()
    version = str(facts["redis_version"])
    if facts.get("server_name") == "valkey":
        product = f"Valkey {facts.get('valkey_version', version)}"
    else:
        product = f"Redis {version}"
    return StoreFacts(
        product=product,
        compatible_with=tuple(int(part) for part in version.split(".") if part.isdigit()),
        eviction_policy=str(facts.get("maxmemory_policy", "unknown")),
        append_only=bool(facts.get("aof_enabled")),
        last_write_failed=facts.get("aof_last_write_status", "ok") != "ok",
        memory_limit=int(facts.get("maxmemory", 0)),
        memory_used=int(facts.get("used_memory", 0)),
        now=datetime.fromtimestamp(int(seconds) + int(microseconds) / 1_000_000, UTC),
    )


def faults_of(facts: StoreFacts) -> list[str]:
    """Say what would lose or refuse a promise, and the setting of the server that mends it."""
    faults = loses(facts)
    if facts.memory_limit and facts.memory_used > facts.memory_limit * STRANGERS_SHARE:
        used = facts.memory_used * 100 // facts.memory_limit
        faults.append(
            f"{used} % of maxmemory is used: strangers are refused already; raise maxmemory, and "
            "see docs/operate/redis-lost.md"
        )
    return faults


def loses(facts: StoreFacts) -> list[str]:
    """Say what would lose a promise."""
    faults = []
    if facts.compatible_with < OLDEST_REDIS:
        oldest = ".".join(map(str, OLDEST_REDIS))
        faults.append(f"{facts.product} is too old: Redis {oldest} or Valkey 8 at least")
    if facts.eviction_policy != "noeviction":
        faults.append(
            f"maxmemory-policy is {facts.eviction_policy}: it may forget temporary passwords and "
            "counters; set maxmemory-policy noeviction"
        )
    if not facts.append_only:
        faults.append(
            "the append-only file is off: a restart forgets temporary passwords and sessions; "
            "set appendonly yes and appendfsync everysec"
        )
    elif facts.last_write_failed:
        faults.append("the append-only file was not written last time: look at the server's disk")
    return faults


def store_faults(client: redis.Redis) -> list[str]:
    """Ask the server, and say what would lose a promise; empty when all is well.

    Raises:
        StoreUnavailable: it does not answer.
    """
    return faults_of(read_facts(client))
