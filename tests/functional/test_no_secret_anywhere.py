"""Whole journeys by mail and by letter, and then every store, file and line searched for a secret.

Two gunicorn workers at DEBUG, a worker, the printing and a mail server that is down, refuses and
takes; wrong tries, refused proposals, and data that nobody foresaw in every one of the processes.
"""

import base64
import hashlib
import os
import re
import signal
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import insert
from sqlalchemy import text as sql_text

from demo.valkey import DURABLE
from demo.valkey import ValkeyServer
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import draw
from idp.infra.tables import AuditRow
from idp.promise import PromiseState
from tests.instance import ANTI_ROBOT_ANSWER
from tests.instance import PASSWORD
from tests.instance import Person
from tests.instance import Service
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.mailbox import secret_in
from tests.post import read_pages
from tests.post_office import served
from tests.reset_steps import open_choice
from tests.reset_steps import submit_new
from tests.running import Running
from tests.running import eventually
from tests.secret_search import Places
from tests.secret_search import found
from tests.whole_site import Echo
from tests.whole_site import Site
from tests.whole_site import core_limits
from tests.whole_site import let_children_dump

CHOSEN = "quatre hirondelles sous le préau 62"
CHOSEN_BY_LETTER = "un canoë jaune près du vieux pont 41"
REFUSED = ("jardinage93", "motdepasse-refusé-1234", "lefevre anne marie 2026")
ANNE = "anne.lefevre.1951@exemple-annuaire.example"
PAUL_NEW = "Paul.Mercier@exemple-nouveau.example"
GONE = "boite.fermee@exemple-ferme.example"

NUMBERS = {"anne": "7351924", "gone": "7351925", "paul": "735192468"}

WHERE_ADDRESSES_STAND = {
    "sql dossiers.email",
    "sql accounts.email",
    "sql accounts.former_email",
    "file data/idp.sqlite",
    "file data/idp.sqlite-wal",
}
WHERE_A_PENDING_ADDRESS_STANDS = {
    "redis pending-address",
    "redis commands",
    "file beside/valkey/appendonlydir",
    "file beside/valkey/dump.rdb",
}
WHERE_NUMBERS_STAND = {
    "sql dossiers.numero_dossier",
    "file data/idp.sqlite",
    "file data/idp.sqlite-wal",
}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    make_shared_running: Callable[..., Running],
    servers_folder: Path,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("everywhere")
    for name in ("valkey", "tmp"):
        (folder / name).mkdir()
    valkey = ValkeyServer(
        folder / "valkey", durability=DURABLE, socket_path=servers_folder / "searched.sock"
    )
    valkey.start()
    valkey.wait()
    with redis.Redis.from_url(valkey.url) as client:
        # It remembers every command from here on, with its arguments.
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", 100_000)
    office = Echo()
    with served(office) as smtp_port:
        pass  # a port, and nobody behind it yet
    running = make_shared_running(
        redis_url=valkey.url,
        log_level="DEBUG",
        network_limit=10_000,
        reset_questions_an_hour=1_000,
        reset_requests_an_hour=1_000,
        anti_robot_answer=ANTI_ROBOT_ANSWER,
        smtp_host="127.0.0.1",
        smtp_port=smtp_port,
        smtp_security="none",
        mail_from="ne-pas-repondre@carpimko.example",
        letter_sender="6 place Charles de Gaulle|78882 Saint-Quentin-en-Yvelines Cedex",
        letter_place="Saint-Quentin-en-Yvelines",
    )
    with pytest.MonkeyPatch.context() as patched, ExitStack() as stack:
        stack.callback(valkey.stop)
        stack.callback(running.close)
        patched.setenv("TMPDIR", str(folder / "tmp"))
        let_children_dump()
        running.start()
        made = Site(folder, running, valkey, office, smtp_port)
        play(made)
        yield made


