"""The directory, as the operator's command takes it in, on real stores."""

import csv
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine
from sqlalchemy import text

from idp import StoreUnavailable
from idp.audit import Actor
from idp.cli import main
from idp.identity.contact import MailMix
from idp.identity.directory import COLUMNS
from idp.identity.dossier import NumeroPatterns
from idp.identity.dossier import Qualite
from idp.infra.directory import DirectoryImport
from idp.infra.directory import ImportRunning
from idp.infra.directory import SessionsLeftOpen
from idp.infra.directory_read import read
from idp.infra.mail_mix import stored_mail_mixes
from idp.parts import Parts
from idp.session import Ended
from idp.session import Session
from idp.session import SignedIn
from idp.settings import read_settings
from tests.schema import migrate

pytestmark = pytest.mark.stores

SAMPLES = Path(__file__).parents[1] / "data"
NOWHERE = "redis://localhost:1"
BCRYPT = "$2b$12$7bk8xNCSY2kW3cfXpjnwu.546RN/ZdedTo54oMYik8T0DsXvepIgW"
OTHER_BCRYPT = "$2b$12$RqrO16f85rMi4VPxVYNRlulHKT.JP4PaHBguK24pI87Xp7O.RaKxG"
OURS = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43
ANNE = {
    "qualite": "affilie",
    "numero_dossier": "1000017",
    "family_name": "LEFÈVRE",
    "given_names": "Anne Marie",
    "gender": "female",
    "birthdate": "1978-03-09",
    "birthplace": "35238",
    "birthcountry": "99100",
    "email": "anne@exemple.fr",
    "address_1": "MME ANNE LEFEVRE",
    "situations": "cotisant",
    "status": "active",
}
PAUL = ANNE | {"numero_dossier": "1000018", "given_names": "Paul", "email": ""}


class Directory:
    """A migrated store, the operator's command on it, and a look inside."""

    def __init__(self, folder, url, redis_url):
        self.folder, self.url, self.redis_url = folder, url, redis_url
        migrate(url)

    @property
    def environment(self):
        return {
            "IDP_ISSUER": "http://localhost:8000",
            "IDP_DATABASE_URL": self.url,
            "IDP_REDIS_URL": self.redis_url,
            "IDP_ENV_FILE": None,
        }

    def command(self, *words):
        words = ["--operator", "jeanne", "dossiers", *map(str, words)]
        return CliRunner(env=self.environment).invoke(main, words)

    def export(self, *rows):
        path = self.folder / "export.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", delimiter=";")
            writer.writeheader()
            writer.writerows(rows)
        return path

    def take_in(self, *rows, options=()):
        """Import rows that must be good, and count what happened."""
        result = self.command("import", self.export(*rows), *options)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return counts(result)

    @contextmanager
    def parts(self):
        built = Parts(
            read_settings(
                issuer="http://localhost:8000",
                database_url=self.url,
                redis_url=self.redis_url,
            )
        )
        with built.flask.app_context():
            try:
                yield built
            finally:
                built.database.engine.dispose()

    def rows(self, statement):
        engine = create_engine(self.url)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            found = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return found

    def one(self, statement):
        ((value,),) = self.rows(statement)
        return value

    def dossiers(self):
        return self.rows("SELECT qualite, numero_dossier FROM dossiers ORDER BY 1, 2")

    def account(self):
        """The account of Anne."""
        (row,) = self.rows(
            "SELECT a.id, password_hash, password_scheme, credential_version FROM accounts a "
            "JOIN dossiers d ON d.id = dossier_id WHERE numero_dossier = '1000017'"
        )
        return row

    def sign_in(self, account_id):
        """Give an account an open session, as a sign-in does."""
        now = datetime.now(UTC)
        self.rows(
            f"UPDATE accounts SET last_sign_in_at = '{now:%Y-%m-%d %H:%M:%S.%f}'"  # noqa: S608
            f" WHERE id = '{account_id}'"
        )
        signed_in = SignedIn(account_id, 0, ("pwd",), "eidas1")
        session = Session.open(signed_in, now=now, absolute=timedelta(hours=8))
        with self.parts() as parts:
            parts.sessions.put(f"key-of-{account_id}", session)

    def is_signed_in(self, account_id):
        with self.parts() as parts:
            return parts.sessions.get(f"key-of-{account_id}") is not None


