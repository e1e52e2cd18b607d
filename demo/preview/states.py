"""Every state that a view can give a hosted page, and how the preview and the suites render it.

A state that is not in ``STATES`` does not exist: no picture shows it, axe-core never sees it, and
``tests/unit/test_preview.py`` refuses a template that no state shows. Tests import it from
``tests.page_states``, which adds what only they need. A page added to the product is added here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import is_dataclass
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from flask import Flask
from flask import render_template
from flask import request
from jinja2 import StrictUndefined

from idp.identity.anti_robot import Challenge
from idp.identity.audit_trail import PastEvent
from idp.identity.franceconnect_links import Rule
from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaReached
from idp.identity.working_days import hour_in_words
from idp.identity.working_days import in_words
from idp.infra.catalogues import read_catalogues
from idp.legal import Audit
from idp.legal import Legal
from idp.parts import PACKAGE
from idp.sentence import Catalogue
from idp.sentence import Sentence
from idp.sentence import counted
from idp.sentence import say
from idp.session import Place
from idp.theme import Theme
from idp.web import account_data
from idp.web import account_devices
from idp.web import account_email
from idp.web import account_franceconnect
from idp.web import account_password
from idp.web import account_services
from idp.web import address_code
from idp.web import confirmation
from idp.web import errors
from idp.web import franceconnect_dossier
from idp.web import language
from idp.web import reset
from idp.web.account_topics import day
from idp.web.account_topics import moment
from idp.web.activity_words import days_of
from idp.web.anti_robot import ROBOT
from idp.web.assets import Assets
from idp.web.franceconnect_words import NOTICES
from idp.web.franceconnect_words import Said
from idp.web.kept import kept_of_a_person
from idp.web.legal import cookies
from idp.web.login_form import BUSY
from idp.web.login_form import COOKIES_REFUSED
from idp.web.login_form import NO_COOKIES
from idp.web.login_form import STALE_FORM
from idp.web.login_form import STALE_PASSWORD
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import wait_notice
from idp.web.password_faults import sentence

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "idp" / "static"
NBSP = "\N{NO-BREAK SPACE}"

FRAME = {
    "fund_name": "CARPIMKO",
    "fund_tagline": "La Retraite des Auxiliaires Médicaux",
    "support_phone": "01 23 45 67 89",
    "request_id": "7f3ac0de9b12",
    "accessibility_state": "non conforme",
}
SIGNED_IN = datetime(2026, 11, 24, 13, 32, tzinfo=UTC)
SINCE = moment(datetime(2026, 11, 24, 12, 5, tzinfo=UTC))
REFUSAL = "Ces informations ne permettent pas de vous connecter."


@dataclass(frozen=True)
class LoginForm:
    """What a form sends and keeps."""

    action: str = "/connexion?suite=abc"
    csrf: str = "c5f"
    qualite: str = ""
    numero: str = ""


@dataclass(frozen=True)
class Fault:
    """One thing to mend; without a field it is a refusal."""

    field: str
    message: str | Sentence


@dataclass(frozen=True)
class Message:
    """A notice in front of the content."""

    kind: str
    title: str
    message: str | Sentence


@dataclass(frozen=True)
class Gift:
    """One thing that a consent gives."""

    title: str
    gives: str | Sentence
    example: str | Sentence = ""


@dataclass(frozen=True)
class Access:
    """One service with an access, as the account page shows it."""

    client_id: str
    name: str
    gifts: tuple[str, ...] = ()
    since: Sentence | str = ""
    away_since: Sentence | str = ""
    last_used: Sentence | str = ""
    ends_by: Sentence | str = ""


@dataclass(frozen=True)
class Row:
    """One topic of the member's own page."""

    path: str
    title: str
    says: str | Sentence
    link: str
    apart: bool = False


@dataclass(frozen=True)
class ServiceVisit:
    """A service that the member was led to."""

    name: str
    last: str | Sentence


@dataclass(frozen=True)
class Device:
    """Where a member is signed in."""

    key: str
    name: str | Sentence
    here: bool = False
    since: Sentence = SINCE
    used_at: Sentence | str = ""
    network: Sentence | str = ""


@dataclass(frozen=True)
class Dossier:
    """One of several dossiers, as FranceConnect's chooser shows it."""

    value: str
    qualite: str
    numero_end: str


@dataclass(frozen=True)
class State:
    """One page with one context; ``wrong`` when it answers something that failed."""

    name: str
    page: str
    context: dict[str, Any] = field(default_factory=dict)
    wrong: bool = False


