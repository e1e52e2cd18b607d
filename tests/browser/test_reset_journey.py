"""Forgotten password and first connection as members live them, in Chromium, by mail and by letter.

The anti-robot is solved by its widget, or its question in words is read and answered; mails arrive
at a real server, letters are printed and read back from the PDF; and at the end the service that
waited knows who came.
"""

import re
import secrets

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from idp.identity import question
from tests.browser import axe
from tests.browser import servers
from tests.browser.post import post as post_of
from tests.browser.post import settings_of
from tests.browser.test_accessibility import check_accessibility
from tests.browser.test_accessibility import check_reflow
from tests.browser.test_journey import expect_known
from tests.browser.test_sign_in_page import focus
from tests.browser.visit import DESKTOP
from tests.browser.visit import fill
from tests.browser.visit import sign_in
from tests.instance import PASSWORD
from tests.instance import Person
from tests.mailbox import Mailbox

pytestmark = pytest.mark.browser

with_and_without_javascript = pytest.mark.parametrize(
    "javascript", [True, False], ids=["javascript", "no-javascript"]
)

CHOSEN = "quatre hirondelles sous le préau 62"
FIRST = "Mot de passe oublié / Première connexion"
SECOND = "Demande de réinitialisation de votre mot de passe"
THIRD = "Votre demande est enregistrée"
NEW = "Choisissez votre mot de passe"
ADDRESS = "Enregistrez votre adresse mail"
CODE = "Confirmez votre adresse mail"
SOLVING_MS = 30_000


@pytest.fixture(scope="module")
def mailbox():
    box = Mailbox()
    box.start()
    yield box
    box.stop()


@pytest.fixture(scope="module")
def provider(tmp_path_factory, mailbox):
    """A provider that sends mails and letters; every member comes from one address."""
    quotas = {
        "reset_requests_an_hour": 1_000,
        "reset_questions_an_hour": 1_000,
        "letters_of_network_a_day": 1_000,
        "anti_robot_steps": 20,
    }
    folder = tmp_path_factory.mktemp("reset")
    with servers.provider(folder, **settings_of(mailbox), **quotas) as running:
        yield running


@pytest.fixture(scope="module")
def demo(provider, post):
    folder = provider.running.log.parents[1]
    with servers.demo_services(provider, folder, has_worker=True) as origin:
        yield origin


@pytest.fixture(scope="module")
def post(provider, mailbox, tmp_path_factory):
    with post_of(provider, mailbox, tmp_path_factory.mktemp("post")) as running:
        yield running


@pytest.fixture
def member(provider):
    """Somebody with a password, who can be written to by mail."""
    number = secrets.randbelow(10**9)  # another's mail would be read for this one's
    return provider.add_person("affilie", email=f"camille.{number:09}@exemple.example")


@pytest.fixture
def newcomer(provider):
    """Somebody whom the fund can only write to by post, and who never connected."""
    return provider.add_person(
        "ayant_droit", password=None, family_name="MERCIER", given_names="Paulette",
        address_1="MME PAULETTE MERCIER", address_4="12 RUE DES LILAS", address_6="35000 RENNES",
    )  # fmt: skip


def mail_of(provider, person: Person) -> str:
    with provider.running.instance.app.app_context():
        parts = provider.running.instance.parts
        with parts.database.transaction():
            contact = parts.contacts.get(person.account_id)
    return contact.email