def counts(result):
    """The summary's lines: the first word of each label, and its number."""
    found = re.findall(r"^ *(\d+)  (\S+)", result.stdout, re.MULTILINE)
    return {label: int(number) for number, label in found if number != "0"}


@pytest.fixture
def directory(tmp_path, sql_url, valkey_url):
    return Directory(tmp_path, sql_url, valkey_url)


@pytest.fixture
def postgres_directory(tmp_path, postgres_url, valkey_url):
    return Directory(tmp_path, postgres_url, valkey_url)


@pytest.fixture
def sqlite_directory(tmp_path, sqlite_url, valkey_url):
    return Directory(tmp_path, sqlite_url, valkey_url)


@pytest.mark.parametrize("sample", ["dossiers.csv", "dossiers-comma.csv"])
def test_the_good_samples_are_taken_in_whole(directory, sample):
    result = directory.command("import", SAMPLES / sample)

    assert (result.exit_code, result.stderr, counts(result)) == (0, "", {"new": 9})
    assert ("affilie", "0000042") in directory.dossiers()
    assert directory.one("SELECT address_4 FROM dossiers WHERE numero_dossier = '2345678'") == (
        'LIEU DIT "LE MOULIN"'
    )
    assert directory.one("SELECT count(*) FROM accounts WHERE credential_version = 0") == 9


def test_an_import_on_postgresql_takes_the_time_it_needs(postgres_directory):
    # A page gives a statement 2 s, and a server that says nothing 2.5.
    directory = postgres_directory
    directory.rows(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(3); RETURN NULL; END'"
    )
    directory.rows(
        "CREATE TRIGGER dawdle AFTER INSERT ON dossiers"
        " FOR EACH STATEMENT EXECUTE FUNCTION dawdle()"
    )

    assert directory.take_in(ANNE, PAUL) == {"new": 2}


def test_both_samples_say_the_same(directory):
    directory.command("import", SAMPLES / "dossiers.csv")

    again = directory.command("import", SAMPLES / "dossiers-comma.csv")

    assert counts(again) == {"unchanged": 9}


def faults_of_readme():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^- line (\d+): (?:(\w+): )?(.+)$", readme, re.MULTILINE)
    assert len(found) == 12
    return found


@pytest.mark.parametrize(("line", "column", "sentence"), faults_of_readme())
def test_every_fault_of_the_bad_sample_is_told_as_its_readme_says(
    sqlite_directory, line, column, sentence
):
    result = sqlite_directory.command("import", SAMPLES / "dossiers-bad.csv", "--dry-run")

    (told,) = [said for said in result.stderr.splitlines() if said.startswith(f"line {line}: ")]
    assert told.startswith(f"line {line}: {column or 'numero_dossier'}: ")
    assert sentence in told


def test_the_bad_sample_is_refused_whole_with_nothing_written(directory):
    result = directory.command("import", SAMPLES / "dossiers-bad.csv")

    assert (result.exit_code, counts(result)) == (1, {"refused": 12})
    assert "nothing was written" in result.stdout
    assert directory.dossiers() == []
    assert directory.one("SELECT count(*) FROM audit_events") == 0


def test_one_bad_row_refuses_the_good_ones_unless_told_to_keep_going(directory):
    export = directory.export(ANNE, PAUL | {"gender": "m"})

    refused = directory.command("import", export)
    nothing = directory.dossiers()
    kept_going = directory.command("import", export, "--keep-going")

    assert (refused.exit_code, nothing) == (1, [])
    assert kept_going.exit_code == 1
    assert counts(kept_going) == {"new": 1, "refused": 1}
    assert kept_going.stderr == "line 3: gender: 'm', female, male or nothing expected\n"
    assert directory.dossiers() == [("affilie", "1000017")]