def login(name: str, *, wrong: bool = False, **context: Any) -> State:
    """Give the sign-in page as its view gives it when all is quiet."""
    quiet = {
        "form": LoginForm(),
        "errors": [],
        "notice": None,
        "switch_to": "",
        "service_name": "Mes cotisations",
        "service_logo": "",
        "franceconnect_url": "",
        "franceconnect_away": False,
        "franceconnect_wished": False,
        "password_answers": True,
        "reset_url": "",
        "challenge": None,
        "slip": False,
    }
    return State(f"login-{name}", "pages/login.html", quiet | context, wrong)


def member_page(page: str, name: str, *, wrong: bool = False, **context: Any) -> State:
    """A page of the reset, or of what follows it, as its view gives it when all is quiet."""
    return State(f"{page}-{name}", f"pages/{page}.html", MEMBER_PAGES[page] | context, wrong)


def consent(state: str, *, wrong: bool = False, **context: Any) -> State:
    """Give the consent page."""
    quiet = {
        "notice": None,
        "action": "/consentement?demande=abc",
        "csrf": "c5f",
        "service_name": "Mon agenda",
        "service_host": "agenda.example",
        "policy_uri": "",
        "tos_uri": "",
        "name": "Jeanne-Marie Le Goff-Desrosiers",
        "qualite_label": "Ayant droit",
        "numero_end": "89",
        "gifts": GIFTS,
        "granted": [],
        "keeps_access": False,
    }
    return State(f"consent-{state}", "pages/consent.html", quiet | context, wrong)


def account_choice(state: str, *, wrong: bool = False, **context: Any) -> State:
    """Give the choice between dossiers."""
    quiet = {
        "notice": None,
        "action": "/choix-du-dossier?demande=abc",
        "csrf": "c5f",
        "service_name": "Mes cotisations",
        "on_device": False,
        "name": "Anne LEFÈVRE",
        "qualite_label": "Affilié",
        "numero_end": "67",
        "other_url": "/connexion?demande=abc",
    }
    return State(f"account-choice-{state}", "pages/account_choice.html", quiet | context, wrong)


def account(state: str, **context: Any) -> State:
    """Give the member's own page."""
    quiet: dict[str, Any] = {
        "qualite_label": "Ayant droit",
        "numero_end": "89",
        "name": "Jeanne-Marie Le Goff-Desrosiers",
        "since": say("Connexion à %(hour)s", hour=hour_in_words(SIGNED_IN)),
        "logout_action": "/deconnexion",
        "csrf": "c5f",
        "rows": ROWS,
    }
    return State(state, "pages/account.html", quiet | context)


def legal(page: str, name: str, filled: Legal, **context: Any) -> State:
    """Give a page of the footer, with what the operator filled in."""
    quiet: dict[str, Any] = {
        "legal": filled,
        "issuer": "https://connexion.caisse.example",
        "audit": None,
        "audited_on": "",
        "kept": kept_of_a_person(
            franceconnect=True, session=timedelta(hours=8), audit=timedelta(days=365)
        ),
        "cookies": cookies(timedelta(hours=8)),
        "privacy_url": "",
    }
    return State(f"{page.replace('_', '-')}-{name}", f"pages/{page}.html", quiet | context)


def error(name: str, status: int, **context: str | Sentence) -> State:
    """Give an error page, with the words of its status where it has none of its own."""
    title, message = errors.words_of(status)
    given = {"title": title, "message": message, "code": "", "incident": ""}
    given |= {"link": "/connexion", "link_label": errors.TO_SIGN_IN}
    return State(f"error-{name}", "pages/error.html", given | {"status": status} | context, True)


