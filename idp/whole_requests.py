"""The gunicorn worker of the provider: its threads are given whole requests, and wait for nobody.

gunicorn's own ``gthread`` gives a connection a thread with its first byte, and reads the rest
there: sixteen clients that dribble hold two workers. It hangs up politely in the loop that accepts,
up to two seconds for each client that does not. Here that loop alone waits, for all at once::

    accepted --> collecting --whole--> a thread answers --> kept alive --> collecting
                     |                        |
                 not in time              "close" --> leaving --client hangs up--> closed
                     v                                   | not in time
                  closed                                 v
                                                       closed

When no place is left, who has waited longest goes. An answer fits into the socket's buffer, and who
has not read the last one gets no other, so that no thread waits for a reader either.
"""

import re
import selectors
import socket
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from functools import partial
from typing import Any

from gunicorn import http
from gunicorn.errors import ConfigError
from gunicorn.workers.gthread import ThreadWorker

CLOSE_AFTER_SECONDS = 10.0
"""How long a request may take to come whole, and a client that was answered to hang up."""

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 96 * 1024
"""Longer ones are not collected: the application refuses them by what they say of themselves, or,
in chunks, by the 64 kB of them that it reads."""

_SEND_BUFFER = 208 * 1024  # as much as Linux grants unasked
_READ_AT_ONCE = 64 * 1024
_LEFT_UNREAD = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_END = b"\r\n\r\n"
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class Collected:
    """What has come of a request; to gunicorn's parser a socket whose other end then hung up."""

    def __init__(self) -> None:
        self.has_ended = False
        self._came = b""

    def __len__(self) -> int:
        return len(self._came)

    def recv(self, size: int) -> bytes:
        """Give what has come; nothing more will, while a thread reads."""
        taken, self._came = self._came[:size], self._came[size:]
        return taken

    def put_back(self, read_ahead: bytes) -> None:
        """Take what the parser has read beyond its request."""
        self._came = read_ahead + self._came

    def take_from(self, connection: socket.socket) -> None:
        """Read what is there, without waiting."""
        try:
            came = connection.recv(_READ_AT_ONCE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        self.has_ended = not came
        self._came += came

    @property
    def is_whole(self) -> bool:
        """Tell whether the first request is here to its end.

        Where this errs, the parser meets the end too early and the sender is refused.
        """
        head, ends, body = self._came.partition(_END)
        if not ends:
            return False
        # The last chunk is empty, and so is the line behind it or behind its trailers.
        return body.endswith(_END) if _CHUNKED.search(head) else len(body) >= _length(head)

    @property
    def is_too_long(self) -> bool:
        """Tell whether the rest is not worth waiting for."""
        head, ends, body = self._came.partition(_END)
        if len(head) > HEAD_LIMIT:
            return True
        return bool(ends) and max(len(body), _length(head)) > BODY_LIMIT

    @property
    def expects_to_be_told(self) -> bool:
        """Tell whether the sender waits for a word before the body. Spec: RFC 9110 §10.1.1."""
        head, ends, body = self._came.partition(_END)
        return bool(ends) and not body and _EXPECTS.search(head + b"\r\n") is not None


def _length(head: bytes) -> int:
    found = _LENGTH.search(head + b"\r\n")
    return int(found.group(1)) if found else 0


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """``gthread``, whose loop collects. All of this runs in the loop's thread.

    ``pending_conns`` hold who sends and who leaves, in the order of their end. A connection, Any
    below, is gunicorn's TConn.
    """

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse TLS: it would be read as a request. It belongs to the proxy in front."""
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise ConfigError("this worker speaks no TLS: let a proxy in front do it")

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in, and see that there is a place for the next one."""
        if self.nr_conns + 1 >= self.worker_connections:
            waiting = self.pending_conns or self.keepalived_conns
            if waiting:
                longest = waiting.popleft()
                self.poller.unregister(longest.sock)
                self._close(longest)
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Collect a request, of a connection that is new or asks again."""
        if conn.parser is None:
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            conn.parser = http.get_parser(self.cfg, Collected(), conn.client)
            conn.data_ready = True  # for ``handle``, which would wait for it
        conn.was_told = False
        if self._is_ready(conn):
            self._hand_over(conn)
        else:
            self._wait(conn, self.on_pending_socket_readable)

    def on_pending_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Collect what has come since."""
        if self._is_ready(conn):
            self._wait_no_more(conn, client)
            self._hand_over(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep a connection that was answered, or take leave of it."""
        keeps = not fs.cancelled() and fs.exception() is None and fs.result()
        if not (keeps and conn.is_whole):  # what follows half a request is no request
            self._take_leave(conn)
            return
        collected = conn.parser.unreader.sock
        collected.put_back(conn.parser.unreader.take_buffered())
        if collected:
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def _is_ready(self, conn: Any) -> bool:
        collected = conn.parser.unreader.sock
        collected.take_from(conn.sock)
        conn.is_whole = collected.is_whole
        if conn.is_whole or collected.has_ended or collected.is_too_long:
            return True
        if collected.expects_to_be_told and not conn.was_told:
            conn.was_told = True
            with suppress(OSError):
                conn.sock.send(_GO_ON, socket.MSG_DONTWAIT)
        return False

    def _hand_over(self, conn: Any) -> None:
        if conn.parser.unreader.sock and not _is_unread(conn.sock):
            super().enqueue_req(conn)
        else:
            self._take_leave(conn)

    def _take_leave(self, conn: Any) -> None:
        """Say that nothing more comes, and let the client hang up first. Spec: RFC 9112 §9.6."""
        conn.left_unread = 0
        with suppress(OSError):  # gunicorn closed it amid an answer
            conn.sock.shutdown(socket.SHUT_WR)
        if self._has_hung_up(conn) or not self.alive:
            self._close(conn)
        else:
            self._wait(conn, self._on_leaving_socket_readable)

    def _on_leaving_socket_readable(self, conn: Any, client: socket.socket) -> None:
        if self._has_hung_up(conn):
            self._wait_no_more(conn, client)
            self._close(conn)

    def _has_hung_up(self, conn: Any) -> bool:
        try:
            came = len(conn.sock.recv(_READ_AT_ONCE, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False
        except OSError:
            return True
        conn.left_unread += came
        return came == 0 or conn.left_unread > _LEFT_UNREAD

    def _wait(self, conn: Any, on_readable: Callable[[Any, socket.socket], None]) -> None:
        conn.timeout = time.monotonic() + CLOSE_AFTER_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(on_readable, conn))

    def _wait_no_more(self, conn: Any, client: socket.socket) -> None:
        self.poller.unregister(client)
        self.pending_conns.remove(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()


def _is_unread(connection: socket.socket) -> bool:
    """Tell whether the client has not taken all of its last answer."""
    unsent = bytearray(4)
    with suppress(OSError):  # a system that does not tell it
        ioctl(connection, termios.TIOCOUTQ, unsent)
    return any(unsent)
