"""A promise becomes a mail that left, or a reason; whoever dies in between loses nothing."""

import re
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta

import pytest

from idp import Busy
from idp import StoreUnavailable
from idp.audit import Event
from idp.identity.composers import TemporaryPasswordMail
from idp.identity.composers import notices
from idp.identity.contact import Contact
from idp.identity.delivery import Delivered
from idp.identity.delivery import Delivery
from idp.identity.delivery import MailRefused
from idp.identity.delivery import MailUnreachable
from idp.identity.delivery import Outcome
from idp.identity.dossier import DossierStatus
from idp.identity.mask import mask_email
from idp.identity.outbox import DELAYS
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.password import Argon2Cost
from idp.identity.password import PasswordHash
from idp.identity.password import Passwords
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TryPolicy
from idp.identity.temporary_password import channel_of
from idp.identity.temporary_password import fold
from idp.promise import LEASE
from idp.promise import PromiseState
from tests.fake_outbox import FakeMailer
from tests.fake_outbox import MemoryOutbox
from tests.fake_outbox import contact
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.instance import Clock

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Killed(BaseException):
    """``kill -9``: no handler of the program sees it."""


class DiesAt:
    """A port whose process dies once, before or after one of its methods did its work."""

    def __init__(self, port: object, method: str, *, after: bool) -> None:
        self._port, self._method, self._after = port, method, after

    def __getattr__(self, name: str) -> object:
        act = getattr(self._port, name)
        if name != self._method:
            return act

        def die(*words: object, **named: object) -> object:
            if self._after:
                act(*words, **named)
            raise Killed

        return die


@dataclass
class MemoryContacts:
    """The port ``Contacts``, by account."""

    contacts: dict[str, Contact] = field(default_factory=dict)
    away: bool = False

    def find(self, qualite, numero):
        raise NotImplementedError

    def get(self, account_id: str) -> Contact | None:
        """Read the contact of an account."""
        if self.away:
            raise StoreUnavailable("SQL")
        return self.contacts.get(account_id)


