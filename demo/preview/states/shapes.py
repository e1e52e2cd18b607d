"""What stands in for what views give: a form, a fault, a row; and a state itself."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from idp.sentence import Sentence
from idp.web.account_topics import moment

ROOT = Path(__file__).parents[3]
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
