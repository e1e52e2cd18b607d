"""Bodies of every kind and encoding, at every address: no 5xx, no trace, no token, no session."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from idp.web.headers import BODY_LIMIT
from tests.functional.test_hostile_input import FUZZ
from tests.functional.test_hostile_input import MACHINES
from tests.functional.test_hostile_input import NAMES
from tests.functional.test_hostile_input import PAGES
from tests.functional.test_hostile_input import Target
from tests.functional.test_hostile_input import check
from tests.functional.test_hostile_input import encoded
from tests.functional.test_hostile_input import words
from tests.instance import Instance

FORM = "application/x-www-form-urlencoded"
ADDRESSES = st.sampled_from(PAGES + MACHINES)
BOUNDARY = "x7f"

names = st.one_of(st.sampled_from(NAMES), st.text(max_size=12))
parts = st.lists(
    st.tuples(
        names,
        st.one_of(words, st.binary(max_size=80)),
        st.sampled_from(["", "; filename=a.txt", '; filename="../../x"', "; filename*=utf-8''%ff"]),
        st.sampled_from(
            ["", "text/plain; charset=utf-16", "application/octet-stream", "\xff/\xff"]
        ),
    ),
    max_size=8,
)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=10,
)
charsets = st.sampled_from(
    ["utf-8", "latin-1", "utf-16", "utf-7", "utf-32", "idna", "rot13", "base64", "no-such", '"', ""]
)
encodings = st.sampled_from(["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "\xff", ""])
forms = st.lists(st.tuples(names, words), max_size=10)


@pytest.fixture
def target(make_instance: Callable[..., Instance]) -> Target:
    return Target(make_instance())


def multipart(some: list[tuple[str, str | bytes, str, str]], *, closed: bool) -> bytes:
    """A body in parts, whatever they hold."""
    body = b""
    for name, value, more, kind in some:
        content = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        head = f'Content-Disposition: form-data; name="{name}"{more}\r\n'
        head += f"Content-Type: {kind}\r\n" if kind else ""
        body += f"--{BOUNDARY}\r\n{head}\r\n".encode("utf-8", "surrogatepass") + content + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if closed else b"")


@FUZZ
@given(path=ADDRESSES, some=parts, closed=st.booleans())
@example(path="/token", some=[("grant_type", b"\xff\xfe", "; filename=x", "")] * 8, closed=True)
def test_any_body_in_parts(target: Target, path: str, some: Any, closed: bool) -> None:
    kind = f"multipart/form-data; boundary={BOUNDARY}"

    check(target.send("POST", path, data=multipart(some, closed=closed), content_type=kind), path)


@FUZZ
@given(path=ADDRESSES, content=documents, method=st.sampled_from(["POST", "PUT", "PATCH"]))
def test_any_json(target: Target, path: str, content: object, method: str) -> None:
    body = json.dumps(content).encode()

    check(target.send(method, path, data=body, content_type="application/json"), path)


@FUZZ
@given(path=ADDRESSES, some=forms, charset=charsets)
def test_any_form_in_any_charset(
    target: Target, path: str, some: list[tuple[str, str]], charset: str
) -> None:
    kind = f"{FORM}; charset={charset}"
    try:
        body = encoded(some).encode(charset or "ascii")
    except (LookupError, UnicodeError):
        body = encoded(some).encode()

    check(target.send("POST", path, data=body, content_type=kind), path)


@FUZZ
@given(path=ADDRESSES, some=forms, said=encodings, done=st.sampled_from(["gzip", "zlib", "none"]))
def test_any_form_in_any_encoding_is_not_unpacked(
    target: Target, path: str, some: list[tuple[str, str]], said: str, done: str
) -> None:
    body = encoded(some).encode()
    packed = {"gzip": gzip.compress(body), "zlib": zlib.compress(body), "none": body}[done]

    answer = target.send(
        "POST", path, data=packed, content_type=FORM, headers={"Content-Encoding": said}
    )

    check(answer, path)


@FUZZ
@given(
    path=ADDRESSES,
    name=names,
    first=words,
    second=words,
    where=st.sampled_from(["query", "form", "both"]),
)
def test_any_parameter_sent_twice(
    target: Target, path: str, name: str, first: str, second: str, where: str
) -> None:
    service = target.service
    asked = [*service.request().items(), *service.redemption("A" * 43).items()]
    one, two = encoded([*asked, (name, first)]), encoded([*asked, (name, second)])
    whole = encoded([*asked, (name, first), (name, second)])
    query = {"query": whole, "form": "", "both": one}[where]
    form = {"query": "", "form": whole, "both": two}[where]

    check(target.send("GET", path, query_string=query), path)
    check(target.send("POST", path, query_string=query, data=form, content_type=FORM), path)


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 4 * BODY_LIMIT])
def test_a_form_of_more_than_64_kb_is_read_nowhere(target: Target, size: int) -> None:
    for path in PAGES + MACHINES:
        for kind in (FORM, f"multipart/form-data; boundary={BOUNDARY}"):
            answer = target.send("POST", path, data=b"a=" + b"A" * (size - 2), content_type=kind)
            check(answer, path)
            assert answer.status_code in (404, 405, 413), path


@FUZZ
@given(
    path=ADDRESSES,
    name=st.sampled_from(NAMES),
    text=st.text(st.characters(codec="latin-1"), max_size=40),
)
def test_bytes_of_latin_1_where_utf_8_belongs(
    target: Target, path: str, name: str, text: str
) -> None:
    raw = f"{name}=".encode() + text.encode("latin-1").replace(b"&", b"")

    check(target.send("POST", path, data=raw, content_type=FORM), path)
    query = {"QUERY_STRING": raw.decode("latin-1").replace("\n", "")}
    check(target.visitor.http.open(path, environ_overrides=query, buffered=True), path)
