import hmac
from datetime import date
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.composers import AddressRecordedNotice
from idp.identity.contact import LETTER_ARRIVES
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.delivery import NothingToSend
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.email_address import LIFETIME
from idp.identity.email_address import WRONG_CODES
from idp.identity.email_address import AddressCodeMail
from idp.identity.email_address import EmailAddresses
from idp.identity.email_address import InvalidAddress
from idp.identity.email_address import WrongCode
from idp.identity.email_address import code_digest
from idp.identity.email_address import parse_address
from idp.identity.mask import mask_email
from idp.identity.outbox import Kind
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import Channel
from idp.identity.working_days import expected_by
from idp.promise import PromiseState
from tests.fake_counters import MemoryResetQuotas
from tests.fake_outbox import MemoryOutbox
from tests.fake_outbox import MemoryPendingAddresses
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryContacts
from tests.fakes import subject
from tests.instance import Clock

CODE_KEY = b"c" * 32
NEW = "Anne.Martin@nouvelle.example"
FORMER = "anne@example.org"
ACTOR = Actor(network="192.0.2.1", request_id="r1")


class Scene:
    """Somebody who is signed in and records an address, over stores in memory."""

    def __init__(self, *, email=FORMER):
        self.clock = Clock()
        self.accounts = MemoryAccounts()
        self.accounts.add(
            DirectoryEntry(
                Account("account", DossierStatus.ACTIVE, None, 3, None),
                Qualite.AFFILIE,
                NumeroDossier("1234567"),
                subject(email=email),
            )
        )
        self.contacts = MemoryContacts(self.accounts, now=self.clock)
        self.pending = MemoryPendingAddresses(self.clock)
        self.outbox = MemoryOutbox(self.clock)
        self.audit = MemoryAuditLog()
        self.mail = AddressCodeMail(self.pending, CODE_KEY)
        self.addresses = EmailAddresses(
            accounts=self.accounts,
            contacts=self.contacts,
            pending=self.pending,
            quotas=MemoryResetQuotas(QuotaPolicy(), now=self.clock),
            outbox=self.outbox,
            audit=self.audit,
            code_key=CODE_KEY,
            now=self.clock,
        )

    def propose(self, typed=NEW, account_id="account"):
        self.addresses.propose(account_id, typed, actor=ACTOR)

    def mailed(self):
        """What the worker mails for the newest promise of a code."""
        (promise, *_) = [row for row in self.promises() if row.kind is Kind.ADDRESS_CODE]
        return self.mail.compose(promise, self.contacts.get("account"), now=self.clock())

    def confirm(self, typed, account_id="account"):
        self.addresses.confirm(account_id, typed, actor=ACTOR)

    def wrong(self, typed, account_id="account"):
        with pytest.raises(WrongCode) as refusal:
            self.confirm(typed, account_id)
        return refusal.value

    def promises(self):
        return self.outbox.rows(states=tuple(PromiseState), limit=100)[::-1]

    def events(self):
        return [kept.event for kept in self.audit.events]

    def recorded(self):
        return self.accounts.entries["account"].confirmed_email


@pytest.fixture
def scene():
    return Scene()


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("anne@example.org", "anne@example.org"),
        ("  anne@example.org\n", "anne@example.org"),
        ("Anne.Martin@EXAMPLE.Org", "Anne.Martin@example.org"),
        ("anne+caisse@mail.example.org", "anne+caisse@mail.example.org"),
        ("o'neil_{1}@example.org", "o'neil_{1}@example.org"),
        ("anne@XN--SOCIT-ESAB.fr", "anne@xn--socit-esab.fr"),
        ("a@b.c0", "a@b.c0"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
        ("a@" + "b" * 63 + ".fr", "a@" + "b" * 63 + ".fr"),
    ],
)
def test_the_domain_of_an_address_is_folded_and_the_rest_kept_as_typed(typed, address):
    assert parse_address(typed) == address


