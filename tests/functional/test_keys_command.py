import os
import re
import subprocess
import sys
import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine
from sqlalchemy import text

from idp.cli import main
from idp.infra.key_files import KeyFiles
from idp.oidc.signer import encrypted_anew
from idp.oidc.signer import opens
from tests.running import ROOT
from tests.schema import migrate

HOUR = timedelta(hours=1)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def idp(data):
    """The command on a data folder of its own, with a database that is up to date."""
    migrate(f"sqlite:///{data / 'idp.sqlite'}")
    env = {"IDP_ISSUER": "http://localhost:8000", "IDP_DATA_DIR": str(data), "IDP_ENV_FILE": None}
    return lambda *words: CliRunner(env=env).invoke(main, ["--operator", "jeanne", *words])


@pytest.fixture
def files(data):
    return KeyFiles(data / "keys")


def audited(data):
    engine = create_engine(f"sqlite:///{data / 'idp.sqlite'}")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT event, operator, detail FROM audit_events"))
        found = [tuple(row) for row in rows]
    engine.dispose()
    return found


def test_the_first_key_of_an_algorithm_signs_at_once(idp, files):
    before = datetime.now(UTC).replace(microsecond=0)

    result = idp("keys", "add", "--alg", "ES256")

    assert result.exit_code == 0
    signing = files.ring().signing_key("ES256", now=datetime.now(UTC))
    assert before <= signing.signs_from <= datetime.now(UTC)
    assert signing.kid in result.stdout
    assert str(files.path_of(signing)) in result.stdout


def test_the_next_key_is_announced_for_a_day_unless_told_otherwise(idp, files):
    idp("keys", "add", "--alg", "ES256")

    assert idp("keys", "add", "--alg", "ES256").exit_code == 0
    assert idp("keys", "add", "--alg", "ES256", "--sign-from", "+90m").exit_code == 0

    now = datetime.now(UTC)
    waits = [key.signs_from - now for key in files.ring()][1:]
    assert waits[0] == pytest.approx(timedelta(minutes=90), abs=timedelta(minutes=1))
    assert waits[1] == pytest.approx(24 * HOUR, abs=timedelta(minutes=1))


@pytest.mark.parametrize("sign_from", ["now", "+0s", "+5m", "+655s"])
def test_a_key_that_services_could_not_have_seen_is_refused_with_the_reason(idp, files, sign_from):
    idp("keys", "add", "--alg", "ES256")

    result = idp("keys", "add", "--alg", "ES256", "--sign-from", sign_from)

    assert result.exit_code == 1
    assert "services keep our key list for up to 0:11:00" in result.stderr
    assert "for a key that has leaked, `idp keys revoke`" in result.stderr
    assert len(files.ring()) == 1


def test_a_key_of_another_algorithm_needs_no_announcement(idp, files):
    idp("keys", "add", "--alg", "ES256")

    assert idp("keys", "add", "--alg", "RS256", "--sign-from", "now").exit_code == 0

    assert len(files.ring()) == 2


@pytest.mark.parametrize(
    "sign_from",
    ["2020-01-01T00:00Z", "2030-01-01", "2030-01-01T00:00", "tomorrow", "24h", "+24", "-1h", "+1y"],
)
def test_an_instant_that_has_passed_or_is_not_clear_is_refused(idp, files, sign_from):
    result = idp("keys", "add", "--alg", "ES256", f"--sign-from={sign_from}")

    assert result.exit_code == 1
    assert (
        result.stderr.startswith(f"Error: --sign-from {sign_from}") or "expected" in result.stderr
    )
    assert len(files.ring()) == 0


@pytest.mark.parametrize("sign_from", ["+91d", "+99999d", "2099-01-04T03:00Z", "9999-12-31T23:59Z"])
def test_a_key_that_would_keep_rotation_waiting_longer_than_a_lifetime_is_refused(
    idp, files, sign_from
):
    idp("keys", "rotate")
    before = sorted(files.folder.iterdir())

    result = idp("keys", "add", "--alg", "ES256", "--sign-from", sign_from)

    assert result.exit_code == 1
    assert "IDP_KEY_LIFETIME" in result.stderr
    assert sorted(files.folder.iterdir()) == before


def test_an_instant_in_the_zone_of_paris_is_kept_in_utc(idp, files):
    instant = (datetime.now(UTC) + 48 * HOUR).replace(second=0, microsecond=0)
    paris = instant.astimezone(datetime.fromisoformat("2026-12-01T00:00+01:00").tzinfo)

    assert idp("keys", "add", "--alg", "ES256", "--sign-from", paris.isoformat()).exit_code == 0

    assert [key.signs_from for key in files.ring()] == [instant]


