"""Whether this server is about to stop: what its master tells its workers, through shared memory.

``/readyz`` is 503 from then on and a proxy sends nobody here any more, while all who come are still
served: only then does the server stop to listen, and no connection is waiting to be cut.
``deploy/gunicorn.conf.py`` begins it. This module is imported before the first worker is born.
"""

import mmap

_flag = mmap.mmap(-1, 1)  # shared by all who are forked from here


def begin() -> None:
    """Let every worker of this server say that it is not ready."""
    _flag[0] = 1


def probe() -> str:
    """Tell, as ``/readyz`` asks, whether the server stops."""
    return "stopping: another node serves" if _flag[0] else ""
