"""How the demo services say what they received, in French."""

import json
from datetime import UTC
from datetime import datetime

QUALITES = {"affilie": "Affilié", "ayant_droit": "Ayant droit"}
SITUATIONS = {
    "cotisant": "Cotisant",
    "rente_invalidite": "Rente d’invalidité",
    "retraite_personnelle": "Retraite personnelle",
    "cumul_emploi_retraite": "Cumul emploi-retraite",
    "reversion": "Pension de réversion",
    "rente_survie": "Rente de survie",
    "rente_education": "Rente d’éducation",
}
REFUSALS = {
    "login_required": "Votre session est terminée : il faut vous identifier à nouveau.",
    "access_denied": "La connexion a été interrompue avant la fin.",
    "temporarily_unavailable": "Le service de connexion est momentanément indisponible.",
}
PRIVACY = (
    "Toutes les personnes de cette démonstration sont inventées, et rien ne quitte cet ordinateur."
    " La vérification « Je ne suis pas un robot » est servie par le site lui-même : personne"
    " d’autre n’apprend votre visite."
)
TERMS = (
    "Cette démonstration n’engage à rien. La caisse met ici les conditions d’utilisation de son"
    " espace personnel."
)
EPOCHS = frozenset({"auth_time", "exp", "iat", "nbf", "updated_at"})
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip


def day(written: str) -> str:
    """Write a date of birth in words; a year alone stays a year."""
    parts = written.split("-")
    if len(parts) != 3:  # OpenID Connect lets a date be a year
        return written
    year, month, number = (int(part) for part in parts)
    return f"{'1er' if number == 1 else number} {_MONTHS[month - 1]} {year}"


def shown(value: object, name: str) -> str:
    """Write one claim for a curious reader; an instant also as a date."""
    if isinstance(value, str):
        return value
    if name in EPOCHS and isinstance(value, int | float):
        return f"{value} ({datetime.fromtimestamp(value, UTC):%d/%m/%Y %H:%M:%S} UTC)"
    return json.dumps(value, ensure_ascii=False)