def test_a_key_is_drawn_in_turn_and_never_amid_a_change_of_the_passphrase(idp, files):
    adds = threading.Thread(target=idp, args=("keys", "add", "--alg", "ES256"))

    with files.turn():
        adds.start()
        adds.join(1.0)
        assert list(files.folder.glob("*.pem")) == []
    adds.join(10)

    assert len(files.ring()) == 1


def test_another_algorithm_is_wrong_use(idp):
    assert idp("keys", "add", "--alg", "HS256").exit_code == 2


def test_the_list_says_in_words_what_each_key_does(idp, files):
    now = datetime.now(UTC).replace(microsecond=0)
    for begins in (-900 * HOUR, -800 * HOUR, -5 * HOUR, -timedelta(minutes=5), 24 * HOUR):
        files.add("ES256", now + begins)

    result = idp("keys", "list")

    states = re.findall(r" ES256: (.*)", result.stdout)
    assert [state.split(",")[0].split(":")[0] for state in states] == [
        "serves nothing any more",
        "not published",
        "signs no more",
        "signs",
        "announced",
    ]
    successor = (now - 5 * HOUR).strftime("%Y-%m-%d %H:%M:%SZ")
    assert f"retires   {successor}\n" in result.stdout
    left = (now - 5 * HOUR + timedelta(minutes=11)).strftime("%Y-%m-%d %H:%M:%SZ")
    assert f"unlisted  {left}\n" in result.stdout
    gone = (now - 5 * HOUR + timedelta(days=30, minutes=11)).strftime("%Y-%m-%d %H:%M:%SZ")
    assert f"removed   {gone}\n" in result.stdout
    assert "retires   when a successor begins to sign\n" in result.stdout


def test_an_empty_folder_is_listed_with_what_to_do(idp):
    assert "run `idp keys rotate`" in idp("keys", "list").stdout


def test_prune_says_first_and_erases_then_what_serves_nothing_any_more(idp, files, data):
    now = datetime.now(UTC)
    old = files.add("ES256", now - 1000 * HOUR)
    kid = next(iter(files.ring())).kid
    files.add("ES256", now - 800 * HOUR)

    said = idp("keys", "prune", "--dry-run")
    assert said.stdout == f"would erase {old}\n"
    assert old.exists()
    assert audited(data) == []

    assert idp("keys", "prune").stdout == f"erased {old}\n"
    assert not old.exists()
    ((event, operator, detail),) = audited(data)
    assert (event, operator) == ("key.removed", "jeanne")
    assert kid in detail
    assert "nothing to erase" in idp("keys", "prune").stdout


def test_a_new_key_is_audited_with_its_operator_and_never_with_what_it_holds(idp, files, data):
    idp("keys", "add", "--alg", "ES256")

    ((event, operator, detail),) = audited(data)
    signing = next(iter(files.ring()))
    assert (event, operator) == ("key.added", "jeanne")
    assert signing.kid in detail
    assert "PRIVATE" not in detail


@pytest.mark.parametrize(
    "database", ["postgresql+psycopg://idp@127.0.0.1:1/idp", "sqlite:////dev/null/idp.sqlite"]
)
def test_a_key_is_added_without_sql_and_stderr_says_that_it_was_not_audited(data, files, database):
    env = {
        "IDP_ISSUER": "http://localhost:8000",
        "IDP_DATA_DIR": str(data),
        "IDP_DATABASE_URL": database,
        "IDP_ENV_FILE": None,
    }

    result = CliRunner(env=env).invoke(main, ["keys", "add", "--alg", "ES256"])

    assert result.exit_code == 0
    assert "not audited" in result.stderr
    assert len(files.ring()) == 1


def test_a_broken_file_is_named_and_nothing_is_done(idp, files):
    files.add("ES256", datetime.now(UTC))
    broken = files.folder / "current.pem"
    broken.write_text("x")

    for words in (["list"], ["add", "--alg", "ES256"], ["prune"]):
        result = idp("keys", *words)

        assert result.exit_code == 1
        assert str(broken) in result.stderr
    assert len(list(files.folder.iterdir())) == 2


def test_secrets_are_drawn_once_checked_each_time_and_never_shown(idp, data):
    first = idp("secrets")
    again = idp("secrets")

    assert first.exit_code == again.exit_code == 0
    assert first.stdout.count("drawn: ") == 5
    assert "drawn: " not in again.stdout
    for path in (data / "secrets").iterdir():
        assert path.read_text().strip() not in first.stdout + again.stdout


