"""What each scope gives, in the words of a letter, and what it would tell today."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from idp.identity.dossier import Situation
from idp.identity.mask import mask_email
from idp.oidc.claims import userinfo_claims
from idp.web.member import Member

NOTHING = "nous ne l’avons pas, rien n’est transmis"

SITUATIONS: Mapping[str, str] = {
    Situation.COTISANT: "cotisant",
    Situation.RENTE_INVALIDITE: "rente invalidité",
    Situation.RETRAITE_PERSONNELLE: "retraite personnelle",
    Situation.CUMUL_EMPLOI_RETRAITE: "cumul emploi-retraite",
    Situation.REVERSION: "réversion",
    Situation.RENTE_SURVIE: "rente de survie",
    Situation.RENTE_EDUCATION: "rente d’éducation",
}


@dataclass(frozen=True, slots=True)
class Gift:
    """One thing that a service is given.

    Attributes:
        example: what it would be told today, masked as far as it is not the person's name; or "".
    """

    title: str
    gives: str
    example: str = ""


def title_of(scope: str) -> str:
    """Name what a scope gives; one of an API by its own word."""
    return _TITLES.get(scope, f"Un accès à un autre service : {scope}")


def gifts(scope: Iterable[str], member: Member, *, days: int) -> list[Gift]:
    """Say what scopes give of a member; ``days`` is how long ``offline_access`` lasts."""
    return [
        Gift(
            title_of(word),
            _GIVES.get(word, _API).format(days=days),
            _EXAMPLES[word](member) if word in _EXAMPLES else "",
        )
        for word in scope
    ]


_TITLES = {
    "openid": "Vous reconnaître",
    "profile": "Votre identité",
    "email": "Votre adresse mail",
    "address": "Votre adresse postale",
    "phone": "Votre numéro de téléphone",
    "dossier": "Votre dossier",
    "offline_access": "Garder cet accès en votre absence",
}

_API = "Ce service pourra s’en servir en votre nom, pendant que vous l’utilisez."

_GIVES = {
    "openid": "Un code qui vous désigne sans dire qui vous êtes, et l’heure de votre connexion.",
    "profile": "Vos nom et prénoms, votre sexe et votre date de naissance.",
    "email": "Celle que nous connaissons.",
    "address": "Celle que nous connaissons, sans votre nom.",
    "phone": "Celui que nous connaissons.",
    "dossier": "Votre qualité, votre numéro de dossier en entier et votre situation.",
    "offline_access": "Ce service pourra relire ces informations quand vous n’êtes pas là, sans"
    " vous le redemander, pendant {days} jours au plus.",
}


def _identity(member: Member) -> str:
    born = str(userinfo_claims(member.subject, ("profile",)).get("birthdate", ""))
    if len(born) == len("2026-11-24"):
        born = f"{date.fromisoformat(born):%d/%m/%Y}"
    return ", ".join(part for part in (member.name, born) if part) or NOTHING


def _email(member: Member) -> str:
    return mask_email(member.subject.email) or NOTHING


def _town(member: Member) -> str:
    address = userinfo_claims(member.subject, ("address",)).get("address")
    if not isinstance(address, dict):
        return NOTHING
    town = f"{address.get('postal_code', '')} {address.get('locality', '')}".strip()
    return town or address["formatted"].splitlines()[-1]


def _phone(member: Member) -> str:
    number = str(userinfo_claims(member.subject, ("phone",)).get("phone_number", ""))
    return f"le numéro qui se termine par {number[-2:]}" if number else NOTHING


def _dossier(member: Member) -> str:
    told = [SITUATIONS.get(name, name) for name in member.subject.situations]
    return ", ".join((member.qualite_label, f"numéro terminé par {member.numero_end}", *told))


_EXAMPLES: Mapping[str, Callable[[Member], str]] = {
    "profile": _identity,
    "email": _email,
    "address": _town,
    "phone": _phone,
    "dossier": _dossier,
}
