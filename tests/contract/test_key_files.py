import logging
import os
import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

import idp.infra.key_reading
from idp.infra.key_files import KeyFiles
from idp.infra.key_names import BrokenKeyFile
from idp.infra.key_passphrase import change_passphrase
from idp.infra.key_passphrase import generate_missing_passphrase
from idp.infra.key_passphrase import read_passphrases
from idp.infra.private_files import replace_private_file
from idp.oidc.signer import encrypted_anew
from idp.oidc.signer import generate
from idp.oidc.signer import opens

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def pass_a_look(self):
        self.seconds += 1.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def files(folder, clock):
    return KeyFiles(folder, monotonic=clock)


@pytest.fixture(scope="module")
def rsa_pem():
    return generate("RS256")


def put(path, content, mode=0o600):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def algs_and_starts(ring):
    return [(key.alg, key.signs_from) for key in ring]


def test_a_key_is_a_private_file_named_by_its_instant(files, folder):
    path = files.add("ES256", NOON)

    assert path == folder / "2026-12-01T12-00Z.ES256.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in folder.iterdir()] == [path.name]
    assert algs_and_starts(files.ring()) == [("ES256", NOON)]


def test_a_key_is_private_whatever_the_umask(files):
    before = os.umask(0)
    try:
        path = files.add("ES256", NOON)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600


def test_an_instant_of_another_zone_is_named_in_utc_and_cut_to_the_second(files):
    paris = datetime.fromisoformat("2026-12-01T13:00:07.9+01:00")

    path = files.add("ES256", paris)

    assert path.name == "2026-12-01T12-00-07Z.ES256.pem"
    assert algs_and_starts(files.ring()) == [("ES256", NOON + timedelta(seconds=7))]


def test_two_keys_of_one_algorithm_at_one_instant_follow_each_other_and_none_is_overwritten(files):
    first = files.add("ES256", NOON)
    content = first.read_bytes()

    second = files.add("ES256", NOON)
    other = files.add("RS256", NOON)

    assert first.read_bytes() == content
    assert second.name == "2026-12-01T12-00-01Z.ES256.pem"
    assert other.name == "2026-12-01T12-00Z.RS256.pem"
    assert len(files.ring()) == 3


