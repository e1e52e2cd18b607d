"""The Redis or Valkey store in a file and back.

Saved as a replica would read it: one instant of all keys, over the wire. Brought back through a
server of our own that loads the file, key by key, each with the instant at which it ends: so the
store that is restored into needs no restart, and its append-only file has everything.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import redis

from idp.infra.programs import ProgramFailed
from idp.infra.programs import find_program
from idp.infra.programs import run
from idp.infra.redis_store import redis_failures_told
from idp.infra.sql_backup import NotEmpty

REDIS = "redis"
_AT_ONCE = 500
_START_SECONDS = 120
"""To load a file of some gigabytes."""
_NO_END = -1


def save_redis(url: str, folder: Path) -> Path:
    """Write every key into ``folder``, as of one instant.

    Raises:
        ProgramFailed: redis-cli is missing, or the store lets nobody read it as a replica does.
    """
    path = folder / "redis.rdb"
    options, password = reached_by(url)
    run(
        [str(find_program("redis-cli", "valkey-cli", package="redis-tools")), *options,
         "--rdb", str(path)],
        environment={"REDISCLI_AUTH": password} if password else {},
    )  # fmt: skip
    return path


def check_redis_is_empty(url: str) -> None:
    """Refuse a store that holds anything.

    Raises:
        NotEmpty: it does.
        StoreUnavailable: it is away.
    """
    with redis_failures_told(), redis.Redis.from_url(url) as client:
        held = client.dbsize()
    if held:
        raise NotEmpty(
            f"IDP_REDIS_URL: the store holds {held} keys; what it knows of another time would be"
            " mixed with what is restored: empty it first (FLUSHDB), it is the provider's own"
        )


@contextmanager
def read_redis(url: str, path: Path) -> Iterator[Callable[[], int]]:
    """Read what was saved; give what brings every key back that has not ended, and tells how many.

    Whatever is wrong with the file shows here, before a store is touched.

    Raises:
        ProgramFailed: redis-server is missing, or cannot read what a newer one wrote.
        StoreUnavailable: the store is away, while keys are brought.
    """
    with (
        _loaded(path, _parsed(url).get("db", 0)) as source,
        redis.Redis.from_url(url) as target,
    ):
        yield lambda: _bring(source, target)


def _bring(source: redis.Redis, target: redis.Redis) -> int:
    brought = 0
    names = source.scan_iter(count=_AT_ONCE)
    while batch := list(islice(names, _AT_ONCE)):
        reading = source.pipeline(transaction=False)
        for name in batch:
            reading.dump(name)
            reading.pexpiretime(name)
        read = iter(reading.execute())
        writing = target.pipeline(transaction=False)
        for name, value, ends_at in zip(batch, read, read, strict=True):
            if value is not None:  # it ended while we read
                ends = 0 if ends_at == _NO_END else ends_at
                writing.restore(name, ends, value, absttl=True)
        with redis_failures_told():
            brought += len(writing.execute())
    return brought


@contextmanager
def _loaded(path: Path, database: int) -> Iterator[redis.Redis]:
    program = find_program("redis-server", "valkey-server", package="redis-server")
    folder = Path(tempfile.mkdtemp(prefix="idp-restore-"))
    socket = folder / "socket"
    server: subprocess.Popen[bytes] | None = None
    try:
        shutil.copyfile(path, folder / "dump.rdb")
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 - no word of it comes from outside
                [program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
                 "--dir", folder, "--dbfilename", "dump.rdb", "--save", "",
                 "--appendonly", "no", "--daemonize", "no"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        with redis.Redis(unix_socket_path=str(socket), db=database) as client:
            _wait(client, server, folder / "log")
            yield client
    finally:
        if server is not None:
            server.kill()
            server.wait()
        shutil.rmtree(folder)


def _wait(client: redis.Redis, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.ping()
        except (redis.ConnectionError, redis.BusyLoadingError):
            if server.poll() is not None or time.monotonic() > end:
                said = log.read_text("utf-8", "replace").strip().splitlines()
                last = said[-1] if said else "it said nothing"
                message = f"redis-server cannot read what was saved: {last}"
                raise ProgramFailed(message) from None
            time.sleep(0.02)
        else:
            return


def _parsed(url: str) -> dict[str, Any]:  # Any: whatever redis-py takes
    given: dict[str, Any] = redis.connection.parse_url(url)  # type: ignore[no-untyped-call]
    return given


_TLS_OPTIONS = {
    "ssl_ca_certs": "--cacert",
    "ssl_ca_path": "--cacertdir",
    "ssl_certfile": "--cert",
    "ssl_keyfile": "--key",
}


def reached_by(url: str) -> tuple[list[str], str]:
    """Tell the options of redis-cli, and the password, which `ps` shall not show."""
    given = _parsed(url)
    options = ["-s", str(given["path"])] if "path" in given else []
    if "host" in given:
        options += ["-h", str(given["host"])]
    if "port" in given:
        options += ["-p", str(given["port"])]
    if given.get("username"):
        options += ["--user", str(given["username"])]
    if url.startswith("rediss:"):
        options.append("--tls")
    for name, option in _TLS_OPTIONS.items():
        if given.get(name):
            options += [option, str(given[name])]
    return options, str(given.get("password") or "")
