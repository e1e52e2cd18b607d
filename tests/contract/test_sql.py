"""The SQL connection: what it makes on disk, and which failures it tells as a store away."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.errors import SyntaxError as SqlSyntaxError
from sqlalchemy.exc import InternalError
from sqlalchemy.exc import ProgrammingError

from idp import StoreUnavailable
from idp.infra.sql import Database
from idp.infra.sql import sql_failures_told


def test_a_database_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    file = tmp_path / "data" / "idp.sqlite"
    umask = os.umask(0)
    try:
        database = Database(Flask(__name__), f"sqlite:///{file}")
        made_by_building = file.exists()
        database.ping()
    finally:
        os.umask(umask)
    database.engine.dispose()

    assert not made_by_building
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_database_file_that_cannot_be_made_is_a_store_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Database(Flask(__name__), f"sqlite:///{tmp_path / 'file' / 'idp.sqlite'}")

    with pytest.raises(StoreUnavailable):
        database.ping()


def test_a_server_that_became_a_standby_is_a_store_that_is_away() -> None:
    with pytest.raises(StoreUnavailable), sql_failures_told():
        raise InternalError("UPDATE", {}, ReadOnlySqlTransaction())


def test_a_fault_of_ours_is_no_store_that_is_away() -> None:
    with pytest.raises(ProgrammingError), sql_failures_told():
        raise ProgrammingError("UPDATE", {}, SqlSyntaxError())


def test_a_second_connection_leaves_the_file_s_locks_to_the_first(tmp_path: Path) -> None:
    # A process that closes a file loses every lock it holds on it, SQLite's too (POSIX). Another
    # one, an operator's command, then takes itself for the last user of the file and unlinks the
    # log that this one writes to: what is written afterwards is lost.
    app = Flask(__name__)
    database = Database(app, f"sqlite:///{tmp_path / 'idp.sqlite'}")
    with database.engine.connect() as first:
        first.exec_driver_sql("CREATE TABLE kept (n INTEGER)")
        first.commit()
        with database.engine.connect():
            log = (tmp_path / "idp.sqlite-wal").stat().st_ino
            subprocess.run(
                [sys.executable, "-c", "import sqlite3, sys\n"
                 "other = sqlite3.connect(sys.argv[1])\n"
                 "other.execute('INSERT INTO kept VALUES (1)')\n"
                 "other.commit()\n"
                 "other.close()", str(tmp_path / "idp.sqlite")],
                check=True,
            )  # fmt: skip

        assert (tmp_path / "idp.sqlite-wal").stat().st_ino == log
        assert first.exec_driver_sql("SELECT n FROM kept").all() == [(1,)]
    database.engine.dispose()