def play(site: Site) -> None:
    """Everything that happens."""
    instance = site.running.instance
    service = site.running.add_service()
    anne = instance.add_person("affilie", NUMBERS["anne"], email=ANNE)
    gone = instance.add_person("affilie", NUMBERS["gone"], email=GONE)
    paul = instance.add_person(
        "ayant_droit", NUMBERS["paul"], None, family_name="MERCIER", given_names="Paul",
        address_4="12 RUE DES LILAS", address_6="35000 RENNES",
    )  # fmt: skip
    worker = site.worker()
    with ExitStack() as stack:
        stack.callback(worker.end)
        site.ask(anne, "mail")
        eventually(lambda: site.rows()[0].tries, told=site.worker_log.read_text)
        stack.enter_context(served(site.office, port=site.smtp_port))
        site.office.puts_off = True
        by_mail(site, anne, service)
        refused_by_the_mail_server(site, gone)
        by_letter(site, paul, service)
        unforeseen(site, gone)
        # Nothing that crashes leaves its image behind.
        pids = site.running.child.pid, worker.pid, *site.running.workers()
        assert core_limits(*pids) == {"0 0"}
        os.kill(worker.pid, signal.SIGABRT)  # as it crashes: its stacks go to its log
        eventually(lambda: worker.exit_status is not None)
    site.running.stop()
    site.secrets |= {
        "former password": PASSWORD,
        "chosen password": CHOSEN,
        "chosen by letter": CHOSEN_BY_LETTER,
        **{f"refused proposal {at}": clear for at, clear in enumerate(REFUSED)},
        **{f"put off {at}": secret for at, secret in enumerate(site.office.repeated)},
    }


def by_mail(site: Site, anne: Person, service: Service) -> None:
    """Put off with the secret in the answer, taken, asked again, tried wrong, chosen."""
    superseded = secret_in(site.wait_for_mails(1))
    site.ask(anne, "mail")
    secret = secret_in(site.wait_for_mails(2))
    slip = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    guessed = draw(Channel.MAIL)
    for wrong in (superseded, slip, guessed, "pas le bon mot de passe"):
        site.refuse(anne, wrong)
    site.break_dossier(anne)
    site.refuse(anne, secret, 500)
    site.break_dossier(anne, "active")
    visitor = site.visitor()
    page = open_choice(visitor, anne, secret.replace("-", "").lower(), service)
    site.keep_cookies(visitor, "anne, choosing")
    for proposal in (*REFUSED, PASSWORD, secret, f"mon numéro est le {anne.numero}"):
        assert submit_new(visitor, page, proposal).status_code == 400
    site.break_dossier(anne)
    assert submit_new(visitor, page, CHOSEN).status_code == 500
    site.break_dossier(anne, "active")
    led = submit_new(visitor, page, CHOSEN)
    assert answer_of(led)["code"]
    site.keep_cookies(visitor, "anne")
    site.secrets |= {
        "superseded secret": superseded,
        "secret of the mail": secret,
        "slip": slip,
        "guessed": guessed,
        "proposal with the number": f"mon numéro est le {anne.numero}",
    }
    assert "mot de passe" in site.wait_for_mails(3)


def refused_by_the_mail_server(site: Site, gone: Person) -> None:
    """For ever, with the address in the answer."""
    site.office.answers["RCPT"] = f"550 5.1.1 <{GONE}>: no such user"
    site.ask(gone, "mail")
    site.wait_for(lambda: PromiseState.DEAD in {row.state for row in site.rows()})
    del site.office.answers["RCPT"]


def by_letter(site: Site, paul: Person, service: Service) -> None:
    """Printed, typed, chosen; then an address, a wrong code and the right one."""
    site.ask(paul, "letter")
    assert site.idp("letters", "print") == 0, site.printed
    (document,) = site.running.instance.settings.spool_path.glob("*.pdf")
    ((secret,),) = [page.secrets for page in read_pages(document)]
    visitor = site.visitor()
    led = submit_new(visitor, open_choice(visitor, paul, secret, service), CHOSEN_BY_LETTER)
    assert urlsplit(led.headers["Location"]).path == "/adresse-electronique"
    page = visitor.get(led.headers["Location"])
    led = visitor.post(form_action(page), {"csrf": csrf_of(page), "email": PAUL_NEW})
    assert led.status_code == 303
    asked = visitor.get(led.headers["Location"])
    before = len(site.office.taken)
    code = re.search(r"\b(\d{3}) (\d{3})\b", site.wait_for_mails(before + 1))
    assert code
    wrong = "135790" if code.group() != "135 790" else "246801"
    answers = [
        visitor.post(form_action(asked), {"csrf": csrf_of(asked), "code": typed}).status_code
        for typed in (wrong, code.group())
    ]
    assert answers == [400, 303]
    site.keep_cookies(visitor, "paul")
    site.secrets |= {"secret of the letter": secret, "address code": "".join(code.groups())}
    site.visitor().get("/nulle-part", {"numero": "inconnu"})
    for words in (("letters", "print"), ("letters", "list"), ("outbox", "list", "--json")):
        assert site.idp(*words) == 0, site.printed


