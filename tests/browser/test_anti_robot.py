"""The anti-robot in Chromium: with its widget, without JavaScript, and with a script missing."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.anti_robot_page import anti_robot_site
from tests.browser.test_accessibility import check_accessibility
from tests.browser.test_accessibility import check_reflow

pytestmark = pytest.mark.browser

NAME = "Je ne suis pas un robot"
ANSWER = "#anti_robot_answer"


@pytest.fixture
def site():
    with anti_robot_site() as served:
        yield served


def box(page):
    return page.get_by_role("checkbox", name=NAME)


def test_a_person_who_fills_the_form_finds_the_box_ticked(site, open_browser):
    page = open_browser().page
    page.goto(site.url)
    expect(page.locator(ANSWER)).to_be_hidden()
    expect(box(page)).not_to_be_checked()

    page.fill("#numero", "1234567")

    expect(box(page)).to_be_checked()
    page.click("#send")
    expect(page.locator("#done")).to_have_text("work 1234567 envoi")
    assert site.sent[0].answer == ""
    assert site.sent[0].sealed_question == ""


def test_the_widget_is_asked_for_when_the_form_is_touched_and_takes_the_place_kept_for_it(
    site, open_browser
):
    page = open_browser(viewport={"width": 360, "height": 740}).page
    asked = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1].split("?")[0]))
    page.goto(site.url)
    page.wait_for_load_state("networkidle")
    expect(box(page)).to_be_visible()
    before = [box(page).bounding_box(), page.locator("#send").bounding_box()]
    opened = set(asked)

    page.focus("#numero")

    expect(box(page)).to_be_checked()
    after = [box(page).bounding_box(), page.locator("#send").bounding_box()]
    assert after == before
    assert opened.isdisjoint({"altcha.min.js", "fr-fr.js", "pbkdf2.js"})
    assert {"altcha.min.js", "fr-fr.js", "pbkdf2.js"} <= set(asked)
    assert box(page).count() == 1


def test_the_box_pressed_before_the_widget_is_there_is_ticked_and_keeps_the_focus(
    site, open_browser
):
    page = open_browser().page
    waiting = []
    page.route("**/altcha.min.js*", lambda route: waiting.append(route))
    page.goto(site.url)

    page.get_by_text(NAME).click()
    expect(page.get_by_role("status")).to_have_text("Vérification en cours…")
    expect(box(page)).to_be_focused()
    expect(box(page)).not_to_be_checked()
    waiting[0].continue_()

    expect(box(page)).to_be_checked()
    expect(box(page)).to_be_focused()
    assert len(waiting) == 1


def test_the_button_pressed_where_the_widget_cannot_come_leads_to_the_question(site, open_browser):
    page = open_browser().page
    page.route("**/altcha.min.js*", lambda route: route.abort())
    page.goto(site.url)
    expect(box(page)).to_be_visible()

    page.click("#send")

    expect(page.locator(ANSWER)).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text("Répondez à la question")
    assert site.sent == []
    page.fill(ANSWER, "soleil")
    page.click("#send")
    expect(page.locator("#done")).to_have_text("answer envoi")


@pytest.mark.parametrize("missing", ["altcha.min.js", "pbkdf2.js"])
def test_the_box_pressed_in_vain_gives_the_focus_to_the_question(site, open_browser, missing):
    page = open_browser().page
    page.route(f"**/{missing}*", lambda route: route.abort())
    page.goto(site.url)

    page.get_by_text(NAME).click()

    expect(page.locator(ANSWER)).to_be_focused()


def test_a_worker_that_keeps_waiting_gives_its_place_to_the_question(site, open_browser):
    page = open_browser().page
    page.route("**/pbkdf2.js*", lambda _: None)
    page.clock.install()
    page.goto(site.url)
    page.fill("#numero", "1234567")
    page.click("#send")
    expect(page.get_by_role("status")).to_have_text("Vérification en cours…")

    page.clock.fast_forward(10_000)

    expect(page.locator(ANSWER)).to_be_focused()
    page.fill(ANSWER, "soleil")
    page.click("#send")
    expect(page.locator("#done")).to_have_text("answer 1234567 envoi")


def test_a_new_challenge_that_keeps_waiting_does_not_keep_the_form(site, open_browser):
    site.lifetime_seconds = 0
    page = open_browser().page
    page.clock.install()
    page.goto(site.url)
    held = []
    page.evaluate("document.querySelector('[data-anti-robot]').dataset.again = '/nulle-part'")
    page.route("**/nulle-part", lambda route: held.append(route))
    with page.expect_request("**/nulle-part"):
        page.fill("#numero", "1234567")
    page.click("#send")

    page.clock.fast_forward(10_000)

    expect(page.get_by_text("Recommencez la vérification.")).to_be_visible()


def test_a_widget_that_keeps_waiting_gives_its_place_to_the_question_for_good(site, open_browser):
    page = open_browser().page
    waiting = []
    page.route("**/altcha.min.js*", lambda route: waiting.append(route))
    page.clock.install()
    page.goto(site.url)
    page.fill("#numero", "1234567")
    page.click("#send")
    expect(page.get_by_role("status")).to_have_text("Vérification en cours…")

    page.clock.fast_forward(10_000)

    expect(page.locator(ANSWER)).to_be_focused()
    with page.expect_response("**/fr-fr.js*"):
        waiting[0].continue_()
    page.fill(ANSWER, "soleil")
    expect(box(page)).to_be_hidden()
    page.click("#send")
    expect(page.locator("#done")).to_have_text("answer 1234567 envoi")


def test_a_form_sent_before_the_box_is_ticked_waits_for_it_and_goes_once(site, open_browser):
    site.steps = 400
    page = open_browser().page
    page.goto(site.url)

    page.evaluate("document.querySelector('#numero').value = '1234567'")
    page.evaluate("document.querySelector('#send').click()")

    expect(page.locator("#done")).to_have_text("work 1234567 envoi", timeout=30_000)
    assert len(site.sent) == 1


def test_one_press_of_the_button_is_enough_though_nothing_was_touched_before(site, open_browser):
    page = open_browser(viewport={"width": 320, "height": 740}).page
    page.goto(site.url)
    expect(box(page)).to_be_visible()

    page.click("#send")

    expect(page.locator("#done")).to_have_text("work envoi")


def test_the_enter_key_sends_the_form_with_its_proof(site, open_browser):
    page = open_browser().page
    page.goto(site.url)

    page.fill("#numero", "1234567")
    page.press("#numero", "Enter")

    expect(page.locator("#done")).to_have_text("work 1234567 envoi")


def test_keyboard_alone_reaches_and_ticks_the_box_and_its_focus_is_seen(site, open_browser):
    page = open_browser().page
    page.goto(site.url)

    page.focus("#numero")
    expect(box(page)).to_be_checked()
    page.keyboard.press("Tab")
    expect(box(page)).to_be_focused()
    outline = box(page).evaluate("one => getComputedStyle(one).outlineStyle")
    page.keyboard.press("Space")
    expect(box(page)).not_to_be_checked()
    page.keyboard.press("Space")

    expect(box(page)).to_be_checked()
    assert outline != "none"


def test_how_it_goes_is_announced_in_french_and_the_box_keeps_its_name(site, open_browser):
    site.steps = 300
    page = open_browser().page
    page.goto(site.url)
    status = page.get_by_role("status")
    expect(status).to_have_text("")

    page.focus("#numero")

    expect(status).to_have_text("Vérification en cours…")
    expect(status).to_have_text("Vérification terminée.", timeout=30_000)
    expect(box(page)).to_be_checked()


def test_nothing_of_the_widget_leads_elsewhere(site, open_browser):
    page = open_browser().page
    page.goto(site.url)
    page.focus("#numero")
    expect(box(page)).to_be_checked()

    assert page.locator("altcha-widget a").count() == 0


def test_only_a_page_with_the_widget_may_start_workers_and_fetch(site, open_browser):
    page = open_browser().page
    with_widget = page.goto(site.url).header_value("content-security-policy")
    page.fill("#numero", "1234567")
    with page.expect_navigation() as navigation:
        page.click("#send")
    without = navigation.value.header_value("content-security-policy")

    assert without.startswith("default-src 'none'; ")
    assert with_widget == without + "; worker-src 'self'; connect-src 'self'"


def test_a_solution_is_good_for_one_form(site, open_browser):
    page = open_browser().page
    page.goto(site.url)
    page.fill("#numero", "1234567")
    expect(box(page)).to_be_checked()
    used = page.locator("input[name=anti_robot_work]").input_value()
    page.click("#send")
    expect(page.locator("#done")).to_be_visible()

    again = page.request.post(site.url, form={"numero": "1234567", "anti_robot_work": used})

    assert again.status == 400


def test_axe_finds_nothing_before_during_or_after(site, open_browser):
    page = open_browser().page
    page.goto(site.url)
    check_accessibility(page)
    check_reflow(page)

    page.focus("#numero")
    expect(box(page)).to_be_checked()

    check_accessibility(page)
    check_reflow(page)


def test_without_javascript_a_question_alone_is_asked(site, open_browser):
    page = open_browser(java_script_enabled=False).page
    page.goto(site.url)
    expect(box(page)).to_have_count(0)
    expect(page.locator(ANSWER)).to_be_visible()
    question = page.locator("label[for=anti_robot_answer]").inner_text()
    assert not re.search(r"\d", question)

    page.fill("#numero", "1234567")
    page.fill(ANSWER, "Soleil ")
    page.click("#send")

    expect(page.locator("#done")).to_have_text("answer 1234567 envoi")


def test_without_javascript_a_wrong_answer_brings_another_question_and_keeps_the_number(
    site, open_browser
):
    page = open_browser(java_script_enabled=False).page
    page.goto(site.url)
    first = page.locator("input[name=anti_robot_question]").input_value()

    page.fill("#numero", "1234567")
    page.fill(ANSWER, "je ne sais pas")
    page.click("#send")

    expect(page.locator("#refused")).to_be_visible()
    expect(page.locator("#numero")).to_have_value("1234567")
    expect(page.locator(ANSWER)).to_have_value("")
    assert page.locator("input[name=anti_robot_question]").input_value() != first


@pytest.mark.parametrize("missing", ["altcha.min.js", "anti-robot.js", "pbkdf2.js"])
def test_when_a_script_does_not_arrive_the_question_takes_its_place(site, open_browser, missing):
    page = open_browser().page
    page.route(f"**/{missing}*", lambda route: route.abort())
    page.goto(site.url)

    page.fill("#numero", "1234567")

    expect(page.locator(ANSWER)).to_be_visible()
    page.fill(ANSWER, "soleil")
    page.click("#send")
    expect(page.locator("#done")).to_have_text("answer 1234567 envoi")


def test_the_question_has_nothing_for_axe_and_fits_320_px(site, open_browser):
    page = open_browser().page
    page.route("**/altcha.min.js*", lambda route: route.abort())
    page.goto(site.url)
    page.focus("#numero")
    expect(page.locator(ANSWER)).to_be_visible()

    check_accessibility(page)
    check_reflow(page)


def test_a_page_left_open_says_so_and_takes_a_new_challenge_without_losing_what_was_typed(
    site, open_browser
):
    site.lifetime_seconds = 2
    page = open_browser().page
    page.goto(site.url)
    page.fill("#numero", "1234567")
    expect(box(page)).to_be_checked()
    expect(page.get_by_role("status")).to_contain_text("date de plus de cinq minutes")
    expect(box(page)).not_to_be_checked()
    site.lifetime_seconds = 300
    old = page.locator("altcha-widget").get_attribute("challenge")

    page.click("#send")

    expect(page.locator("#done")).to_have_text("work 1234567 envoi")
    assert site.served == 2
    assert site.sent[0].work
    assert old not in site.sent[0].work


def test_what_is_typed_into_a_page_left_open_asks_for_a_challenge_at_the_touch_and_at_one_letter(
    site, open_browser
):
    site.lifetime_seconds = 0
    page = open_browser().page
    page.goto(site.url)
    page.evaluate("document.querySelector('[data-anti-robot]').dataset.again = '/nulle-part'")
    asked = []
    page.on("response", lambda response: asked.append(response.url.endswith("/nulle-part")))

    page.focus("#numero")
    expect(page.get_by_role("status")).to_contain_text("date de plus de cinq minutes")
    page.wait_for_load_state("networkidle")
    page.keyboard.type("1234567", delay=40)

    assert asked.count(True) == 2


def test_brought_back_from_the_history_it_claims_nothing_and_proves_anew(site, open_browser):
    page = open_browser().page
    page.goto(site.url)
    page.fill("#numero", "1234567")
    expect(box(page)).to_be_checked()
    used = page.locator("input[name=anti_robot_work]").input_value()

    # What the browser says then: the one of the tests keeps no page.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(box(page)).not_to_be_checked()
    expect(page.get_by_role("status")).to_have_text("")
    page.click("#send")
    expect(page.locator("#done")).to_have_text("work 1234567 envoi")
    assert used != site.sent[0].work


def test_a_page_left_open_that_nobody_touched_speaks_of_no_verification(site, open_browser):
    site.lifetime_seconds = 300
    page = open_browser().page
    page.clock.install()
    page.goto(site.url)
    expect(box(page)).to_be_visible()

    page.clock.fast_forward(301_000)

    expect(page.get_by_role("status")).to_have_text("")
    expect(box(page)).to_be_visible()


def test_a_page_left_open_that_cannot_be_renewed_is_answered_with_the_page_again(
    site, open_browser
):
    site.lifetime_seconds = 1
    page = open_browser().page
    page.goto(site.url)
    page.fill("#numero", "1234567")
    expect(page.get_by_role("status")).to_contain_text("date de plus de cinq minutes")
    page.evaluate("document.querySelector('[data-anti-robot]').dataset.again = '/nulle-part'")
    site.lifetime_seconds = 300

    page.click("#send")

    expect(page.locator("#refused")).to_be_visible()
    expect(page.locator("#numero")).to_have_value("1234567")
    page.click("#send")
    expect(page.locator("#done")).to_have_text("work 1234567 envoi")


@pytest.mark.parametrize("minutes", [-600, 600])
def test_a_machine_whose_clock_is_wrong_gets_in_all_the_same(site, open_browser, minutes):
    page = open_browser().page
    page.add_init_script(f"const shown = Date.now; Date.now = () => shown() + {minutes} * 60_000;")
    page.goto(site.url)

    page.fill("#numero", "1234567")
    page.click("#send")

    expect(page.locator("#done")).to_have_text("work 1234567 envoi")
