"""Letters, from the promise to the paper: the operator's command on real stores, the PDF read."""

import fcntl
import hashlib
import os
import re
import stat
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import pairwise

import pytest
from pypdf import PdfReader
from sqlalchemy import update

from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import channel_of
from idp.identity.working_days import day_in_france
from idp.identity.working_days import in_words
from idp.infra.letter import LetterPress
from idp.infra.letter import LetterSender
from idp.infra.letter import LetterTextUnusable
from idp.infra.tables import OutboxRow
from idp.parts import templates_dir
from idp.promise import PromiseState
from tests.instance import ISSUER
from tests.post import ADDRESS_FACE
from tests.post import SECRET_FACE
from tests.post import Post

pytestmark = pytest.mark.stores

SECOND_FOLD = 198
WINDOW = (110, 55, 195, 88)
QUIET = 5


@pytest.fixture
def post(instance):
    return Post(instance)


def move_print_back(post, span):
    """Let a batch be as old as that: its rows and its manifest."""
    with post.instance.app.app_context(), post.instance.parts.database.transaction():
        post.instance.parts.database.execute(
            update(OutboxRow).values(done_at=datetime.now(UTC) - span)
        )
    for path in post.spool.glob("*.json"):
        before = re.search(r'"printed_at": "([^"]+)"', path.read_text())[1]
        after = (datetime.fromisoformat(before) - span).isoformat()
        path.write_text(path.read_text().replace(before, after))


def test_a_promise_becomes_a_letter_that_opens_the_account(post):
    anne = post.add_person()
    promise = post.promise(anne)

    result = post.idp("print")

    assert result.exit_code == 0, result.output
    (page,) = post.pages()
    assert page.address == ["MME ANNE LEFÈVRE", "12 RUE DES LILAS", "35000 RENNES"]
    (secret,) = page.secrets
    assert channel_of(secret) is Channel.LETTER
    assert post.opens(anne, secret)
    (kept,) = post.instance.parts.temporaries.look(anne.account_id)
    assert kept.state is State.SENT
    (row,) = post.rows()
    assert row.state is PromiseState.DONE
    (manifest,) = post.manifests()
    assert row.batch == manifest["batch"]
    assert manifest["letters"] == [{"page": 1, "kind": "temporary_password", "promise": promise}]


def test_the_secret_stands_below_the_second_fold_and_nowhere_else(post):
    post.promise(post.add_person())
    post.idp("print")

    (page,) = post.pages()

    (run,) = [run for run in page.runs if run.face == SECRET_FACE]
    assert re.fullmatch(r"[S-Z2-9][A-Z2-9]{3}-[A-Z2-9]{4}-[A-Z2-9]{4}", run.text)
    assert run.points >= 14
    top = run.y - run.points * 25.4 / 72
    assert top > SECOND_FOLD + 2
    group = run.text.split("-")[1]
    assert [other for other in page.runs if group in other.text] == [run]


def test_the_window_shows_the_address_and_nothing_within_five_millimetres(post):
    long = "3 BIS AV DU GENERAL DE GAULLE PROLONGE"
    post.promise(
        post.add_person(
            address_1="MME THI-HOA N'GUYEN-D'ALMEIDA DUPONT X",
            address_2="APPARTEMENT 12 ESCALIER B",
            address_3="RÉSIDENCE LES GLYCINES",
            address_4=long,
            address_5="BP 40122",
            address_6="97400 SAINT DENIS",
        )
    )
    post.idp("print")

    (page,) = post.pages()

    left, top, right, bottom = WINDOW
    shown = [run for run in page.runs if run.face == ADDRESS_FACE]
    assert [len(shown), shown[3].text] == [6, long]
    for run in shown:
        assert run.points == 10
        assert left <= run.x
        assert run.x + len(run.text) * 0.602 * run.points * 25.4 / 72 <= right
        assert top <= run.y - 10 * 0.76 * 25.4 / 72
        assert run.y + 10 * 0.24 * 25.4 / 72 <= bottom
    steps = [after.y - before.y for before, after in pairwise(shown)]
    assert steps == pytest.approx([4.5] * 5, abs=0.01)
    for run in set(page.runs) - set(shown):
        ends = run.x + len(run.text) * 0.75 * run.points * 25.4 / 72
        beside = ends < left - QUIET
        above, below = run.y < top - QUIET, run.y - run.points * 25.4 / 72 > bottom + QUIET
        assert beside or above or below, run