NO_ADDRESSES = {
    "nothing": "",
    "spaces": "   ",
    "no at": "anne.example.org",
    "no local part": "@example.org",
    "no domain": "anne@",
    "a domain without a dot": "anne@localhost",
    "two ats": "anne@martin@example.org",
    "a leading dot": ".anne@example.org",
    "a last dot": "anne.@example.org",
    "two dots": "anne..martin@example.org",
    "dots of the domain": "anne@example..org",
    "a domain that ends in a dot": "anne@example.org.",
    "a hyphen before a label": "anne@-example.org",
    "a hyphen after a label": "anne@example-.org",
    "a label of 64": "a@" + "b" * 64 + ".fr",
    "a local part of 65": "a" * 65 + "@example.org",
    "255 characters": "a@" + "b." * 125 + "org",
    "a quoted local part": '"anne martin"@example.org',
    "a quoted header": '"a\r\nBcc: b@example.com"@example.org',
    "a second header (header injection)": "anne@example.org\r\nBcc: b@example.com",
    "a line within": "anne@exam\nple.org",
    "two addresses": "anne@example.org,b@example.com",
    "two addresses by semicolon": "anne@example.org;b@example.com",
    "a name before it": "Anne <anne@example.org>",
    "a comment": "anne(moi)@example.org",
    "a source route": "@relay.example:anne@example.org",
    "a percent route": "anne%example.org",
    "a literal IP address (request forgery)": "anne@[127.0.0.1]",
    "a bare IP address (request forgery)": "anne@127.0.0.1",
    "accents": "andré@example.org",
    "an internationalised domain": "anne@société.fr",
    "a look-alike domain": "anne@еxample.org",  # a Cyrillic letter
    "figures of another script": "anne@example.٣٣",
    "an invisible character": "anne\u200b@example.org",
    "a bidirectional override": "anne\u202e@example.org",
    "a full-width at": "anne＠example.org",
    "half of a character": "anne\ud800@example.org",
    "a NUL": "anne\0@example.org",
}


@pytest.mark.parametrize("typed", NO_ADDRESSES.values(), ids=NO_ADDRESSES.keys())
def test_what_not_every_server_takes_is_no_address(typed):
    with pytest.raises(InvalidAddress):
        parse_address(typed)


@given(st.text(max_size=300) | st.text('ab.@-1 \n"<>', max_size=40))
def test_whatever_is_typed_is_an_address_on_one_ascii_line_or_none(typed):
    try:
        address = parse_address(typed)
    except InvalidAddress:
        return
    assert address.isascii()
    assert address.isprintable()
    assert " " not in address
    assert address.count("@") == 1


def test_an_address_is_recorded_by_the_code_that_was_mailed_to_it(scene):
    scene.propose()
    message = scene.mailed()

    scene.confirm(message.secret)

    assert message.to == "Anne.Martin@nouvelle.example"
    assert scene.recorded() == "Anne.Martin@nouvelle.example"
    assert scene.events() == [Event.ADDRESS_REQUESTED, Event.ADDRESS_RECORDED]


def test_the_mail_with_the_code_greets_its_reader_and_says_until_when_it_is_good(scene):
    scene.propose()
    scene.clock.advance(timedelta(minutes=4))

    message = scene.mailed()

    assert (message.given_names, message.name) == ("Anne Marie Louise", "MARTIN")
    assert message.valid_until == message.happened_at + LIFETIME
    assert message.valid_until == scene.clock() + timedelta(minutes=26)
    assert message.secret.replace(" ", "").isdigit()
    assert [len(part) for part in message.secret.split(" ")] == [3, 3]


def test_who_has_no_usage_name_is_greeted_by_the_family_name(scene):
    scene.accounts.entries["account"].subject = subject(usage_name="")
    scene.propose()

    assert scene.mailed().name == "LEFÈVRE"


def test_nothing_is_noted_of_a_code_that_left(scene):
    scene.propose()
    (promise,) = scene.promises()
    scene.mail.handed_over(promise, scene.contacts.get("account"))

    assert scene.pending.address("account") == "Anne.Martin@nouvelle.example"
    assert scene.events() == [Event.ADDRESS_REQUESTED]


def test_no_two_codes_are_alike_but_by_chance(scene):
    scene.propose()

    assert len({scene.mailed().secret for _ in range(50)}) > 45


def test_a_code_whose_address_is_gone_is_not_mailed(scene):
    scene.propose()
    scene.clock.advance(LIFETIME)

    with pytest.raises(NothingToSend, match="address_gone"):
        scene.mailed()