def test_a_file_of_refused_rows_alone_is_not_told_as_imported(directory):
    export = directory.export(PAUL | {"gender": "m"})

    result = directory.command("import", export, "--keep-going")

    assert result.exit_code == 1
    assert result.stdout.startswith("nothing to import: none of 1 rows is good:\n")


def test_a_dry_run_counts_and_writes_nothing(directory):
    assert directory.take_in(ANNE, options=["--dry-run"]) == {"new": 1}

    assert directory.dossiers() == []
    assert directory.one("SELECT count(*) FROM audit_events") == 0


def test_an_export_without_rows_is_a_failure(directory):
    assert directory.command("import", directory.export()).exit_code == 1


def test_all_rows_of_one_number_are_refused_the_faulty_one_among_them(directory):
    export = directory.export(ANNE, PAUL, ANNE | {"gender": "x"}, ANNE | {"given_names": "Zoé"})

    result = directory.command("import", export, "--keep-going")

    assert [line for line in result.stderr.splitlines() if "same qualite" in line] == [
        f"line {line}: numero_dossier: {nth} of three rows with the same qualite and "
        "numero_dossier, one row each expected"
        for line, nth in ((2, "first"), (4, "second"), (5, "third"))
    ]
    assert counts(result) == {"new": 1, "refused": 3}
    assert directory.dossiers() == [("affilie", "1000018")]


def test_a_file_appended_to_itself_is_told_line_by_line(sqlite_directory):
    rows = [ANNE | {"numero_dossier": f"{n:07d}"} for n in range(1200)]

    result = sqlite_directory.command("import", sqlite_directory.export(*rows, *rows))

    told = [int(n) for n in re.findall(r"^line (\d+): ", result.stderr, re.MULTILINE)]
    assert told == list(range(2, 2402))
    assert counts(result) == {"refused": 2400}


def test_a_changed_row_is_written_and_its_account_stays(directory):
    directory.take_in(ANNE, PAUL)
    account_id = directory.account()[0]

    changed = directory.take_in(ANNE | {"address_1": "MME ANNE DURAND", "email": ""}, PAUL)

    assert changed == {"changed": 1, "unchanged": 1}
    assert directory.account()[0] == account_id
    assert directory.rows("SELECT address_1, email FROM dossiers ORDER BY numero_dossier") == [
        ("MME ANNE DURAND", ""), ("MME ANNE LEFEVRE", ""),
    ]  # fmt: skip


def test_a_dossier_that_the_file_does_not_hold_is_left_alone(directory):
    directory.take_in(ANNE, PAUL)

    directory.take_in(ANNE)

    assert len(directory.dossiers()) == 2


def test_an_imported_password_is_read_into_an_account_that_has_none(directory):
    directory.take_in(ANNE)

    assert directory.take_in(ANNE | {"password_hash": BCRYPT}) == {"changed": 1}

    assert directory.account()[1:] == (BCRYPT, "bcrypt:12", 0)


def test_another_imported_password_replaces_the_first_and_what_that_one_opened(directory):
    directory.take_in(ANNE | {"password_hash": BCRYPT})

    assert directory.take_in(ANNE | {"password_hash": OTHER_BCRYPT}) == {"changed": 1}

    assert directory.account()[1:] == (OTHER_BCRYPT, "bcrypt:12", 1)


def test_a_file_without_the_password_takes_none_away(directory):
    directory.take_in(ANNE | {"password_hash": BCRYPT})

    assert directory.take_in(ANNE) == {"unchanged": 1}

    assert directory.account()[1] == BCRYPT


