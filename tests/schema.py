"""An SQL store at the head of its schema, for whom the way there is not what is told."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy.engine import make_url

from idp.infra.migrations.upgrade import upgrade
from idp.infra.private_files import make_private_file


def migrate(url: str) -> None:
    """Bring a store to the head; a new SQLite file is a copy of one that was migrated."""
    place = make_url(url)
    file = Path(place.database or "")
    if place.get_backend_name() == "sqlite" and not file.exists():
        make_private_file(file)
        file.write_bytes(_sqlite_at_head())
    else:
        upgrade(url)


@cache
def _sqlite_at_head() -> bytes:
    """A migrated database: migrating it anew would cost each test half of its set-up."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "idp.sqlite"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()