def expect_page(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(heading, timeout=SOLVING_MS)


def answer_to(asked: str) -> str:
    """Answer the question in words as a person does."""
    numbers, days, months = (
        [str(one) for one in known]
        for known in (question._NUMBERS, question._DAYS, question._MONTHS)
    )
    ranks = {str(rank): place for rank, place in question._RANKS}
    kinds = {str(kind): [str(one) for one in known] for kind, known in question._KINDS.items()}
    words = re.findall(r"[\w-]+", asked)
    named = [word for word in words if word in numbers]
    if asked.startswith("Combien font"):
        return str(sum(numbers.index(word) for word in named[-2:]))
    if asked.startswith("Quel est le plus grand"):
        return max(named[-2:], key=numbers.index)
    for circle in (days, months):
        if words[-1] in circle and " juste " in asked:
            step = 1 if "juste après" in asked else -1
            return circle[(circle.index(words[-1]) + step) % len(circle)]
    if asked.startswith("Recopiez"):
        listed = asked.partition(": ")[2].rstrip(".").split(", ")
        (rank,) = [ranks[word] for word in words if word in ranks]
        return listed[rank]
    (members,) = [m for kind, m in kinds.items() if f"est {kind} :" in asked]
    (right,) = [word for word in words if word in members]
    return right


def prove(page: Page, *, javascript: bool) -> None:
    """Prove to be no robot, the way that this browser offers."""
    if javascript:
        box = page.get_by_role("checkbox", name="Je ne suis pas un robot")
        expect(box).to_be_checked(timeout=SOLVING_MS)
        expect(page.locator("#anti_robot_answer")).to_be_hidden()
    else:
        expect(page.locator("altcha-widget")).to_be_hidden()
        asked = page.locator("label[for=anti_robot_answer]").inner_text().replace("\u00a0", " ")
        page.fill("#anti_robot_answer", answer_to(asked))


def send_number(page: Page, person: Person, *, javascript: bool) -> None:
    page.click(f"label[for=qualite-{person.qualite.replace('_', '-')}]")
    page.fill("#numero", f"{person.numero[:3]} {person.numero[3:]}")
    prove(page, javascript=javascript)
    page.click("#reset-submit")
    expect_page(page, SECOND)


def choose_password(page: Page, clear: str, *, javascript: bool) -> None:
    page.fill("#password", clear)
    if not javascript:
        page.fill("#confirm", clear)
    page.click("#password-submit")


@with_and_without_javascript
def test_a_forgotten_password_is_replaced_by_mail_and_the_service_knows_who_came(
    provider, demo, post, open_browser, member, javascript
):
    visit = open_browser(java_script_enabled=javascript)
    page = visit.page

    page.goto(f"{demo}/cotisations/connexion")
    page.click("#reset-link")
    expect_page(page, FIRST)
    send_number(page, member, javascript=javascript)
    expect(page.locator(".mask")).to_have_text(re.compile(r"^c\*\*\*\d\d@e\*{5}\.example$"))
    page.click("label[for=canal-mail]")
    page.click("#channel-submit")
    expect_page(page, THIRD)
    page.get_by_role("link", name="Aller à la page de connexion").click()
    secret = post.secret_mailed_to(mail_of(provider, member))
    sign_in(page, member, secret.replace("-", "").lower())
    expect_page(page, NEW)
    choose_password(page, CHOSEN, javascript=javascript)

    page.wait_for_url(f"{demo}/")
    expect_known(page, member)
    assert not any(member.numero in url or secret in url for _, url in visit.requests)
    other = open_browser().page
    other.goto(f"{demo}/cotisations/connexion")
    sign_in(other, member, PASSWORD)
    expect(other.locator("#error-summary")).to_be_visible()
    sign_in(other, member, CHOSEN)
    other.wait_for_url(f"{demo}/")


@with_and_without_javascript
def test_a_first_connection_by_letter_records_an_address_and_the_service_knows_who_came(
    provider, demo, post, open_browser, newcomer, javascript
):
    page = open_browser(java_script_enabled=javascript).page
    address = f"paulette.{newcomer.numero}@exemple.example"

    page.goto(f"{demo}/cotisations/connexion")
    page.click("#reset-link")
    send_number(page, newcomer, javascript=javascript)
    if page.locator("label[for=canal-letter]").count():
        page.click("label[for=canal-letter]")
    page.click("#channel-submit")
    expect_page(page, THIRD)
    page.get_by_role("link", name="Aller à la page de connexion").click()
    sign_in(page, newcomer, post.printed_secret())
    expect_page(page, NEW)
    choose_password(page, CHOSEN, javascript=javascript)
    expect_page(page, ADDRESS)
    expect(page.locator("main")).to_contain_text("comptable")
    page.fill("#email", address)
    page.click("#email-submit")
    expect_page(page, CODE)
    page.fill("#code", post.code_mailed_to(address))
    page.click("#code-submit")

    page.wait_for_url(f"{demo}/")
    expect_known(page, newcomer)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_an_address_is_changed_at_the_account_and_confirmed_by_its_code(
    provider, demo, post, open_browser, member, javascript
):
    page = open_browser(java_script_enabled=javascript).page
    address = f"camille.nouvelle.{member.numero}@exemple.example"
    page.goto(f"{provider.url}/connexion")
    sign_in(page, member)
    page.wait_for_url(f"{demo}/**")

    page.goto(f"{provider.url}/compte")
    page.get_by_role("link", name="Voir ou changer mon adresse mail").click()
    expect_page(page, "Mon adresse mail")
    page.fill("#email", "pas une adresse")
    page.click("#email-submit")
    expect(page.locator("#error-summary")).to_contain_text("Saisissez une adresse complète")
    page.fill("#email", address)
    page.click("#email-submit")
    page.wait_for_url("**/adresse-mail/code")
    page.fill("#code", post.code_mailed_to(address))
    page.click("#code-submit")

    expect(page.locator("[autofocus] h2")).to_have_text("Votre adresse est enregistrée")
    expect(page.locator("main")).to_contain_text("l’ancienne reste en service")
    page.get_by_role("link", name="Ce n’était pas moi").click()
    expect_page(page, "Quelqu’un d’autre est entré dans votre espace ?")


def test_the_keyboard_alone_is_enough_from_the_forgotten_password_to_the_service(
    provider, demo, post, open_browser, member
):
    page = open_browser().page

    def reach(id: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if focus(page) == id:
                return
        pytest.fail(f"Tab does not lead to {id}")

    page.goto(f"{demo}/cotisations/connexion")
    reach("reset-link")
    page.keyboard.press("Enter")
    expect_page(page, FIRST)
    reach("qualite-affilie")
    page.keyboard.press("Space")
    reach("numero")
    page.keyboard.type(member.numero)
    page.keyboard.press("Enter")
    expect_page(page, SECOND)
    reach("canal-mail")
    page.keyboard.press("Space")
    reach("channel-submit")
    page.keyboard.press("Enter")
    expect_page(page, THIRD)
    secret = post.secret_mailed_to(mail_of(provider, member))
    while page.evaluate("document.activeElement.textContent") != "Aller à la page de connexion":
        page.keyboard.press("Tab")
        focus(page)
    page.keyboard.press("Enter")
    expect_page(page, "Je me connecte à mon espace personnel")
    reach("qualite-affilie")
    page.keyboard.press("Space")
    reach("numero")
    page.keyboard.type(member.numero)
    reach("password")
    page.keyboard.type(secret)
    page.keyboard.press("Enter")
    expect_page(page, NEW)
    reach("password")
    page.keyboard.type(CHOSEN)
    reach("eye")
    reach("password-submit")
    page.keyboard.press("Enter")

    page.wait_for_url(f"{demo}/")
    expect_known(page, member)


def test_axe_finds_nothing_on_any_live_page_and_state_and_all_fit_320_px(
    provider, demo, post, open_browser, newcomer, member
):
    page = open_browser().page
    axe.stand_by(page.context)

    def check(heading: str, error: str = "") -> None:
        expect_page(page, heading)
        if error:
            expect(page.locator("#error-summary, .notice").first).to_contain_text(error)
        check_accessibility(page)
        check_reflow(page)
        page.set_viewport_size(DESKTOP)

    page.goto(f"{demo}/cotisations/connexion")
    page.click("#reset-link")
    check(FIRST)
    page.click("#reset-submit")
    check(FIRST, "Il y a 2 points à corriger")
    page.click("label[for=qualite-affilie]")
    page.fill("#numero", newcomer.numero)
    prove(page, javascript=True)
    check(FIRST)
    page.click("#reset-submit")
    check(FIRST, "ayant droit")
    page.fill("#numero", member.numero)
    prove(page, javascript=True)
    page.click("#reset-submit")
    check(SECOND)
    page.get_by_text("Ce n’est plus mon adresse ?").click()
    page.click("#channel-submit")
    check(SECOND, "Choisissez comment recevoir")
    page.click("label[for=canal-mail]")
    page.click("#channel-submit")
    check(THIRD)
    for _ in range(2):
        ask_again(page, provider, member)
    page.goto(f"{provider.url}/mot-de-passe-oublie")
    send_number(page, member, javascript=True)
    page.click("label[for=canal-mail]")
    page.click("#channel-submit")
    check(SECOND, "Des mots de passe provisoires ont déjà été demandés")
    page.goto(f"{provider.url}/mot-de-passe-oublie/envoi")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    check_accessibility(page)
    check_reflow(page)
    page.set_viewport_size(DESKTOP)

    secret = first_letter(page, provider, demo, post, newcomer, check)
    check_new_password(page, newcomer, secret, check)
    check(ADDRESS)
    page.fill("#email", "pas une adresse")
    page.click("#email-submit")
    check(ADDRESS, "Saisissez une adresse complète")
    page.fill("#email", f"axe.{newcomer.numero}@exemple.example")
    page.click("#email-submit")
    check(CODE)
    post.code_mailed_to(f"axe.{newcomer.numero}@exemple.example")
    for _ in range(4):
        page.fill("#code", "000 000")
        page.click("#code-submit")
        expect(page.locator("#error-summary")).to_be_visible()
    check(CODE, "Ce code n’est pas le bon")
    page.fill("#code", "000 000")
    page.click("#code-submit")
    check(ADDRESS, "Ce code n’est plus valable")


def ask_again(page: Page, provider, person: Person) -> None:
    page.goto(f"{provider.url}/mot-de-passe-oublie")
    send_number(page, person, javascript=True)
    page.click("label[for=canal-mail]")
    page.click("#channel-submit")
    expect_page(page, THIRD)


def first_letter(page: Page, provider, demo, post, newcomer: Person, check) -> str:
    page.goto(f"{demo}/cotisations/connexion")
    page.click("#reset-link")
    send_number(page, newcomer, javascript=True)
    check(SECOND)
    page.click("#channel-submit")
    check(THIRD)
    page.get_by_role("link", name="Aller à la page de connexion").click()
    secret = post.printed_secret()
    slip = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    sign_in(page, newcomer, slip)
    check("Je me connecte à mon espace personnel", "provisoire")
    return secret


def check_new_password(page: Page, newcomer: Person, secret: str, check) -> None:
    fill(page, newcomer, secret)
    page.click("#login-submit")
    check(NEW)
    page.fill("#password", "trop court")
    check(NEW)
    page.click("#password-submit")
    check(NEW, "trop court")
    page.click("#password-submit")
    check(NEW, "Saisissez le mot de passe")
    page.fill("#password", CHOSEN)
    page.click("#password-submit")