def test_a_password_of_ours_is_never_replaced(directory):
    directory.take_in(ANNE | {"password_hash": BCRYPT})
    directory.rows(
        f"UPDATE accounts SET password_hash = '{OURS}',"  # noqa: S608 - a constant
        " password_scheme = 'ours:m=19456,t=2,p=1', credential_version = 3"
    )

    assert directory.take_in(ANNE | {"password_hash": OTHER_BCRYPT}) == {"unchanged": 1}

    assert directory.account()[1:] == (OURS, "ours:m=19456,t=2,p=1", 3)


def test_the_last_sign_in_goes_forward_only(directory):
    seen = []
    for at in ("2020-05-02", "2022-05-02T08:00:00+02:00", "2021-05-02", ""):
        changed = directory.take_in(ANNE | {"last_sign_in_at": at})
        seen.append((str(directory.one("SELECT last_sign_in_at FROM accounts"))[:16], changed))

    assert seen == [
        ("2020-05-02 00:00", {"new": 1}),
        ("2022-05-02 06:00", {"changed": 1}),
        ("2022-05-02 06:00", {"unchanged": 1}),
        ("2022-05-02 06:00", {"unchanged": 1}),
    ]


def test_a_confirmed_address_is_kept_and_the_difference_told_by_line(directory):
    directory.take_in(ANNE)
    directory.rows("UPDATE accounts SET email = 'Anne@chez-elle.fr'")

    result = directory.command(
        "import", directory.export(PAUL, ANNE | {"email": "anne@ailleurs.fr"})
    )
    same = directory.take_in(ANNE | {"email": "anne@CHEZ-ELLE.fr"})
    unknown = directory.take_in(ANNE | {"email": ""})

    assert (result.exit_code, counts(result)) == (0, {"new": 1, "changed": 1, "e-mail": 1})
    assert result.stderr == "line 3: email: differs from the confirmed one, kept\n"
    assert (same, unknown) == ({"changed": 1}, {"changed": 1})
    assert directory.one("SELECT max(email) FROM accounts") == "Anne@chez-elle.fr"


@pytest.mark.parametrize("status", ["closed", "deceased"])
def test_closing_and_death_end_the_sessions_of_that_account_alone(directory, status):
    directory.take_in(ANNE, PAUL)
    anne, paul = (id for (id,) in directory.rows("SELECT id FROM accounts ORDER BY dossier_id"))
    directory.sign_in(anne)
    directory.sign_in(paul)

    closed = directory.take_in(ANNE | {"status": status}, PAUL)

    assert closed == {"changed": 1, "unchanged": 1, "closed": 1, "sessions": 1}
    assert (directory.is_signed_in(anne), directory.is_signed_in(paul)) == (False, True)
    assert directory.rows("SELECT credential_version FROM accounts ORDER BY dossier_id") == [
        (1,), (0,),
    ]  # fmt: skip


def test_a_second_run_ends_what_a_lost_redis_left_open(directory):
    closed = ANNE | {"status": "closed"}
    directory.take_in(ANNE)
    directory.take_in(closed)
    account_id = directory.account()[0]
    directory.sign_in(account_id)

    assert directory.take_in(closed) == {"unchanged": 1, "sessions": 1}

    assert not directory.is_signed_in(account_id)
    assert directory.account()[3] == 1


def test_redis_away_refuses_a_file_that_closes_before_anything_is_written(directory):
    directory.take_in(ANNE, PAUL)
    directory.redis_url = NOWHERE

    result = directory.command(
        "import", directory.export(ANNE | {"status": "closed"}, PAUL | {"gender": "male"})
    )

    assert (result.exit_code, "Redis" in result.stderr) == (1, True)
    assert directory.rows("SELECT DISTINCT status, gender FROM dossiers") == [("active", "female")]
    assert directory.account()[3] == 0


def test_redis_away_does_not_matter_to_a_file_that_closes_nothing(directory):
    directory.redis_url = NOWHERE

    assert directory.take_in(ANNE) == {"new": 1}


AS_AYANT_DROIT = {"qualite": "ayant_droit", "situations": "reversion"}


