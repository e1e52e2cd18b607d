"""The number that tells every process to read again what it keeps in memory.

Clients and the mix of password schemes are kept so; whoever changes them in SQL raises it.
"""

from typing import Any

from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update

from idp.infra.sql import Database
from idp.infra.tables import RegistryVersionRow

LOOK_EVERY_SECONDS = 1.0
REGISTRY = 1
VERSION = select(RegistryVersionRow.version).where(RegistryVersionRow.id == REGISTRY)


def raise_version(database: Database) -> None:
    """Raise the number in the caller's transaction, whose commit makes it seen."""
    touched: Any = database.execute(  # Any: Result hides the rowcount of an UPDATE
        update(RegistryVersionRow)
        .where(RegistryVersionRow.id == REGISTRY)
        .values(version=RegistryVersionRow.version + 1)
    )
    if not touched.rowcount:
        database.execute(insert(RegistryVersionRow), {"id": REGISTRY, "version": 1})
