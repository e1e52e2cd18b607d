"""When a request has come whole: what the worker's loop looks for."""

import socket
from collections.abc import Iterator

import pytest

from idp.whole_requests import BODY_LIMIT
from idp.whole_requests import HEAD_LIMIT
from idp.whole_requests import Collected

POST = b"POST /token HTTP/1.1\r\nHost: x\r\n"
REQUESTS = {
    "no body": b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length": POST + b"Content-Length: 7\r\n\r\na=b&c=d",
    "a length among others": POST + b"content-length:\t3 \r\nA: b\r\n\r\na=b",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n4\r\n&c=d\r\n0\r\n\r\n",
    "chunks and a trailer": POST
    + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\nX-A: b\r\n\r\n",
    "no chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def collected(request: bytes) -> Collected:
    ours, theirs = socket.socketpair()
    collected = Collected()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.sendall(request)
        for _ in range(10):
            collected.take_from(ours)
    return collected


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_whole_with_its_last_byte_and_not_before(
    ends: tuple[socket.socket, socket.socket], request_: bytes
) -> None:
    ours, theirs = ends
    came = Collected()
    for at in range(len(request_)):
        theirs.sendall(request_[at : at + 1])
        came.take_from(ours)

        assert came.is_whole == (at == len(request_) - 1)
    assert not came.has_ended
    assert came.recv(10_000) == request_
    assert came.recv(10_000) == b""


def test_what_was_read_ahead_stands_before_what_came_later() -> None:
    came = collected(b"Host: x\r\n\r\n")

    came.put_back(b"GET / HTTP/1.1\r\n")

    assert came.is_whole
    assert came.recv(100) == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_nothing_to_read_is_no_end_and_a_client_that_hung_up_is_one(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    came = Collected()

    came.take_from(ours)
    assert not came.has_ended

    theirs.close()
    came.take_from(ours)
    assert came.has_ended


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + HEAD_LIMIT * b"a",
        POST + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1),
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + BODY_LIMIT * b"a" + b"a",
    ],
    ids=["head", "length", "chunks"],
)
def test_what_is_too_long_is_not_waited_for(request_: bytes) -> None:
    came = collected(request_)

    assert came.is_too_long
    assert not came.is_whole


@pytest.mark.parametrize(
    ("request_", "waits"),
    [
        (POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", True),
        (POST + b"Content-Length: 3\r\nexpect:100-Continue \r\n\r\n", True),
        (POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\na", False),
        (POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n", False),
        (POST + b"Content-Length: 3\r\n\r\n", False),
    ],
)
def test_who_waits_for_a_word_is_told_by_its_head(request_: bytes, waits: bool) -> None:
    assert collected(request_).expects_to_be_told == waits
