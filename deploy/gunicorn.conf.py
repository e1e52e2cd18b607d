"""Gunicorn's settings: ``gunicorn -c deploy/gunicorn.conf.py "idp.app:create_app()"``.

What a machine decides comes from the environment: IDP_BIND, IDP_WORKERS, IDP_THREADS,
IDP_DRAIN_SECONDS, IDP_GRACEFUL_SECONDS, IDP_LOG_LEVEL. docs/operate/deployment.md explains the
numbers.
"""

import os
import resource
import time
from pathlib import Path
from typing import Any

import gunicorn

from idp import server as told
from idp.metrics import slots

# The image of a worker that crashed would hold the passwords of that moment in clear.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

gunicorn.SERVER = "idp"  # the whole Server header: neither product nor version

try:
    workers = told.number("IDP_WORKERS", os.environ)
    threads = told.number("IDP_THREADS", os.environ)
    graceful_timeout = told.number("IDP_GRACEFUL_SECONDS", os.environ)
    drain = told.number("IDP_DRAIN_SECONDS", os.environ)
except told.NoSuchNumber as wrong:
    raise SystemExit(f"not started: {wrong}") from None

bind = told.addresses(os.environ)
worker_class = "idp.whole_requests.Worker"  # gthread, which no slow client holds up
worker_connections = 200

# gunicorn's C parser is another project's; the Python one has had the years and the attackers.
http_parser = "python"
limit_request_line = 8190  # the waiting request travels in an address, 4 kB of it
limit_request_fields = 64
limit_request_field_size = 8190

# Nothing that a client or a proxy writes decides on scheme, path or address: see IDP_ISSUER and
# IDP_TRUSTED_PROXIES.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
header_map = "drop"

timeout = 30
keepalive = 5


def on_starting(server: Any) -> None:
    """Let SIGTERM turn ``/readyz`` red first, so that the proxy sends nobody when we stop."""
    from idp import draining  # before any worker is born: they share what it holds

    slots.on_starting(server)

    stop = server.handle_term

    def drain_and_stop() -> None:
        draining.begin()
        time.sleep(drain)  # the workers go on
        stop()

    if drain:
        server.handle_term = drain_and_stop


# A worker shows that it lives by touching a file; on a disk that can block for long.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn unlinks it
control_socket_disable = True
proc_name = "idp"

# The workers of one master count together: see IDP_METRICS_BIND.
pre_fork, post_fork = slots.pre_fork, slots.post_fork
child_exit, on_exit = slots.child_exit, slots.on_exit

# Requests are logged by the application, as JSON and without their query.
accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "idp.logs.JsonLines"}},
    "filters": {"without_request": {"()": "idp.logs.WithoutRequest"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["without_request"],
        },
    },
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {
            "level": os.environ.get("IDP_LOG_LEVEL", "INFO").upper(),
            "handlers": ["stderr"],
            "propagate": False,
        },
    },
}
