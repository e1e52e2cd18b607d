"""Searches every place where a running provider leaves anything for what should not be there.

``collect`` reads the places, ``found`` looks for each secret in each of its forms: as typed,
folded, escaped for an address or JSON, in hexadecimal or base64, and as a digest without salt,
which a short secret does not survive.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.parse import quote_plus

import redis
from sqlalchemy import inspect
from sqlalchemy import text
from sqlalchemy.engine import Engine

Places = dict[str, bytes]

SHORTEST_TO_SEARCH_ENCODED = 9
"""Of a shorter text the middle of its base64 may turn up by chance."""

GROUPED = 12
"""Symbols of a temporary password, written in groups of four or not."""


def collect(
    *, folders: Mapping[str, Path], engine: Engine, redis_url: str, **said: Iterable[str]
) -> Places:
    """Read all that there is, by the name of its place.

    Args:
        folders: every file under them, the printer's PDFs aside.
        engine: of the SQL store: every column of every table.
        redis_url: every key and value, and the commands that the server remembers.
        said: other texts, by the name of their place.
    """
    places: Places = {}
    for name, content in (
        *_files(folders),
        *_columns(engine),
        *_keys(redis_url),
        *((name, "\n".join(texts).encode()) for name, texts in said.items()),
    ):
        places[name] = places.get(name, b"") + b"\n" + content
    return places


def found(places: Mapping[str, bytes], secrets: Mapping[str, str]) -> set[tuple[str, str]]:
    """Give the secrets that stand somewhere, and where."""
    there = set()
    for name, secret in secrets.items():
        patterns = [_pattern(form) for form in _forms(secret)]
        for place, content in places.items():
            if any(pattern.search(content) for pattern in patterns):
                there.add((name, place))
    return there


def _forms(secret: str) -> set[bytes]:
    compact = re.sub(r"[\s.-]", "", secret)
    spelt = {secret, compact}
    if len(compact) == GROUPED:
        spelt |= {mark.join(re.findall("....", compact)) for mark in "- "}
    spelt |= {form.lower() for form in spelt} | {form.upper() for form in spelt}
    if secret.isdecimal():
        spelt.add(f"{secret[:3]} {secret[3:]}")  # a code as the mail writes it
    texts = {
        written
        for form in spelt
        for written in (form, quote(form), quote_plus(form), json.dumps(form)[1:-1])
    }
    forms = {written.encode() for written in texts}
    for form in {form.encode() for form in spelt}:
        forms |= {form.hex().encode(), *_digests(form)}
        if len(form) >= SHORTEST_TO_SEARCH_ENCODED:
            forms |= set(_base64(form))
    return forms


def _digests(form: bytes) -> Iterator[bytes]:
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(algorithm, form, usedforsecurity=False).digest()
        yield digest
        yield digest.hex().encode()
        yield base64.b64encode(digest).rstrip(b"=")
        yield base64.urlsafe_b64encode(digest).rstrip(b"=")


def _base64(form: bytes) -> Iterator[bytes]:
    """What stays of it in the base64 of a longer text, wherever it stands there."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + form)
        # The symbols at both ends depend on the neighbours too.
        whole = encoded[(before * 8 + 5) // 6 : (before + len(form)) * 8 // 6]
        yield whole
        yield whole.translate(bytes.maketrans(b"+/", b"-_"))


def _pattern(form: bytes) -> re.Pattern[bytes]:
    if form.replace(b" ", b"").isdigit():
        # A few digits stand inside many a number; alone they are what was searched for.
        return re.compile(rb"(?<![0-9A-Za-z.])" + re.escape(form) + rb"(?![0-9A-Za-z])")
    return re.compile(re.escape(form))


def _files(folders: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    for name, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            yield "file names", path.name.encode()
            if path.is_file() and path.suffix != ".pdf":
                yield f"file {name}/{path.relative_to(folder)}", path.read_bytes()


def _columns(engine: Engine) -> Iterator[tuple[str, bytes]]:
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608
                for column, value in row.items():
                    yield f"sql {table}.{column}", str(value).encode()


def _keys(url: str) -> Iterator[tuple[str, bytes]]:
    client: Any = redis.Redis.from_url(url)  # its types know of no bytes
    with client:
        for key in client.scan_iter(count=1_000):
            place = f"redis {key.partition(b':')[0].decode()}"
            yield place, key
            yield place, _value(client, key)
        for entry in client.slowlog_get(100_000):
            yield "redis commands", entry["command"]


def _value(client: Any, key: bytes) -> bytes:  # Any: as above
    readers: dict[bytes, Callable[[], object]] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda: client.lrange(key, 0, -1),
        b"none": lambda: b"",  # it ended a moment ago
    }
    return b"\n".join(_flat(readers[client.type(key)]()))


def _flat(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _flat(pair)
    elif isinstance(value, (list, tuple, set)):
        for one in value:
            yield from _flat(one)
    else:
        yield str(value).encode()
