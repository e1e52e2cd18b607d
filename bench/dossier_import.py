"""Import of 400,000 dossiers, beside a raw COPY or executemany of the same file.

    python bench/dossier_import.py sqlite:////tmp/bench.sqlite [--rows N] [--rounds N]
    python bench/dossier_import.py postgresql+psycopg://user@host/empty_database

The database must be one that may be emptied. Each import is a process of its own, as an operator's
command is; its peak memory and CPU time are what the kernel says of it. Nothing is closed, so Redis
is not asked. Method and figures: bench/dossier_import.md.
"""

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy.engine import make_url

from idp.identity.directory import COLUMNS
from idp.infra.migrations.upgrade import upgrade

ROOT = Path(__file__).parents[1]
FAMILY = ("LEFÈVRE", "MARTIN", "PETIT", "DUBOIS", "N'GUYEN", "ØSTERGÅRD", "DE LA TOUR", "BERNARD")
GIVEN = ("Anne Marie Hélène", "Paul", "Zoé", "Jean-Baptiste", "Maël", "Yvonne", "Thị-Hoa", "Luc")
STREETS = (
    "RUE DES LILAS",
    "AVENUE DU GENERAL DE GAULLE",
    "PLACE DE LA MAIRIE",
    "QUAI SAINT ANTOINE",
)
TOWNS = ("35000 RENNES", "75114 PARIS", "97400 SAINT DENIS", "20000 AJACCIO", "13001 MARSEILLE")
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43
RAW_COLUMNS = ", ".join(f"{column} TEXT" for column in COLUMNS)


def rows(count: int) -> Iterator[list[str]]:
    """Draw plausible rows, the same at every run: three quarters affiliés, a third with a hash."""
    draw = random.Random(400_000)  # noqa: S311 - not a secret
    for n in range(count):
        affilie = n % 4 != 3
        family, given = draw.choice(FAMILY), draw.choice(GIVEN)
        signs_in = n % 3 == 0
        yield [
            "affilie" if affilie else "ayant_droit",
            f"{n:07d}" if affilie else f"{n:09d}",
            family,
            draw.choice(("", "DUPONT")),
            given,
            draw.choice(("female", "male")),
            f"{draw.randint(1929, 2000)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
            f"{draw.randint(1000, 95999):05d}",
            "99100",
            f"personne.{n}@exemple.fr" if n % 10 < 7 else "",
            f"+336{draw.randint(10_000_000, 99_999_999)}",
            f"MME {family}"[:38],
            "",
            "",
            f"{draw.randint(1, 300)} {draw.choice(STREETS)}",
            "",
            draw.choice(TOWNS),
            "cotisant" if affilie else "reversion|rente_survie",
            "infirmier" if affilie else "",
            "active",
            HASH if signs_in else "",
            f"2024-{draw.randint(1, 12):02d}-01T08:00:00Z" if signs_in else "",
        ]


def write_export(path: Path, count: int) -> None:
    """Write the export that every round imports."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows(rows(count))


def measured(act: Callable[[], None]) -> float:
    """Time one act, in seconds."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def run_import(url: str, export: Path) -> tuple[float, float, float]:
    """Import in a process of its own: seconds, seconds of its CPU, its peak in MB."""
    environment = os.environ | {
        "IDP_ISSUER": "http://localhost:8000",
        "IDP_DATABASE_URL": url,
        "IDP_REDIS_URL": "redis://localhost:1",
        "PYTHONPATH": str(ROOT),
    }
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "idp", "dossiers", "import", str(export)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("the import failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def raw_load(url: str, export: Path) -> None:
    """Load the file as it is, into one table of text: what the store itself needs."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE raw_load ({RAW_COLUMNS})"))
        driver: Any = connection.connection.driver_connection  # Any: either driver's own
        if engine.dialect.name == "sqlite":
            with export.open(encoding="utf-8", newline="") as file:
                lines = csv.reader(file, delimiter=";")
                next(lines)
                marks = ", ".join("?" * len(COLUMNS))
                statement = f"INSERT INTO raw_load VALUES ({marks})"  # noqa: S608 - only marks
                driver.executemany(statement, lines)
        else:
            statement = "COPY raw_load FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';')"
            with driver.cursor().copy(statement) as copy, export.open("rb") as file:
                while piece := file.read(1 << 16):
                    copy.write(piece)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE raw_load"))
    engine.dispose()


def empty(url: str) -> None:
    """Forget the dossiers of the round before."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM accounts"))
            connection.execute(text("DELETE FROM dossiers"))
        else:
            connection.execute(text("TRUNCATE accounts, dossiers"))
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("VACUUM"))
    engine.dispose()


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    upgrade(given.url)
    timed: dict[str, list[tuple[float, float, float]]] = {"raw": [], "first": [], "again": []}
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.csv"
        write_export(export, given.rows)
        print(f"{make_url(given.url).get_backend_name()}, {given.rows} rows, ", end="")
        print(f"{export.stat().st_size / 1e6:.0f} MB, median of {given.rounds}")
        for _ in range(given.rounds):
            empty(given.url)
            timed["raw"].append((measured(lambda: raw_load(given.url, export)), 0, 0))
            timed["first"].append(run_import(given.url, export))
            timed["again"].append(run_import(given.url, export))
    empty(given.url)
    raw = statistics.median(seconds for seconds, _, _ in timed["raw"])
    for name, measures in timed.items():
        seconds, cpu, peak = (statistics.median(column) for column in zip(*measures, strict=True))
        spread = f"{min(m[0] for m in measures):.1f}-{max(m[0] for m in measures):.1f}"
        print(
            f"{name:<6} {seconds:6.1f} s ({spread})  {given.rows / seconds:9.0f} rows/s"
            f"  {seconds / raw:5.1f} x raw  {cpu:5.1f} s CPU  {peak:5.0f} MB"
        )


if __name__ == "__main__":
    main()