def unforeseen(site: Site, person: Person) -> None:
    """What nobody foresaw, in the worker and in the print."""
    site.ask(person, "mail")
    site.break_dossier(person)
    eventually(lambda: "delivery failed" in site.worker_log.read_text())
    site.break_dossier(person, "active")
    site.ask(person, "letter")
    site.break_dossier(person)
    assert site.idp("letters", "print") != 0


@pytest.fixture(scope="module")
def places(site: Site) -> Places:
    return site.places()


def test_no_secret_stands_in_any_store_file_log_address_or_crash(
    site: Site, places: Places
) -> None:
    assert len(site.secrets) >= 18
    assert found(places, site.secrets) == set()


def test_a_dossier_number_stands_in_its_column_alone(places: Places) -> None:
    there = found(places, NUMBERS)

    assert {place for _, place in there} <= WHERE_NUMBERS_STAND
    assert {name for name, place in there if place == "sql dossiers.numero_dossier"} == set(NUMBERS)


def test_an_address_stands_in_its_columns_and_while_it_waits_in_redis(places: Places) -> None:
    there = found(places, {"anne": ANNE, "gone": GONE, "paul": PAUL_NEW})

    of_directory = {place for name, place in there if name != "paul"}
    recorded = {place for name, place in there if name == "paul"}
    assert of_directory <= WHERE_ADDRESSES_STAND
    assert recorded <= WHERE_ADDRESSES_STAND | WHERE_A_PENDING_ADDRESS_STANDS
    assert {("anne", "sql dossiers.email"), ("paul", "sql accounts.email")} <= there


def test_no_message_holds_both_a_number_and_a_secret(site: Site) -> None:
    for mail in site.office.taken:
        content: Any = mail.content
        assert found({"mail": content}, NUMBERS) == set()


def test_everything_that_was_to_happen_did(site: Site, places: Places) -> None:
    log, worker = places["file data/gunicorn.log"], places["file beside/worker.log"]
    (manifest, *_) = [c for n, c in places.items() if re.fullmatch(r"file data/spool/.*\.json", n)]

    assert log.count(b"Traceback") == 2
    assert b"put_off" in worker
    assert b"dead" in worker
    assert b"delivery failed" in worker
    assert b"Fatal Python error: Aborted" in worker
    assert b"letters" in manifest
    assert len(site.office.repeated) == 1
    assert any(b"temporary:" in content for content in places.values())
    assert b"HINCRBY" in places["redis commands"] or b"EVALSHA" in places["redis commands"]


@pytest.mark.parametrize(
    "place",
    ["redis planted", "redis commands", "sql audit_events.detail", "file data/worker.log",
     "file data/spool/planted.json", "file data/idp.sqlite", "addresses", "operator"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["typed", "folded", "escaped", "sha256", "base64"])
def test_what_is_planted_is_found_where_it_was_planted(site: Site, place: str, form: str) -> None:
    secret = draw(Channel.LETTER)
    compact = secret.replace("-", "")
    planted = {
        "typed": f"{secret[:4]}-{compact[4:8]}-{compact[8:]}",
        "folded": compact.lower(),
        "escaped": quote_plus("un mot de passe très à moi"),
        "sha256": hashlib.sha256(compact.encode()).hexdigest(),
        "base64": base64.b64encode(f'{{"p":"{compact}"}}'.encode()).decode(),
    }[form]
    searched = "un mot de passe très à moi" if form == "escaped" else secret

    plant(site, place, planted)

    assert ("planted", place) in found(site.places(), {"planted": searched})


def plant(site: Site, place: str, text: str) -> None:
    """Leave a text where a fault would."""
    kind, _, name = place.partition(" ")
    if kind == "redis":
        with redis.Redis.from_url(site.valkey.url) as client:
            client.hset("planted:key", "field", text)
    elif kind == "sql" or name.endswith(".sqlite"):
        parts = site.running.instance.parts
        with site.running.instance.app.app_context(), parts.database.transaction():
            values = {"at": datetime.now(UTC), "event": "planted", "detail": {"text": text}}
            parts.database.execute(insert(AuditRow).values(**values))
        with parts.database.engine.connect() as connection:
            connection.execute(sql_text("PRAGMA wal_checkpoint(TRUNCATE)"))
    elif kind == "file":
        path = site.running.log.parent / name.removeprefix("data/")
        path.write_text(f"{path.read_text() if path.exists() else ''}said {text}\n")
    else:
        {"addresses": site.addresses, "operator": site.printed}[kind].append(f"/x?y={text}")
