"""Every hosted page, in every state that a view can give it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask import render_template
from jinja2 import StrictUndefined
from lxml import html

from idp.identity.anti_robot import Challenge

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "idp" / "static"
STYLE_SHEET = STATIC / "pages.css"

PAGE_BUDGET = 60_000
ANTI_ROBOT_BUDGET = 115_000
STYLE_BUDGET = 16_000
NBSP = "\N{NO-BREAK SPACE}"
AA_TEXT = 4.5
AA_SHAPE = 3.0

FRAME = {"fund_name": "CARPIMKO", "support_phone": "01 23 45 67 89", "request_id": "7f3ac0de9b12"}
REFUSAL = "Ces informations ne permettent pas de vous connecter."
REMINDER = "avant mars 2021"


@dataclass(frozen=True)
class LoginForm:
    action: str = "/connexion?suite=abc"
    csrf: str = "c5f"
    qualite: str = ""
    numero: str = ""
    cancel_url: str = ""


@dataclass(frozen=True)
class Fault:
    field: str
    message: str


@dataclass(frozen=True)
class Message:
    kind: str
    title: str
    message: str


@dataclass(frozen=True)
class State:
    """One page with one context; ``wrong`` when it answers something that failed."""

    name: str
    page: str
    context: dict[str, Any] = field(default_factory=dict)
    wrong: bool = False


def login(name: str, *, wrong: bool = False, **context: Any) -> State:
    quiet = {
        "form": LoginForm(),
        "errors": [],
        "notice": None,
        "switch_to": "",
        "service_name": "Mes cotisations",
        "franceconnect_url": "",
        "reset_url": "",
        "challenge": None,
        "slip": False,
    }
    return State(f"login-{name}", "pages/login.html", quiet | context, wrong)


def member_page(page: str, name: str, *, wrong: bool = False, **context: Any) -> State:
    """A page of the reset, or of what follows it, as its view gives it when all is quiet."""
    return State(f"{page}-{name}", f"pages/{page}.html", MEMBER_PAGES[page] | context, wrong)


def error(name: str, status: int, **context: str) -> State:
    empty = dict.fromkeys(("title", "message", "code", "incident", "link", "link_label"), "")
    return State(f"error-{name}", "pages/error.html", empty | {"status": status} | context, True)


TYPED = LoginForm(qualite="affilie", numero="1234567")
NINE_DIGITS = LoginForm(qualite="affilie", numero="123 456 789")
WAIT = Message("wait", "Patientez un peu", "Vous pourrez réessayer dans 4 minutes.")
ALL_WAYS = {
    "franceconnect_url": "/franceconnect",
    "reset_url": "/mot-de-passe-oublie",
    "form": LoginForm(cancel_url="/connexion/annuler"),
}
RESET = {"reset_url": "/mot-de-passe-oublie"}

CHALLENGE = Challenge(
    work='{"parameters":{"algorithm":"PBKDF2/SHA-256","cost":5000}}',
    question="Quel jour vient après le jeudi ?",
    sealed_question="c2VhbGVk",
    lifetime_seconds=300,
)
ROBOT = Fault("robot", "Répondez à la question, ou cochez « Je ne suis pas un robot ».")
MASK = "j***dy@c*****.com"
LATE_LETTER = "mardi 1er décembre"
PROMISED = {"mail_mask": MASK, "letter_by": LATE_LETTER, "valid_until_words": "24 heures"}
BY_LETTER = {"channel": "letter", "mail_mask": "", "valid_until_words": "30 jours"}
LINKS = {"login_url": "/connexion?demande=abc", "again_url": "/mot-de-passe-oublie?demande=abc"}
OWN = {"form": LoginForm(action="/etape?demande=abc"), "errors": (), "notice": None}
HELD = Message(
    "wait",
    "Un courrier a déjà été demandé",
    "Un seul mot de passe provisoire par courrier est envoyé à la fois. "
    "Vous pourrez en demander un autre dans 9 jours.",
)
MEMBER_PAGES: dict[str, dict[str, Any]] = {
    "reset": OWN
    | {
        "switch_to": "",
        "challenge": CHALLENGE,
        "login_url": LINKS["login_url"],
        "service_name": "",
        "privacy_url": "",
        "terms_url": "",
    },
    "reset_channel": OWN | LINKS | {"mail_mask": MASK, "letter_by": LATE_LETTER, "chosen": ""},
    "reset_sent": LINKS | PROMISED | {"channel": "mail"},
    "reset_ended": LINKS,
    "new_password": OWN | {"first": False, "numero_end": "67", "minimum": 12},
    "choice_ended": {"login_url": LINKS["login_url"], "reset_url": "/mot-de-passe-oublie"},
    "email_address": OWN | {"first": True, "later_url": "/plus-tard"},
    "email_code": OWN
    | {"email_mask": MASK, "later_url": "/plus-tard", "again_url": "/adresse-electronique"},
}

STATES = [
    login("first"),
    login("alone", service_name="", support_phone=""),
    login("filled", form=TYPED),
    login("all-ways", **ALL_WAYS),
    login("all-ways-alone", **ALL_WAYS | {"service_name": ""}),
    login(
        "empty",
        wrong=True,
        errors=[
            Fault("qualite", "Choisissez « Affilié » ou « Ayant droit »."),
            Fault("numero", "Saisissez votre numéro de dossier."),
            Fault("password", "Saisissez votre mot de passe."),
        ],
    ),
    login(
        "one-fault",
        wrong=True,
        form=LoginForm(qualite="affilie", numero="12A"),
        errors=[Fault("numero", "Le numéro de dossier d'un affilié a 7 chiffres, ex. 1234567.")],
    ),
    login(
        "switch-to-ayant-droit",
        wrong=True,
        form=NINE_DIGITS,
        errors=[Fault("numero", "Ce numéro a la forme d'un numéro d'ayant droit.")],
        switch_to="ayant_droit",
    ),
    login(
        "switch-to-affilie",
        wrong=True,
        form=LoginForm(qualite="ayant_droit", numero="1234567"),
        errors=[Fault("numero", "Ce numéro a la forme d'un numéro d'affilié.")],
        switch_to="affilie",
    ),
    login("refused", wrong=True, form=TYPED, errors=[Fault("", REFUSAL)]),
    login("refused-all-ways", wrong=True, errors=[Fault("", REFUSAL)], **ALL_WAYS),
    login("wait", wrong=True, form=TYPED, notice=WAIT),
    login("wait-all-ways", wrong=True, notice=WAIT, **ALL_WAYS),
    login("wait-no-way-out", wrong=True, notice=WAIT, support_phone=""),
    login("info", notice=Message("info", "", "Vous êtes déconnecté : à bientôt !")),
    login("warning", notice=Message("warning", "Travaux", "Service fermé dimanche de 6 h à 8 h.")),
    login("error", wrong=True, notice=Message("error", "Page périmée", "Recommencez.")),
    login(
        "long-words",
        service_name="Déclaration des revenus professionnels anticonstitutionnellement régularisés",
        form=LoginForm(numero="9" * 64),
    ),
    login("slip", wrong=True, form=TYPED, errors=[Fault("", REFUSAL)], slip=True, **RESET),
    login("robot", wrong=True, errors=[Fault("", REFUSAL)], challenge=CHALLENGE, slip=False),
    login("robot-refused", wrong=True, form=TYPED, errors=[ROBOT], challenge=CHALLENGE),
    member_page("reset", "first"),
    member_page(
        "reset",
        "first-with-links",
        service_name="Mes cotisations",
        privacy_url="https://fonds.example/confidentialite",
        terms_url="https://fonds.example/conditions",
    ),
    member_page("reset", "first-with-one-link", terms_url="https://fonds.example/conditions"),
    member_page(
        "reset",
        "empty",
        wrong=True,
        errors=(
            Fault("qualite", "Choisissez « Affilié » ou « Ayant droit »."),
            Fault("numero", "Saisissez votre numéro de dossier."),
            ROBOT,
        ),
    ),
    member_page("reset", "robot", wrong=True, form=TYPED, errors=(ROBOT,)),
    member_page(
        "reset",
        "switch",
        wrong=True,
        form=NINE_DIGITS,
        errors=(Fault("numero", "Ce numéro a la forme d'un numéro d'ayant droit."),),
        switch_to="ayant_droit",
    ),
    member_page("reset", "wait", wrong=True, form=TYPED, notice=WAIT),
    member_page("reset", "no-cookies", notice=Message("warning", "Cookies", "Refusés.")),
    member_page("reset_channel", "both"),
    member_page("reset_channel", "long", mail_mask="j***dy@c*****.associations-francaises"),
    member_page("reset_channel", "both-no-phone", support_phone=""),
    member_page("reset_channel", "post-only", mail_mask=""),
    member_page("reset_channel", "post-only-no-phone", mail_mask="", support_phone=""),
    member_page(
        "reset_channel",
        "none-chosen",
        wrong=True,
        errors=(Fault("canal", "Choisissez comment recevoir votre mot de passe."),),
    ),
    member_page(
        "reset_channel",
        "post-only-refused",
        wrong=True,
        mail_mask="",
        errors=(Fault("canal", "Choisissez comment recevoir votre mot de passe."),),
    ),
    member_page("reset_channel", "held", wrong=True, chosen="letter", notice=HELD),
    member_page("reset_channel", "held-post-only", wrong=True, mail_mask="", notice=HELD),
    member_page("reset_sent", "mail"),
    member_page("reset_sent", "letter", **BY_LETTER),
    member_page("reset_sent", "letter-no-phone", support_phone="", **BY_LETTER),
    member_page("reset_ended", "ended", wrong=True),
    member_page("new_password", "renewed"),
    member_page("new_password", "first", first=True),
    member_page("new_password", "keeps-number", form=LoginForm(numero="1234567")),
    member_page("new_password", "stale", notice=Message("info", "Recommencez", "Merci.")),
    member_page("new_password", "busy", wrong=True, notice=WAIT),
    member_page(
        "new_password",
        "weak",
        wrong=True,
        errors=(
            Fault("password", "Ce mot de passe est trop court : il faut 12 caractères."),
            Fault("password", "Ce mot de passe se devine trop facilement."),
        ),
    ),
    member_page(
        "new_password",
        "typed-otherwise",
        wrong=True,
        errors=(Fault("confirm", "Les deux saisies ne sont pas identiques."),),
    ),
    member_page("choice_ended", "ended", wrong=True),
    member_page("email_address", "first"),
    member_page("email_address", "renewed", first=False),
    member_page(
        "email_address", "wrong", wrong=True, errors=(Fault("email", "Saisissez une adresse."),)
    ),
    member_page("email_address", "wait", wrong=True, notice=WAIT),
    member_page("email_code", "sent"),
    member_page(
        "email_code", "wrong", wrong=True, errors=(Fault("code", "Ce code n'est pas le bon."),)
    ),
    member_page("email_code", "wait", wrong=True, notice=WAIT),
    *(error(str(status), status) for status in (400, 403, 404, 405, 413, 429, 500, 503)),
    error("unknown-status", 418),
    error("incident", 500, incident="2f6c-91b0", link="/connexion", link_label="Me connecter"),
    error("protocol", 400, code="invalid_request", incident="2f6c-91b0"),
    error(
        "protocol-with-words",
        400,
        title="Ce service n'est pas reconnu",
        message="L'adresse de retour n'est pas celle qu'il a déclarée.",
        code="invalid_request_uri_with_a_rather_long_name",
        incident="2f6c91b0a4d84c6eb2f0d7a3c5e19f66",
        link="https://service.example/",
        link_label="Revenir au service",
    ),
    State(
        "account",
        "pages/account.html",
        {
            "qualite_label": "Ayant droit",
            "numero_end": "89",
            "name": "Jeanne-Marie Le Goff-Desrosiers",
            "since": "Connecté depuis 14 h 32",
            "logout_action": "/deconnexion",
            "csrf": "c5f",
        },
    ),
    State(
        "account-without-name",
        "pages/account.html",
        {
            "qualite_label": "Affilié",
            "numero_end": "67",
            "name": "",
            "since": "Connecté depuis 9 h 05",
            "logout_action": "/deconnexion",
            "csrf": "c5f",
        },
    ),
    State(
        "logout-confirm",
        "pages/logout_confirm.html",
        {
            "action": "/logout",
            "csrf": "c5f",
            "fields": [("state", "s"), ("client_id", "cotisations")],
            "service_name": "Mes cotisations",
        },
    ),
    State(
        "logout-confirm-alone",
        "pages/logout_confirm.html",
        {"action": "/logout", "csrf": "c5f", "fields": [], "service_name": ""},
    ),
    State(
        "logged-out",
        "pages/logged_out.html",
        {
            "service_name": "Mes cotisations",
            "link": "https://service.example/",
            "link_label": "Revenir à « Mes cotisations »",
        },
    ),
    State(
        "logged-out-alone",
        "pages/logged_out.html",
        {"service_name": "", "link": "", "link_label": ""},
    ),
    State(
        "expired",
        "pages/expired.html",
        {"link": "/connexion", "link_label": "Reprendre la connexion"},
    ),
]

every_state = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)


def pages_app() -> Flask:
    app = Flask("idp", static_folder=str(STATIC), template_folder=str(ROOT / "templates"))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.globals["asset"] = lambda name: f"/static/{name}?v=0123abcd"
    return app


APP = pages_app()


def source(state: State) -> str:
    with APP.test_request_context():
        return render_template(state.page, **FRAME | state.context)


def document(state: State) -> html.HtmlElement:
    return html.document_fromstring(source(state))


def named(name: str) -> State:
    return next(state for state in STATES if state.name == name)


def words(element: html.HtmlElement) -> str:
    """What a person reads, without codes that are meant for the integrator."""
    texts = element.xpath(".//text()[not(ancestor::code)][not(ancestor::svg)]")
    return re.sub(r"[ \n]+", " ", " ".join(texts)).strip()


def loaded(page: html.HtmlElement) -> set[str]:
    """The files that a browser may fetch for the page."""
    found = page.xpath("//link/@href | //script/@src | //img/@src | //source/@srcset")
    return {urlsplit(address).path.removeprefix("/static/") for address in found}


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

    assert not page.xpath("//style | //@style | //base | //iframe | //object")
    assert not page.xpath("//script[not(@src) or normalize-space()]")
    assert not page.xpath("//@*[starts-with(name(), 'on')]")
    assert not page.xpath("//a[starts-with(@href, 'javascript:')]")
    addresses = page.xpath("//link/@href | //script/@src | //img/@src | //source/@srcset")
    assert addresses
    assert all(re.fullmatch(r"/static/(altcha/)?[\w.-]+\?v=\w+", address) for address in addresses)
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

    expected = 1 if state.wrong and page.xpath("//form") else 0
    assert len(alerts) == expected
    assert len(page.xpath("//@autofocus")) == expected
    assert all(alert.get("tabindex") == "-1" for alert in alerts)


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
def test_a_page_with_all_that_it_loads_weighs_little(state):
    text = source(state)
    files = loaded(html.document_fromstring(text))

    widget = {name for name in files if name.startswith("altcha/")}
    weight = len(text.encode()) + sum((STATIC / name).stat().st_size for name in files - widget)

    assert weight < PAGE_BUDGET
    assert sum((STATIC / name).stat().st_size for name in widget) < ANTI_ROBOT_BUDGET


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
            form=LoginForm(action=hostile, csrf=hostile, numero=hostile, cancel_url=hostile),
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

    for trace in ("FranceConnect", "Mot de passe oublié", "Annuler"):
        assert trace not in words(alone)
        assert trace in words(all_ways)
    separator = "//p[@class = 'or']/span/text()"
    assert (alone.xpath(separator), all_ways.xpath(separator)) == ([], ["ou"])


def test_a_person_who_must_wait_reads_how_long_and_how_to_get_out():
    page = document(named("login-wait-all-ways"))
    alert = page.xpath("//*[@role = 'alert']")[0]

    assert "dans 4 minutes" in words(alert)
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
    assert words(page.xpath("//h1")[0]) == "Le service n’a pas pu lancer votre connexion"


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


def test_a_slip_in_a_temporary_password_is_told_with_its_shape_and_only_then():
    slip = words(document(named("login-slip")).get_element_by_id("error-summary"))

    assert REFUSAL in slip
    assert "mot de passe provisoire recopié avec une erreur" in slip
    assert "sans lettre O, I ni L, sans chiffre 0 ni 1" in slip
    assert "recopié" not in words(document(named("login-refused")))


def test_the_anti_robot_is_loaded_only_by_a_page_that_asks_for_it():
    quiet, asked = (document(named(name)) for name in ("login-first", "login-robot"))

    assert not any(name.startswith(("altcha/", "anti-robot")) for name in loaded(quiet))
    assert {"altcha/altcha.min.js", "anti-robot.js", "anti-robot.css"} <= loaded(asked)
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
    assert words(both.xpath(links)[0]) == "Confidentialité - Conditions"
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

    assert "dans 9 jours" in words(page.xpath("//*[@role = 'alert']")[0])
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


def test_the_date_of_a_letter_is_never_cut():
    for name in ("reset_channel-both", "reset_channel-post-only", "reset_sent-letter"):
        assert LATE_LETTER.replace(" ", NBSP) in source(named(name))


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


def test_the_style_sheet_is_small_and_fetches_nothing():
    css = STYLE_SHEET.read_text(encoding="utf-8")

    assert len(css.encode()) < STYLE_BUDGET
    assert not re.search(r"url\(|@import|@font-face", css)


def test_drawings_hold_no_script_style_or_address():
    for path in STATIC.glob("*.svg"):
        drawing = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"<script|<style|style=|href|://|\son\w+=", drawing), path.name


def luminance(colour: str) -> float:
    def linear(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_contrasts_written_beside_the_colours_are_true_and_sufficient(scheme):
    block = re.findall(r":root \{(.*?)\}", STYLE_SHEET.read_text(encoding="utf-8"), re.DOTALL)[
        scheme
    ]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", block))
    claims = re.findall(r"--([\w-]+): #\w{6}; /\* (.*?) \*/", block)

    assert {"ink", "soft", "brand", "edge", "action", "on-action", "focus"} <= dict(claims).keys()
    for name, claim in claims:
        for other, figure in re.findall(r"([\w-]+) ([\d.]+)", claim):
            ratio = contrast(colours[name], colours[other])
            assert round(ratio, 1) == float(figure), f"--{name} on --{other}: {ratio:.2f}"
            assert ratio >= (AA_SHAPE if name in ("edge", "focus") else AA_TEXT)


def test_a_page_gives_one_number_for_the_assistance_never_two():
    references = {
        name: document(named(name)).xpath("count(//*[contains(@class, 'footer__reference')])")
        for name in ("error-404", "error-incident")
    }

    assert references == {"error-404": 1, "error-incident": 0}