def test_a_letter_says_until_when_where_and_what_to_be_wary_of(post):
    post.promise(post.add_person())
    post.idp("print")

    (page,) = post.pages()

    today = day_in_france(datetime.now(UTC))
    assert f"Valable jusqu’au {in_words(today + timedelta(days=30), year=True)} inclus" in page.text
    assert f"Saint-Quentin-en-Yvelines, le {in_words(today, year=True)}" in page.text
    for words in (
        "CARPIMKO",
        "6 place Charles de Gaulle",
        "78882 Saint-Quentin-en-Yvelines Cedex",
        "Objet : Votre mot de passe provisoire",
        f"{ISSUER.removeprefix('https://')}/connexion",
        "À ne communiquer à personne.",
        "jamais demandé par téléphone",
        "Vous n’avez rien demandé ?",
        "01\N{NO-BREAK SPACE}23\N{NO-BREAK SPACE}45\N{NO-BREAK SPACE}67\N{NO-BREAK SPACE}89",
        "mot de passe actuel, si vous en avez un, reste valable",
    ):
        assert " ".join(words.split()) in page.text, words


def test_the_secret_opens_until_the_end_of_the_day_that_the_letter_names(post):
    anne = post.add_person()
    post.promise(anne)
    post.idp("print")

    (kept,) = post.instance.parts.temporaries.look(anne.account_id)

    last = day_in_france(datetime.now(UTC)) + timedelta(days=30)
    assert day_in_france(kept.expires_at - timedelta(seconds=1)) == last
    assert day_in_france(kept.expires_at) == last + timedelta(days=1)


def test_no_letter_and_no_manifest_holds_the_dossier_number(post):
    post.promise(post.add_person(numero="7654321"))
    post.idp("print")

    (page,) = post.pages()

    assert "7654321" not in page.text.replace(" ", "")
    assert not [p for p in post.spool.iterdir() if b"7654321" in p.read_bytes()]
    reference = next(run.text for run in page.runs if "références" in run.text)
    assert reference == f"Nos références : {post.manifests()[0]['batch']}/0001"


def test_every_face_is_in_the_document(post):
    post.promise(post.add_person())
    post.idp("print")
    (manifest,) = post.manifests()

    page = PdfReader(post.spool / manifest["document"]["name"]).pages[0]

    resources = [page["/Resources"]]
    resources += [
        form.get_object()["/Resources"] for form in page["/Resources"]["/XObject"].values()
    ]
    fonts = {
        str(f.get_object()["/BaseFont"]): f.get_object()
        for r in resources
        for f in r["/Font"].values()
    }
    assert len(fonts) == 4
    for name, font in fonts.items():
        assert "/FontFile2" in font["/FontDescriptor"], name
    assert [float(side) * 25.4 / 72 for side in page.mediabox[2:]] == pytest.approx(
        [210, 297], abs=0.1
    )


def test_the_spool_is_for_its_owner_alone_and_its_checksum_is_right(post):
    post.promise(post.add_person())
    before = os.umask(0o000)
    post.idp("print")
    os.umask(before)

    (manifest,) = post.manifests()
    document = post.spool / manifest["document"]["name"]
    assert stat.S_IMODE(post.spool.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in post.spool.iterdir()} == {0o600}
    assert hashlib.sha256(document.read_bytes()).hexdigest() == manifest["document"]["sha256"]
    assert document.stat().st_size == manifest["document"]["bytes"]
    assert manifest["document"]["pages"] == 1
    assert sorted(p.name for p in post.spool.iterdir()) == sorted(
        [".lock", f"{manifest['batch']}.json", f"{manifest['batch']}.pdf"]
    )


