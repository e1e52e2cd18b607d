"""What the states show: invented people, devices, services, waits."""

from __future__ import annotations

from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from typing import Any

from demo.preview.states.shapes import Access
from demo.preview.states.shapes import Device
from demo.preview.states.shapes import Dossier
from demo.preview.states.shapes import Gift
from demo.preview.states.shapes import LoginForm
from demo.preview.states.shapes import Row
from demo.preview.states.shapes import ServiceVisit
from idp.identity.anti_robot import Challenge
from idp.identity.audit_trail import PastEvent
from idp.identity.franceconnect_links import Rule
from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaReached
from idp.identity.working_days import in_words
from idp.legal import Audit
from idp.legal import Legal
from idp.sentence import counted
from idp.sentence import say
from idp.session import Place
from idp.web import account_devices
from idp.web import account_franceconnect
from idp.web import address_code
from idp.web import confirmation
from idp.web import reset
from idp.web.account_topics import day
from idp.web.account_topics import moment
from idp.web.activity_words import days_of
from idp.web.login_form import FormError
from idp.web.login_form import wait_notice
from idp.web.password_faults import sentence

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
    | {
        "action": "/compte/mot-de-passe",
        "numero_end": "67",
        "minimum": 12,
        "has_password": True,
    },
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
    | {
        "action": "/compte/ce-n-etait-pas-moi",
        "letter_by": in_words(date(2026, 12, 4)),
        "unlinks": False,
    },
    "account_frozen": {"letter_by": in_words(date(2026, 12, 4))},
    "account_services": OWN_PAGE | {"action": "/compte/services", "accesses": [], "visits": []},
    "confirmation": OWN_PAGE
    | {
        "action": "/compte/confirmation",
        "page": "/compte/mes-donnees",
        "qualite_label": "Ayant droit",
        "numero_end": "89",
        "franceconnect_url": "",
        "franceconnect_away": False,
        "password_answers": True,
        "freezes": False,
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
