"""Every state that a view can give a hosted page, and how the suites render it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask import render_template
from jinja2 import StrictUndefined
from lxml import html

from idp.identity.anti_robot import Challenge

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "idp" / "static"
NBSP = "\N{NO-BREAK SPACE}"

FRAME = {"fund_name": "CARPIMKO", "support_phone": "01 23 45 67 89", "request_id": "7f3ac0de9b12"}
REFUSAL = "Ces informations ne permettent pas de vous connecter."


@dataclass(frozen=True)
class LoginForm:
    action: str = "/connexion?suite=abc"
    csrf: str = "c5f"
    qualite: str = ""
    numero: str = ""


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
    "email_address": OWN | {"first": True, "by_letter": False, "later_url": "/plus-tard"},
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
    member_page("email_address", "by-letter", by_letter=True),
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
        "form-post",
        "pages/form_post.html",
        {
            "action": "https://service.example/callback",
            "fields": (("code", "c"), ("state", "s")),
            "service_name": "Mes cotisations",
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