LONG_NAME = "Déclaration des revenus professionnels anticonstitutionnellement régularisés"
GIFTS = [
    Gift(
        "Vous reconnaître",
        "Un code qui vous désigne sans dire qui vous êtes, et l’heure de votre connexion.",
    ),
    Gift(
        "Votre identité",
        "Vos nom et prénoms, votre sexe et votre date de naissance.",
        "Jeanne-Marie Le Goff-Desrosiers, 14/03/1942",
    ),
    Gift("Votre adresse mail", "Celle que nous connaissons.", "j***dy@c*****.com"),
    Gift(
        "Votre dossier",
        "Votre qualité, votre numéro de dossier en entier et votre situation.",
        say("%(told)s, %(more)s", told=say("Ayant droit"), more=say("réversion")),
    ),
    Gift(
        "Garder cet accès en votre absence",
        say(
            "Ce service pourra relire ces informations quand vous n’êtes pas là, sans vous le"
            " redemander, pendant %(days)s jours au plus.",
            days=30,
        ),
    ),
]
ACCESSES = [
    Access(
        "agenda",
        "Mon agenda",
        ("Vous reconnaître", "Votre identité"),
        since=in_words(date(2026, 11, 24), year=True),
    ),
    Access(
        "revenus",
        LONG_NAME,
        ("Vous reconnaître", "Votre dossier", "Garder cet accès en votre absence"),
        since=in_words(date(2026, 11, 24), year=True),
        away_since=in_words(date(2026, 11, 24), year=True),
        last_used=in_words(date(2026, 11, 26), year=True),
        ends_by=in_words(date(2026, 12, 26), year=True),
    ),
    Access(
        "cotisations",
        "Mes cotisations",
        away_since=in_words(date(2026, 11, 24), year=True),
        last_used=in_words(date(2026, 11, 24), year=True),
        ends_by=in_words(date(2026, 12, 24), year=True),
    ),
]
ROWS = [
    Row(
        "/compte/mot-de-passe",
        "Mot de passe",
        "Il n’expire pas. Changez-le si quelqu’un d’autre a pu le voir.",
        "Changer mon mot de passe",
    ),
    Row(
        "/compte/adresse-mail",
        "Adresse mail",
        say("Vos messages arrivent à %(mask)s.", mask="j***dy@c*****.com"),
        "Voir ou changer mon adresse mail",
    ),
    Row(
        "/compte/appareils",
        "Appareils connectés",
        counted(
            "Seul cet appareil est connecté.",
            "%(count)s appareils sont connectés en ce moment, avec celui-ci.",
            3,
        ),
        "Voir mes appareils",
    ),
    Row(
        "/compte/services",
        "Services",
        counted(
            "Un service a accès à vos informations.",
            "%(count)s services ont accès à vos informations.",
            3,
        ),
        "Voir mes services",
    ),
    Row(
        "/compte/activite",
        "Activité récente",
        "Les connexions et les changements des 90 derniers jours.",
        "Voir l’activité récente",
    ),
    Row(
        "/compte/mes-donnees",
        "Mes données",
        "Ce que ce service sait de vous, dans un fichier.",
        "Voir et télécharger mes données",
    ),
    Row(
        "/compte/ce-n-etait-pas-moi",
        "Ce n’était pas moi",
        "Quelqu’un d’autre est entré dans votre espace ? Vous pouvez tout bloquer aussitôt.",
        "Bloquer mon espace",
        apart=True,
    ),
]
VISITS = [
    ServiceVisit("Mes cotisations", in_words(date(2026, 11, 26), year=True)),
    ServiceVisit(LONG_NAME, in_words(date(2026, 11, 24), year=True)),
]
HERE = Device("k1", account_devices.device_name(Place("Firefox", "Windows")), here=True)
DEVICES = [
    HERE,
    Device(
        "k2",
        account_devices.device_name(Place("Samsung Internet", "Android")),
        used_at=moment(datetime(2026, 11, 24, 12, 21, tzinfo=UTC)),
        network=say("un autre (%(network)s)", network="203.0.113.…"),
    ),
    Device("k3", account_devices.UNKNOWN, network=say("le même que cet appareil")),
]
OWN_PAGE = {"csrf": "c6f", "errors": (), "notice": None}
"""What every page below ``/compte`` is given when all is quiet."""
TYPED = LoginForm(qualite="affilie", numero="1234567")
NINE_DIGITS = LoginForm(qualite="affilie", numero="123 456 789")
SEVEN_DIGITS = FormError(
    "numero",
    say("Un numéro d’affilié a %(count)s chiffres, ex. %(example)s.", count=7, example=1234567),
)
WAIT = wait_notice(timedelta(minutes=4))
ALL_WAYS: dict[str, Any] = {
    "franceconnect_url": "/franceconnect",
    "reset_url": "/mot-de-passe-oublie",
}
LINKED: dict[str, Any] = {
    "linked_at": day(datetime(2026, 11, 24, 13, 32, tzinfo=UTC)),
    "used_at": day(datetime(2026, 11, 26, 8, 10, tzinfo=UTC)),
    "why": account_franceconnect.WHY[Rule.PROOF],
}
RESET = {"reset_url": "/mot-de-passe-oublie"}
AWAY: dict[str, Any] = RESET | {"franceconnect_away": True}

