"""The preview shows everything that there is: what is not on it does not exist."""

import pytest

from demo.mailbox import create_app
from demo.preview import messages
from demo.preview.states import STATES
from demo.preview.states.drawing import APP
from demo.preview.states.drawing import said
from demo.preview.states.drawing import source
from demo.preview.states.shapes import ROOT
from idp.sentence import Sentence

TEMPLATES = ROOT / "templates"
FRAMES = {"form_post.html"}
"""A page that nobody sees: it sends its form at once, and ``test_form_post.py`` holds it up."""


@pytest.fixture(scope="module")
def preview(tmp_path_factory):
    return create_app(tmp_path_factory.mktemp("mails")).test_client()


def test_every_template_is_shown_in_some_state():
    for state in STATES:
        source(state)
    for mail in messages.MAILS:
        messages.mail_page(mail)
    for letter in messages.LETTERS:
        messages.letter_pdf(letter)

    writers = (messages.writer(messages.PHONE), messages.press())
    environments = (APP.jinja_env, *(one._templates for one in writers))
    shown = {str(name) for one in environments for _, name in one.cache or ()}
    there = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file()}
    assert there - shown == {f"pages/{name}" for name in FRAMES}


def test_notices_and_errors_say_what_views_say_and_nothing_invented():
    told = []
    for state in STATES:
        if notice := said(state.context.get("notice")):
            told += [(state.name, notice.title), (state.name, notice.message)]
        told += [(state.name, one.message) for one in said(state.context.get("errors", ()))]

    # A text that no view says stays a text: the catalogue does not know it.
    assert [one for one in told if not isinstance(one[1], Sentence)] == []


def test_names_of_states_are_their_own():
    names = [state.name for state in (*STATES, *messages.MAILS, *messages.LETTERS)]

    assert len(names) == len(set(names))


def test_one_page_shows_them_all_side_by_side(preview):
    page = preview.get("/apercu/?largeur=768&langue=en").text

    for state in STATES:
        assert f"/apercu/etats/{state.name}?langue=en" in page
    for mail in messages.MAILS:
        assert f"/apercu/mails/{mail.name}" in page
    for letter in messages.LETTERS:
        assert f"/apercu/lettres/{letter.name}.pdf" in page


def test_what_it_shows_can_be_opened(preview):
    shown = preview.get("/apercu/etats/login-first?langue=en")

    assert '<html lang="en">' in shown.text
    assert "/apercu/static/pages.css" in shown.text
    with_logo = preview.get("/apercu/etats/login-service-logo").text
    assert '<img src="/apercu/static/favicon.svg' in with_logo
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert preview.get("/apercu/static/pages.css").status_code == 200
    assert "Jeanne-Marie" in preview.get("/apercu/mails/mail-temporary-password").text
    assert preview.get("/apercu/lettres/letter-password-changed.pdf").data.startswith(b"%PDF")
    for missing in ("etats/none", "mails/none", "lettres/none.pdf", "static/../app.py"):
        assert preview.get(f"/apercu/{missing}").status_code == 404


def test_a_page_elsewhere_that_has_its_name_point_here_is_refused(preview):
    answer = preview.get("/apercu/", headers={"Host": "attacker.example"})

    assert answer.status_code == 400


def test_the_product_has_no_preview():
    product = (ROOT / "setup.cfg").read_text(encoding="utf-8")

    assert "demo" not in product.split("[options.package_data]")[0].split("packages =")[1]
    for path in (ROOT / "idp").rglob("*.py"):
        assert "import demo" not in path.read_text(encoding="utf-8")
        assert "from demo" not in path.read_text(encoding="utf-8")