def test_adds_at_once_lose_no_key(folder):
    threads = [
        threading.Thread(target=lambda: KeyFiles(folder).add("ES256", NOON)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ring = KeyFiles(folder).ring()
    assert [key.signs_from - NOON for key in ring] == [timedelta(seconds=n) for n in range(8)]


def test_a_folder_that_is_not_there_is_an_empty_ring_and_says_what_to_do(files):
    assert len(files.ring()) == 0
    assert "run `idp keys rotate`" in files.trouble


def test_another_process_sees_a_new_key_within_a_second_and_not_before_it_looks(
    folder, files, clock
):
    other = KeyFiles(folder, monotonic=clock)
    files.add("ES256", NOON)
    before = other.ring()

    files.add("ES256", NOON + HOUR)
    clock.seconds += 0.999

    assert other.ring() is before
    clock.seconds += 0.001
    assert len(other.ring()) == 2


def test_the_ring_is_the_same_object_until_the_keys_change(files, folder, clock):
    path = files.add("ES256", NOON)
    before = files.ring()

    for _ in range(3):
        clock.pass_a_look()
        assert files.ring() is before
    os.utime(path)
    clock.pass_a_look()
    assert files.ring() is before
    put(folder / "README.md", b"about keys")
    (folder / "lost+found").mkdir()
    clock.pass_a_look()
    assert files.ring() is before
    assert files.trouble == ""


def test_authlib_trap_22_a_key_is_parsed_once(files, clock, monkeypatch):
    parsed = []
    read_key = idp.infra.key_reading.read_key

    def counting(pem, *, signs_from, **more):
        parsed.append(signs_from)
        return read_key(pem, signs_from=signs_from, **more)

    monkeypatch.setattr(idp.infra.key_reading, "read_key", counting)
    files.add("ES256", NOON)
    first = next(iter(files.ring()))

    files.add("ES256", NOON + HOUR)
    clock.pass_a_look()

    assert next(iter(files.ring())) is first
    assert parsed == [NOON, NOON + HOUR]


def test_a_key_that_is_taken_away_leaves_the_ring(files, clock):
    leaked = files.add("ES256", NOON)
    files.add("ES256", NOON + HOUR)
    assert len(files.ring()) == 2

    leaked.unlink()
    clock.pass_a_look()

    assert algs_and_starts(files.ring()) == [("ES256", NOON + HOUR)]
    assert files.trouble == ""


def _cut(folder, pem):
    put(folder / "2026-12-02T00-00Z.RS256.pem", pem[:200])
    return "2026-12-02T00-00Z.RS256.pem: not a PEM"


def _empty(folder, pem):
    put(folder / "2026-12-02T00-00Z.RS256.pem", b"")
    return "2026-12-02T00-00Z.RS256.pem: not a PEM"


def _wrong_algorithm(folder, pem):
    put(folder / "2026-12-02T00-00Z.ES256.pem", pem)
    return "2026-12-02T00-00Z.ES256.pem: not a key for ES256"


def _unknown_algorithm(folder, pem):
    put(folder / "2026-12-02T00-00Z.PS256.pem", pem)
    return "2026-12-02T00-00Z.PS256.pem: not a key for PS256"


def _no_instant(folder, pem):
    put(folder / "current.pem", pem)
    return "current.pem: not named like"


def _impossible_instant(folder, pem):
    put(folder / "2026-02-30T00-00Z.RS256.pem", pem)
    return "2026-02-30T00-00Z.RS256.pem: not named like"


def _end_of_time(folder, pem):
    put(folder / "9999-12-31T23-59Z.RS256.pem", pem)
    return "9999-12-31T23-59Z.RS256.pem: not named like"


def _second_name_of_an_instant(folder, pem):
    put(folder / "2026-12-02T00-00-00Z.RS256.pem", pem)
    return "2026-12-02T00-00-00Z.RS256.pem: not named like"


def _copy_left_beside(folder, pem):
    put(folder / "2026-12-02T00-00Z.RS256.pem~", pem)
    return "2026-12-02T00-00Z.RS256.pem~: not named like"


def _readable_by_the_group(folder, pem):
    put(folder / "2026-12-02T00-00Z.RS256.pem", pem, mode=0o640)
    return "chmod 600"


def _readable_by_others(folder, pem):
    put(folder / "2026-12-02T00-00Z.RS256.pem", pem, mode=0o604)
    return "mode 0604"


def _link_to_nothing(folder, pem):
    folder.mkdir(exist_ok=True)
    (folder / "2026-12-02T00-00Z.RS256.pem").symlink_to("gone")
    return "2026-12-02T00-00Z.RS256.pem: No such file"


def _fifo(folder, pem):
    os.mkfifo(folder / "2026-12-02T00-00Z.RS256.pem", 0o600)
    return "is not a regular file"


def _one_key_in_two_files(folder, pem):
    put(folder / "2026-12-02T00-00Z.RS256.pem", pem)
    put(folder / "2026-12-03T00-00Z.RS256.pem", pem)
    return "the same key stands in two files"


FAULTS = [
    _cut, _empty, _wrong_algorithm, _unknown_algorithm, _no_instant, _impossible_instant,
    _end_of_time, _second_name_of_an_instant, _copy_left_beside, _readable_by_the_group,
    _readable_by_others, _link_to_nothing, _fifo, _one_key_in_two_files,
]  # fmt: skip


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__.strip("_"))
def test_a_fault_keeps_the_old_ring_says_so_once_and_ends_by_itself(
    plant, files, folder, clock, rsa_pem, caplog
):
    files.add("ES256", NOON)
    ring = files.ring()
    good = set(folder.iterdir())

    with caplog.at_level(logging.ERROR):
        told = plant(folder, rsa_pem)
        for _ in range(3):
            clock.pass_a_look()
            assert files.ring() is ring

    assert told in files.trouble
    (record,) = caplog.records
    assert told in record.getMessage()
    assert "PRIVATE" not in record.getMessage()
    for path in set(folder.iterdir()) - good:
        path.unlink()
    clock.pass_a_look()
    assert files.ring() is ring
    assert files.trouble == ""


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__.strip("_"))
def test_a_process_that_starts_refuses_a_fault_and_not_half_of_its_keys(
    plant, files, folder, clock, rsa_pem
):
    files.add("ES256", NOON)
    told = plant(folder, rsa_pem)

    starting = KeyFiles(folder, monotonic=clock)

    with pytest.raises(BrokenKeyFile) as refusal:
        starting.ring()
    assert told in str(refusal.value)
    assert told in starting.trouble