def test_a_secret_drawn_beside_others_warns_that_the_backup_may_be_wanted(idp, data):
    idp("secrets")
    (data / "secrets" / "pepper").unlink()

    assert "restore these files from the backup" in idp("secrets").stderr


def test_a_secret_that_others_can_read_is_named(idp, data):
    idp("secrets")
    (data / "secrets" / "pepper").chmod(0o644)

    result = idp("secrets")

    assert result.exit_code == 1
    assert "pepper has mode 0644" in result.stderr


def test_the_list_shows_the_good_keys_before_the_broken_file(idp, files):
    files.add("ES256", datetime.now(UTC))
    (key,) = files.ring()
    (files.folder / "current.pem").touch(mode=0o600)

    result = idp("keys", "list")

    assert f"{key.kid} ES256: signs" in result.stdout
    assert "current.pem: not named like" in result.stderr
    assert result.exit_code == 1


def drawn_by(idp, *words):
    result = idp("keys", "rotate", *words)
    assert result.exit_code == 0, result.output
    return re.findall(r"^drew (\S+): (\w+)", result.stdout, re.MULTILINE), result.stdout


def test_the_first_rotation_draws_for_each_algorithm_a_key_that_signs_and_one_that_follows(
    idp, files, data
):
    drawn, said = drawn_by(idp)

    now = datetime.now(UTC)
    assert sorted(alg for _, alg in drawn) == ["ES256", "ES256", "RS256", "RS256"]
    for alg in ("ES256", "RS256"):
        signing, following = [key for key in files.ring() if key.alg == alg]
        assert signing.signs_from <= now
        assert timedelta(days=89) < following.signs_from - now <= timedelta(days=90, minutes=1)
        assert f"{signing.kid} {alg}: signs" in said
        assert f"{following.kid} {alg}: announced" in said
    assert [event for event, *_ in audited(data)] == ["key.added"] * 4


def test_a_second_rotation_does_nothing_and_says_until_when(idp, files):
    drawn_by(idp)
    before = sorted(files.folder.iterdir())

    drawn, said = drawn_by(idp)

    assert drawn == []
    assert "nothing is due before " in said
    assert sorted(files.folder.iterdir()) == before


def test_a_rotation_that_only_tells_writes_nothing(idp, data):
    drawn, said = drawn_by(idp, "--dry-run")

    assert drawn == []
    assert said.count("would draw a key: ") == 4
    assert not (data / "keys").exists()
    assert audited(data) == []


def test_a_key_that_began_to_sign_gets_a_successor_and_a_spent_one_goes(idp, files):
    now = datetime.now(UTC)
    for alg in ("ES256", "RS256"):
        files.add(alg, now - timedelta(days=100))
        files.add(alg, now - timedelta(days=40))

    drawn, said = drawn_by(idp)

    assert len(drawn) == 2
    assert said.count("erased ") == 2
    waits = [key.signs_from - now for key in files.ring() if key.signs_from > now]
    assert all(timedelta(days=49) < wait < timedelta(days=51) for wait in waits)


def test_two_hosts_that_rotate_at_once_draw_each_key_once(data, idp, files):
    """The hazard: both find no successor and draw two, of which one signs a second later."""
    command = [sys.executable, "-m", "idp", "keys", "rotate"]
    env = {"IDP_ISSUER": "http://localhost:8000", "IDP_DATA_DIR": str(data), "PATH": os.defpath}
    hosts = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(4)]

    assert [host.wait(60) for host in hosts] == [0, 0, 0, 0]

    assert sorted(key.alg for key in files.ring()) == ["ES256", "ES256", "RS256", "RS256"]
    for host in hosts:
        host.stdout.close()


PASSPHRASE = "keys_passphrase"


def test_where_secrets_were_drawn_first_no_key_ever_lies_on_the_disk_in_clear(idp, files, data):
    idp("secrets")
    drawn_by(idp)

    contents = [path.read_bytes() for path in files.folder.glob("*.pem")]
    assert len(contents) == 4
    assert all(b"BEGIN ENCRYPTED PRIVATE KEY" in content for content in contents)
    assert {path.stat().st_mode & 0o777 for path in files.folder.glob("*.pem")} == {0o600}
    assert "ES256: signs" in idp("keys", "list").stdout


def test_a_key_whose_passphrase_is_lost_is_named_and_its_content_is_not(idp, files, data):
    idp("secrets")
    drawn_by(idp)
    (data / "secrets" / PASSPHRASE).unlink()

    result = idp("keys", "rotate")

    assert result.exit_code == 1
    assert "the key is encrypted with a passphrase, and there is none to open it" in result.stderr
    assert str(files.folder) in result.stderr
    assert "-----" not in result.output


