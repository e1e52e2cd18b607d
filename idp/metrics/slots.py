"""Gunicorn's hooks: the workers of one master count in one folder, each in a slot of its own.

A worker that takes a dead one's place takes its slot too, and goes on counting where that one was
stopped: no number goes back, and there are never more files than workers at once. The number of a
process would do neither: it is another after each restart, and its files stay for good.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # as the library calls it
MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it

current: int | None = None
"""The slot of this process; None outside a worker of gunicorn."""


def on_starting(_server: Any) -> None:  # Any, here and below: gunicorn has no types
    """Make the folder, in memory where there is such a place: no disk is ever waited for."""
    within = MEMORY if os.access(MEMORY, os.W_OK) else None
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="idp-metrics-", dir=within)


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker the lowest slot that no living one has."""
    taken = {living.metrics_slot for living in server.WORKERS.values()}
    worker.metrics_slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)


def post_fork(_server: Any, worker: Any) -> None:
    """Tell the new process which slot it has."""
    global current
    current = worker.metrics_slot


def child_exit(_server: Any, worker: Any) -> None:
    """Forget what a dead worker was amid: it waits for nothing any more."""
    for live in Path(os.environ[FOLDER]).glob(f"gauge_live*_{worker.metrics_slot}.db"):
        live.unlink(missing_ok=True)


def on_exit(_server: Any) -> None:
    """Leave nothing behind."""
    with suppress(OSError):
        shutil.rmtree(os.environ[FOLDER])