CHALLENGE = Challenge(
    work='{"parameters":{"algorithm":"PBKDF2/SHA-256","cost":5000}}',
    question=say("Quel jour de la semaine vient juste après %(day)s ?", day=say("jeudi")),
    sealed_question="c2VhbGVk",
    lifetime_seconds=300,
)
MASK = "j***dy@c*****.com"
LATE_LETTER = in_words(date(2026, 12, 1))
PROMISED = {
    "mail_mask": MASK,
    "letter_by": LATE_LETTER,
    "valid_until_words": say("%(count)s heures", count=24),
    "letter_every": say("%(count)s jours", count=10),
}
BY_LETTER: dict[str, Any] = {
    "channel": "letter",
    "mail_mask": "",
    "valid_until_words": say("%(count)s jours", count=30),
}
LINKS = {"login_url": "/connexion?demande=abc", "again_url": "/mot-de-passe-oublie?demande=abc"}
OWN = {"form": LoginForm(action="/etape?demande=abc"), "errors": (), "notice": None}
HELD = reset.quota_notice(QuotaReached(Quota.LETTER, timedelta(days=9)))
MANY_REQUESTS = reset.quota_notice(QuotaReached(Quota.NETWORK, timedelta(minutes=40)))
MANY_CODES = address_code.too_many(QuotaReached(Quota.MAIL, timedelta(minutes=40)))
WEAK = tuple(
    FormError("password", sentence(fault, PasswordPolicy()))
    for fault in (PolicyFault.TOO_SHORT, PolicyFault.GUESSABLE)
)
WRONG_PASSWORD = confirmation.WRONG
ACTIVITY = days_of(
    [
        PastEvent(
            datetime(2026, 11, 29, 13, 5, tzinfo=UTC),
            "sign_in.succeeded",
            "192.0.2.0/24",
            "",
            {"known_device": 0},
        ),
        PastEvent(datetime(2026, 11, 29, 13, 1, tzinfo=UTC), "sign_in.refused", "", "", {}),
        PastEvent(datetime(2026, 11, 29, 13, 0, tzinfo=UTC), "sign_in.refused", "", "", {}),
        PastEvent(datetime(2026, 11, 24, 8, 0, tzinfo=UTC), "password.changed", "", "", {}),
    ],
    since=datetime(2026, 9, 1, tzinfo=UTC),
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
    "account_data": OWN_PAGE | {"action": "/compte/mes-donnees"},
    "account_devices": OWN_PAGE | {"action": "/compte/appareils", "devices": [HERE]},
    "account_password": OWN_PAGE
    | {"action": "/compte/mot-de-passe", "numero_end": "67", "minimum": 12},
    "account_activity": OWN_PAGE
    | {"days": (), "more_url": "", "freeze_url": "/compte/ce-n-etait-pas-moi"},
    "account_email": OWN_PAGE
    | {
        "action": "/compte/adresse-mail",
        "receives": MASK,
        "confirmed": False,
        "waits": "",
        "stands_at": "",
        "pending": "",
        "code_url": "/compte/adresse-mail/code",
        "by_letter": False,
        "typed": "",
    },
    "account_email_code": OWN_PAGE
    | {
        "action": "/compte/adresse-mail/code",
        "email_mask": MASK,
        "again_url": "/compte/adresse-mail",
    },
    "account_freeze": OWN_PAGE
    | {"action": "/compte/ce-n-etait-pas-moi", "letter_by": in_words(date(2026, 12, 4))},
    "account_frozen": {"letter_by": in_words(date(2026, 12, 4))},
    "account_services": OWN_PAGE | {"action": "/compte/services", "accesses": [], "visits": []},
    "confirmation": OWN_PAGE
    | {
        "action": "/compte/confirmation",
        "page": "/compte/mes-donnees",
        "qualite_label": "Ayant droit",
        "numero_end": "89",
        "franceconnect_url": "",
        "password_answers": True,
    },
    "account_franceconnect": OWN_PAGE
    | {
        "action": "/compte/franceconnect",
        "linked_at": "",
        "used_at": "",
        "why": "",
        "has_password": True,
        "link_url": "/franceconnect?pour=link",
    },
    "account_franceconnect_identity": OWN_PAGE
    | {
        "action": "/compte/franceconnect/identite",
        "who": "MARIE-ANGE SOLANGE DE LA TOURETTE",
    },
    "franceconnect_dossier": OWN_PAGE
    | {
        "action": "/franceconnect/dossier?demande=abc",
        "service_name": "Mes cotisations",
        "rows": [Dossier("a1", "Affilié", "27"), Dossier("b2", "Ayant droit", "14")],
    },
    "franceconnect_proof": OWN
    | RESET
    | {
        "switch_to": "",
        "service_name": "Mes cotisations",
        "who": "MARIE-ANGE SOLANGE DE LA TOURETTE",
        "login_url": "/connexion?demande=abc",
        "slip": False,
        "challenge": None,
    },
    "email_code": OWN
    | {"email_mask": MASK, "later_url": "/plus-tard", "again_url": "/adresse-electronique"},
}

