"""Fixtures on real stores: PostgreSQL and SQLite, Valkey and Redis.

One server of each for the whole run, started when first asked for; fresh state for each test. The
servers end with the run even when it is killed. A server that is not installed is a failure, never
a skip.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
import redis

from demo.children import Child
from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer

POSTGRES_BINARIES = "/usr/lib/postgresql"
OLDEST_POSTGRES = 15
MEMORY = Path("/dev/shm")  # noqa: S108 # mkdtemp draws a folder of ours in it
ROOM = 2 * 1024**3


def find_program(name: str, package: str, folders: tuple[Path, ...] = ()) -> Path:
    """Find a server's program, or fail with what to install."""
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(
            f"{name} is not installed: apt-get install {package} (bin/test does it for root)"
        )
    return Path(found)


def _postgres_folders() -> tuple[Path, ...]:
    versions = [p for p in Path(POSTGRES_BINARIES).glob("*/bin") if p.parent.name.isdigit()]
    newest_first = sorted(versions, key=lambda p: int(p.parent.name), reverse=True)
    return tuple(p for p in newest_first if int(p.parent.name) >= OLDEST_POSTGRES)


class PostgresCluster:
    """A private PostgreSQL on a unix socket, without durability: only tests read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child: Child | None = None
        self._user: str | None = None
        self._numbers = count(1)
        if os.geteuid() == 0:  # initdb refuses root
            self._user = "postgres"
            try:
                account = pwd.getpwnam(self._user)
            except KeyError:
                pytest.fail("no user postgres: apt-get install postgresql-15 makes it")
            os.chown(folder, account.pw_uid, account.pw_gid)

    def create(self) -> None:
        """Lay out the cluster's files."""
        subprocess.run(
            [
                find_program("initdb", "postgresql-15", _postgres_folders()),
                "--pgdata", self.folder / "data",
                "--username=idp", "--auth=trust", "--encoding=UTF8",
                "--locale=C.UTF-8", "--no-sync",
            ],
            check=True, capture_output=True, user=self._user, group=self._user,
            extra_groups=[] if self._user else None, cwd=self.folder,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "60",
        }
        program = find_program("postgres", "postgresql-15", _postgres_folders())
        log = self.folder / "postgres.log"
        self._child = Child(
            "PostgreSQL",
            [str(program), "-D", str(self.folder / "data")]
            + [word for name, value in options.items() for word in ("-c", f"{name}={value}")],
            log=log,
            stop=signal.SIGINT,  # "fast": does not wait for clients to leave
            user=self._user,
            cwd=self.folder,
        )
        end = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self._dsn("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._child.exit_status is not None or time.monotonic() > end:
                    pytest.fail(f"PostgreSQL did not start:\n{self._child.said()}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the server; connections are cut."""
        if self._child is not None:
            self._child.end()
            self._child = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let every process of the server stand still: it takes connections and says nothing."""
        assert self._child is not None
        children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children")
        pids = [self._child.pid, *map(int, children.read_text().split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def new_database(self, template: str = "template1") -> str:
        """Create a database, empty or a copy of ``template``, and name it."""
        name = f"test_{next(self._numbers)}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    def url(self, database: str) -> str:
        """The address of one database, for SQLAlchemy."""
        return f"postgresql+psycopg://idp@/{database}?host={self.folder}"

    def _dsn(self, database: str) -> str:
        return f"host={self.folder} user=idp dbname={database}"

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A short folder (a unix socket's path is limited) that other users may enter.

    In memory where there is room: a new database of PostgreSQL is 7 MB of files, and a run makes
    hundreds.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    in_memory = has_room and os.access(MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix="idp-tests-", dir=MEMORY if in_memory else None))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_cluster(servers_folder: Path) -> Iterator[PostgresCluster]:
    """The run's PostgreSQL server."""
    folder = servers_folder / "pg"
    folder.mkdir(mode=0o700)
    cluster = PostgresCluster(folder)
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[ValkeyServer]:
    """The run's Valkey server, from the wheel."""
    yield from _key_value_server(servers_folder / "valkey", None)


@pytest.fixture(scope="session")
def redis_server(servers_folder: Path) -> Iterator[ValkeyServer]:
    """The run's Redis server, from the machine."""
    yield from _key_value_server(
        servers_folder / "redis", find_program("redis-server", "redis-server")
    )


def _key_value_server(folder: Path, binary: Path | None) -> Iterator[ValkeyServer]:
    folder.mkdir(mode=0o700)
    server = ValkeyServer(folder, durability=FORGETFUL, binary=binary)
    server.start()
    server.wait()
    yield server
    server.stop()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'idp.sqlite'}"


@pytest.fixture
def postgres_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """A database of its own, empty."""
    name = postgres_cluster.new_database()
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def sql_url(request: pytest.FixtureRequest) -> str:
    """An empty SQL store; the test runs once on each."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """An empty Valkey."""
    return _emptied(valkey_server)


@pytest.fixture
def redis_url(redis_server: ValkeyServer) -> str:
    """An empty Redis."""
    return _emptied(redis_server)


@pytest.fixture(params=["valkey", "redis"])
def redis_store_url(request: pytest.FixtureRequest) -> str:
    """An empty Redis-protocol store; the test runs once on each."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def _emptied(server: ValkeyServer) -> str:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url