def test_neither_outbox_nor_audit_log_holds_an_address_or_a_code(scene):
    scene.propose()
    secret = scene.mailed().secret
    scene.wrong("000 000" if secret != "000 000" else "000 001")
    scene.confirm(secret)

    kept = repr(scene.promises()) + repr(scene.audit.events)
    assert not any(part in kept for part in ("nouvelle", FORMER, secret, secret.replace(" ", "")))


def test_the_store_holds_a_code_by_a_keyed_digest_of_its_account():
    digests = {
        code_digest(key, account_id, code)
        for key in (CODE_KEY, b"d" * 32)
        for account_id in ("mine", "yours")
        for code in ("123456", "123457")
    }

    assert len(digests) == 8
    assert not any("123456" in digest for digest in digests)


def test_the_digest_of_a_code_is_no_digest_that_the_key_given_makes_elsewhere():
    # The decoy key names subjects too: one key, one purpose, or one use could speak for another.
    given = b"address-code:mine:123456"

    assert code_digest(CODE_KEY, "mine", "123456") != hmac.digest(CODE_KEY, given, "sha256").hex()


FIGURES = {
    "with its space": str,
    "without it": lambda code: code.replace(" ", ""),
    "with dashes and spaces around": lambda code: f"  {code.replace(' ', '-')}\n",
    "pasted with its sentence": lambda code: f"Votre code : {code}.",
    "in full-width figures": lambda code: "".join(
        chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in code
    ),
    "in Arabic figures": lambda code: "".join(
        chr(ord(c) - ord("0") + 0x0660) if c.isdigit() else c for c in code
    ),
}


@pytest.mark.parametrize("typed", FIGURES.values(), ids=FIGURES.keys())
def test_a_code_may_be_typed(scene, typed):
    scene.propose()

    scene.confirm(typed(scene.mailed().secret))

    assert scene.recorded() == "Anne.Martin@nouvelle.example"


@pytest.mark.parametrize("typed", ["", "abc", "²²²²²²", "①②③④⑤⑥", "12345", "1234567", "\ud800"])
def test_what_is_no_code_is_a_wrong_try_and_breaks_nothing(scene, typed):
    scene.propose()
    scene.mailed()

    assert scene.wrong(typed).ended is False
    assert scene.events()[-1] == Event.ADDRESS_REFUSED


def test_five_wrong_codes_end_the_address_guessing(scene):
    scene.propose()
    code = scene.mailed().secret

    ended = [scene.wrong("").ended for _ in range(WRONG_CODES)]

    assert ended == [False] * 4 + [True]
    assert scene.wrong(code).ended is True
    assert scene.recorded() == ""


def test_a_code_is_good_once_and_for_its_own_account(scene):
    scene.propose()
    code = scene.mailed().secret
    assert scene.wrong(code, account_id="nobody").ended is True

    scene.confirm(code)

    assert scene.wrong(code).ended is True


def test_a_code_is_good_for_half_an_hour(scene):
    scene.propose()
    code = scene.mailed().secret

    scene.clock.advance(LIFETIME)

    assert scene.wrong(code).ended is True
    assert scene.recorded() == ""


def test_the_former_address_is_told_of_the_new_one(scene):
    scene.propose()
    scene.confirm(scene.mailed().secret)

    notice = scene.promises()[0]
    assert (notice.kind, notice.channel) == (Kind.ADDRESS_RECORDED, Channel.MAIL)
    assert scene.audit.events[-1].detail == {"channel": "mail"}
    assert (notice.account_id, notice.credential_version) == ("account", 3)


def test_the_former_address_is_told_after_days_without_a_mail_server_takeover_by_address(scene):
    scene.propose()
    scene.confirm(scene.mailed().secret)
    scene.clock.advance(timedelta(days=4))
    contact = scene.contacts.get("account")

    notice = AddressRecordedNotice(mask_email).compose(
        scene.promises()[0], contact, now=scene.clock()
    )

    assert contact.email == "Anne.Martin@nouvelle.example"
    assert notice.to == FORMER


def test_who_had_no_address_is_told_of_the_new_one_by_letter():
    scene = Scene(email="")
    scene.propose()
    scene.confirm(scene.mailed().secret)

    assert scene.promises()[0].channel is Channel.LETTER


