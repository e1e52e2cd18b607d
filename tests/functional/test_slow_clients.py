"""Clients that dribble, stall and never hang up hold a place in a queue, and no thread."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path

import pytest

from idp.whole_requests import CLOSE_AFTER_SECONDS
from tests.running import Running

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
THREADS = 16
"""Of both workers."""
MANY = 3 * THREADS
MORE_THAN_THERE_ARE_PLACES = 450
LARGEST = max(
    (path for path in (Path(__file__).parents[2] / "idp/static").rglob("*") if path.is_file()),
    key=lambda path: path.stat().st_size,
)


@contextmanager
def held(running: Running, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Open connections, send each its first bytes, and keep them."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = stack.enter_context(connect(running))
            connection.sendall(first)
            opened.append(connection)
        time.sleep(0.3)
        yield opened


def connect(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), timeout=20)


def dribble(connections: list[socket.socket], piece: bytes) -> None:
    for connection in connections:
        connection.sendall(piece)


def serves_everybody_at_once(running: Running) -> bool:
    """Whether one answer after another comes without a wait of seconds, from either worker."""
    began = time.monotonic()
    answers = [running.ask("GET", "/healthz").status for _ in range(6)]
    return answers == [200] * 6 and time.monotonic() - began < 1.5


def read_to_the_end(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as received:
        return received.read()


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", b"b"),
        (b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 500\r\n\r\n", b"c"),
        (
            b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n",
            b"1\r\nd\r\n",
        ),
        (
            b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Expect: 100-continue\r\n"
            b"Content-Length: 500\r\n\r\n",
            b"e",
        ),
    ],
    ids=["head", "body", "chunks", "expected"],
)
def test_slowloris_requests_that_dribble_hold_no_thread(
    running: Running, first: bytes, piece: bytes
) -> None:
    with held(running, MANY, first) as connections:
        for _ in range(3):
            dribble(connections, piece)

            assert serves_everybody_at_once(running)


def test_slowloris_a_request_that_does_not_become_whole_is_hung_up_on(running: Running) -> None:
    with held(running, 2, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ") as connections:
        began = time.monotonic()
        while time.monotonic() - began < CLOSE_AFTER_SECONDS + 5:
            time.sleep(0.5)
            try:
                dribble(connections, b"b")
            except OSError:
                break

        assert time.monotonic() - began < CLOSE_AFTER_SECONDS + 4


def test_who_was_answered_and_does_not_hang_up_holds_nobody_up(running: Running) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with held(running, MANY, request):
        assert serves_everybody_at_once(running)


@pytest.mark.parametrize("again", [1, 100], ids=["once", "again and again"])
def test_who_does_not_read_what_he_asked_for_holds_no_thread(running: Running, again: int) -> None:
    target = f"/static/{LARGEST.parent.name}/{LARGEST.name}"
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * again
    with ExitStack() as stack:
        for _ in range(MANY):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", running.port))
            connection.sendall(request)

        time.sleep(1)

        assert running.ask("GET", target).body == LARGEST.read_bytes()
        assert serves_everybody_at_once(running)


@pytest.mark.parametrize(
    "first",
    [b"", b"POST /token HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["silent", "begun", "kept alive"],
)
def test_more_connections_than_places_make_room_for_who_speaks(
    running: Running, first: bytes
) -> None:
    with held(running, MORE_THAN_THERE_ARE_PLACES, first):
        assert serves_everybody_at_once(running)


def test_a_request_may_come_in_pieces(running: Running) -> None:
    body = b"grant_type=authorization_code&client_id=nobody&code=x"
    head = b"POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + FORM
    sized = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for request in (sized, chunked):
        with connect(running) as connection:
            for at in range(0, len(request), 23):
                connection.sendall(request[at : at + 23])
                time.sleep(0.005)

            assert b'"error":"invalid_client"' in read_to_the_end(connection)


def test_who_waits_for_a_100_before_the_body_is_told_to_go_on(running: Running) -> None:
    head = (
        b"POST /token HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n" + FORM
    )
    with connect(running) as connection:
        connection.sendall(head + b"Content-Length: 16\r\n\r\n")
        told = connection.recv(100)
        connection.sendall(b"client_id=nobody")

        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert b'"error":"invalid_' in read_to_the_end(connection)


def test_requests_that_come_together_are_answered_in_turn_on_one_connection(
    running: Running,
) -> None:
    with connect(running) as connection:
        connection.sendall(
            b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 3\r\n\r\na=b"
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHo"
        )
        time.sleep(0.3)
        connection.sendall(b"st: x\r\nConnection: close\r\n\r\n")
        answers = re.findall(rb"^HTTP/1\.1 (\d+)", read_to_the_end(connection), re.MULTILINE)

    assert answers == [b"400", b"200", b"404"]


def test_request_smuggling_what_follows_a_body_too_long_to_read_is_no_request(
    running: Running,
) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 9000000\r\n\r\n"
    with connect(running) as connection:
        connection.sendall(head + hidden)
        time.sleep(0.3)
        connection.sendall(hidden)
        answer = read_to_the_end(connection)

    assert re.findall(rb"^HTTP/1\.1 (\d+)", answer, re.MULTILINE) == [b"413"]


def test_a_body_in_chunks_that_is_too_long_is_told_so_before_it_ends(running: Running) -> None:
    head = b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    with connect(running) as connection:
        connection.sendall(head + 25 * (b"1000\r\n" + 4096 * b"a" + b"\r\n"))

        assert read_to_the_end(connection).startswith(b"HTTP/1.1 413 ")


def test_who_hangs_up_amid_a_body_is_told_so_and_nothing_goes_wrong(running: Running) -> None:
    logged = running.log.stat().st_size

    answer = running.send_raw(
        b"POST /token HTTP/1.1\r\nHost: x\r\n" + FORM + b"Content-Length: 50\r\n\r\na=b"
    )

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"ERROR" not in running.log.read_bytes()[logged:]
