"""The loopback addresses that a start listens on, looked at before anything starts."""

import errno
import socket

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class BusyPort(Exception):
    """Something listens there already, or we may not; the text says what to do."""


def addresses(port: int, option: str, *, ipv6: bool) -> list[str]:
    """The addresses of ``port`` to listen on, as gunicorn writes them.

    Raises:
        BusyPort: one of them is taken, or not ours to take.
    """
    found = []
    for family, host in LOOPBACKS if ipv6 else LOOPBACKS[:1]:
        try:
            with socket.socket(family) as probe:
                # As gunicorn does: connections of the last start that linger do not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = (
                    f"Port {port} is in use by another program on this machine. "
                    f"Stop that program, or choose another port: bin/start {option} {port + 10}"
                )
                raise BusyPort(message) from None
            if error.errno == errno.EACCES:
                message = (
                    f"Port {port} is for the system's own programs. "
                    f"Choose one above 1023: bin/start {option} 8010"
                )
                raise BusyPort(message) from None
            if family == socket.AF_INET:
                raise
            continue  # a machine without IPv6
        found.append(f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}")
    return found
