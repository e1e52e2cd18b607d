"""What stays in the memory of every worker: what it serves with, and nothing else."""

import os
import subprocess
import sys

from tests.instance import Instance

LOADED = """
import sys
import idp.app
app = idp.app.create_app()
app.test_client().get("/connexion")
print(*sorted(sys.modules))
"""
OTHERS = {
    "alembic": "migrations are a command's",
    "mako": "as is what writes them",
    "psycopg": "this service has SQLite",
    "reportlab": "letters are printed by a command",
    "smtplib": "mails leave by the worker",
    "prometheus_client": "no port for numbers is set",
}


def test_a_worker_loads_no_library_that_others_need(instance: Instance) -> None:
    given = instance.settings
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={
            "PATH": os.environ["PATH"],
            "IDP_ISSUER": given.issuer,
            "IDP_DATA_DIR": str(given.data_dir),
            "IDP_DATABASE_URL": given.sql_url,
            "IDP_REDIS_URL": given.redis_url,
        },
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = set(done.stdout.split())
    assert "idp.web.login" in loaded
    assert loaded & OTHERS.keys() == set()
