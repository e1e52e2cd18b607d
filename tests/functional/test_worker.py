"""The worker's rounds and its deliveries, as an operator sees them."""

import logging
import os
import signal
from collections.abc import Callable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo.valkey import FORGETFUL
from demo.valkey import ValkeyServer
from idp import StoreUnavailable
from idp.cli import main
from idp.identity.composers import TemporaryPasswordMail
from idp.identity.composers import notices
from idp.identity.delivery import Delivered
from idp.identity.delivery import Delivery
from idp.identity.delivery import MailUnreachable
from idp.identity.delivery import Message
from idp.identity.delivery import Outcome
from idp.identity.mask import mask_email
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import Channel
from idp.promise import PromiseState
from idp.worker import Worker
from tests.fake_outbox import FakeMailer
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.mailbox import Mailbox
from tests.running import at_once

EMAIL = "anne.martin@example.org"


class PostOffice:
    """The worker's side of an instance: real stores, and a mail server that a test may stop."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.mailer = FakeMailer()

    def delivery(self) -> Delivery:
        parts = self.instance.parts
        return Delivery(
            outbox=parts.outbox,
            contacts=parts.contacts,
            composers={
                **notices(mask_email),
                Kind.TEMPORARY_PASSWORD: TemporaryPasswordMail(parts.temporaries, parts.passwords),
            },
            mailer=self.mailer,
            audit=parts.audit,
            transaction=parts.database.transaction,
            now=parts.now,
        )

    def worker(self) -> Worker:
        return Worker(self.instance.parts, self.delivery())

    def promise(self, person: Person, kind: Kind = Kind.TEMPORARY_PASSWORD) -> int:
        with self.instance.app.app_context(), self.instance.parts.database.transaction():
            return self.instance.parts.outbox.add(
                kind, Channel.MAIL, account_id=person.account_id, credential_version=1
            )

    def rows(self) -> list[Promise]:
        with self.instance.app.app_context(), self.instance.parts.database.transaction():
            return self.instance.parts.outbox.rows(states=tuple(PromiseState), limit=1_000)


@pytest.fixture
def office(instance: Instance) -> PostOffice:
    return PostOffice(instance)


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person(email=EMAIL)


class Script:
    """A delivery whose outcomes are written beforehand; idle afterwards."""

    def __init__(self, *turns: Delivered | Exception) -> None:
        self._turns = list(turns)

    def send_next(self) -> Delivered:
        turn = self._turns.pop(0) if self._turns else Delivered(Outcome.IDLE)
        if isinstance(turn, Exception):
            raise turn
        return turn


def seconds(*pauses: timedelta) -> list[float]:
    return [pause.total_seconds() for pause in pauses]


def said_by_worker(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "idp.worker"]


def test_audit_events_are_forgotten_after_a_year_and_not_a_day_before(
    instance: Instance, clock: Clock
) -> None:
    person = instance.add_person()
    instance.visitor().sign_in(person)

    clock.advance(timedelta(days=364))
    kept = Worker(instance.parts).run_once()
    clock.advance(timedelta(days=2))
    forgotten = Worker(instance.parts).run_once()

    assert (kept, forgotten) == (0, 1)
    assert [event for event, _, _ in instance.audit()] == ["audit.forgotten"]


def test_what_was_sent_is_forgotten_with_the_audit_log_and_what_waits_is_not(
    office: PostOffice, person: Person, clock: Clock
) -> None:
    office.promise(person)
    office.worker().deliver()
    waiting = office.promise(person, Kind.PASSWORD_CHANGED)

    clock.advance(timedelta(days=364))
    office.worker().run_once()
    kept = len(office.rows())
    clock.advance(timedelta(days=2))
    office.worker().run_once()

    assert kept == 2
    assert [row.id for row in office.rows()] == [waiting]


def test_the_hourly_round_runs_at_the_start_and_then_an_hour_later(
    instance: Instance, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "idp.worker")
    worker = Worker(instance.parts)
    for age in range(3):
        instance.visitor().sign_in(instance.add_person(numero=f"100000{age}"))
        clock.advance(timedelta(days=200))

    worker.forget_when_due()  # forgets the first, of 600 days, and the second, of 400
    clock.advance(timedelta(days=200))
    told_at_once = len(said_by_worker(caplog))
    worker.forget_when_due()  # due again: forgets the third
    worker.forget_when_due()  # not due

    assert told_at_once == 1
    assert [said for said in said_by_worker(caplog) if "forgot" in said] == [
        "forgot 2 audit events, 0 promises",
        "forgot 1 audit events, 0 promises",
    ]


def test_every_mail_that_waits_leaves_in_one_go(office: PostOffice, person: Person) -> None:
    made = [office.promise(person), office.promise(person, Kind.PASSWORD_CHANGED)]

    pause = office.worker().deliver()

    assert pause == office.instance.parts.settings.outbox_poll
    assert [mail.kind for mail in office.mailer.sent] == [
        Kind.TEMPORARY_PASSWORD,
        Kind.PASSWORD_CHANGED,
    ]
    assert {mail.to for mail in office.mailer.sent} == {EMAIL}
    assert [(row.id, row.state) for row in office.rows()] == [
        (number, PromiseState.DONE) for number in made
    ]
    assert [event for event, _, _ in office.instance.audit()] == [
        "temporary_password.issued",
        "temporary_password.sent",
        "notice.sent",
    ]


def test_the_log_names_rows_and_never_an_address_a_name_or_a_secret(
    office: PostOffice, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = office.promise(person)

    office.worker().deliver()

    said = "\n".join(record.getMessage() for record in caplog.records)
    assert f"outbox row {made}: sent" in said
    for hidden in (EMAIL, "LEFÈVRE", person.numero, *(mail.secret for mail in office.mailer.sent)):
        assert hidden not in said


def test_a_long_row_number_is_not_taken_for_a_dossiers_by_the_net_of_the_logs(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "idp.worker")

    Worker(instance.parts, Script(Delivered(Outcome.SENT, 1_234_567))).deliver()

    assert said_by_worker(caplog) == ["outbox row 1_234_567: sent"]


def test_a_dead_row_is_an_error_in_the_log(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    Worker(instance.parts, Script(Delivered(Outcome.DEAD, 7, "recipient_refused"))).deliver()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "outbox row 7: dead recipient_refused")
    ]


def test_what_is_away_costs_a_pause_that_grows_to_half_a_minute_and_ends_when_it_is_back(
    instance: Instance,
) -> None:
    away = StoreUnavailable("Redis: ConnectionError")
    put_off = Delivered(Outcome.PUT_OFF, 1, "smtp_unreachable")
    worker = Worker(
        instance.parts, Script(away, put_off, *[away] * 5, Delivered(Outcome.SENT, 1), away)
    )

    assert seconds(*(worker.deliver() for _ in range(7))) == [1, 2, 4, 8, 16, 30, 30]
    assert seconds(worker.deliver()) == [1]  # sent one, and then away again
    assert seconds(worker.deliver()) == [1]  # idle


def test_a_fault_that_nobody_foresaw_is_told_by_its_place_and_the_others_still_leave(
    office: PostOffice, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    class Confused(FakeMailer):
        def send(self, message: Message) -> None:
            if message.kind is Kind.PASSWORD_CHANGED:
                raise ValueError(f"cannot write to {message.to}")
            super().send(message)

    office.mailer = Confused()
    poison, good = office.promise(person, Kind.PASSWORD_CHANGED), office.promise(person)
    worker = office.worker()

    worker.deliver()
    worker.deliver()

    states = {row.id: row.state for row in office.rows()}
    assert states == {poison: PromiseState.WAITING, good: PromiseState.DONE}
    told = said_by_worker(caplog)[0]
    assert told.startswith("delivery failed: ValueError at send:")
    assert EMAIL not in told


def test_a_mail_server_that_was_away_an_hour_gets_every_mail_once_when_it_is_back(
    office: PostOffice, clock: Clock
) -> None:
    for number in range(5):
        office.promise(office.instance.add_person(numero=f"100000{number}", email=EMAIL))
    office.mailer.fault = MailUnreachable("smtp_unreachable")
    worker = office.worker()
    for _ in range(60):
        worker.deliver()
        clock.advance(timedelta(minutes=1))
    nothing = list(office.mailer.sent)

    office.mailer.fault = None
    for _ in range(31):
        worker.deliver()
        clock.advance(timedelta(minutes=1))

    assert nothing == []
    assert len({mail.message_id for mail in office.mailer.sent}) == len(office.mailer.sent) == 5
    assert {row.state for row in office.rows()} == {PromiseState.DONE}


def test_workers_at_once_send_each_mail_once(office: PostOffice) -> None:
    for number in range(12):
        office.promise(
            office.instance.add_person(numero=f"10000{number:02}", email=EMAIL, password=None)
        )

    def work() -> None:
        worker = office.worker()
        while any(row.state is PromiseState.WAITING for row in office.rows()):
            worker.deliver()

    at_once([work, work, work])

    assert len({mail.message_id for mail in office.mailer.sent}) == len(office.mailer.sent) == 12


@pytest.fixture
def signals_kept() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_kept")
def test_sigterm_lets_the_message_under_way_leave_and_takes_no_other(
    office: PostOffice, person: Person
) -> None:
    class StoppedWhileItSends(FakeMailer):
        def send(self, message: Message) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            super().send(message)

    office.mailer = StoppedWhileItSends()
    first = office.promise(person)
    second = office.promise(person, Kind.PASSWORD_CHANGED)

    office.worker().run()

    assert len(office.mailer.sent) == 1
    rows = {row.id: row for row in office.rows()}
    assert (rows[first].state, rows[second].state) == (PromiseState.DONE, PromiseState.WAITING)
    assert (rows[second].lease, rows[second].tries) == ("", 0)


@pytest.mark.usefixtures("signals_kept")
def test_a_worker_with_nothing_to_do_looks_every_second_and_stops_at_once_when_told(
    instance: Instance,
) -> None:
    waited: list[timedelta] = []

    def wait(span: timedelta) -> None:
        waited.append(span)
        if len(waited) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    Worker(instance.parts, Script(), wait=wait).run()

    assert seconds(*waited) == [1, 1, 1]


def test_redis_away_the_worker_waits_and_goes_on_without_a_restart(
    tmp_path: Path,
    servers_folder: Path,
    sqlite_url: str,
    clock: Clock,
) -> None:
    folder = servers_folder / "valkey-worker"
    folder.mkdir(mode=0o700)
    valkey = ValkeyServer(folder, durability=FORGETFUL)
    valkey.start()
    valkey.wait()
    data = tmp_path / "worker"
    data.mkdir()
    instance = Instance(
        data, sql_url=sqlite_url, redis_url=valkey.url, clock=clock, signing_algs=("ES256",)
    )
    office = PostOffice(instance)
    made = office.promise(instance.add_person(email=EMAIL))
    worker = office.worker()

    valkey.stop()
    try:
        worker.deliver()
        (row,) = office.rows()
        sent_without = list(office.mailer.sent)
    finally:
        valkey.start()
        valkey.wait()
    try:
        worker.deliver()
    finally:
        instance.parts.redis.client.close()
        valkey.stop()

    assert (row.state, row.lease, row.tries) == (PromiseState.WAITING, "", 0)
    assert sent_without == []
    assert [row.id for row in office.rows() if row.state is PromiseState.DONE] == [made]
    assert len(office.mailer.sent) == 1


def test_sql_away_the_worker_waits_and_goes_on_without_a_restart(
    office: PostOffice, person: Person, tmp_path: Path
) -> None:
    office.promise(person)
    worker = office.worker()
    path = Path(str(office.instance.parts.database.url.database))
    office.instance.parts.database.engine.dispose()
    aside = tmp_path / "aside"
    files = [name for name in path.parent.iterdir() if name.name.startswith(path.name)]
    aside.mkdir()
    for name in files:
        name.rename(aside / name.name)
    path.mkdir()  # a file that SQLite cannot open

    worker.deliver()
    worker.forget_when_due()
    sent_without = list(office.mailer.sent)
    path.rmdir()
    for name in files:
        (aside / name.name).rename(name)
    worker.deliver()

    assert sent_without == []
    assert len(office.mailer.sent) == 1


def test_one_round_by_a_timer_sends_what_is_due(
    make_instance: Callable[..., Instance], mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = make_instance(signing_algs=("ES256",), **mailbox.settings)
    instance.clock.at = datetime.now(UTC)
    person = instance.add_person(email="anne@exemple.example")
    with instance.app.app_context(), instance.parts.database.transaction():
        instance.parts.outbox.add(
            Kind.PASSWORD_CHANGED, Channel.MAIL, account_id=person.account_id, credential_version=1
        )
    values = {
        "issuer": instance.settings.issuer,
        "data_dir": instance.settings.data_dir,
        "database_url": instance.settings.sql_url,
        "redis_url": instance.settings.redis_url,
        **mailbox.settings,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"IDP_{name.upper()}", str(value))

    done = CliRunner().invoke(main, ["worker", "--once"], catch_exceptions=False)

    assert done.exit_code == 0
    assert mailbox.recipients == ["anne@exemple.example"]
