from base64 import urlsafe_b64encode

import pytest

from idp.infra.private_files import ExposedFile
from idp.infra.secret_files import NAMES
from idp.infra.secret_files import InvalidSecret
from idp.infra.secret_files import generate_missing_secrets
from idp.infra.secret_files import read_secrets


@pytest.fixture
def folder(tmp_path):
    generate_missing_secrets(tmp_path / "secrets")
    return tmp_path / "secrets"


def encoded(byte):
    return urlsafe_b64encode(bytes(range(byte, byte + 32))).rstrip(b"=")


def test_secrets_are_drawn_private_each_its_own_and_read_back(folder):
    secrets = read_secrets(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    values = {secrets.pepper, secrets.pairwise_salt, secrets.decoy_key, *secrets.cookie_keys}
    assert len(values) == 4
    assert {len(value) for value in values} == {32}


def test_what_exists_is_never_drawn_again(folder):
    before = read_secrets(folder)
    (folder / "decoy_key").unlink()

    assert generate_missing_secrets(folder) == [folder / "decoy_key"]
    assert generate_missing_secrets(folder) == []

    after = read_secrets(folder)
    assert (after.pepper, after.pairwise_salt) == (before.pepper, before.pairwise_salt)
    assert after.decoy_key != before.decoy_key


def test_the_repr_shows_nothing_of_a_secret(folder):
    assert repr(read_secrets(folder)) == "Secrets()"


def test_the_first_cookie_key_seals_and_the_others_still_open(folder):
    (folder / "cookie_key").write_bytes(encoded(1) + b"\n\n" + encoded(2) + b"\n")

    assert read_secrets(folder).cookie_keys == (bytes(range(1, 33)), bytes(range(2, 34)))


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_that_is_missing_is_named_with_what_to_do(folder, name):
    (folder / name).unlink()

    with pytest.raises(InvalidSecret, match=f"{name} is missing: restore it from the backup"):
        read_secrets(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
@pytest.mark.parametrize("name", NAMES)
def test_a_secret_that_others_can_touch_is_refused(folder, name, mode):
    (folder / name).chmod(mode)

    with pytest.raises(ExposedFile, match=f"chmod 600 .*{name}"):
        read_secrets(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 lines"),
        (b"\n", "0 lines"),
        (urlsafe_b64encode(bytes(range(31))), "31 bytes: expected 32"),
        (urlsafe_b64encode(bytes(range(33))), "33 bytes: expected 32"),
        (b"changeme", "6 bytes"),
        (b"A" * 43, "not random"),
        (b"!" * 43, "not base64url"),
        (encoded(9)[:-2] + b"!!", "not base64url"),
        (encoded(9)[:20] + b"\xff" + encoded(9)[20:], "not base64url"),
        (encoded(9) + b"A", "base64url|bytes"),
        (encoded(251 - 32)[:-1] + b"/", "not base64url"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_secret_that_is_weak_or_spoilt_is_named_and_never_quoted(folder, name, content, reason):
    (folder / name).write_bytes(content)

    with pytest.raises(InvalidSecret, match=reason) as refusal:
        read_secrets(folder)

    assert name in str(refusal.value)
    assert not content.strip() or content.decode("latin-1") not in str(refusal.value)


@pytest.mark.parametrize("name", ["pairwise_salt", "decoy_key", "cookie_key"])
def test_a_secret_that_is_a_copy_of_another_is_refused(folder, name):
    (folder / name).write_bytes((folder / "pepper").read_bytes())

    with pytest.raises(InvalidSecret, match=f"{name} holds the same secret as pepper"):
        read_secrets(folder)


def test_the_same_cookie_key_twice_is_refused(folder):
    (folder / "cookie_key").write_bytes(encoded(1) + b"\n" + encoded(1))

    with pytest.raises(InvalidSecret, match="cookie_key holds the same secret as cookie_key"):
        read_secrets(folder)


def test_two_lines_are_for_the_cookie_key_alone(folder):
    (folder / "pepper").write_bytes(encoded(1) + b"\n" + encoded(2))

    with pytest.raises(InvalidSecret, match="pepper holds 2 lines"):
        read_secrets(folder)
