"""The SQL connection: what it makes on disk, and which failures it tells as a store away."""

import os
import stat
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
