"""An SQL store at the head of its schema, for whom the way there is not what is told."""

import tempfile
from functools import cache
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL
from sqlalchemy.engine import make_url

from idp.infra.migrations.upgrade import upgrade
from idp.infra.private_files import make_private_file


def migrate(url: str) -> None:
    """Bring a store to the head; an empty one becomes a copy of one that was migrated."""
    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        if _is_empty(place):
            _become(place, _postgres_at_head(place.set(database="postgres")))
        else:
            upgrade(url)
        return
    file = Path(place.database or "")
    if file.exists():
        upgrade(url)
    else:
        make_private_file(file)
        file.write_bytes(_sqlite_at_head())


@cache
def _sqlite_at_head() -> bytes:
    """A migrated database: migrating it anew would cost each test half of its set-up."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "idp.sqlite"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


@cache
def _postgres_at_head(server: URL) -> str:
    """The same for PostgreSQL, where one database may be made out of another."""
    name = "at_head"
    _administer(server, f'CREATE DATABASE "{name}"')
    upgrade(server.set(database=name).render_as_string(hide_password=False))
    return name


def _is_empty(place: URL) -> bool:
    with psycopg.connect(_connection_info(place)) as connection:
        return connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,)


def _become(place: URL, template: str) -> None:
    server = place.set(database="postgres")
    _administer(server, f'DROP DATABASE "{place.database}"')
    _administer(server, f'CREATE DATABASE "{place.database}" TEMPLATE "{template}"')


def _administer(server: URL, statement: str) -> None:
    with psycopg.connect(_connection_info(server), autocommit=True) as connection:
        connection.execute(statement.encode())


def _connection_info(place: URL) -> str:
    given = place.translate_connect_args(database="dbname", username="user")
    return make_conninfo(**{name: str(value) for name, value in {**given, **place.query}.items()})