FRAMES = (
    "https://service.example/sortie?iss=https%3A%2F%2Fidp.example&sid=a",
    "https://other.example/sortie?iss=https%3A%2F%2Fidp.example&sid=b",
)


AUDIT = Audit(date(2026, 3, 3), "un cabinet indépendant", 83)
FILLED = Legal(
    seat=("Caisse de démonstration", "6 place de l’Exemple", "78000 VERSAILLES"),
    registration="SIREN 123 456 789",
    director="Dominique Lambert",
    host=("Hébergeur de démonstration", "2 rue du Serveur", "59000 LILLE", "03 23 45 67 89"),
    data_contact=("dpo@caisse.example",),
    accessibility_contact=("accessibilite@caisse.example", "01 23 45 67 89"),
    scheme_url="https://caisse.example/accessibilite/schema-pluriannuel",
    audit=AUDIT,
)

STATES = [
    login("first"),
    login("alone", service_name="", support_phone=""),
    login("filled", form=TYPED),
    login("service-logo", service_logo="/static/favicon.svg?v=0123abcd"),
    login("all-ways", **ALL_WAYS),
    login("all-ways-alone", **ALL_WAYS | {"service_name": ""}),
    login("franceconnect-failed", wrong=True, notice=NOTICES[Said.CANCELLED], **ALL_WAYS),
    login("franceconnect-wished", **ALL_WAYS, franceconnect_wished=True),
    login("franceconnect-alone", **ALL_WAYS, password_answers=False),
    login("franceconnect-away", **AWAY),
    login("franceconnect-alone-away", **AWAY, password_answers=False),
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
        errors=[SEVEN_DIGITS],
    ),
    login(
        "switch-to-ayant-droit",
        wrong=True,
        form=NINE_DIGITS,
        errors=[Fault("numero", "Ce numéro a la forme d’un numéro d’ayant droit.")],
        switch_to="ayant_droit",
    ),
    login(
        "switch-to-affilie",
        wrong=True,
        form=LoginForm(qualite="ayant_droit", numero="1234567"),
        errors=[Fault("numero", "Ce numéro a la forme d’un numéro d’affilié.")],
        switch_to="affilie",
    ),
    login("refused", wrong=True, form=TYPED, errors=[Fault("", REFUSAL)]),
    login("refused-all-ways", wrong=True, errors=[Fault("", REFUSAL)], **ALL_WAYS),
    login("wait", wrong=True, form=TYPED, notice=WAIT),
    login("wait-all-ways", wrong=True, notice=WAIT, **ALL_WAYS),
    login("wait-no-way-out", wrong=True, notice=WAIT, support_phone=""),
    login("no-cookies", notice=NO_COOKIES),
    login("stale", wrong=True, form=TYPED, notice=STALE_PASSWORD),
    login(
        "long-words",
        service_name="Déclaration des revenus professionnels anticonstitutionnellement régularisés",
        form=LoginForm(numero="9" * 64),
    ),
    login("slip", wrong=True, form=TYPED, errors=[Fault("", REFUSAL)], slip=True, **RESET),
    login("robot", wrong=True, errors=[Fault("", REFUSAL)], challenge=CHALLENGE, slip=False),
    login("robot-all-ways", wrong=True, errors=[ROBOT], challenge=CHALLENGE, **ALL_WAYS),
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
        errors=(Fault("numero", "Ce numéro a la forme d’un numéro d’ayant droit."),),
        switch_to="ayant_droit",
    ),
    member_page("reset", "wait", wrong=True, form=TYPED, notice=MANY_REQUESTS),
    member_page("reset", "no-cookies", wrong=True, notice=COOKIES_REFUSED),
    member_page("reset_channel", "both"),
    member_page("reset_channel", "long", mail_mask="j***dy@c*****.associations-francaises"),
    member_page("reset_channel", "both-no-phone", support_phone=""),
    member_page("reset_channel", "post-only", mail_mask=""),
    member_page("reset_channel", "post-only-no-phone", mail_mask="", support_phone=""),
    member_page(
        "reset_channel",
        "none-chosen",
        wrong=True,
        errors=(reset.CHOOSE,),
    ),
    member_page(
        "reset_channel",
        "post-only-refused",
        wrong=True,
        mail_mask="",
        errors=(reset.CHOOSE,),
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
    member_page("new_password", "stale", wrong=True, notice=STALE_FORM),
    member_page("new_password", "busy", wrong=True, notice=BUSY),
    member_page(
        "new_password",
        "weak",
        wrong=True,
        errors=WEAK,
    ),
    member_page(
        "new_password",
        "typed-otherwise",
        wrong=True,
        errors=(Fault("confirm", "Les deux saisies ne sont pas identiques. Recommencez."),),
    ),
    member_page("choice_ended", "ended", wrong=True),
    member_page("email_address", "first"),
    member_page("email_address", "by-letter", by_letter=True),
    member_page("email_address", "renewed", first=False),
    member_page("email_address", "wrong", wrong=True, errors=(address_code.NO_ADDRESS,)),
    member_page("email_address", "wait", wrong=True, notice=MANY_CODES),
    member_page("email_address", "over", wrong=True, notice=address_code.OVER),
    member_page("email_code", "sent"),
    member_page("email_code", "wrong", wrong=True, errors=(address_code.WRONG,)),
    *(error(str(status), status) for status in (400, 403, 404, 405, 413, 429, 500, 503)),
    error("unknown-status", 418),
    error(
        "service-unknown",
        400,
        title="Ce service ne peut pas vous connecter",
        message="La demande que le service nous a transmise n’est pas valable. Retournez sur le "
        "site du service et recommencez. Si cela continue, prévenez ce service en lui donnant les "
        "informations ci-dessous.",
        code="invalid_client: unknown client_id",
        incident="2f6c91b0a4d84c6e",
        link="",
    ),
    error("store-away", 503, link="/connexion?demande=abc", link_label="Réessayer"),
    error(
        "maintenance",
        503,
        title="Le service est en maintenance",
        message=say(
            "Rien n’est perdu : votre dossier et votre mot de passe restent tels quels. "
            "Le service rouvre le %(day)s à %(hour)s.",
            day=LATE_LETTER,
            hour=hour_in_words(datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ),
        link="/connexion",
        link_label="Réessayer",
    ),
    error("incident", 500, incident="2f6c-91b0"),
    error(
        "protocol",
        400,
        title="Ce service ne peut pas vous connecter",
        code="invalid_request",
        incident="2f6c-91b0",
        link="",
    ),
    error(
        "protocol-with-words",
        400,
        title="Ce service ne peut pas vous connecter",
        message="Retournez à la page de connexion et recommencez.",
        code="invalid_request_uri_with_a_rather_long_name",
        incident="2f6c91b0a4d84c6eb2f0d7a3c5e19f66",
        link="https://service.example/",
        link_label="Revenir au service",
    ),
    account("account"),
    account("account-without-name", name=""),
    member_page("account_data", "first"),
    member_page("account_data", "stale", wrong=True, notice=STALE_FORM),
    member_page("account_data", "just-done", wrong=True, notice=account_data.JUST_DONE),
    member_page("account_devices", "alone"),
    member_page("account_devices", "many", devices=DEVICES),
    member_page(
        "account_devices",
        "ended",
        devices=DEVICES[:2],
        notice=account_devices.ENDED,
    ),
    member_page("account_devices", "stale", wrong=True, devices=DEVICES, notice=STALE_FORM),
    member_page("account_password", "first"),
    member_page("account_password", "stale", wrong=True, notice=STALE_FORM),
    member_page("account_password", "wait", wrong=True, notice=WAIT),
    member_page(
        "account_password",
        "changed",
        notice=Notice("done", say("Votre mot de passe est changé"), account_password.BY_MAIL),
    ),
    member_page(
        "account_password",
        "wrong",
        wrong=True,
        errors=(FormError("current", WRONG_PASSWORD),),
    ),
    member_page(
        "account_password",
        "weak",
        wrong=True,
        errors=WEAK,
    ),
    member_page("account_services", "none"),
    member_page("account_services", "accesses", accesses=ACCESSES, visits=VISITS),
    member_page("account_services", "visits", visits=VISITS),
    member_page(
        "account_services",
        "taken-back",
        notice=account_services.TAKEN_BACK,
    ),
    member_page("account_activity", "nothing"),
    member_page("account_activity", "days", days=ACTIVITY, more_url="/compte/activite?voir=100"),
    member_page("account_email", "of-the-dossier"),
    member_page("account_email", "confirmed", confirmed=True),
    member_page("account_email", "none", receives="", by_letter=True),
    member_page("account_email", "pending", pending=MASK),
    member_page(
        "account_email",
        "recorded",
        waits="a***te@l*****.example",
        stands_at=moment(datetime(2026, 12, 3, 13, 32, tzinfo=UTC)),
        notice=account_email.RECORDED,
    ),
    member_page(
        "account_email",
        "wrong",
        wrong=True,
        errors=(address_code.NO_ADDRESS,),
        typed="anne@",
    ),
    member_page("account_email", "wait", wrong=True, notice=MANY_CODES),
    member_page("account_email", "over", wrong=True, notice=address_code.OVER),
    member_page("account_email_code", "first"),
    member_page(
        "account_email_code",
        "wrong",
        wrong=True,
        errors=(address_code.WRONG,),
    ),
    member_page("account_freeze", "letter"),
    member_page("account_freeze", "no-address", letter_by=""),
    member_page("account_freeze", "stale", wrong=True, notice=STALE_FORM),
    member_page("account_frozen", "letter"),
    member_page("account_frozen", "no-address", letter_by="", support_phone=""),
    member_page("confirmation", "first"),
    member_page("confirmation", "stale", wrong=True, notice=STALE_FORM),
    member_page(
        "confirmation",
        "wrong",
        wrong=True,
        errors=(FormError("password", WRONG_PASSWORD),),
    ),
    member_page("confirmation", "wait", wrong=True, notice=WAIT),
    member_page("confirmation", "franceconnect", franceconnect_url="/franceconnect?pour=confirm"),
    member_page(
        "confirmation",
        "franceconnect-alone",
        franceconnect_url="/franceconnect?pour=confirm",
        password_answers=False,
    ),
    member_page(
        "confirmation",
        "somebody-else",
        wrong=True,
        notice=NOTICES[Said.SOMEBODY_ELSE],
        franceconnect_url="/franceconnect?pour=confirm",
    ),
    member_page("account_franceconnect", "none"),
    member_page("account_franceconnect", "linked", **LINKED),
    member_page("account_franceconnect", "linked-no-password", **LINKED, has_password=False),
    member_page(
        "account_franceconnect",
        "just-linked",
        **LINKED,
        notice=NOTICES[Said.LINKED],
    ),
    member_page(
        "account_franceconnect",
        "unlinked",
        notice=account_franceconnect.UNLINKED,
    ),
    member_page(
        "account_franceconnect",
        "unlinked-no-password",
        notice=account_franceconnect.UNLINKED_NO_PASSWORD,
        has_password=False,
    ),
    member_page(
        "account_franceconnect",
        "refused",
        wrong=True,
        notice=NOTICES[Said.NOT_LINKED],
    ),
    member_page("account_franceconnect_identity", "first"),
    member_page("account_franceconnect_identity", "stale", wrong=True, notice=STALE_FORM),
    member_page("franceconnect_dossier", "two"),
    member_page("franceconnect_dossier", "alone", service_name=""),
    member_page(
        "franceconnect_dossier",
        "none-chosen",
        wrong=True,
        errors=(franceconnect_dossier.NONE_CHOSEN,),
    ),
    member_page("franceconnect_dossier", "stale", wrong=True, notice=STALE_FORM),
    member_page("franceconnect_proof", "first"),
    member_page("franceconnect_proof", "alone", service_name="", support_phone=""),
    member_page(
        "franceconnect_proof", "refused", wrong=True, form=TYPED, errors=(Fault("", REFUSAL),)
    ),
    member_page(
        "franceconnect_proof",
        "slip",
        wrong=True,
        form=TYPED,
        errors=(Fault("", REFUSAL),),
        slip=True,
    ),
    member_page(
        "franceconnect_proof",
        "empty",
        wrong=True,
        errors=(
            Fault("qualite", "Choisissez « Affilié » ou « Ayant droit »."),
            Fault("numero", "Saisissez votre numéro de dossier."),
            Fault("password", "Saisissez votre mot de passe."),
        ),
    ),
    member_page("franceconnect_proof", "robot", wrong=True, errors=(ROBOT,), challenge=CHALLENGE),
    member_page("franceconnect_proof", "wait", wrong=True, notice=WAIT),
    account_choice("named"),
    account_choice("without-name", name="", service_name=LONG_NAME),
    account_choice("stale", wrong=True, notice=STALE_FORM),
    account_choice("of-an-application", service_name=LONG_NAME, on_device=True),
    account_choice("long-name", name="Marie-Clémentine de La Rochefoucauld-Montmorency"),
    consent("first"),
    consent(
        "all",
        policy_uri="https://agenda.example/confidentialite",
        tos_uri="https://agenda.example/conditions",
        keeps_access=True,
    ),
    consent("policy-alone", policy_uri="https://agenda.example/confidentialite"),
    consent("more", gifts=GIFTS[2:3], granted=["Vous reconnaître", "Votre identité"]),
    consent(
        "long-words",
        service_name=LONG_NAME,
        service_host="declaration-des-revenus.anticonstitutionnellement.regularises.example",
        name="",
    ),
    consent("stale", wrong=True, notice=STALE_FORM),
    consent("application", service_host=""),
    State(
        "logout-confirm",
        "pages/logout_confirm.html",
        {
            "action": "/deconnexion",
            "csrf": "c5f",
            "fields": [("state", "s"), ("client_id", "cotisations")],
            "service_name": "Mes cotisations",
        },
    ),
    State(
        "logout-confirm-alone",
        "pages/logout_confirm.html",
        {"action": "/deconnexion", "csrf": "c5f", "fields": [], "service_name": ""},
    ),
    State(
        "logged-out",
        "pages/logged_out.html",
        {
            "service_name": "Mes cotisations",
            "link": "https://service.example/",
            "link_label": "Revenir au service",
        },
    ),
    State(
        "logged-out-alone",
        "pages/logged_out.html",
        {"service_name": "", "link": "/connexion", "link_label": "Se connecter à nouveau"},
    ),
    State(
        "logged-out-frames",
        "pages/logged_out.html",
        {
            "service_name": "Mes cotisations",
            "link": "https://service.example/",
            "link_label": "Revenir au service",
            "frames": FRAMES,
        },
    ),
    State(
        "logging-out",
        "pages/logging_out.html",
        {
            "service_name": "Mes cotisations",
            "onward": "https://service.example/au-revoir?state=s",
            "frames": FRAMES,
            "franceconnect": False,
        },
    ),
    *(
        State(
            f"logging-out-franceconnect{name}",
            "pages/logging_out.html",
            {
                "service_name": service,
                "onward": "https://franceconnect.example/session/end",
                "frames": (),
                "franceconnect": True,
            },
        )
        for name, service in (("", "Mes cotisations"), ("-alone", ""))
    ),
    State(
        "to-franceconnect",
        "pages/to_franceconnect.html",
        {"service_name": "Mes cotisations", "onward": "/franceconnect?demande=s"},
    ),
    State(
        "expired",
        "pages/expired.html",
        {"link": "/connexion", "link_label": "Aller à la page de connexion"},
    ),
    *(
        legal(page, name, filled)
        for page in ("accessibility", "legal_notices", "personal_data")
        for name, filled in (("to-fill", Legal()), ("filled", FILLED))
    ),
    legal(
        "accessibility",
        "audited",
        FILLED,
        audit=AUDIT,
        audited_on=in_words(date(2026, 3, 3), year=True),
        accessibility_state="partiellement conforme",
    ),
    legal("personal_data", "more", FILLED, privacy_url="https://caisse.example/confidentialite"),
]

LEAVING = ("pages/logging_out.html", "pages/to_franceconnect.html")
STAYING = [state for state in STATES if state.page not in LEAVING]
"""Those that a browser stays on; ``browser/test_frontchannel_logout.py`` holds the others up."""


def pages_app(catalogues: Mapping[str, Catalogue] | None = None) -> Flask:
    """Make an application that renders templates strictly and serves nothing but static files."""
    app = Flask("idp", static_folder=str(STATIC), template_folder=str(ROOT / "templates"))
    app.jinja_env.undefined = StrictUndefined
    language.register(app, catalogues or read_catalogues(PACKAGE / "locales"))
    assets = Assets(STATIC, Theme())
    assets.register(app)
    app.jinja_env.globals["asset"] = lambda name: request.script_root + assets(name)
    return app


APP = pages_app()


def source(state: State, tag: str = "fr") -> str:
    """Render a state, in one of ``LANGUAGES``."""
    with APP.test_request_context(query_string={language.SWITCH: tag}):
        return render(state)


def render(state: State) -> str:
    """Render a state inside a request, in the language that it asks for."""
    context = said(FRAME | state.context)
    if logo := context.get("service_logo"):
        context["service_logo"] = request.script_root + logo  # the preview stands under a path
    return render_template(state.page, **context)


def said(value: Any) -> Any:  # Any: whatever a view gives
    """Make sentences of the French words that views have as sentences, however deep they stand."""
    if isinstance(value, str):
        return say(value) if value in SENTENCES else value
    if isinstance(value, dict):
        return {name: said(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(said(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type | Sentence):
        changed = {one.name: said(getattr(value, one.name)) for one in fields(value)}
        return type(value)(**changed)
    return value


def sentences() -> frozenset[str]:
    """Every French sentence that the English catalogue knows, values apart."""
    with (PACKAGE / "locales" / "en" / "LC_MESSAGES" / "messages.po").open("rb") as source:
        known = [message.id for message in read_po(source)]
    return frozenset(key for key in known if isinstance(key, str) and key[:1].isupper())


SENTENCES = sentences()


def named(name: str) -> State:
    """Find a state by its name."""
    return next(state for state in STATES if state.name == name)
