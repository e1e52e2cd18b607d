"""The pages of a reset and of a first connection: what each of them promises a member."""

from __future__ import annotations

import re

import pytest

from tests.page_states import LATE_LETTER
from tests.page_states import LINKS
from tests.page_states import MASK
from tests.page_states import NBSP
from tests.page_states import REFUSAL
from tests.page_states import document
from tests.page_states import loaded
from tests.page_states import named
from tests.page_states import source
from tests.page_states import words


def test_a_slip_in_a_temporary_password_is_told_with_its_shape_and_only_then():
    slip = words(document(named("login-slip")).get_element_by_id("error-summary"))

    assert REFUSAL in slip
    assert "mot de passe provisoire recopié avec une erreur" in slip
    assert "sans lettre O, I ni L, sans chiffre 0 ni 1" in slip
    assert "recopié" not in words(document(named("login-refused")))


def test_the_anti_robot_is_loaded_only_by_a_page_that_asks_for_it():
    quiet, asked = (document(named(name)) for name in ("login-first", "login-robot"))

    assert not any(name.startswith(("altcha/", "anti-robot")) for name in loaded(quiet))
    assert {"anti-robot.js", "anti-robot.css"} <= loaded(asked)
    assert asked.get_element_by_id("robot").xpath(".//altcha-widget")


def test_a_failed_anti_robot_is_linked_from_the_summary_and_told_beside_the_question():
    page = document(named("reset-robot"))

    assert page.xpath("//*[@id = 'error-summary']//a/@href") == ["#robot"]
    assert page.get_element_by_id("anti_robot_answer").get("aria-invalid") == "true"
    assert page.get_element_by_id("numero").get("value") == "1234567"


def test_a_page_left_open_asks_for_another_challenge_at_the_address_of_its_form():
    page = document(named("reset-first"))

    assert page.xpath("//@data-again") == page.xpath("//form/@action")


def test_the_enter_key_goes_on_with_the_reset_even_when_the_switch_is_offered():
    first, switch, *_ = document(named("reset-switch")).xpath("//form//button[@type = 'submit']")

    assert first.get("name") is None
    assert (switch.get("name"), switch.get("value")) == ("switch", "1")


def test_links_of_the_law_stand_on_the_reset_page_only_when_their_addresses_are_known():
    links = "//p[@class = 'small-links']"
    none, both = (document(named(f"reset-{name}")) for name in ("first", "first-with-links"))

    assert none.xpath(links) == []
    assert words(both.xpath(links)[0]).replace(NBSP, "") == "Confidentialité · Conditions"
    assert words(document(named("reset-first-with-one-link")).xpath(links)[0]) == "Conditions"


def test_mail_and_letter_are_offered_with_the_warning_and_the_date_and_neither_is_chosen_before():
    page = document(named("reset_channel-both"))
    mail, letter = (words(label) for label in page.xpath("//label[@class = 'choice__label']"))

    assert page.xpath("//input[@type = 'radio']/@value") == ["mail", "letter"]
    assert not page.xpath("//input[@checked]")
    assert f"{MASK} (renouvellement immédiat)" in mail
    assert "comptable ou d’un tiers déclarant" in mail
    assert "sous 72 h, hors week-end et jours fériés : au plus tard le mardi 1er" in letter.replace(
        NBSP, " "
    )


def test_without_an_address_there_is_nothing_to_choose_and_the_letter_is_asked_for():
    page = document(named("reset_channel-post-only"))

    assert not page.xpath("//input[@type = 'radio']")
    assert page.xpath("//input[@name = 'canal']/@value") == ["letter"]
    assert "@" not in words(page)


@pytest.mark.parametrize("page", ["reset_channel-both", "reset_channel-post-only"])
def test_whoever_does_not_recognise_the_offer_is_led_back_to_number_and_box(page):
    link = document(named(page)).xpath("//a[@href = $again]", again=LINKS["again_url"])[0]

    assert words(link).casefold() == "vérifiez le numéro et la case cochée"


def test_a_channel_that_must_wait_is_told_and_the_choice_is_kept():
    page = document(named("reset_channel-held"))

    assert f"dans 9{NBSP}jours" in words(page.xpath("//*[@role = 'alert']")[0])
    assert page.xpath("//input[@checked]/@value") == ["letter"]