def test_a_spool_that_others_may_look_into_is_refused(post):
    post.promise(post.add_person())
    post.spool.mkdir(mode=0o755)

    result = post.idp("print")

    assert result.exit_code == 1
    assert "chmod 700" in result.output
    assert post.states() == [PromiseState.WAITING]


def test_a_second_print_at_once_says_that_another_is_printing(post):
    post.promise(post.add_person())
    post.spool.mkdir(mode=0o700)
    with (post.spool / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        result = post.idp("print")

    assert result.exit_code == 1
    assert "another process prints" in result.output
    assert post.idp("print").exit_code == 0
    assert len(post.pages()) == 1


def test_letters_leave_oldest_first_and_no_more_than_was_asked_for(post):
    people = [post.add_person(numero=f"100000{n}", address_1=f"M {n}A") for n in range(3)]
    for person in people:
        post.promise(person)

    post.idp("print", "--limit", "2")
    assert [page.address[0] for page in post.pages()] == ["M 0A", "M 1A"]
    post.idp("print")

    assert [page.address[0] for page in post.pages()] == ["M 0A", "M 1A", "M 2A"]
    assert len({page.secrets[0] for page in post.pages()}) == 3


def test_a_decoy_is_dropped_and_leaves_no_paper(post):
    post.promise(None)

    result = post.idp("print")

    assert result.exit_code == 0
    assert "1  not printed: decoy" in result.output
    assert post.states() == [PromiseState.DROPPED]
    assert [path.name for path in post.spool.iterdir()] == [".lock"]
    assert post.instance.audit() == []


@pytest.mark.parametrize("status", ["closed", "deceased"])
def test_nobody_is_written_to_after_the_dossier_ended(post, status):
    post.promise(post.add_person(status=status))

    post.idp("print")

    assert post.states() == [PromiseState.DROPPED]
    assert post.pages() == []


def test_a_promise_older_than_the_password_is_dropped(post):
    anne = post.add_person()
    post.promise(anne)
    post.instance.change_account(anne, credential_version=2)

    post.idp("print")

    assert [(row.state, row.fault) for row in post.rows()] == [
        (PromiseState.DROPPED, "password_changed")
    ]


def test_the_older_of_two_promises_is_dropped(post):
    anne = post.add_person()
    post.promise(anne)
    post.promise(anne)

    post.idp("print")

    assert post.states() == [PromiseState.DROPPED, PromiseState.DONE]
    (page,) = post.pages()
    assert post.opens(anne, page.secrets[0])


def test_an_address_that_no_letter_can_carry_is_put_before_an_operator(post):
    post.promise(post.add_person(numero="1000001", address_4="УЛИЦА 5"))
    post.promise(post.add_person(numero="1000002"))

    result = post.idp("print")

    assert result.exit_code == 1
    assert "1  not printed, look at the directory: address_script" in result.output
    assert post.states() == [PromiseState.DEAD, PromiseState.DONE]
    assert ("message.dead", "address_script") in [
        (event, detail.get("fault")) for event, _, detail in post.instance.audit()
    ]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.PASSWORD_CHANGED, "a été changé"),
        (Kind.ADDRESS_RECORDED, "Une adresse mail a été enregistrée"),
        (Kind.ADDRESS_RECORDED, "au plus tôt 10 jours après"),
    ],
)
def test_a_notice_holds_no_secret_and_says_what_to_do(post, kind, words):
    anne = post.add_person()
    post.promise(anne, kind, version=0)

    post.idp("print")

    (page,) = post.pages()
    assert page.secrets == []
    assert words in " ".join(page.text.split())
    assert "Ce n’était pas vous ?" in page.text
    assert page.address[0] == "MME ANNE LEFÈVRE"
    assert ("notice.sent", anne.account_id) in [event[:2] for event in post.instance.audit()]


