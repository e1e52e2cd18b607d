"""Every mail as its reader finds it: words, addresses, the one link; nothing typed adds to it."""

import re
import shutil
from datetime import UTC
from datetime import datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from lxml import html

from idp.identity.delivery import MailRefused
from idp.identity.delivery import Message
from idp.identity.outbox import Kind
from idp.identity.working_days import moment_in_words
from idp.infra.mail_text import InvalidSender
from idp.infra.mail_text import Letterhead
from idp.infra.mail_text import MailText
from idp.infra.mail_text import is_address
from idp.parts import templates_dir

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SIGN_IN = "https://connexion.caisse.example/connexion"
SENDER = "ne-pas-repondre@caisse.example"
WITH_SECRET = {Kind.TEMPORARY_PASSWORD, Kind.ADDRESS_CODE}
NBSP = "\N{NO-BREAK SPACE}"


def text(**changes: str) -> MailText:
    head = {"support_phone": "01 23 45 67 89", **changes}
    return MailText(templates_dir(), Letterhead("CARPIMKO", SENDER, SIGN_IN, **head))


def message(kind: Kind = Kind.TEMPORARY_PASSWORD, **changes: Any) -> Message:
    values: dict[str, Any] = {
        "to": "jeanne@exemple.example",
        "given_names": "Jeanne Marie",
        "name": "Duval",
        "message_id": "4f1c.8",
        "date": NOON,
        "happened_at": NOON,
        "valid_until": datetime(2026, 12, 1, 8, 5, tzinfo=UTC) if kind in WITH_SECRET else None,
        "secret": "ABCD-EFGH-JKM2" if kind in WITH_SECRET else "",
        "masked_address": "j***dy@c*****.com" if kind is Kind.ADDRESS_RECORDED else "",
    }
    return Message(kind=kind, **values | changes)