def test_a_changed_qualite_ends_the_sessions_of_the_former_dossier_and_is_told_once(directory):
    directory.take_in(ANNE, PAUL)
    account_id = directory.account()[0]
    directory.sign_in(account_id)

    moved = directory.take_in(ANNE | AS_AYANT_DROIT, PAUL)
    again = directory.take_in(ANNE | AS_AYANT_DROIT, PAUL)

    assert moved == {"new": 1, "unchanged": 1, "qualité": 1, "sessions": 1}
    assert again == {"unchanged": 2}
    assert not directory.is_signed_in(account_id)
    versions = "SELECT numero_dossier, qualite, status, credential_version FROM accounts a JOIN"
    assert directory.rows(f"{versions} dossiers d ON d.id = a.dossier_id ORDER BY 1, 2") == [
        ("1000017", "affilie", "active", 1),
        ("1000017", "ayant_droit", "active", 0),
        ("1000018", "affilie", "active", 0),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [ANNE, ANNE | AS_AYANT_DROIT],
        [ANNE | AS_AYANT_DROIT | {"given_names": "Zoé"}],
        [ANNE | AS_AYANT_DROIT | {"birthdate": ""}],
    ],
    ids=["still in the file", "another person", "birth date unknown"],
)
def test_one_number_under_both_qualites_is_not_a_change_of_qualite(directory, rows):
    directory.take_in(ANNE | {"birthdate": rows[-1]["birthdate"]})

    assert "qualité" not in directory.take_in(*rows)

    assert directory.one("SELECT max(credential_version) FROM accounts") == 0


def test_a_dossier_closed_long_ago_is_not_left_behind_by_a_change_of_qualite(directory):
    directory.take_in(ANNE | {"status": "closed"})

    assert directory.take_in(ANNE | AS_AYANT_DROIT) == {"new": 1}


def test_an_import_is_one_audit_event_with_its_operator_and_counts(directory):
    directory.take_in(ANNE, PAUL)

    ((event, operator, detail),) = directory.rows(
        "SELECT event, operator, detail FROM audit_events"
    )

    assert (event, operator) == ("directory.imported", "jeanne")
    assert '"new": 2' in str(detail).replace("'", '"')
    assert "1000017" not in str(detail)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"status": "closed"}, "closed"),
        ({"status": "deceased"}, "deceased"),
        (AS_AYANT_DROIT, "qualite_changed"),
    ],
    ids=["closed", "deceased", "moved"],
)
def test_each_account_whose_sessions_an_import_ends_is_audited_with_the_cause(
    directory, change, cause
):
    directory.take_in(ANNE, PAUL)
    account_id = directory.account()[0]

    directory.take_in(ANNE | change, PAUL)
    directory.take_in(ANNE | change, PAUL)

    ((operator, told, detail),) = directory.rows(
        "SELECT operator, account_id, detail FROM audit_events WHERE event = 'sessions.ended'"
    )
    assert (operator, told) == ("jeanne", account_id)
    assert f'"cause": "{cause}"' in str(detail).replace("'", '"')


def test_an_import_raises_the_version_when_it_wrote_and_not_otherwise(directory):
    version = "SELECT version FROM registry_version"
    before = directory.one(version)

    directory.take_in(ANNE)
    written = directory.one(version)
    directory.take_in(ANNE)

    assert (written, directory.one(version)) == (before + 1, before + 1)


def stored_mixes(directory):
    with directory.parts() as parts, parts.database.transaction():
        return stored_mail_mixes(parts.database)


def test_an_import_stores_the_mix_of_addresses_that_decoys_follow(directory):
    widow = ANNE | {
        "qualite": "ayant_droit",
        "situations": "reversion",
        "email": "Yvonne@Orange.fr",
        "given_names": "Yvonne",
    }
    gone = {"numero_dossier": "1000019", "email": "zoe@free.fr", "status": "closed"}

    directory.take_in(ANNE, PAUL, widow, ANNE | gone)

    assert stored_mixes(directory) == {
        Qualite.AFFILIE: MailMix(0.5, {"e*****.fr": 1}, {"a": 1}, {"ne": 1}),
        Qualite.AYANT_DROIT: MailMix(0.0, {"o*****.fr": 1}, {"y": 1}, {"ne": 1}),
    }


