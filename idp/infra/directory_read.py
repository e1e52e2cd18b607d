"""The CSV file of the business system, line by line in flat memory.

``,`` or ``;`` (the header tells), UTF-8 with or without BOM, CRLF or LF, columns in any order. One
line is one row: a quote left open, or a line without end, spoils its own line and no other.
"""

import csv
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from idp import IdpError
from idp.identity.directory import COLUMNS
from idp.identity.directory import OPTIONAL_COLUMNS
from idp.identity.directory import Fault
from idp.identity.directory import shown

LINE_LIMIT = 16_384  # bytes; a row with every value at its limit needs a quarter of it
_PROGRESS_BYTES = 1 << 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UnreadableExport(IdpError):
    """The file is not an export at all; the text names the line and what to do."""

    code = "unreadable_export"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: its values in the order of ``COLUMNS``, or why it has none."""

    number: int
    values: Sequence[str] | Fault


def read(path: Path, on_bytes: Callable[[int], None] | None = None) -> Iterator[Line]:
    """Yield the lines below the header; empty ones are passed over.

    Args:
        path: read once from start to end, so that a pipe will do.
        on_bytes: told now and then how many more bytes were read.

    Raises:
        UnreadableExport: no such file, not UTF-8, or the header is not that of an export.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableExport(f"{path}: {error.strerror}") from None
    with file:
        layout = _read_header(file)
        number, told = 1, 0
        while raw := file.readline(LINE_LIMIT + 1):
            number += 1
            told += len(raw)
            if len(raw) > LINE_LIMIT:
                told += _skip_line(file, raw)
                found = f"more than {LINE_LIMIT} bytes"
                yield Line(number, Fault("line", found, f"{LINE_LIMIT} at most"))
            elif text := _decode(raw, number):
                yield Line(number, layout.values(text))
            if on_bytes is not None and told >= _PROGRESS_BYTES:
                on_bytes(told)
                told = 0
        if on_bytes is not None:
            on_bytes(told)


class _Layout:
    """What the header says: the separator, and where each column stands."""

    def __init__(self, header: str) -> None:
        separator = ";" if header.count(";") > header.count(",") else ","
        # Made once: to make it anew for every line would double the cost of reading.
        self._dialect = csv.reader((), delimiter=separator, strict=True).dialect
        names = [name.strip() for name in self._split(header)]
        _check_names(names)
        self._width = len(names)
        # A column that is left out is read from the empty value behind the last one.
        self._pick = itemgetter(
            *(names.index(column) if column in names else self._width for column in COLUMNS)
        )

    def values(self, text: str) -> Sequence[str] | Fault:
        """Split one line."""
        try:
            values = self._split(text)
        except csv.Error as error:
            expected = 'quotes closed on their line and doubled inside ("")'
            return Fault("line", f"broken quoting ({error})", expected)
        if len(values) != self._width:
            return Fault("line", f"{len(values)} columns", f"{self._width} expected")
        values.append("")
        picked: tuple[str, ...] = self._pick(values)
        return picked

    def _split(self, text: str) -> list[str]:
        return next(csv.reader((text,), self._dialect))


def _read_header(file: BinaryIO) -> _Layout:
    raw = file.readline(LINE_LIMIT + 1)
    if raw.startswith(_UTF_16_MARKS) or b"\0" in raw:
        raise UnreadableExport("line 1: UTF-16 or binary, not UTF-8: export the file as UTF-8")
    header = _decode(raw.removeprefix(_BYTE_ORDER_MARK), 1)
    if not header:
        raise UnreadableExport(f"line 1: no header, expected {', '.join(COLUMNS)}")
    if len(raw) > LINE_LIMIT or "\r" in header:
        raise UnreadableExport("line 1: has no end: lines must end with LF or CRLF")
    try:
        return _Layout(header)
    except csv.Error as error:
        raise UnreadableExport(f"line 1: broken quoting ({error})") from None


def _check_names(names: list[str]) -> None:
    required = [column for column in COLUMNS if column not in OPTIONAL_COLUMNS]
    wrong = {
        "missing": [column for column in required if column not in names],
        "unknown": [shown(name) for name in names if name not in COLUMNS],
        "twice": [column for column in COLUMNS if names.count(column) > 1],
    }
    faults = [f"{kind}: {', '.join(columns)}" for kind, columns in wrong.items() if columns]
    if faults:
        raise UnreadableExport(f"line 1: not the columns of an export; {'; '.join(faults)}")


def _decode(raw: bytes, number: int) -> str:
    try:
        return raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UnreadableExport(
            f"line {number}: byte 0x{raw[error.start]:02X} is not UTF-8: export the file as UTF-8"
        ) from None


def _skip_line(file: BinaryIO, start: bytes) -> int:
    skipped, piece = 0, start
    while piece and not piece.endswith(b"\n"):
        piece = file.readline(LINE_LIMIT)
        skipped += len(piece)
    return skipped
