"""The printer's folder when the disk will not have it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest

from idp.infra.letter_spool import LetterSpool
from idp.infra.letter_spool import SpoolUnusable

AT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full after so many bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_is_told_in_a_sentence_and_leaves_no_half_of_a_letter(
    tmp_path: Path,
) -> None:
    spool = LetterSpool(tmp_path / "spool")

    def print_into_it() -> None:
        with spool.locked():
            batch = spool.new_batch(AT)
            spool.note(batch, [])
            with spool.sheet(batch) as sheet:
                sheet.write(b"a secret" * 1_000)

    with files_of_at_most(4_096), pytest.raises(SpoolUnusable) as told:
        print_into_it()

    assert str(spool.folder) in str(told.value)
    assert "File too large" in str(told.value)
    assert "idp letters print" in str(told.value)
    assert [path.name for path in spool.folder.iterdir() if b"secret" in path.read_bytes()] == []


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = LetterSpool(tmp_path / "file" / "spool")

    with pytest.raises(SpoolUnusable, match="Not a directory"), spool.locked():
        pytest.fail("it was locked")
