import os
import threading

import pytest

from idp.identity.directory import COLUMNS
from idp.identity.directory import Fault
from idp.infra.directory_read import LINE_LIMIT
from idp.infra.directory_read import UnreadableExport
from idp.infra.directory_read import read

HEADER = ";".join(COLUMNS)
VALUES = [f"v{n}" for n in range(len(COLUMNS))]
ROW = ";".join(VALUES)


@pytest.fixture
def lines(tmp_path):
    def read_bytes(content, **options):
        path = tmp_path / "export.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [(line.number, line.values) for line in read(path, **options)]

    return read_bytes


def told(lines, content):
    (fault,) = [values for _, values in lines(content) if isinstance(values, Fault)]
    return str(fault)


def refusal(lines, content):
    with pytest.raises(UnreadableExport) as refused:
        lines(content)
    return str(refused.value)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [";", ","])
def test_either_separator_line_end_and_byte_order_mark_are_read_alike(lines, separator, end, mark):
    content = mark + end.join([HEADER, ROW, ROW]).replace(";", separator) + end

    assert [(n, list(values)) for n, values in lines(content)] == [(2, VALUES), (3, VALUES)]


def test_the_last_line_needs_no_end(lines):
    assert len(lines(f"{HEADER}\n{ROW}")) == 1


def test_columns_may_stand_in_any_order(lines):
    content = ";".join(reversed(COLUMNS)) + "\n" + ";".join(reversed(VALUES)) + "\n"

    assert [list(values) for _, values in lines(content)] == [VALUES]


def test_password_hash_and_last_sign_in_may_be_left_out_whole(lines):
    content = ";".join(COLUMNS[:-2]) + "\n" + ";".join(VALUES[:-2]) + "\n"

    assert [list(values) for _, values in lines(content)] == [[*VALUES[:-2], "", ""]]


def test_quotes_hold_separators_and_doubled_quotes(lines):
    row = ROW.replace("v2;", '"LIEU DIT ""A;B""";')

    ((_, values),) = lines(f"{HEADER}\n{row}\n")

    assert values[2] == 'LIEU DIT "A;B"'


def test_empty_lines_are_passed_over_and_counted(lines):
    assert [n for n, _ in lines(f"{HEADER}\n\n{ROW}\r\n\r\n{ROW}\n\n")] == [3, 5]


def test_a_quote_left_open_spoils_its_own_line_only(lines):
    content = f"{HEADER}\n{ROW.replace('v3', chr(34) + 'v3')}\n{ROW}\n"

    (first, fault), (second, values) = lines(content)

    assert (first, second) == (2, 3)
    assert str(fault).startswith("line: broken quoting (")
    assert list(values) == VALUES


@pytest.mark.parametrize("count", [21, 23])
def test_too_few_and_too_many_columns_are_told(lines, count):
    content = f"{HEADER}\n{';'.join(['x'] * count)}\n"

    assert told(lines, content) == f"line: {count} columns, 22 expected"


def test_a_line_without_end_is_passed_over_to_the_next(lines):
    content = f"{HEADER}\n{'x' * LINE_LIMIT * 3}\n{ROW}\n"

    (_, fault), (number, values) = lines(content)

    assert str(fault) == "line: more than 16384 bytes, 16384 at most"
    assert (number, list(values)) == (3, VALUES)


def test_a_line_of_exactly_the_limit_is_read(lines):
    long = ROW + "x" * (LINE_LIMIT - len(ROW) - 1) + "\n"

    ((_, values),) = lines(f"{HEADER}\n{long}")

    assert not isinstance(values, Fault)


def test_another_encoding_is_refused_with_its_line_and_what_to_do(lines):
    content = f"{HEADER}\n{ROW}\n".encode() + ROW.replace("v2", "LEFÈVRE").encode("latin-1")

    assert refusal(lines, content) == ("line 3: byte 0xC8 is not UTF-8: export the file as UTF-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_refused_with_what_to_do(lines, encoding):
    assert "export the file as UTF-8" in refusal(lines, f"{HEADER}\n{ROW}\n".encode(encoding))


def test_a_nul_reaches_the_row_that_holds_it(lines):
    ((_, values),) = lines(f"{HEADER}\n{ROW.replace('v2', 'v' + chr(0))}\n")

    assert values[2] == "v\0"


def test_an_empty_file_is_no_export(lines):
    assert refusal(lines, b"").startswith("line 1: no header, expected qualite, ")


def test_every_wrong_column_of_the_header_is_named(lines):
    header = HEADER.replace("email", "mail").replace("gender", "phone")

    assert refusal(lines, f"{header}\n{ROW}\n") == (
        "line 1: not the columns of an export; missing: gender, email; unknown: 'mail'; "
        "twice: phone"
    )


def test_lines_that_end_with_a_carriage_return_alone_are_refused(lines):
    assert "lines must end with LF" in refusal(lines, f"{HEADER}\r{ROW}\r")


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(UnreadableExport, match=str(path)):
            list(read(path))


def test_a_pipe_is_read_as_a_file_is(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(f"{HEADER}\n{ROW}\n",))
    writer.start()

    assert len(list(read(path))) == 1
    writer.join()


def test_progress_adds_up_to_what_was_read(lines):
    seen = []
    body = f"{ROW}\n" * 10_000 + "x" * LINE_LIMIT * 2 + "\n"

    lines(f"{HEADER}\n{body}", on_bytes=seen.append)

    assert sum(seen) == len(body)
    assert len(seen) > 2