def plain(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def page(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def words(written: str) -> str:
    return " ".join(written.split())


def body_text(mail: EmailMessage) -> str:
    return words(html.document_fromstring(page(mail)).body.text_content())


@pytest.fixture(params=list(Kind), ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_every_mail_has_a_subject_a_text_and_the_same_words_as_html(kind):
    mail = text().write(message(kind))

    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert 10 < len(mail["Subject"]) < 60
    numbered = re.sub(r"(?m)^\d\. ", "", plain(mail))
    for line in filter(None, numbered.splitlines()):
        assert words(line).removesuffix(" :") in body_text(mail), line


def test_every_mail_is_french_with_an_english_end_structured_and_fetches_nothing(kind):
    mail = text().write(message(kind))
    found = html.document_fromstring(page(mail))

    assert [part["Content-Language"] for part in mail.walk()] == ["fr"] * 3
    assert found.get("lang") == "fr"
    assert found.findtext(".//title") == mail["Subject"]
    (article,) = found.xpath("/html/body/div[@role = 'article']")
    assert (article.get("lang"), article.get("aria-label")) == ("fr", mail["Subject"])
    (english,) = article.xpath("./p[@lang = 'en']")
    assert english.text_content().startswith("In English: ")
    assert len(found.xpath("//h1")) == 1
    assert not found.xpath("//img|//script|//link|//style|//form|//iframe|//@src|//@background")
    assert not re.search(r"url\(|@import|https?://(?!connexion\.caisse\.example/)", page(mail))


def test_the_only_link_is_the_sign_in_page_and_notices_have_none(kind):
    mail = text().write(message(kind))

    links = re.findall(r"\w+://[^\s\"<]+", plain(mail) + page(mail))

    assert set(links) == ({SIGN_IN} if kind is Kind.TEMPORARY_PASSWORD else set())
    assert html.document_fromstring(page(mail)).xpath("//@href") == list(set(links))
    assert ("aucun lien" in plain(mail)) is (not links)


@pytest.mark.parametrize("kind", sorted(WITH_SECRET))
def test_the_secret_stands_on_a_line_of_its_own_and_never_in_the_subject(kind):
    mail = text().write(message(kind))

    assert plain(mail).splitlines().count("ABCD-EFGH-JKM2") == 1
    assert html.document_fromstring(page(mail)).xpath("//p/strong/text()")[0] == "ABCD-EFGH-JKM2"
    assert "ABCD" not in str(mail["Subject"])
    assert "Ne le communiquez à personne" in plain(mail)
    assert f"jusqu’au mardi 1er décembre 2026 à 9{NBSP}h{NBSP}05" in plain(mail)


def test_every_mail_warns_of_who_asks_for_a_secret_and_says_whom_to_call(kind):
    said = plain(text().write(message(kind)))

    assert "ne vous demande jamais un mot de passe" in said
    assert "ni par téléphone" in said
    assert f"01{NBSP}23{NBSP}45{NBSP}67{NBSP}89" in said


def test_a_fund_without_a_number_sends_people_to_its_letters():
    said = plain(text(support_phone="").write(message()))

    assert "au numéro qui figure sur nos courriers" in said


def test_the_temporary_password_tells_all_that_is_to_be_done():
    said = plain(text().write(message()))

    for told in (
        "Allez à la page de connexion",
        "numéro de dossier",
        "À la place de votre mot de passe",
        "Majuscules ou minuscules, avec ou sans tirets",
        "il reste valable tant que vous n’en avez pas choisi un autre",
        "Vous n’avez rien demandé",
    ):
        assert told in said


def test_the_new_address_is_told_masked_with_its_72_hours():
    said = plain(text().write(message(Kind.ADDRESS_RECORDED)))

    assert "j***dy@c*****.com" in said
    assert "72 heures" in said


def test_headers_say_who_writes_to_whom_and_that_no_machine_shall_answer():
    mail = text(reply_to="assistance@caisse.example").write(message())

    assert {name: str(value) for name, value in mail.items()} == {
        "Date": "Tue, 24 Nov 2026 13:00:00 +0100",
        "Message-ID": "<4f1c.8@caisse.example>",
        "From": "CARPIMKO <ne-pas-repondre@caisse.example>",
        "Reply-To": "CARPIMKO <assistance@caisse.example>",
        "To": "jeanne@exemple.example",
        "Subject": "Votre mot de passe provisoire CARPIMKO",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": mail["Content-Type"],
        "Content-Language": "fr",
    }


def test_without_an_address_for_answers_they_go_to_the_sender():
    assert str(text().write(message())["Reply-To"]) == f"CARPIMKO <{SENDER}>"


@pytest.mark.parametrize(
    ("given_names", "name", "greeting"),
    [
        ("Jeanne Marie", "Duval", "Bonjour Jeanne Duval,"),
        ("Zoë", "Le  Goff-D’Été", "Bonjour Zoë Le Goff-D’Été,"),
        ("", "Duval", "Bonjour Duval,"),
        ("", "", "Bonjour,"),
        ("Jeanne", "Duval\nBcc: x@y.example", "Bonjour,"),
        ("Jeanne", "evil.example", "Bonjour,"),
        ("https://evil.example", "Duval", "Bonjour,"),
        ("<b>Jeanne</b>", "Duval", "Bonjour,"),
        ("{{ secret }}", "Duval", "Bonjour,"),
        ("Jeanne", "\N{RIGHT-TO-LEFT OVERRIDE}lavuD", "Bonjour,"),
        ("Jeanne", "D" * 90, "Bonjour,"),
    ],
)
def test_a_name_that_could_add_a_line_a_link_or_mark_up_is_left_out(given_names, name, greeting):
    mail = text().write(message(given_names=given_names, name=name))

    assert plain(mail).splitlines()[0] == greeting
    assert html.document_fromstring(page(mail)).xpath("//p")[0].text_content() == greeting


BAD_ADDRESSES = [
    "",
    "jeanne",
    "@exemple.example",
    "jeanne@",
    "jeanne@localhost",
    "jeanne@exemple..example",
    "jeanne@-exemple.example",
    ".jeanne@exemple.example",
    "jeanne@exemple.example\r\nBcc: mallory@evil.example",
    "jeanne@exemple.example\n",
    "jeanne@exemple.example>\r\nRCPT TO:<mallory@evil.example",
    "jeanne@exemple.example, mallory@evil.example",
    "jeanne@exemple.example;mallory@evil.example",
    "Jeanne <jeanne@exemple.example>",
    '"jeanne mallory"@exemple.example',
    "jeanne@[192.0.2.1]",
    "jeanne@exemple.example SIZE=1",
    "jeanne\0@exemple.example",
    "jeanne\N{ZERO WIDTH SPACE}@exemple.example",
    "jeanne@\N{RIGHT-TO-LEFT OVERRIDE}exemple.example",
    "j" * 65 + "@exemple.example",
    "jeanne@" + "e" * 64 + ".example",
    "jeanne@" + "exemple." * 31 + "example",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_what_is_no_single_address_is_refused_with_no_word_of_it(address):
    with pytest.raises(MailRefused) as refused:
        text().write(message(to=address))

    assert refused.value.fault == "address_invalid"
    assert str(refused.value) == "mail: address_invalid"


@pytest.mark.parametrize(
    "address",
    ["j.d+carpimko@exemple.example", "o'hara@ex-emple.co.example", "élodie@dömain.example"],
)
def test_an_address_that_looks_odd_and_is_right_is_written_to(address):
    mail = text().write(message(to=address))

    assert mail["To"].addresses[0].addr_spec == address


@given(address=st.one_of(st.text(), st.emails(), st.from_regex(r"\A.{0,9}@.{0,9}\.fr\Z")))
def test_no_address_adds_a_header_or_a_recipient(address):
    if not is_address(address):
        return
    mail = text().write(message(to=address))

    assert len(mail["To"].addresses) == 1
    assert mail["To"].addresses[0].addr_spec == address
    assert len(mail.as_bytes().partition(b"\r\n\r\n")[0].split(b"\r\nTo:")) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"mail_from": "ne-pas-repondre"},
        {"mail_from": "é@caisse.example"},
        {"reply_to": "a@caisse.example\nBcc: b@caisse.example"},
        {"fund_name": ""},
        {"fund_name": "CARPIMKO\r\nBcc: b@caisse.example"},
    ],
)
def test_a_sender_that_could_write_no_header_is_refused_at_the_start(change):
    head = {"fund_name": "CARPIMKO", "mail_from": SENDER, "sign_in_url": SIGN_IN, **change}

    with pytest.raises(InvalidSender):
        Letterhead(**head)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "dimanche 29 mars 2026 à 1 h 59"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "dimanche 29 mars 2026 à 3 h 00"),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "vendredi 1er janvier 2027 à 0 h 00"),
    ],
)
def test_an_instant_is_said_in_the_time_of_paris(at, said):
    assert str(moment_in_words(at)).replace(NBSP, " ") == said