def test_a_changed_mode_is_noticed_although_the_content_is_the_same(files, clock):
    path = files.add("ES256", NOON)
    ring = files.ring()

    path.chmod(0o644)
    clock.pass_a_look()

    assert files.ring() is ring
    assert f"chmod 600 {path}" in files.trouble
    path.chmod(0o600)
    clock.pass_a_look()
    assert files.ring() is ring
    assert files.trouble == ""


def test_a_half_copied_key_joins_the_ring_once_it_is_whole(files, folder, clock, rsa_pem):
    files.add("ES256", NOON)
    ring = files.ring()
    path = put(folder / "2026-12-02T00-00Z.RS256.pem", rsa_pem[:700])
    clock.pass_a_look()
    assert files.ring() is ring

    path.write_bytes(rsa_pem)
    clock.pass_a_look()

    assert len(files.ring()) == 2
    assert files.trouble == ""


@pytest.mark.parametrize("gone", ["emptied", "removed"])
def test_a_volume_that_is_gone_keeps_the_ring_of_a_running_process(files, folder, clock, gone):
    path = files.add("ES256", NOON)
    ring = files.ring()

    path.unlink()
    if gone == "removed":
        folder.rmdir()
    clock.pass_a_look()

    assert files.ring() is ring
    assert str(folder) in files.trouble


def test_readers_during_many_adds_always_hold_a_whole_ring_and_see_it_grow(folder):
    writer = KeyFiles(folder)
    writer.add("ES256", NOON)
    # No pause between looks: each call lists the folder while files appear in it.
    reader = KeyFiles(folder, monotonic=iter(range(0, 10**9, 10)).__next__)
    done = threading.Event()
    sizes = [[] for _ in range(3)]

    def read(seen):
        while not done.is_set():
            seen.append(len(reader.ring()))

    threads = [threading.Thread(target=read, args=(seen,)) for seen in sizes]
    for thread in threads:
        thread.start()
    for n in range(1, 30):
        writer.add("ES256", NOON + n * HOUR)
    done.set()
    for thread in threads:
        thread.join()

    assert all(seen and min(seen) >= 1 for seen in sizes)
    assert all(seen == sorted(seen) for seen in sizes)
    assert len(reader.ring()) == 30
    assert reader.trouble == ""


def test_prune_erases_a_key_when_neither_a_token_nor_a_hint_can_come_back(folder, clock):
    files = KeyFiles(
        folder,
        longest_token=timedelta(minutes=10),
        longest_hint=timedelta(hours=8),
        monotonic=clock,
    )
    old = files.add("ES256", NOON - 24 * HOUR)
    new = files.add("ES256", NOON)
    other = files.add("RS256", NOON - 24 * HOUR)
    last_hint = NOON + timedelta(hours=8, minutes=10)

    assert files.prune(last_hint - timedelta(seconds=1)) == []
    assert files.prunable(last_hint) == [old]
    assert old.exists()
    assert files.prune(last_hint) == [old]
    assert sorted(folder.iterdir()) == sorted([new, other])
    assert len(files.ring()) == 2


def test_prune_never_erases_a_key_that_signs_or_will(files):
    files.add("ES256", NOON)
    files.add("ES256", NOON + 24 * HOUR)

    assert files.prune(NOON + 24 * HOUR) == []


def test_prune_erases_what_a_killed_writer_left_behind_an_hour_ago(files, folder):
    now = datetime.now(UTC)
    files.add("ES256", now)
    left = put(folder / ".2026-12-02T00-00Z.ES256.pem.77.writing", b"half a key")

    assert files.prune(now) == []
    assert files.prune(now + 2 * HOUR) == [left]


def test_prune_erases_nothing_while_the_folder_has_a_fault(files, folder, clock, rsa_pem):
    files.add("ES256", NOON - 24 * HOUR)
    files.add("ES256", NOON)
    files.ring()
    put(folder / "current.pem", rsa_pem)
    clock.pass_a_look()

    with pytest.raises(BrokenKeyFile, match=r"current\.pem"):
        files.prune(NOON + 24 * HOUR)

    assert len(list(folder.glob("*.ES256.pem"))) == 2


def test_a_key_that_was_revoked_leaves_a_file_that_says_so_in_its_name(files, folder, clock):
    files.add("ES256", NOON - HOUR)
    files.add("ES256", NOON + HOUR)
    leaked = next(iter(files.ring()))

    left = files.revoke(leaked, at=NOON + timedelta(seconds=30.5), note="sold with the disk")

    assert left.name == f"2026-12-01T11-00Z.ES256.revoked-2026-12-01T12-00-30Z.{leaked.kid}"
    assert left.read_text() == "sold with the disk\n"
    assert left.stat().st_mode & 0o777 == 0o600
    assert not files.path_of(leaked).exists()
    (revoked,) = files.ring().revoked.values()
    assert (revoked.kid, revoked.revoked_at) == (leaked.kid, NOON + timedelta(seconds=30))
    assert files.trouble == ""