def test_the_mix_is_that_of_the_whole_directory_and_of_addresses_that_stood_their_time(directory):
    directory.take_in(ANNE, PAUL)
    anne, paul = (
        f"(SELECT id FROM dossiers WHERE numero_dossier = '{row['numero_dossier']}')"  # noqa: S608
        for row in (ANNE, PAUL)
    )
    lately = datetime.now(UTC) - timedelta(hours=71)
    directory.rows(
        f"UPDATE accounts SET email = 'bob@free.fr', "  # noqa: S608 - constants
        f"email_confirmed_at = '2026-01-01 00:00:00.000000' WHERE dossier_id = {paul}"
    )
    directory.rows(
        f"UPDATE accounts SET email = 'carol@free.fr', "  # noqa: S608 - constants
        f"email_confirmed_at = '{lately:%Y-%m-%d %H:%M:%S.%f}' WHERE dossier_id = {anne}"
    )

    directory.take_in(ANNE | {"numero_dossier": "1000020", "email": "dora@exemple.fr"})

    assert stored_mixes(directory)[Qualite.AFFILIE].firsts == {"a": 1, "b": 1, "d": 1}


def test_a_mix_that_changed_is_told_to_every_process_though_no_row_did(directory):
    # An address confirmed here has stood its time since; or this is the first import to count.
    directory.take_in(ANNE)
    before = directory.one("SELECT version FROM registry_version")
    directory.rows("DELETE FROM mail_mixes")

    assert directory.take_in(ANNE) == {"unchanged": 1}

    assert directory.one("SELECT version FROM registry_version") == before + 1


def test_a_dry_run_and_a_refused_file_store_no_mix(directory):
    faulty = PAUL | {"status": "gone"}

    directory.command("import", directory.export(ANNE), "--dry-run")
    directory.command("import", directory.export(ANNE, faulty))

    assert stored_mixes(directory) == {}


class Interrupted:
    """Sessions that hold the import up for an act, when they are ended for the ``at``-th time."""

    def __init__(self, act, at=1):
        self.act, self.calls_left = act, at

    def end_all(self, account_id):
        self.calls_left -= 1
        if self.calls_left == 0:
            self.act()
        return Ended(0)


def run_with(directory, sessions, *rows):
    with directory.parts() as parts:
        use_case = DirectoryImport(
            parts.database, sessions, parts.audit, NumeroPatterns(), parts.now
        )
        lines = read(directory.export(*rows))
        return use_case.run(lines, on_fault=print, actor=Actor(operator="jeanne"))


def test_redis_lost_after_the_commit_is_told_and_the_import_stands(directory):
    directory.take_in(ANNE)

    def away():
        raise StoreUnavailable("Redis: ConnectionError")

    with pytest.raises(SessionsLeftOpen, match="import it again"):
        run_with(directory, Interrupted(away, at=2), ANNE | {"status": "closed"})

    assert directory.one("SELECT status FROM dossiers") == "closed"
    assert directory.account()[3] == 1


def test_a_second_import_at_once_is_refused(directory):
    directory.take_in(ANNE)

    def import_again():
        run_with(directory, Interrupted(print), PAUL)

    with pytest.raises((ImportRunning, StoreUnavailable)):
        run_with(directory, Interrupted(import_again), ANNE | {"status": "closed"})

    assert directory.rows("SELECT numero_dossier, status FROM dossiers") == [("1000017", "active")]