def test_nothing_of_a_person_shows_in_a_repr():
    shown = repr(message(masked_address="j***dy@c*****.com"))

    assert not re.search(r"jeanne|Jeanne|Duval|ABCD|j\*\*\*dy", shown)


def test_a_template_without_its_value_is_a_fault_and_not_a_hole(tmp_path):
    (tmp_path / "mail").mkdir()
    for suffix in ("txt", "html"):
        (tmp_path / "mail" / f"password_changed.{suffix}").write_text(
            "{% block subject %}s{% endblock %}{{ nowhere }}"
        )
    broken = MailText(tmp_path, Letterhead("CARPIMKO", SENDER, SIGN_IN))

    with pytest.raises(UndefinedError, match="nowhere"):
        broken.write(message(Kind.PASSWORD_CHANGED))


def test_templates_put_in_place_under_a_running_worker_change_nothing_before_a_restart(
    tmp_path,
):
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    letterhead = Letterhead("CARPIMKO", SENDER, SIGN_IN)
    running = MailText(folder, letterhead)
    for path in (folder / "mail").iterdir():
        path.write_text("{% block subject %}s{% endblock %}{{ next_version }}")
    shutil.rmtree(folder / "letters")

    assert "a été changé" in plain(running.write(message(Kind.PASSWORD_CHANGED)))
    with pytest.raises(UndefinedError, match="next_version"):
        MailText(folder, letterhead).write(message(Kind.PASSWORD_CHANGED))


def test_who_reads_of_an_address_that_is_not_theirs_learns_of_the_freeze_that_sets_it_aside():
    said = plain(text().write(message(Kind.ADDRESS_RECORDED)))

    assert "choisissez « Ce n’était pas moi »" in said.replace(NBSP, " ")
    assert "Cette nouvelle adresse sera mise de côté." in said


def test_whose_frozen_account_no_letter_can_reach_is_told_to_call():
    """The notice is the same with and without a postal address: it promises no letter."""
    said = plain(text().write(message(Kind.ACCOUNT_FROZEN)))

    assert "que nous vous envoyons" not in said
    assert "nous n’avons pas votre adresse postale complète, appelez-nous" in said
