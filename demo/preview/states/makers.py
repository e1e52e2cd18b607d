"""A state in one line: what most states of a page have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from demo.preview.states.samples import GIFTS
from demo.preview.states.samples import MEMBER_PAGES
from demo.preview.states.samples import ROWS
from demo.preview.states.shapes import SIGNED_IN
from demo.preview.states.shapes import LoginForm
from demo.preview.states.shapes import State
from idp.identity.working_days import hour_in_words
from idp.legal import Legal
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import errors
from idp.web.kept import kept_of_a_person
from idp.web.legal import cookies


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
