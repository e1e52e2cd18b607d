"""Bytes on the wire of a real server: bodies in chunks, headers that contradict each other."""

import gzip
import json
import os
import re
from itertools import pairwise

from hypothesis import HealthCheck
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.functional.test_hostile_input import MACHINES
from tests.functional.test_hostile_input import NAMES
from tests.functional.test_hostile_input import PAGES
from tests.functional.test_hostile_input import TRACES
from tests.functional.test_hostile_input import encoded
from tests.functional.test_hostile_input import words
from tests.running import Running

FORM = b"application/x-www-form-urlencoded"
ADDRESSES = st.sampled_from(PAGES + MACHINES)
ON_THE_WIRE = settings(
    max_examples=int(os.environ.get("IDP_FUZZ_EXAMPLES", "60")),
    deadline=None,
    database=None,
    derandomize="IDP_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
forms = st.lists(st.tuples(st.sampled_from(NAMES), words), max_size=6).map(
    lambda some: encoded(some).encode()
)
octets = st.binary(max_size=60).map(lambda some: some.replace(b"\n", b""))
header_lines = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                [b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Connection", b"Expect",
                 b"Authorization", b"Cookie", b"Accept", b"Origin", b"Sec-Fetch-Site", b"Host",
                 b"X-Forwarded-For", b"X-Forwarded-Proto", b"Upgrade", b"Range", b"Te", b"Trailer",
                 b"Content-Encoding", b"If-None-Match", b"Referer", b"DPoP"]
            ),
            octets,
        ),
        st.tuples(octets, octets),
    ),
    max_size=6,
)  # fmt: skip


def looks_right(running: Running, received: bytes, log_from: int) -> None:
    """Answers of ours, or a connection that is closed; no 5xx; nothing went wrong behind them."""
    # 501 is HTTP's own word for a transfer coding that a server does not know (RFC 9112 6.1).
    statuses = re.findall(rb"^HTTP/1\.1 (\d+) ", received, re.MULTILINE)
    assert [status for status in statuses if status[:1] == b"5" and status != b"501"] == []
    text = received.decode("latin-1")
    assert not [trace for trace in TRACES if trace in text]
    assert "access_token" not in text
    with running.log.open("rb") as log:
        log.seek(log_from)
        said = [json.loads(line) for line in log.read().splitlines()]
    assert [line for line in said if line.get("level") == "ERROR" or "exc_info" in line] == []


def chunked(body: bytes, cuts: list[int]) -> bytes:
    """Cut a body into chunks."""
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    pieces = [body[a:b] for a, b in pairwise(edges)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@ON_THE_WIRE
@given(
    path=ADDRESSES,
    body=forms,
    cuts=st.lists(st.integers(0, 5000), max_size=5),
    encoding=st.sampled_from([b"", b"Content-Encoding: gzip\r\n"]),
)
def test_a_form_in_any_chunks(
    running: Running, path: str, body: bytes, cuts: list[int], encoding: bytes
) -> None:
    log_from = running.log.stat().st_size
    sent = gzip.compress(body, mtime=0) if encoding else body
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n" % (path.encode(), FORM)
    head += encoding + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    received = running.send_raw(head + chunked(sent, cuts))

    assert received.startswith(b"HTTP/1.1 ")
    looks_right(running, received, log_from)


@ON_THE_WIRE
@given(
    path=ADDRESSES,
    method=st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"TRACE", b"CONNECT"]),
    lines=header_lines,
    body=st.one_of(forms, st.binary(max_size=200)),
)
@example(path="/token", method=b"POST", lines=[(b"Transfer-Encoding", b"gzip")], body=b"x")
@example(
    path="/token",
    method=b"POST",
    lines=[(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")],
    body=b"0\r\n\r\nGET /jwks HTTP/1.1\r\nHost: x\r\n\r\n",
)
def test_any_header_lines(
    running: Running, path: str, method: bytes, lines: list[tuple[bytes, bytes]], body: bytes
) -> None:
    log_from = running.log.stat().st_size
    head = b"%s %s HTTP/1.1\r\nHost: x\r\n" % (method, path.encode())
    head += b"".join(b"%s: %s\r\n" % line for line in lines)
    if not any(name == b"Content-Length" for name, _ in lines):
        head += b"Content-Length: %d\r\n" % len(body)

    received = running.send_raw(head + b"Connection: close\r\n\r\n" + body)

    looks_right(running, received, log_from)


@ON_THE_WIRE
@given(line=st.binary(max_size=300), rest=st.binary(max_size=300))
@example(line=b"GET /authorize?" + b"a" * 9000 + b" HTTP/1.1", rest=b"Host: x\r\n\r\n")
@example(line=b"GET / HTTP/1.1", rest=b"Host: x\r\n" + b"A: b\r\n" * 200 + b"\r\n")
def test_anything_at_all(running: Running, line: bytes, rest: bytes) -> None:
    log_from = running.log.stat().st_size

    received = running.send_raw(line + b"\r\n" + rest)

    looks_right(running, received, log_from)


def test_both_workers_are_well_after_all_that(running: Running) -> None:
    running.wait_for_workers()

    assert running.ready()[0] == 200