def test_a_sign_in_during_the_import_keeps_its_password_and_its_instant(postgres_directory):
    directory = postgres_directory
    directory.take_in(ANNE | {"password_hash": BCRYPT}, PAUL)

    def sign_in():
        directory.rows(
            f"UPDATE accounts SET password_hash = '{OURS}', "  # noqa: S608 - a constant
            "password_scheme = 'ours:m=19456,t=2,p=1', last_sign_in_at = '2026-11-01'"
        )

    run_with(
        directory,
        Interrupted(sign_in),
        ANNE | {"password_hash": OTHER_BCRYPT, "last_sign_in_at": "2024-01-01"},
        PAUL | {"status": "closed"},
    )

    assert directory.account()[1:] == (OURS, "ours:m=19456,t=2,p=1", 0)
    assert directory.one("SELECT count(*) FROM accounts WHERE last_sign_in_at > '2026-01-01'") == 2


def test_no_table_is_scanned_once_a_row_when_the_planner_takes_the_directory_for_empty(
    postgres_directory,
):
    directory = postgres_directory
    directory.rows("ANALYZE dossiers, accounts")

    directory.take_in(*(ANNE | {"numero_dossier": f"{n:07d}"} for n in range(500)))

    # What is nothing for 500 rows is an hour for 400,000.
    assert directory.one("SELECT max(seq_scan) FROM pg_stat_user_tables") < 50


PEAK = """
import resource, sys
from idp.cli import main
main(["dossiers", "import", sys.argv[1]], standalone_mode=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_file(sqlite_directory):
    directory = sqlite_directory

    def peak_of(count):
        rows = (ANNE | {"numero_dossier": f"{n:07d}"} for n in range(count))
        environment = {k: v for k, v in directory.environment.items() if v is not None}
        done = subprocess.run(
            [sys.executable, "-c", PEAK, directory.export(*rows)],
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout.splitlines()[-1])

    assert peak_of(40_000) - peak_of(4_000) < 20


def test_an_operator_sees_a_dossier_and_the_state_of_its_account_but_no_hash(directory):
    directory.take_in(ANNE | {"password_hash": BCRYPT, "last_sign_in_at": "2024-01-01"})

    result = directory.command("show", "affilie", "1 000 017")

    assert result.exit_code == 0, result.output
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in result.stdout.splitlines())
    assert shown["numero_dossier"] == "1000017"
    assert shown["situations"] == "cotisant"
    assert shown["password"] == "bcrypt:12"
    assert shown["last sign-in"] == "2024-01-01T00:00:00+00:00"
    assert shown["usage_name"] == "-"
    assert BCRYPT not in result.output


def test_who_looked_at_a_dossier_is_audited_by_its_account(directory):
    directory.take_in(ANNE)

    directory.command("show", "affilie", "1000017")

    assert directory.rows(
        "SELECT operator, account_id FROM audit_events WHERE event = 'dossier.shown'"
    ) == [("jeanne", directory.account()[0])]


@pytest.mark.parametrize(
    ("numero", "told"),
    [("7654321", "no such dossier"), ("42", "not a dossier number of the qualité affilie")],
)
def test_an_unknown_or_impossible_number_is_told_and_not_audited(directory, numero, told):
    result = directory.command("show", "affilie", numero)

    assert (result.exit_code, told in result.stderr) == (1, True)
    assert directory.one("SELECT count(*) FROM audit_events") == 0


def test_a_store_that_was_never_migrated_is_a_clear_sentence(tmp_path, sqlite_url, valkey_url):
    directory = Directory(tmp_path, sqlite_url, valkey_url)
    directory.url = f"sqlite:///{tmp_path / 'other.sqlite'}"

    result = directory.command("import", SAMPLES / "dossiers.csv")

    assert (result.exit_code, "run idp migrate" in result.stderr) == (1, True)


def test_an_unreadable_file_is_a_clear_sentence(sqlite_directory):
    path = sqlite_directory.folder / "latin.csv"
    path.write_bytes(
        (SAMPLES / "dossiers-comma.csv").read_text(encoding="utf-8").encode("latin-1", "replace")
    )

    result = sqlite_directory.command("import", path)

    assert result.exit_code == 1
    assert result.stderr == "Error: line 2: byte 0xC8 is not UTF-8: export the file as UTF-8\n"
    assert sqlite_directory.dossiers() == []