@pytest.mark.parametrize("channel", ["mail", "letter"])
def test_the_confirmation_is_as_true_for_a_number_that_nobody_has(channel):
    """Against counting members by their numbers: what is promised hangs on a condition."""
    said = words(document(named(f"reset_sent-{channel}")))

    assert "Si le numéro de dossier et la case cochée sont bien les vôtres" in said
    assert not re.search(r"vous avons envoyé|a été envoyé|est parti", said)


def test_the_confirmation_says_where_until_when_and_what_else():
    mail, letter = (
        words(document(named(f"reset_sent-{channel}"))).replace(NBSP, " ")
        for channel in ("mail", "letter")
    )

    assert MASK in mail
    assert "valable 24 heures à partir de son envoi" in mail
    assert "courriers indésirables" in mail
    assert "au plus tard le mardi 1er décembre" in letter
    assert "valable 30 jours à partir de la date du courrier" in letter
    for said in (mail, letter):
        assert "il reste valable tant que vous n’en avez pas choisi un autre" in said
        assert "à personne" in said


@pytest.mark.parametrize("name", ["letter", "letter-no-phone"])
def test_who_waits_for_a_letter_is_not_sent_to_a_request_that_is_refused(name):
    said = words(document(named(f"reset_sent-{name}"))).replace(NBSP, " ")

    assert "s’ils n’étaient pas les bons, refaites une demande" in said
    assert "un autre courrier peut être demandé 10 jours après celui-ci" in said


def test_the_date_of_a_letter_is_never_cut():
    for name in ("reset_channel-both", "reset_channel-post-only", "reset_sent-letter"):
        assert str(LATE_LETTER).replace(" ", NBSP) in source(named(name))


def test_every_fault_of_a_new_password_is_told_in_the_summary_and_beside_the_field():
    page = document(named("new_password-weak"))
    beside = words(page.get_element_by_id("password-error"))

    links = page.xpath("//*[@id = 'error-summary']//a")
    assert [link.get("href") for link in links] == ["#password", "#password"]
    assert all(words(link) in beside for link in links)


def test_a_new_password_is_typed_twice_only_where_it_cannot_be_shown():
    page = document(named("new_password-first"))

    assert page.xpath("//noscript//input/@name") == ["confirm"]
    assert page.xpath("//input[@type = 'password'][not(ancestor::noscript)]/@name") == ["password"]
    assert set(page.xpath("//input[@type = 'password']/@autocomplete")) == {"new-password"}
    assert not page.xpath("//input[@type = 'password']/@value")


def test_a_password_manager_learns_whose_password_it_is_and_never_half_a_number():
    kept = document(named("new_password-keeps-number")).get_element_by_id("username")

    assert (kept.get("autocomplete"), kept.get("value")) == ("username", "1234567")
    assert kept.get("readonly") is not None
    assert not document(named("new_password-first")).xpath("//*[@id = 'username']")


def test_the_choice_of_a_password_says_that_it_comes_first_and_how_long_it_stays_open():
    said = words(document(named("new_password-first"))).replace(NBSP, " ")

    assert "Rien d’autre ne s’ouvre avant" in said
    assert "15 minutes" in said


def test_an_address_is_asked_for_with_the_warning_and_can_wait():
    page = document(named("email_address-first"))

    assert page.get_element_by_id("email").get("autocomplete") == "email"
    assert "comptable ou d’un tiers déclarant" in words(page)
    assert f"dans 72{NBSP}heures" in words(page)
    assert page.get_element_by_id("later-link").get("href") == "/plus-tard"


def test_who_can_be_told_of_an_address_by_letter_alone_reads_of_the_longer_wait():
    page = document(named("email_address-by-letter"))

    assert f"dans 10{NBSP}jours" in words(page)
    assert "72" not in words(page)


def test_a_code_is_filled_in_by_the_telephone_that_received_it():
    code = document(named("email_code-sent")).get_element_by_id("code")

    assert (code.get("autocomplete"), code.get("inputmode")) == ("one-time-code", "numeric")


@pytest.mark.parametrize(
    ("page", "ways"),
    [
        ("reset_ended-ended", [LINKS["again_url"], LINKS["login_url"]]),
        ("choice_ended-ended", [LINKS["login_url"], "/mot-de-passe-oublie"]),
    ],
)
def test_a_step_that_ended_leads_on(page, ways):
    assert document(named(page)).xpath("//*[@class = 'actions']//a/@href") == ways