def test_a_passphrase_file_that_a_setting_names_must_be_there(data, files):
    env = {
        "IDP_ISSUER": "http://localhost:8000",
        "IDP_DATA_DIR": str(data),
        "IDP_KEYS_PASSPHRASE_FILE": str(data / "elsewhere"),
        "IDP_ENV_FILE": None,
    }

    result = CliRunner(env=env).invoke(main, ["keys", "rotate"])

    assert result.exit_code == 1
    assert "elsewhere is missing: restore it from the backup" in result.stderr
    assert len(files.ring()) == 0


@pytest.mark.parametrize("content", ["", "court\n", "a" * 30 + "\n" + "b" * 5, "c" * 30 + "\n\n"])
def test_what_is_no_passphrase_is_refused_and_not_shown(idp, data, content):
    idp("secrets")
    (data / "secrets" / PASSPHRASE).write_text(content)

    result = idp("keys", "rotate")

    assert result.exit_code == 1
    assert "expected one passphrase of 20 characters at least" in result.stderr
    assert not [line for line in content.split() if line in result.output]


def test_keys_in_clear_are_encrypted_in_place_and_stay_the_same_keys(idp, files, data):
    drawn_by(idp)
    before = {path.name: path.stat().st_mtime_ns for path in files.folder.glob("*.pem")}
    kids = [key.kid for key in files.ring()]
    assert "keys_passphrase is missing" in idp("keys", "rewrap").stderr
    idp("secrets")

    result = idp("keys", "rewrap")

    assert result.exit_code == 0
    assert result.stdout.count("encrypted ") == 4
    assert {path.name: path.stat().st_mtime_ns for path in files.folder.glob("*.pem")} == before
    assert all(kid in idp("keys", "list").stdout for kid in kids)
    assert "nothing to do" in idp("keys", "rewrap").stdout
    assert audited(data)[-1][:2] == ("key.rewrapped", "jeanne")


def test_another_passphrase_opens_every_key_and_the_former_one_opens_none(idp, files, data):
    idp("secrets")
    drawn_by(idp)
    former = (data / "secrets" / PASSPHRASE).read_bytes().strip()

    result = idp("keys", "rewrap", "--new")

    assert result.exit_code == 0
    drawn = (data / "secrets" / PASSPHRASE).read_bytes().strip()
    pems = [path.read_bytes() for path in files.folder.glob("*.pem")]
    assert len(pems) == 4
    assert all(opens(pem, drawn) and not opens(pem, former) for pem in pems)
    assert (data / "secrets" / PASSPHRASE).stat().st_mode & 0o777 == 0o600
    assert drawn.decode() not in result.output
    assert idp("keys", "list").exit_code == 0


def test_a_change_of_passphrase_that_was_cut_short_is_brought_to_its_end(idp, files, data):
    idp("secrets")
    drawn_by(idp)
    path = data / "secrets" / PASSPHRASE
    former = path.read_bytes().strip()
    # Killed between the first key and the second.
    path.write_bytes(b"d" * 43 + b"\n" + former + b"\n")
    first = min(files.folder.glob("*.pem"))
    first.write_bytes(encrypted_anew(first.read_bytes(), (b"d" * 43, former)))
    assert idp("keys", "list").exit_code == 0

    assert idp("keys", "rewrap", "--new").exit_code == 0

    (drawn,) = path.read_bytes().split()
    assert drawn not in (former, b"d" * 43)
    assert all(opens(one.read_bytes(), drawn) for one in files.folder.glob("*.pem"))


def test_doctor_says_that_keys_lie_in_clear_and_how_to_mend_it(idp, data):
    drawn_by(idp)
    assert "4 of them lie in clear on this disk; run idp keys rewrap" in idp("doctor").stdout
    idp("secrets")
    idp("keys", "rewrap")

    assert "in clear" not in idp("doctor").stdout


def test_doctor_tells_of_a_clock_that_is_ahead_of_this_one(idp, files):
    """Hosts that disagree on the time would sign with different keys around a change."""
    drawn_by(idp)
    path = next(files.folder.glob("*.pem"))
    ahead = datetime.now(UTC) + timedelta(seconds=88)
    os.utime(path, (ahead.timestamp(), ahead.timestamp()))

    said = idp("doctor").stdout

    assert re.search(rf"{re.escape(str(path))} was written [78][0-9] s from now", said)
    assert "the clocks of two" in said