def test_the_wait_of_a_first_address_begins_when_its_letter_has_arrived_takeover_by_address():
    scene = Scene(email="")
    scene.propose()
    scene.confirm(scene.mailed().secret)

    scene.clock.advance(LETTER_ARRIVES + NEW_ADDRESS_WAIT - timedelta(seconds=1))
    assert scene.contacts.get("account").email == ""
    scene.clock.advance(timedelta(seconds=1))
    assert scene.contacts.get("account").email == "Anne.Martin@nouvelle.example"


def test_a_letter_has_arrived_when_the_wait_begins_whatever_the_holidays():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(40 * 365)]

    assert max(expected_by(day) - day for day in days) == LETTER_ARRIVES


@pytest.mark.parametrize(
    ("email", "wait"), [(FORMER, NEW_ADDRESS_WAIT), ("", LETTER_ARRIVES + NEW_ADDRESS_WAIT)]
)
def test_whoever_records_an_address_is_told_how_long_it_waits(email, wait):
    scene = Scene(email=email)
    told = scene.addresses.wait("account")
    scene.propose()
    scene.confirm(scene.mailed().secret)
    scene.clock.advance(told - timedelta(seconds=1))
    before = scene.contacts.get("account").email
    scene.clock.advance(timedelta(seconds=1))

    assert told == wait
    assert (before, scene.contacts.get("account").email) == (
        email,
        "Anne.Martin@nouvelle.example",
    )


def test_an_account_that_is_gone_is_told_the_longer_wait(scene):
    assert scene.addresses.wait("gone") == LETTER_ARRIVES + NEW_ADDRESS_WAIT


def test_a_new_address_receives_a_reset_only_after_72_hours_takeover_by_address(scene):
    scene.propose()
    scene.confirm(scene.mailed().secret)

    scene.clock.advance(NEW_ADDRESS_WAIT - timedelta(seconds=1))
    assert scene.contacts.get("account").email == FORMER
    scene.clock.advance(timedelta(seconds=1))
    assert scene.contacts.get("account").email == "Anne.Martin@nouvelle.example"


def test_a_dossier_closed_meanwhile_records_no_address_and_promises_no_notice(scene):
    scene.propose()
    code = scene.mailed().secret
    scene.accounts.change("account", dossier_status=DossierStatus.CLOSED)

    assert scene.wrong(code).ended is True

    assert scene.recorded() == ""
    assert [row.kind for row in scene.promises()] == [Kind.ADDRESS_CODE]
    assert scene.events()[-1] == Event.ADDRESS_REFUSED


def test_what_is_no_address_is_told_before_anything_is_counted_kept_or_promised(scene):
    for _ in range(10):
        with pytest.raises(InvalidAddress):
            scene.propose("anne")

    assert (scene.promises(), scene.events()) == ([], [])
    scene.propose()


def test_codes_are_mailed_three_an_hour_whatever_the_address_mail_bomb(scene):
    for n in range(3):
        scene.propose(f"victim{n}@example.org")

    with pytest.raises(QuotaReached) as held:
        scene.propose("victim4@example.org")

    assert held.value.quota is Quota.MAIL
    assert scene.pending.address("account") == "victim2@example.org"
    assert len(scene.promises()) == 3


def test_an_account_that_is_gone_is_promised_a_code_under_no_version(scene):
    scene.propose(account_id="gone")

    (promise,) = scene.promises()
    assert (promise.account_id, promise.credential_version) == ("gone", 0)


@pytest.mark.parametrize("away", ["contacts", "pending", "outbox"])
def test_without_one_of_the_stores_nothing_is_promised(scene, away):
    getattr(scene, away).away = True

    with pytest.raises(StoreUnavailable):
        scene.propose()

    scene.outbox.away = False
    assert scene.promises() == []
    assert scene.events() == []


def test_without_the_directory_no_code_is_tried_or_used_up(scene):
    scene.propose()
    code = scene.mailed().secret
    scene.contacts.away = True
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            scene.confirm(code)

    scene.contacts.away = False
    scene.confirm(code)
    assert scene.recorded() == "Anne.Martin@nouvelle.example"
