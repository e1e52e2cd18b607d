"""Every hosted page, in every state that a view can give it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from lxml import html

from idp.identity.anti_robot import Challenge
from idp.infra.theme_folder import standard_colours
from idp.theme import NAMES
from idp.theme import PAIRS
from idp.theme import SCHEMES
from idp.theme import Theme
from idp.theme import contrast
from idp.theme import faults_of
from idp.web.assets import Assets
from idp.web.assets import squeezed
from tests.page_states import NBSP
from tests.page_states import REFUSAL
from tests.page_states import STATES
from tests.page_states import STATIC
from tests.page_states import Fault
from tests.page_states import LoginForm
from tests.page_states import Message
from tests.page_states import document
from tests.page_states import error
from tests.page_states import loaded
from tests.page_states import login
from tests.page_states import member_page
from tests.page_states import named
from tests.page_states import source
from tests.page_states import words

STYLE_SHEET = STATIC / "pages.css"
SENT = Assets(STATIC, Theme())
STYLE_SHEETS = (STYLE_SHEET, STATIC / "anti-robot.css")
ROOT = Path(__file__).parents[2]
DESIGN = ROOT / "docs" / "design.md"

BUTTON = "franceconnect/button.css"
PAGE_BUDGET = 60_000
WIDGET_BUDGET = 34_000
"""What the first touch of a form with the anti-robot may fetch."""
STYLE_BUDGET = 15_000

REMINDER = "avant mars 2021"

every_state = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)


@every_state
def test_a_page_speaks_french_and_has_one_heading_one_main_and_a_way_to_skip_to_it(state):
    page = document(state)

    assert page.get("lang") == "fr"
    assert len(page.xpath("//h1")) == 1
    assert len(page.xpath("//main")) == 1
    assert page.xpath("//body/*[1]/@href") == ["#" + page.xpath("//main/@id")[0]]
    assert words(page.xpath("//title")[0]).endswith(" – CARPIMKO")


@every_state
def test_a_page_holds_no_inline_style_script_or_handler_and_loads_only_its_own_files(state):
    page = document(state)

    assert not page.xpath("//style | //@style | //base | //object")
    assert not page.xpath("//iframe[not(@hidden and @title)]")
    assert not page.xpath("//script[not(@src) or normalize-space()]")
    assert not page.xpath("//@*[starts-with(name(), 'on')]")
    assert not page.xpath("//a[starts-with(@href, 'javascript:')]")
    addresses = page.xpath("//link/@href | //script/@src | //img/@src | //source/@srcset")
    assert addresses
    ours = r"/static/((altcha|franceconnect)/)?[\w.-]+\?v=\w+"
    assert all(re.fullmatch(ours, address) for address in addresses)
    assert all((STATIC / name).is_file() for name in loaded(page))


@every_state
def test_ids_are_unique_and_every_reference_points_at_one(state):
    page = document(state)
    ids = page.xpath("//@id")

    assert len(ids) == len(set(ids))
    references = page.xpath("//@for | //@aria-describedby | //@aria-labelledby | //@aria-controls")
    fragments = [href[1:] for href in page.xpath("//a/@href") if href.startswith("#")]
    assert {one for many in references for one in many.split()} | set(fragments) <= set(ids)


@every_state
def test_every_visible_input_has_a_label_of_its_own(state):
    page = document(state)

    for one in page.xpath("//input[@type != 'hidden'] | //select | //textarea"):
        labels = page.xpath("//label[@for = $id]", id=one.get("id"))
        assert len(labels) == 1, one.get("name")
        assert words(labels[0])


@every_state
def test_the_title_says_first_that_something_went_wrong(state):
    title = words(document(state).xpath("//title")[0])

    assert title.startswith(f"Erreur{NBSP}: ") == state.wrong


@every_state
def test_what_went_wrong_is_announced_and_takes_the_focus(state):
    page = document(state)
    alerts = page.xpath("//*[@role = 'alert']")

    told = page.xpath("//form") or state.context.get("notice")
    expected = 1 if state.wrong and told else 0
    assert len(alerts) == expected
    assert len(page.xpath("//*[@autofocus][not(@role = 'status')]")) == expected
    assert all(alert.get("tabindex") == "-1" for alert in alerts)


def test_what_was_done_is_the_first_thing_told_by_the_title_and_by_the_focus():
    told = [one for one in STATES if getattr(one.context.get("notice"), "kind", "") == "done"]

    pages = ("devices", "email", "franceconnect", "password", "services")
    assert {state.page for state in told} == {f"pages/account_{page}.html" for page in pages}
    for state in told:
        page, title = document(state), state.context["notice"].title
        [focused] = page.xpath("//*[@autofocus]")
        assert focused.get("role") == "status"
        assert str(title) in words(focused)
        assert words(page.xpath("//title")[0]).startswith(f"{title} – ")


def test_the_bar_of_the_browser_has_the_colour_of_the_page():
    page = document(named("login-first"))
    colours = standard_colours(STYLE_SHEET.read_text(encoding="utf-8"))

    bars = page.xpath("//meta[@name = 'theme-color']/@content")
    assert bars == [colours[scheme]["paper"] for scheme in SCHEMES]


@every_state
def test_a_page_has_at_most_one_main_action(state):
    page = document(state)

    assert len(page.xpath("//*[contains(@class, 'button--primary')]")) <= 1


@every_state
def test_a_link_leads_somewhere(state):
    page = document(state)

    assert all(href not in ("", "#") for href in page.xpath("//a/@href"))
    assert all(words(link) for link in page.xpath("//a"))
    for link in page.xpath("//a[@target]"):
        assert "nouvelle fenêtre" in link.get("title")
        assert "noopener" in link.get("rel")


@every_state
def test_a_page_with_all_that_it_loads_weighs_little_as_it_is_sent(state):
    text = source(state)
    files = loaded(html.document_fromstring(text))
    if BUTTON in files:
        files |= {f"franceconnect/{name}" for name in ("regular.woff2", "bold.woff2", "logo.svg")}

    # The page itself leaves uncompressed: it holds tokens beside what a stranger may have it say.
    files -= {"wordmark-dark.svg"}  # or the other one
    weight = len(text.encode()) + sum(SENT.size(name) for name in files)

    assert weight < PAGE_BUDGET


def test_what_the_touch_of_a_form_fetches_is_the_widget_its_words_and_its_worker():
    asked = document(named("login-robot")).xpath("//*[@data-anti-robot]")[0]
    names = [
        asked.get(name).removeprefix("/static/").split("?")[0]
        for name in ("data-widget", "data-words", "data-worker")
    ]

    assert names == ["altcha/altcha.min.js", "altcha/fr-fr.js", "altcha/pbkdf2.js"]
    assert sum(SENT.size(name) for name in names) < WIDGET_BUDGET


def test_only_a_page_that_shows_the_states_button_loads_it():
    for state in STATES:
        page = document(state)
        shown = bool(page.xpath("//a[contains(@class, 'fr-connect')]"))
        assert (BUTTON in loaded(page)) == shown, state.name


def test_the_states_button_is_as_it_was_published_but_for_what_our_policy_refuses():
    published = ROOT / "node_modules" / "@gouvfr" / "dsfr" / "standalone" / "component" / "connect"
    theirs = (published / "connect.standalone.css").read_text(encoding="utf-8")
    ours = (STATIC / BUTTON).read_text(encoding="utf-8")
    names = re.findall(r'url\("([\w.]+)\?v=(\w{12})"\)', ours)

    assert [name for name, _ in names] == ["regular.woff2", "bold.woff2", "logo.svg"]
    for name, digest in names:
        body = (STATIC / "franceconnect" / name).read_bytes()
        assert hashlib.sha256(body).hexdigest().startswith(digest)
    anything = r'url\("[^"]*"\)'
    assert re.sub(anything, "", ours) == re.sub(anything, "", theirs)
    assert "data:" not in ours


def test_the_states_button_says_what_it_must_and_where_one_learns_more():
    page = document(named("login-all-ways"))
    [button] = page.xpath("//a[@class = 'fr-connect']")
    section = button.xpath("ancestor::section")[0]

    assert words(button) == "S’identifier avec FranceConnect"
    assert [child.get("class") for child in button] == ["fr-connect__login", "fr-connect__brand"]
    assert not button.get("target")
    [more] = section.xpath(".//a[@target]")
    assert words(more) == f"Qu’est-ce que FranceConnect{NBSP}?"
    assert more.get("href") == "https://franceconnect.gouv.fr/"
    assert "l’État pour sécuriser et simplifier la connexion" in words(section)
    assert page.xpath("//section")[0] is section


def test_a_service_that_takes_franceconnect_alone_shows_no_password_and_a_way_back():
    for name in ("login-franceconnect-alone", "login-franceconnect-alone-away"):
        page = document(named(name))
        assert not page.xpath("//input[@name = 'password'] | //p[@class = 'or']")
        assert page.xpath("//button[@name = 'cancel']")


def test_where_franceconnect_is_away_its_block_says_so_and_the_other_stays():
    page = document(named("login-franceconnect-away"))

    assert "FranceConnect ne répond pas en ce moment" in words(page)
    assert not page.xpath("//a[starts-with(@href, '/franceconnect')]")
    assert page.xpath("//input[@name = 'password']")


@every_state
def test_french_punctuation_never_starts_a_line(state):
    page = document(state)
    read = [words(page), *page.xpath("//@title | //@aria-label | //@alt")]

    for text in read:
        assert not re.search(r"[  \n][;:?!»]|«[  \n]", text.replace(NBSP, "\0"))
        assert not re.search(r"[\w’][;?!»]|\w:(?!/)|«\w", text)
        assert "'" not in text


@every_state
def test_no_english_word_is_left_on_a_page(state):
    english = {
        *("login", "logout", "password", "error", "sign", "submit", "cancel", "back", "retry"),
        *("welcome", "please", "your", "you", "the", "and", "expired", "loading", "account"),
        *("user", "username", "help", "show", "hide", "skip", "none", "undefined", "true", "false"),
    }
    page = document(state)
    read = " ".join([words(page), *page.xpath("//@title | //@aria-label | //@alt")])

    assert not english & set(re.findall(r"\w+", read.casefold()))


def test_what_a_person_typed_or_a_service_is_called_is_never_markup():
    hostile = '"><script>alert(1)</script>'
    challenge = Challenge(hostile, hostile, hostile, 300)
    states = [
        login(
            "hostile",
            form=LoginForm(action=hostile, csrf=hostile, numero=hostile),
            errors=[Fault("numero", hostile), Fault("", hostile)],
            notice=Message("wait", hostile, hostile),
            service_name=hostile,
            support_phone=hostile,
        ),
        login("hostile", errors=[Fault("robot", hostile)], challenge=challenge),
        member_page("reset", "hostile", challenge=challenge, service_name=hostile),
        member_page("reset_channel", "hostile", mail_mask=hostile, letter_by=hostile),
        member_page("reset_sent", "hostile", mail_mask=hostile, again_url=hostile),
        member_page("new_password", "hostile", errors=[Fault("password", hostile)] * 2),
        member_page("email_code", "hostile", email_mask=hostile),
        error("hostile", 400, title=hostile, message=hostile, code=hostile, incident=hostile),
    ]

    for state in states:
        assert "<script>" not in source(state)


def test_a_field_in_error_is_marked_described_and_linked_from_the_summary():
    page = document(named("login-empty"))

    for target, described in (("numero", "numero"), ("password", "password")):
        one = page.get_element_by_id(target)
        assert one.get("aria-invalid") == "true"
        assert f"{described}-error" in one.get("aria-describedby").split()
    group = page.xpath("//fieldset")[0]
    assert group.get("aria-invalid") == "true"
    assert group.get("aria-describedby") == "qualite-error"
    links = page.xpath("//*[@id = 'error-summary']//a/@href")
    assert links == ["#qualite-affilie", "#numero", "#password"]


def test_a_refusal_blames_no_field_and_reminds_of_march_2021():
    page = document(named("login-refused"))

    assert not page.xpath("//*[@aria-invalid]")
    summary = words(page.get_element_by_id("error-summary"))
    assert REFUSAL in summary
    assert REMINDER in summary


def test_a_slip_in_a_field_does_not_bring_the_reminder_of_a_refusal():
    assert REMINDER not in words(document(named("login-one-fault")))


def test_the_form_keeps_the_choice_and_the_number_but_never_a_password():
    page = document(named("login-refused"))

    assert page.get_element_by_id("qualite-affilie").get("checked") is not None
    assert page.get_element_by_id("qualite-ayant-droit").get("checked") is None
    assert page.get_element_by_id("numero").get("value") == "1234567"
    assert page.get_element_by_id("password").get("value") is None


def test_browsers_and_password_managers_recognise_the_fields():
    page = document(named("login-first"))
    numero, password = page.get_element_by_id("numero"), page.get_element_by_id("password")

    assert (numero.get("autocomplete"), numero.get("inputmode")) == ("username", "numeric")
    assert (password.get("autocomplete"), password.get("type")) == ("current-password", "password")


def test_the_enter_key_signs_in_even_when_the_switch_is_offered():
    page = document(named("login-switch-to-ayant-droit"))
    first, switch, *_ = page.xpath("//form//button[@type = 'submit']")

    assert first.get("name") is None
    assert (switch.get("name"), switch.get("value")) == ("switch", "1")
    assert words(switch) == f"Cocher plutôt «{NBSP}Ayant{NBSP}droit{NBSP}»"


def test_ways_in_that_are_not_configured_leave_no_trace():
    alone, all_ways = document(named("login-first")), document(named("login-all-ways"))

    for trace in ("FranceConnect", "Mot de passe oublié"):
        assert trace not in words(alone)
        assert trace in words(all_ways)
    separator = "//p[@class = 'or']/span/text()"
    assert (alone.xpath(separator), all_ways.xpath(separator)) == ([], ["ou"])


def test_a_person_who_must_wait_reads_how_long_and_how_to_get_out():
    page = document(named("login-wait-all-ways"))
    alert = page.xpath("//*[@role = 'alert']")[0]

    assert f"dans 4{NBSP}minutes" in words(alert)
    assert alert.xpath(".//a/@href") == ["/mot-de-passe-oublie", "/franceconnect", "tel:0123456789"]
    assert f"01{NBSP}23{NBSP}45{NBSP}67{NBSP}89" in words(alert)


def test_the_eye_is_hidden_until_its_script_runs():
    eye = document(named("login-first")).xpath("//*[@data-password-eye]")[0]

    assert eye.get("hidden") is not None
    assert eye.get("type") == "button"
    assert eye.get("aria-pressed") == "false"


def test_the_integrator_finds_the_code_and_the_incident_on_a_protocol_error():
    page = document(named("error-protocol"))

    assert page.xpath("//code/text()") == ["invalid_request", "2f6c-91b0"]
    assert words(page.xpath("//h1")[0]) == "Ce service ne peut pas vous connecter"


def test_leaving_carries_the_request_of_the_service_and_offers_to_stay():
    page = document(named("logout-confirm"))

    hidden = page.xpath("//form/input[@type = 'hidden']")
    assert [(one.get("name"), one.get("value")) for one in hidden] == [
        ("csrf", "c5f"),
        ("state", "s"),
        ("client_id", "cotisations"),
    ]
    assert page.get_element_by_id("logout-confirm").get("type") == "submit"
    assert page.get_element_by_id("logout-stay").get("href") == "/compte"


def test_the_style_sheets_are_small_as_served_and_fetch_nothing():
    served = [squeezed(sheet.read_text(encoding="utf-8")) for sheet in STYLE_SHEETS]

    assert sum(len(css.encode()) for css in served) < STYLE_BUDGET
    assert not any(re.search(r"url\(|@import|@font-face", css) for css in served)


def test_drawings_hold_no_script_style_or_address():
    for path in STATIC.glob("*.svg"):
        drawing = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"<script|<style|style=|href|://|\son\w+=", drawing), path.name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_and_shape_reaches_its_contrast_in_both_schemes(scheme):
    colours = standard_colours(STYLE_SHEET.read_text(encoding="utf-8"))[scheme]

    assert colours.keys() == NAMES
    assert list(faults_of(colours)) == []


def test_the_figures_of_the_design_page_are_true():
    schemes = standard_colours(STYLE_SHEET.read_text(encoding="utf-8"))
    told = re.findall(
        r"^\| `([\w-]+)` on `([\w-]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
        DESIGN.read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert [(front, back, float(least)) for front, back, least, *_ in told] == [
        (front, back, least) for front, least, behind in PAIRS for back in behind
    ]
    for front, back, _, *figures in told:
        for scheme, figure in zip(SCHEMES, figures, strict=True):
            colours = schemes[scheme]
            ratio = contrast(colours[front], colours[back])
            assert f"{ratio:.1f}" == figure, f"{front} on {back}, {scheme}"


def test_black_on_white_is_the_contrast_that_the_norm_says():
    assert (contrast("#000000", "#ffffff"), contrast("#777777", "#777777")) == (21, 1)


def test_a_page_gives_one_number_for_the_assistance_never_two():
    references = {
        name: document(named(name)).xpath("count(//*[contains(@class, 'footer__reference')])")
        for name in ("error-404", "error-incident")
    }

    assert references == {"error-404": 1, "error-incident": 0}
