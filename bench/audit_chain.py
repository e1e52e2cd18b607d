"""Seal and verify the audit log: rows a second on SQLite, and on a PostgreSQL that is given.

    .venv/bin/python -m bench.audit_chain [--rows 100000] [--sql URL]

A database of its own, or an empty one named by URL. See README.md.
"""

import argparse
import resource
import sys
import tempfile
import time
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from idp.audit_walk import Walk
from idp.infra.migrations.upgrade import upgrade
from idp.infra.tables import AuditRow
from idp.parts import Parts
from idp.settings import read_settings

AT_ONCE = 5_000


def fill(parts: Parts, rows: int) -> None:
    """Write events like those of sign-ins, within one day."""
    began = datetime(2026, 11, 24, tzinfo=UTC)
    for first in range(0, rows, AT_ONCE):
        values = [
            {
                "at": began + timedelta(milliseconds=number * 80_000_000 // rows),
                "event": "sign_in.refused",
                "account_id": f"account-{number % 50_000:014}",
                "client_id": None,
                "network": "192.0.2.0/24",
                "operator": "",
                "request_id": f"{number:016x}",
                "detail": {"subject": "s" * 43, "cause": "wrong_password", "streak": number % 9},
            }
            for number in range(first, min(first + AT_ONCE, rows))
        ]
        with parts.database.transaction(unhurried=True):
            parts.database.execute(insert(AuditRow), values)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sql", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        url = asked.sql or f"sqlite:///{folder}/idp.sqlite"
        upgrade(url)
        parts = Parts(
            read_settings(
                issuer="http://localhost:8000",
                data_dir=Path(folder),
                keys_dir=keys,
                database_url=url,
            )
        )
        parts.key_files.add("ES256", datetime(2026, 1, 1, tzinfo=UTC))
        with parts.flask.app_context():
            fill(parts, asked.rows)
            began = time.perf_counter()
            while parts.sealing.seal_next():
                pass
            sealed = time.perf_counter() - began
            began = time.perf_counter()
            with parts.database.transaction(unhurried=True):
                parts.audit_seals.hold_still()
                verdict = Walk(parts.audit_seals, parts.audit_heads, now=parts.now()).run()
            verified = time.perf_counter() - began
        if (verdict.faults, verdict.rows) != ({}, asked.rows):
            sys.exit(f"not what was written: {verdict}")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{parts.database.url.get_backend_name()}: {asked.rows} rows, {verdict.seals} seals")
        print(f"sealing    {asked.rows / sealed:8.0f} rows a second")
        print(f"verifying  {asked.rows / verified:8.0f} rows a second")
        print(f"memory     {memory} MiB at most")
        parts.database.engine.dispose()


if __name__ == "__main__":
    main()
