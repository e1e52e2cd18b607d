"""What gunicorn itself says of a request that goes wrong: the kind of fault, nothing of whose."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.children import Child
from tests.running import ROOT
from tests.running import Running
from tests.running import eventually

NAME = "lefevre"  # as a query, a header or a path may hold it, and no net could know it
ADDRESS = "127.0.0.1"
UNREADABLE = {
    f"GET /userinfo?nom={NAME}\r\n\r\n": "InvalidRequestLine",
    f"GET /connexion?nom={NAME} HTTP/9.9\r\n\r\n": "InvalidHTTPVersion",
    f"{NAME} / HTTP/1.1\r\n\r\n": "InvalidRequestMethod",
    f"GET / HTTP/1.1\r\nCookie {NAME}\r\n\r\n": "InvalidHeader",
    f"GET / HTTP/1.1\r\nHost: x\r\nExpect: {NAME}\r\n\r\n": "ExpectationFailed",
    f"GET /{NAME * 2000} HTTP/1.1\r\nHost: x\r\n\r\n": "LimitRequestLine",
}
FAILING = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/header":
        start_response("200 OK", [("Location", environ["RAW_URI"] + chr(10))])
    elif environ["PATH_INFO"] == "/late":
        start_response("200 OK", [])(b"begun")
    try:
        environ[environ["RAW_URI"]]
    except KeyError as error:
        raise ValueError(environ["RAW_URI"]) from error
"""


def gunicorn_lines(said: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in said.splitlines()]
    return [line for line in lines if line["logger"] == "gunicorn.error"]


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[int, Child]]:
    """A gunicorn with our settings, at DEBUG, whose application fails: its port, its process."""
    (tmp_path / "failing.py").write_text(FAILING)
    bound = socket.create_server((ADDRESS, 0))
    child = Child(
        "gunicorn",
        [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py",
         "--pythonpath", str(tmp_path), "failing:app"],
        log=tmp_path / "gunicorn.log",
        env={
            **os.environ,
            "IDP_BIND": f"fd://{bound.fileno()}",
            "IDP_WORKERS": "1",
            "IDP_LOG_LEVEL": "DEBUG",
        },
        cwd=ROOT,
        keep=[bound.fileno()],
    )  # fmt: skip
    yield bound.getsockname()[1], child
    child.end()
    bound.close()


@pytest.mark.parametrize("request_text", UNREADABLE, ids=UNREADABLE.values())
def test_a_request_that_cannot_be_read_is_told_by_its_kind_alone(
    running: Running, request_text: str
) -> None:
    before = running.log.stat().st_size

    def said() -> str:
        return running.log.read_bytes()[before:].decode()

    running.send_raw(request_text.encode())
    eventually(lambda: gunicorn_lines(said()), told=said)

    (line,) = gunicorn_lines(said())
    assert line["level"] == "WARNING"
    assert line["message"] == f"Invalid request: {UNREADABLE[request_text]}"
    assert NAME not in said()
    assert ADDRESS not in said()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "ValueError"), ("/late", "ValueError"), ("/header", "InvalidResponseHeader")],
)
def test_a_fault_outside_of_the_applications_own_net_is_told_without_the_address_asked(
    failing: tuple[int, Child], path: str, kind: str
) -> None:
    port, child = failing

    with socket.create_connection((ADDRESS, port)) as connection:
        connection.sendall(f"GET {path}?nom={NAME} HTTP/1.0\r\nX-Name: {NAME}\r\n\r\n".encode())
        with connection.makefile("rb") as received:
            received.read()

    def faults() -> list[dict[str, Any]]:
        return [line for line in gunicorn_lines(child.said()) if line["level"] == "ERROR"]

    eventually(faults, told=child.said)
    (line,) = faults()
    assert line["message"] == f"Error handling request: {kind}"
    assert line["exc_info"].startswith("Traceback")
    assert "failing.py" in line["exc_info"]  # where it went wrong is told
    assert line["exc_info"].endswith(kind)
    assert NAME not in child.said()


def test_a_request_that_breaks_off_is_not_quoted_at_debug(failing: tuple[int, Child]) -> None:
    port, child = failing

    with socket.create_connection((ADDRESS, port)) as connection:
        connection.sendall(f"GET /connexion?nom={NAME}".encode())

    eventually(lambda: "NoMoreData" in child.said(), told=child.said)
    assert NAME not in child.said()


def test_a_number_of_workers_that_is_none_refuses_the_start_in_one_line() -> None:
    started = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "nobody:app"],
        env={**os.environ, "IDP_WORKERS": "abc"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert started.returncode == 1
    assert started.stderr == "not started: IDP_WORKERS: a whole number, 1 or more\n"