class Post:
    """A worker with its stores in memory, and one member who can be written to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.outbox = MemoryOutbox(self.clock)
        self.contacts = MemoryContacts({"account": contact()})
        self.temporaries = MemoryTemporaryPasswords(TryPolicy(), now=self.clock)
        self.passwords = Passwords(
            pepper=b"p" * 32, decoy_key=b"d" * 32, cost=Argon2Cost(8, 1), mix=MemoryAccounts()
        )
        self.mailer = FakeMailer()
        self.audit = MemoryAuditLog()

    def delivery(self, **ports: object) -> Delivery:
        given = {name: ports.get(name, getattr(self, name)) for name in PORTS}
        return Delivery(
            outbox=given["outbox"],
            contacts=given["contacts"],
            composers={
                **notices(mask_email),
                Kind.TEMPORARY_PASSWORD: TemporaryPasswordMail(
                    given["temporaries"], given["passwords"]
                ),
            },
            mailer=given["mailer"],
            audit=given["audit"],
            transaction=nullcontext,
            now=self.clock,
        )

    def send_next(self) -> Delivered:
        return self.delivery().send_next()

    def promise(
        self, kind=Kind.TEMPORARY_PASSWORD, *, account_id: str | None = "account", version: int = 3
    ) -> int:
        made = self.outbox.add(
            kind, Channel.MAIL, account_id=account_id, credential_version=version
        )
        if kind is Kind.TEMPORARY_PASSWORD:
            self.temporaries.request(account_id or "decoy", Channel.MAIL, made, version=version)
        return made

    def row(self, promise_id: int) -> Promise:
        rows = self.outbox.rows(states=tuple(PromiseState), limit=1_000)
        return next(row for row in rows if row.id == promise_id)

    def events(self) -> list[Event]:
        return [kept.event for kept in self.audit.events]

    def opens(self, secret: str) -> bool:
        """Whether the store would let this secret in now."""
        kept = self.temporaries.reserve_try(
            "account", Channel.MAIL, version=3, network="192.0.2.0", browser="b"
        )
        if kept is None or kept.hash is None:
            return False
        verified = self.passwords.verify(kept.hash, fold(secret))
        if verified:
            self.temporaries.release(kept, network="192.0.2.0", browser="b")
        return verified


PORTS = ("outbox", "contacts", "temporaries", "passwords", "mailer", "audit")


@pytest.fixture
def post() -> Post:
    return Post()


def test_nothing_due_sends_nothing(post):
    assert post.send_next() == Delivered(Outcome.IDLE)
    assert (post.mailer.sent, post.audit.events) == ([], [])


def test_a_temporary_password_is_drawn_as_its_mail_is_written_and_opens(post):
    made = post.promise()
    post.clock.advance(timedelta(minutes=3))

    delivered = post.send_next()

    assert delivered == Delivered(Outcome.SENT, made)
    (mail,) = post.mailer.sent
    assert (mail.kind, mail.to) == (Kind.TEMPORARY_PASSWORD, "anne@example.org")
    assert (mail.given_names, mail.name) == ("Anne Marie Louise", "MARTIN")
    assert (mail.date, mail.happened_at) == (post.clock(), post.clock() - timedelta(minutes=3))
    assert mail.valid_until == post.clock() + 24 * HOUR
    assert re.fullmatch(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", mail.secret)
    assert channel_of(mail.secret) is Channel.MAIL
    assert post.opens(mail.secret)
    assert [kept.state for kept in post.temporaries.look("account")] == [State.SENT]


def test_what_left_is_noted_in_the_row_and_in_the_audit_log_without_address_or_secret(post):
    made = post.promise()

    post.send_next()

    row = post.row(made)
    assert (row.state, row.done_at, row.lease) == (PromiseState.DONE, post.clock(), "")
    assert post.events() == [Event.TEMPORARY_ISSUED, Event.TEMPORARY_SENT]
    for event in post.audit.events:
        assert event.account_id == "account"
        assert event.detail == {
            "promise": made,
            "kind": "temporary_password",
            "channel": "mail",
        }


def test_neither_address_nor_secret_shows_when_a_message_is_printed(post):
    post.promise()

    post.send_next()

    (mail,) = post.mailer.sent
    assert mail.to not in repr(mail)
    assert mail.secret not in repr(mail)
    assert "MARTIN" not in repr(mail)


def test_a_person_without_a_usage_name_is_called_by_the_family_name(post):
    post.contacts.contacts["account"] = contact(usage_name="")
    post.promise()

    post.send_next()

    assert [mail.name for mail in post.mailer.sent] == ["LEFÈVRE"]


def test_the_oldest_promise_is_sent_first_and_each_once(post):
    made = [post.promise(Kind.PASSWORD_CHANGED), post.promise(Kind.SIGN_IN_FAILURES)]

    sent = [post.send_next(), post.send_next(), post.send_next()]

    assert [delivered.promise_id for delivered in sent] == [*made, 0]
    assert [mail.kind for mail in post.mailer.sent] == [
        Kind.PASSWORD_CHANGED,
        Kind.SIGN_IN_FAILURES,
    ]


def test_a_letter_is_none_of_the_workers_business(post):
    post.outbox.add(Kind.TEMPORARY_PASSWORD, Channel.LETTER, account_id="account")

    assert post.send_next().outcome is Outcome.IDLE


@pytest.mark.parametrize("kind", [Kind.PASSWORD_CHANGED, Kind.SIGN_IN_FAILURES])
def test_a_notice_holds_no_secret_and_leaves_whatever_password_there_is_now(post, kind):
    post.promise(kind, version=1)

    post.send_next()

    (mail,) = post.mailer.sent
    assert (mail.kind, mail.secret, mail.valid_until) == (kind, "", None)
    assert post.events() == [Event.NOTICE_SENT]
    assert post.temporaries.look("account") == []


@pytest.mark.parametrize("email", ["anne@example.org", "new.address@example.net"])
def test_the_former_address_is_told_of_the_new_one_by_its_mask(post, email):
    post.contacts.contacts["account"] = contact(
        email=email, confirmed_email="new.address@example.net"
    )
    post.promise(Kind.ADDRESS_RECORDED)

    post.send_next()

    (mail,) = post.mailer.sent
    assert (mail.to, mail.masked_address) == ("anne@example.org", "n***ss@e*****.net")
    assert post.events() == [Event.NOTICE_SENT]


@pytest.mark.parametrize(
    ("confirmed", "former"),
    [("Anne@example.org", "anne@example.org"), ("", "anne@example.org"), ("a@example.net", "")],
)
def test_whoever_recorded_an_address_is_not_the_one_told_of_it(post, confirmed, former):
    post.contacts.contacts["account"] = contact(confirmed_email=confirmed, former_email=former)
    made = post.promise(Kind.ADDRESS_RECORDED)

    assert post.send_next() == Delivered(Outcome.DROPPED, made, "no_former_address")
    assert post.mailer.sent == []


def test_a_decoy_is_dropped_and_leaves_no_story(post):
    made = post.promise(account_id=None, version=0)

    assert post.send_next() == Delivered(Outcome.DROPPED, made, "decoy")
    assert (post.mailer.sent, post.audit.events) == ([], [])
    assert post.row(made).state is PromiseState.DROPPED


GONE: Mapping[str, tuple[str, Contact | None]] = {
    "its account is gone": ("no_account", None),
    "its dossier was closed": ("dossier_not_active", contact(status=DossierStatus.CLOSED)),
    "the member died": ("dossier_not_active", contact(status=DossierStatus.DECEASED)),
    "there is no address any more": ("no_address", contact(email="")),
    "another password was chosen": ("password_changed", contact(credential_version=4)),
}


@pytest.mark.parametrize("why", GONE)
def test_a_temporary_password_does_not_leave_when(post, why):
    fault, now_known = GONE[why]
    post.contacts.contacts = {} if now_known is None else {"account": now_known}
    made = post.promise()

    assert post.send_next() == Delivered(Outcome.DROPPED, made, fault)
    assert post.mailer.sent == []
    assert (post.row(made).state, post.row(made).fault) == (PromiseState.DROPPED, fault)
    (told,) = post.audit.events
    assert (told.event, told.detail["fault"]) == (Event.MESSAGE_FAILED, fault)
    assert post.send_next().outcome is Outcome.IDLE


def test_a_promise_of_fourteen_days_is_too_old_and_one_a_second_younger_is_not(post):
    older = post.promise(Kind.PASSWORD_CHANGED)
    post.clock.advance(timedelta(seconds=1))
    younger = post.promise(Kind.SIGN_IN_FAILURES)
    post.clock.advance(14 * DAY - timedelta(seconds=1))

    assert post.send_next() == Delivered(Outcome.DROPPED, older, "too_old")
    assert post.send_next() == Delivered(Outcome.SENT, younger)


def test_of_two_requests_only_the_newer_one_is_mailed(post):
    older, newer = post.promise(), post.promise()

    assert post.send_next() == Delivered(Outcome.DROPPED, older, "superseded")
    assert post.send_next() == Delivered(Outcome.SENT, newer)
    assert [post.opens(mail.secret) for mail in post.mailer.sent] == [True]


def test_a_store_that_was_emptied_keeps_the_promise(post):
    made = post.promise()
    post.temporaries.forget_everything()

    assert post.send_next() == Delivered(Outcome.SENT, made)
    assert post.opens(post.mailer.sent[0].secret)


def test_a_failed_try_is_repeated_with_growing_delays(post):
    made = post.promise()
    post.mailer.fault = MailUnreachable("smtp_unreachable")

    waits = []
    for _ in range(len(DELAYS) + 1):
        assert post.send_next() == Delivered(Outcome.PUT_OFF, made, "smtp_unreachable")
        wait = post.row(made).due_at - post.clock()
        post.clock.advance(wait - timedelta(seconds=1))
        assert post.send_next().outcome is Outcome.IDLE
        post.clock.advance(timedelta(seconds=1))
        waits.append(wait)

    assert waits == [*DELAYS, DELAYS[-1]]


def test_the_same_fault_is_told_once_and_another_one_again(post):
    post.promise()
    for fault in ("smtp_unreachable", "smtp_unreachable", "smtp_timeout"):
        post.mailer.fault = MailUnreachable(fault)
        post.send_next()
        post.clock.advance(DELAYS[-1])

    assert [(kept.event, kept.detail["fault"]) for kept in post.audit.events] == [
        (Event.MESSAGE_FAILED, "smtp_unreachable"),
        (Event.MESSAGE_FAILED, "smtp_timeout"),
    ]


def test_a_mail_server_away_for_an_hour_costs_time_and_no_mail_leaves_twice(post):
    made = []
    for number in range(20):
        post.contacts.contacts[f"a{number}"] = contact(account_id=f"a{number}")
        made.append(post.promise(account_id=f"a{number}"))
    post.mailer.fault = MailUnreachable("smtp_unreachable")
    for _ in range(60):
        while post.send_next().outcome is not Outcome.IDLE:
            pass
        post.clock.advance(timedelta(minutes=1))

    post.mailer.fault = None
    for _ in range(31):  # the longest delay that an hour can have led to
        while post.send_next().outcome is not Outcome.IDLE:
            pass
        post.clock.advance(timedelta(minutes=1))

    message_ids = [mail.message_id for mail in post.mailer.sent]
    assert len(message_ids) == len(set(message_ids)) == 20
    assert {post.row(number).state for number in made} == {PromiseState.DONE}


def test_a_refusal_for_good_buries_the_row_for_an_operator_to_see(post):
    made = post.promise()
    post.mailer.fault = MailRefused("recipient_refused")

    assert post.send_next() == Delivered(Outcome.DEAD, made, "recipient_refused")
    assert (post.row(made).state, post.row(made).fault) == (
        PromiseState.DEAD,
        "recipient_refused",
    )
    assert post.events() == [Event.MESSAGE_DEAD]
    post.clock.advance(DAY)
    assert post.send_next().outcome is Outcome.IDLE


def test_a_mail_server_away_for_fourteen_days_buries_the_row(post):
    made = post.promise()
    post.mailer.fault = MailUnreachable("smtp_unreachable")

    outcomes = set()
    while (delivered := post.send_next()).outcome is not Outcome.IDLE:
        outcomes.add(delivered.outcome)
        post.clock.at = max(post.row(made).due_at, post.clock.at)

    assert outcomes == {Outcome.PUT_OFF, Outcome.DEAD}
    assert post.row(made).state is PromiseState.DEAD
    assert post.clock() - post.row(made).created_at < 14 * DAY
    assert post.events() == [Event.MESSAGE_FAILED, Event.MESSAGE_DEAD]


def test_a_dead_row_that_an_operator_retries_is_sent_with_a_fresh_secret(post):
    made = post.promise()
    post.mailer.fault_after = MailRefused("content_refused")
    post.send_next()
    post.mailer.fault_after = None

    assert post.outbox.retry(made) is not None
    assert post.send_next() == Delivered(Outcome.SENT, made)
    first, second = post.mailer.sent
    assert (post.opens(first.secret), post.opens(second.secret)) == (False, True)


def test_a_kind_that_this_version_cannot_write_waits_for_one_that_can(post):
    made = post.outbox.add(Kind.ADDRESS_CODE, Channel.MAIL, account_id="account")

    assert post.send_next() == Delivered(Outcome.PUT_OFF, made, "no_composer")
    assert post.row(made).state is PromiseState.WAITING


def _temporaries_away(post: Post) -> None:
    post.temporaries.away = True


def _contacts_away(post: Post) -> None:
    post.contacts.away = True


@pytest.mark.parametrize("goes", [_temporaries_away, _contacts_away])
def test_a_store_away_before_the_mail_left_gives_the_row_back_untried(
    post: Post, goes: Callable[[Post], None]
):
    made = post.promise()
    goes(post)

    with pytest.raises(StoreUnavailable):
        post.send_next()

    assert post.mailer.sent == []
    assert (post.row(made).tries, post.row(made).lease) == (0, "")
    post.temporaries.away = post.contacts.away = False
    assert post.send_next() == Delivered(Outcome.SENT, made)


def test_memory_for_the_hash_that_cannot_be_had_gives_the_row_back(post):
    class NoMemory(Passwords):
        def hash(self, clear: str) -> PasswordHash:
            raise Busy("password hashing")

    made = post.promise()
    passwords = NoMemory(
        pepper=b"p" * 32, decoy_key=b"d" * 32, cost=Argon2Cost(8, 1), mix=MemoryAccounts()
    )

    with pytest.raises(Busy):
        post.delivery(passwords=passwords).send_next()

    assert post.send_next() == Delivered(Outcome.SENT, made)


def test_a_row_that_cannot_be_given_back_is_left_to_its_lease(post):
    class AwayForGivingBack(MemoryOutbox):
        def release(self, promise: Promise) -> bool:
            raise StoreUnavailable("SQL")

    post.outbox = AwayForGivingBack(post.clock)
    made = post.promise()
    post.temporaries.away = True

    with pytest.raises(StoreUnavailable):
        post.send_next()

    post.temporaries.away = False
    assert post.send_next().outcome is Outcome.IDLE
    post.clock.advance(LEASE)
    assert post.send_next() == Delivered(Outcome.SENT, made)


def test_redis_away_after_the_mail_left_mails_no_second_one_and_the_secret_opens(post):
    class AwayForSent(MemoryTemporaryPasswords):
        def sent(self, account_id: str, channel: Channel, promise: int) -> None:
            raise StoreUnavailable("Redis")

    post.temporaries = AwayForSent(TryPolicy(), now=post.clock)
    made = post.promise()

    assert post.send_next() == Delivered(Outcome.SENT, made)
    assert post.opens(post.mailer.sent[0].secret)


def test_a_worker_that_lost_its_lease_while_it_sent_ends_nobody_elses_row(post):
    made = post.promise()

    class SlowMailer(FakeMailer):
        def send(self, message: object) -> None:
            post.clock.advance(LEASE)
            post.outbox.claim(Channel.MAIL)  # another worker takes it for dead
            raise MailRefused("recipient_refused")

    post.mailer = SlowMailer()
    post.send_next()

    assert post.row(made).state is PromiseState.WAITING
    assert post.audit.events == []


STEPS = [
    ("outbox", "claim"),
    ("contacts", "get"),
    ("passwords", "hash"),
    ("temporaries", "issue"),
    ("mailer", "send"),
    ("temporaries", "sent"),
    ("outbox", "done"),
    ("audit", "record"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("port", "method"), STEPS, ids=lambda word: word)
def test_a_worker_killed_at_any_step_loses_no_promise_and_leaves_one_living_secret(
    post: Post, port: str, method: str, after: bool
):
    made = post.promise()
    dying = post.delivery(**{port: DiesAt(getattr(post, port), method, after=after)})

    with pytest.raises(Killed):
        dying.send_next()
    post.clock.advance(LEASE)
    while post.send_next().outcome is not Outcome.IDLE:
        pass

    assert post.row(made).state is PromiseState.DONE
    assert 1 <= len(post.mailer.sent) <= 2
    assert len({mail.message_id for mail in post.mailer.sent}) == 1
    *dead, alive = [mail.secret for mail in post.mailer.sent]
    assert not any(map(post.opens, dead))
    assert post.opens(alive)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["drop", "failed"])
def test_a_worker_killed_as_it_gives_up_leaves_the_row_to_be_given_up_again(
    post: Post, method: str, after: bool
):
    post.mailer.fault = MailRefused("recipient_refused")
    made = post.promise(account_id=None if method == "drop" else "account")
    dying = post.delivery(outbox=DiesAt(post.outbox, method, after=after))

    with pytest.raises(Killed):
        dying.send_next()
    post.clock.advance(LEASE)
    post.send_next()

    expected = PromiseState.DROPPED if method == "drop" else PromiseState.DEAD
    assert post.row(made).state is expected