def test_an_address_abroad_has_its_country_in_the_window(post):
    post.promise(
        post.add_person(
            address_1="M JEAN DUPONT",
            address_4="HAUPTSTRASSE 5",
            address_5="10115 BERLIN",
            address_6="ALLEMAGNE",
        )
    )

    post.idp("print")

    (page,) = post.pages()
    assert page.address == ["M JEAN DUPONT", "HAUPTSTRASSE 5", "10115 BERLIN", "ALLEMAGNE"]


def test_the_audit_log_tells_who_printed_and_no_secret(post):
    anne = post.add_person()
    promise = post.promise(anne)

    post.idp("print", operator="paul")

    events = post.instance.audit()
    assert [event for event, _, _ in events] == [
        "temporary_password.issued",
        "temporary_password.sent",
        "letters.printed",
    ]
    batch = post.manifests()[0]["batch"]
    assert events[0][1:] == (
        anne.account_id,
        {"promise": promise, "kind": "temporary_password", "channel": "letter", "batch": batch},
    )
    assert events[2][2] == {"batch": batch, "letters": 1}
    (page,) = post.pages()
    assert page.secrets[0] not in str(events)


def test_nothing_that_the_command_says_holds_a_secret_or_a_name(post):
    post.promise(post.add_person())

    said = [post.idp("list").output, post.idp("print").output, post.idp("list").output]

    (page,) = post.pages()
    for word in (*page.secrets, page.secrets[0][:4], "LEFÈVRE", "LILAS"):
        assert word not in "".join(said)


def test_the_list_tells_what_waits_is_held_and_was_printed(post):
    anne, paul = post.add_person("1000001"), post.add_person("1000002")
    post.promise(anne)
    post.promise(paul, held=True)

    before = post.idp("list").output
    post.idp("print")
    after = post.idp("list").output

    assert "1  waiting for `idp letters print`, the oldest for 0 min" in before
    assert "1  held by the breaker" in before
    assert "0  waiting for" in after
    assert f"1  in {post.manifests()[0]['batch']}, printed 0 min ago, PDF " in after


def test_held_letters_leave_only_when_an_operator_lets_them(post):
    people = [post.add_person(numero=f"100000{n}", address_1=f"M {n}A") for n in range(3)]
    for person in people:
        post.promise(person, held=True)
    post.idp("print")
    assert post.pages() == []

    assert "1 released" in post.idp("release", "1").output
    post.idp("print")
    assert [page.address[0] for page in post.pages()] == ["M 0A"]
    assert "2 released" in post.idp("release", "--all").output
    post.idp("print")

    assert len(post.pages()) == 3
    assert "no letter is held" in post.idp("release", "--all").output
    assert post.idp("release").exit_code == 2


def test_a_campaign_raises_the_breaker_until_its_day(post):
    quotas = post.instance.parts.reset_quotas
    post.instance.clock.at = datetime.now(UTC)
    today = day_in_france(datetime.now(UTC))

    result = post.idp("campaign", "--until", today.isoformat(), "--per-day", "1")

    assert result.exit_code == 0, result.output
    assert [quotas.letter(f"subject{n}", f"network{n}") for n in range(2)] == [False, True]
    yesterday = (today - timedelta(days=1)).isoformat()
    assert post.idp("campaign", "--until", yesterday, "--per-day", "5").exit_code == 2