def test_another_process_drops_a_revoked_key_within_a_second_even_beside_a_fault(
    files, folder, clock, rsa_pem
):
    files.add("ES256", NOON - HOUR)
    files.add("ES256", NOON + HOUR)
    other = KeyFiles(folder, monotonic=clock)
    leaked, following = other.ring()
    put(folder / "current.pem", rsa_pem)

    files.revoke(leaked, at=NOON, note="")
    clock.pass_a_look()

    assert list(other.ring()) == [following]
    assert other.ring().signing_key("ES256", now=NOON) is following
    assert "current.pem" in other.trouble
    before = other.ring()
    clock.pass_a_look()
    assert other.ring() is before
    (folder / "current.pem").unlink()
    clock.pass_a_look()
    assert list(other.ring()) == [following]


def test_a_name_that_only_looks_like_that_of_a_revoked_key_is_a_fault(files, folder, clock):
    files.add("ES256", NOON)
    files.ring()
    for name in (
        f"2026-12-01T11-00Z.ES256.revoked-2026-13-01T12-00Z.{'k' * 43}",
        f"2026-12-01T11-00-00Z.ES256.revoked-2026-12-01T12-00Z.{'k' * 43}",
        f"2026-12-01T11-00Z.ES256.revoked-2026-12-01T12-00Z.{'k' * 42}",
    ):
        path = put(folder / name, b"")
        clock.pass_a_look()
        assert name in files.trouble
        path.unlink()
        clock.pass_a_look()


def test_keys_are_written_under_the_first_passphrase_and_read_under_any(folder, clock):
    first, second = b"a passphrase of the first kind", b"a passphrase of the second kind"
    KeyFiles(folder, passphrases=lambda: (second,)).add("ES256", NOON)
    files = KeyFiles(folder, passphrases=lambda: (first, second), monotonic=clock)
    path = files.add("ES256", NOON + HOUR)

    assert len(files.ring()) == 2
    assert opens(path.read_bytes(), first)


def test_a_passphrase_that_changes_while_a_key_is_read_is_no_fault(folder):
    """The race: the key was read, then both were changed, then the passphrase is read."""
    old, new = b"the passphrase from before", b"the passphrase from now on"
    path = KeyFiles(folder, passphrases=lambda: (old,)).add("ES256", NOON)
    asked = []

    def passphrases():
        if not asked:
            replace_private_file(path, encrypted_anew(path.read_bytes(), (new, old)))
        asked.append(new)
        return (new,)

    assert len(KeyFiles(folder, passphrases=passphrases).ring()) == 1


def test_keys_are_encrypted_anew_under_running_processes_without_a_fault(folder, tmp_path):
    """A thousand looks, each of them at a folder in which keys are being replaced."""
    path = tmp_path / "secrets" / "keys_passphrase"
    generate_missing_passphrase(path)
    writer = KeyFiles(folder, passphrases=lambda: read_passphrases(path))
    for n in range(3):
        writer.add("ES256", NOON + n * HOUR)
    ticks = iter(range(0, 10**9, 10)).__next__
    reader = KeyFiles(folder, passphrases=lambda: read_passphrases(path), monotonic=ticks)
    ring, done, seen = reader.ring(), threading.Event(), []

    def look():
        while not done.is_set():
            seen.append((reader.ring() is ring, reader.trouble))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(6):
        change_passphrase(writer, path)
    done.set()
    thread.join()

    assert set(seen) == {(True, "")}
    assert len(KeyFiles(folder, passphrases=lambda: read_passphrases(path)).ring()) == 3


def test_a_change_of_passphrase_waits_for_another_one_that_is_under_way(folder, tmp_path):
    path = tmp_path / "passphrase"
    put(path, b"the former passphrase, long enough\n")
    first, second = (KeyFiles(folder, passphrases=lambda: read_passphrases(path)) for _ in "12")
    first.add("ES256", NOON)
    waits = threading.Thread(target=change_passphrase, args=(second, path))

    with first.turn():
        waits.start()
        waits.join(0.3)
        assert path.read_bytes() == b"the former passphrase, long enough\n"
    waits.join(10)

    assert len(KeyFiles(folder, passphrases=lambda: read_passphrases(path)).ring()) == 1