def test_letters_whose_secrets_died_with_redis_are_printed_again_once(post):
    anne, paul = post.add_person("1000001"), post.add_person("1000002")
    post.promise(anne)
    post.promise(paul)
    post.idp("print")
    assert "nothing to promise again" in post.idp("reissue").output
    post.instance.parts.redis.client.flushall()

    assert "2 promised again" in post.idp("reissue").output
    assert "nothing to promise again" in post.idp("reissue").output
    post.idp("print")

    pages = post.pages()
    assert len(pages) == 4
    secrets = [page.secrets[0] for page in pages]
    assert [post.opens(anne, secret) for secret in secrets] == [False, False, True, False]
    assert [post.opens(paul, secret) for secret in secrets] == [False, False, False, True]
    assert "nothing to promise again" in post.idp("reissue").output


def test_a_letter_that_was_used_or_is_over_is_never_promised_again(post):
    used, over = post.add_person("1000001"), post.add_person("1000002")
    post.promise(used)
    post.idp("print")
    post.instance.change_account(used, credential_version=2)
    post.promise(over)
    post.idp("print")
    move_print_back(post, timedelta(days=30, seconds=1))
    post.instance.parts.redis.client.flushall()

    assert "nothing to promise again" in post.idp("reissue").output


def test_a_lost_batch_is_printed_again_and_its_first_letters_die(post):
    anne = post.add_person()
    post.promise(anne)
    post.idp("print")
    batch = post.manifests()[0]["batch"]

    assert "1 promised again" in post.idp("reissue", "--batch", batch).output
    assert post.opens(anne, post.pages()[0].secrets[0])
    post.idp("print")

    first, second = (page.secrets[0] for page in post.pages())
    assert [post.opens(anne, first), post.opens(anne, second)] == [False, True]
    assert post.idp("reissue", "--batch", "19990101-000000").exit_code == 1


def test_documents_are_erased_after_three_days_and_not_before(post):
    post.promise(post.add_person())
    post.idp("print")
    batch = post.manifests()[0]["batch"]
    move_print_back(post, timedelta(hours=71, minutes=59))
    assert "nothing to erase" in post.idp("purge").output
    move_print_back(post, timedelta(minutes=1))

    result = post.idp("purge")

    assert f"erased the PDF of {batch}" in result.output
    assert not list(post.spool.glob("*.pdf"))
    assert "PDF erased" in post.idp("list").output
    assert "nothing to erase" in post.idp("purge").output
    assert "letters.purged" in [event for event, _, _ in post.instance.audit()]


def test_a_manifest_goes_when_its_letters_are_over(post):
    post.promise(post.add_person())
    post.idp("print")
    move_print_back(post, timedelta(days=32))

    post.idp("purge")

    assert post.manifests() == []


def test_a_text_that_cannot_be_used_is_refused_before_any_secret_is_drawn(tmp_path):
    folder = tmp_path / "templates"
    (folder / "letters").mkdir(parents=True)
    for kind in (Kind.TEMPORARY_PASSWORD, Kind.ADDRESS_RECORDED):
        text = (templates_dir() / "letters" / f"{kind}.txt").read_text()
        (folder / "letters" / f"{kind}.txt").write_text(text)
    text = (templates_dir() / "letters" / "password_changed.txt").read_text()
    words = (templates_dir() / "letters" / "words.txt").read_text()
    (folder / "letters" / "words.txt").write_text(words)

    def check() -> None:
        press = LetterPress(folder, LetterSender("CARPIMKO", (), "", ISSUER))
        press.check(datetime.now(UTC))

    for spoilt, told in (
        (text + "\nEncore un mot.\n" * 200, "mm too long"),
        (text.replace("happened", "happend"), "happend"),
        ("Objet", "a subject, a text"),
    ):
        (folder / "letters" / "password_changed.txt").write_text(spoilt)
        with pytest.raises(LetterTextUnusable, match=told):
            check()
    (folder / "letters" / "password_changed.txt").write_text(text)
    check()


def test_a_sender_that_would_reach_into_the_window_is_refused():
    with pytest.raises(LetterTextUnusable, match="IDP_LETTER_SENDER"):
        LetterPress(templates_dir(), LetterSender("CARPIMKO", ("a line",) * 5, "", ISSUER))
